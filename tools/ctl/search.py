"""Players whose names begin alike: those in the world, as the centers of all zones say, and the others, as the DC keeps
them or, when that is stopped, its file does."""

import msgspec

from mesh.errors import RefusedError
from mesh.protocol.placement import FindPlayers, PlayersFound
from mesh.protocol.records import ReadRecords, Records
from mesh.topology import Topology, zone_in
from tools.ctl.asking import first, gather
from tools.ctl.commands.db_data import data_of
from tools.ctl.offline import run_offline
from tools.ctl.output import say, short
from tools.ctl.players import DAMAGED, NAMES

ANSWER_S = 3.0
ACCOUNTS = "accounts"
OFFLINE = "offline"


class PlayerRow(msgspec.Struct, frozen=True):
    """One of them, as --json prints it. Of one that is not in the world nothing is said of where it is."""

    name: str
    account: int
    stage: str
    zone: str = ""
    map: str = ""
    line: int = 0
    scene: str = ""
    gate: str = ""
    muted_until_s: int = 0
    banned_until_s: int = 0


async def search(topology: Topology, prefix: str, limit: int, runs: bool) -> tuple[list[PlayerRow], bool]:
    """At most so many, in the order of their names, and whether there are more."""
    kept, more = await _kept(topology, prefix, limit, runs)
    present, more_present = await _present(topology, prefix, limit) if runs else ([], False)
    return merged(kept, present, limit, more or more_present)


def merged(kept: list[PlayerRow], present: list[PlayerRow], limit: int, more: bool) -> tuple[list[PlayerRow], bool]:
    """Of one that is in both, where it is counts, and its ban, of which no center knows."""
    found = {row.account: row for row in kept}
    for row in present:
        known = found.get(row.account)
        banned = known.banned_until_s if known is not None else 0
        found[row.account] = msgspec.structs.replace(row, banned_until_s=banned)
    rows = sorted(found.values(), key=lambda row: row.name.lower())
    return rows[:limit], more or len(rows) > limit


async def _present(topology: Topology, prefix: str, limit: int) -> tuple[list[PlayerRow], bool]:
    centers = [topology.center_of(zone).name for zone in topology.zones]
    answers = await gather(topology, centers, FindPlayers(prefix, limit), PlayersFound, ANSWER_S)
    rows: list[PlayerRow] = []
    more = False
    for center, answer in answers.items():
        if not isinstance(answer, PlayersFound):
            why = answer.text if isinstance(answer, RefusedError) else answer
            say(f"mesh: {short(center)} did not answer, who is in its zone is shown as {OFFLINE}: {why}")
            continue
        more |= answer.more
        rows += [
            PlayerRow(
                one.name, one.account, one.stage, zone_in(center), one.placement.map, one.placement.line,
                one.placement.scene, one.gate, one.muted_until_s,
            )
            for one in answer.players
        ]  # fmt: skip
    return rows, more


async def _kept(topology: Topology, prefix: str, limit: int, runs: bool) -> tuple[list[PlayerRow], bool]:
    """Of a prefix in digits the DC would take a table of accounts to be asked for a number: then the names have it, and
    say less."""
    table = NAMES if prefix.isdecimal() else ACCOUNTS
    if runs:
        answer = await first(topology, "dc", ReadRecords(table, prefix, limit), Records)
        rows, more = list(answer.rows), answer.more
    else:
        value, _ = run_offline("dc", "get", data_of(topology), [table, prefix, "--limit", str(limit)])
        rows, more = [(row["key"], row) for row in value["rows"]], value["more"]
    good = [(key, row) for key, row in rows if DAMAGED not in row]
    if table == NAMES:
        return [PlayerRow(key, int(row["account"]), OFFLINE) for key, row in good], more
    return [
        PlayerRow(
            row["name"], int(key), OFFLINE,
            muted_until_s=row.get("muted_until_s", 0), banned_until_s=row.get("banned_until_s", 0),
        )
        for key, row in good
    ], more  # fmt: skip
