"""Who is meant by a player's name: its account number and its rows, asked of the DC or, when that is stopped, of its
file."""

from typing import Any

from mesh.protocol.records import ReadRecords, Records
from mesh.topology import Topology
from tools.ctl.asking import first
from tools.ctl.commands.db_data import data_of
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.offline import run_offline

NAMES = "names"  # the DC's table: name in lower case -> account
CANDIDATES = 200
DAMAGED = "damaged"  # in place of what a row says: what is wrong with it
DIGITS_MAX = 18  # of an account's number, which has 63 bits


async def account_of(topology: Topology, player: str, runs: bool) -> int:
    """A number is taken as it is."""
    if player.isascii() and player.isdigit() and len(player) <= DIGITS_MAX:
        return int(player)
    prefix = player.lower()
    found = await _names(topology, prefix, runs)
    if prefix in found:
        return found[prefix]
    close = found or await _names(topology, prefix[:1], runs)
    guess = did_you_mean(prefix, list(close)[:10])
    raise CommandError(f"there is no player {player or repr(player)}{guess}", Exit.NOT_FOUND)


async def _names(topology: Topology, prefix: str, runs: bool) -> dict[str, int]:
    if runs:
        answer = await first(topology, "dc", ReadRecords(NAMES, prefix, CANDIDATES), Records)
        return _accounts(prefix, dict(answer.rows))
    value, _ = run_offline("dc", "get", data_of(topology), [NAMES, prefix, "--limit", str(CANDIDATES)])
    return _accounts(prefix, {row["key"]: row for row in value["rows"]})


def _accounts(name: str, rows: dict[str, dict[str, Any]]) -> dict[str, int]:
    """By name. One that is damaged is left out, unless it may be the one that is asked for: its name may be wrong."""
    good = {key: int(row["account"]) for key, row in rows.items() if DAMAGED not in row}
    if name not in good:
        for key, row in rows.items():
            _whole(NAMES, key, row)
    return good


def _whole(table: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    if DAMAGED in row:
        raise CommandError(f"{table} {key}: {row[DAMAGED]}; `mesh db verify` finds everything", Exit.CHECK_FAILED)
    return row


async def row_of(topology: Topology, table: str, account: int, runs: bool) -> dict[str, Any]:
    """The account's row of a table of the DC; empty when it has none."""
    if runs:
        answer = await first(topology, "dc", ReadRecords(table, str(account), CANDIDATES), Records)
        return _whole(table, str(account), next((row for key, row in answer.rows if key == str(account)), {}))
    value, _ = run_offline("dc", "get", data_of(topology), [table, str(account), "--limit", str(CANDIDATES)])
    return _whole(table, str(account), next((row for row in value["rows"] if row["key"] == str(account)), {}))
