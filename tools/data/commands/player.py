"""`mesh data player`: one player's history, out of the whole lake."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.lake.columns import FIELDS, HOURLY, KIND_OF_MOVES, MOVED
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, json_option
from tools.ctl.output import console, emit_json, say, short, table
from tools.ctl.players import DIGITS_MAX, account_of
from tools.ctl.when import parse_when, show_ms
from tools.data.limits import limit_options, parse_limits
from tools.data.views import Views, reading
from tools.data.where import Place, known, lake_option, need, place_of

LIMIT_MAX = 1_000_000
FOREVER_MS = 4_102_444_800_000  # 2100

NAMED = "SELECT account FROM deeds WHERE kind = 'enter' AND lower(name) = $name ORDER BY ts DESC LIMIT 1"
FOUND = """
    CREATE TEMP TABLE found AS SELECT * FROM ({source})
    WHERE account = {account} AND ts >= make_timestamp({since} * 1000) AND ts <= make_timestamp({until} * 1000)"""
HAS = "SELECT DISTINCT file FROM ({index}) WHERE account ="
KINDS = "SELECT kind, count(*) FROM found GROUP BY kind ORDER BY count(*) DESC, kind"
NEWEST = """
    SELECT epoch_ms(ts), kind, zone, node, fields, {columns} FROM found ORDER BY ts DESC, incarnation, number DESC
    LIMIT $limit"""


@click.command()
@click.argument("player", metavar="NAME|ID")
@click.option("--moves", is_flag=True, help="Also the ways that the player walked.")
@click.option("--since", metavar="WHEN", help="10m, 2h, 3d (ago), 14:30, 2025-01-31 or 2025-01-31T14:30.")
@click.option("--until", metavar="WHEN", help="The same.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="The newest so many."
)
@limit_options("60s")
@lake_option
@json_option
@click.pass_obj
def player(
    environment: Environment, player: str, moves: bool, since: str | None, until: str | None, limit: int, memory: str,
    threads: int, timeout: str, cluster: str | None, lake: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Show one player's history: what it did, oldest first, out of everything that the lake has.

    What is not in the lake yet, `mesh events --player` has.

    Exit codes: 0 also when nothing was found, 3 no such player or lake, 5 time-out.
    """
    need("duckdb")
    from tools.data.desk import Desk, Limits, answer

    wall = SystemClock().wall()
    span = parse_when(since, wall) if since else 0, parse_when(until, wall) if until else FOREVER_MS
    place, limits = place_of(environment, cluster, lake), Limits(*parse_limits(memory, threads, timeout))
    manifest = known(place)
    account = account_in_cluster(place, player)
    views = Views.TABLES if account is None else Views.NONE
    with Desk(place.folder, manifest, limits, views) as desk:
        who = account if account is not None else answer(desk, lambda: account_in_lake(desk, player))
        kinds, events = answer(desk, lambda: history(desk, who, span, limit, moves=moves))
    if as_json:
        emit_json({"account": who, "kinds": kinds, "events": events})
    else:
        _draw(who, kinds, events)
    return Exit.OK


def account_in_cluster(place: Place, player: str) -> int | None:
    """A number as it is; a name by the DC. None when there is no cluster to ask."""
    if player.isascii() and player.isdigit() and len(player) <= DIGITS_MAX:
        return int(player)
    if place.topology is None:
        return None
    return asyncio.run(account_of(place.topology, player, place.running is not None))


def account_in_lake(desk: Any, player: str) -> int:
    """By the name with which it last entered a map."""
    found = desk.rows(NAMED, name=player.lower())
    if not found:
        raise CommandError(f"nobody called {player} was ever on a map, as far as the lake knows", Exit.NOT_FOUND)
    return int(found[0][0])


def history(
    desk: Any, account: int, span: tuple[int, int], limit: int, *, moves: bool
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """How many events of each kind, and the newest ones, oldest first."""
    since, until = span
    desk.run(FOUND.format(source=_source(desk, account, moves), account=account, since=max(0, since), until=until))
    names = [*FIELDS, *(MOVED if moves else ())]
    rows = desk.rows(NEWEST.format(columns=", ".join(names)), limit=limit)
    events = []
    for at_ms, kind, zone, node, rest, *values in reversed(rows):
        fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if rest:
            fields |= msgspec.json.decode(rest)
        events.append({"at_ms": at_ms, "kind": kind, "zone": zone, "node": node, "fields": fields})
    return dict(desk.rows(KINDS)), events


def _source(desk: Any, account: int, moves: bool) -> str:
    """The files that may have something of this account: by the index, and those that it does not name."""
    manifest = desk.manifest
    index = manifest.of_table("index")
    named = set()
    if index:
        named = {row[0] for row in desk.rows(f"{HAS.format(index=reading(desk.folder, 'index', index))} {account}")}
    parts = []
    for name in HOURLY if moves else HOURLY[:1]:
        files = [file for file in manifest.of_table(name) if not file.is_indexed or file.number in named]
        kind = f"'{KIND_OF_MOVES}' AS kind, " if name == "moves" else ""
        parts.append(f"SELECT {kind}* FROM ({reading(desk.folder, name, files)})")
    return " UNION ALL BY NAME ".join(parts)


def _draw(account: int, kinds: dict[str, int], events: list[dict[str, Any]]) -> None:
    drawn = table("time", "kind", "zone", "node", "fields", folds="fields")
    for event in events:
        fields = " ".join(f"{key}={_plain(value)}" for key, value in event["fields"].items())
        drawn.add_row(show_ms(event["at_ms"]), event["kind"], event["zone"], short(event["node"]), fields)
    if events:
        console().print(drawn, markup=False)
    total = sum(kinds.values())
    more = f", the newest {len(events):,} shown: --limit" if total > len(events) else ""
    say(f"mesh: account {account}: {total:,} events{more}")
    if kinds:
        say("mesh: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
