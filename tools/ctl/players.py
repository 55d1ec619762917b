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
        return {name: int(row["account"]) for name, row in answer.rows}
    value, _ = run_offline("dc", "get", data_of(topology), [NAMES, prefix, "--limit", str(CANDIDATES)])
    return {row["key"]: int(row["account"]) for row in value["rows"]}


async def row_of(topology: Topology, table: str, account: int, runs: bool) -> dict[str, Any]:
    """The account's row of a table of the DC; empty when it has none."""
    if runs:
        answer = await first(topology, "dc", ReadRecords(table, str(account), CANDIDATES), Records)
        return next((row for key, row in answer.rows if key == str(account)), {})
    value, _ = run_offline("dc", "get", data_of(topology), [table, str(account), "--limit", str(CANDIDATES)])
    return next((row for row in value["rows"] if row["key"] == str(account)), {})
