"""`mesh data tables`: which tables and columns a lake has, from when to when, and what it lacks."""

from pathlib import Path
from typing import Any

import rich_click as click

from mesh.lake.columns import HOURLY, TABLES
from mesh.lake.manifest import Manifest
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, json_option
from tools.ctl.output import console, emit_json, say, table
from tools.ctl.when import show_ms
from tools.data.views import ABOUT, SQL_TYPES, columns_of_kind, first_ms, kinds_with_view, last_ms
from tools.data.where import known, lake_option, place_of

LOSSES_SHOWN = 5
SESSIONS = {
    "account": "BIGINT", "session": "BIGINT", "zone": "VARCHAR", "began": "TIMESTAMP", "ended": "TIMESTAMP",
    "why": "VARCHAR", "is_open": "BOOLEAN",
}  # fmt: skip
PLAYERS = {
    "account": "BIGINT", "joined": "TIMESTAMP", "created": "TIMESTAMP", "first_login": "TIMESTAMP",
    "last_seen": "TIMESTAMP", "sessions": "BIGINT",
}  # fmt: skip


@click.command()
@lake_option
@json_option
@click.pass_obj
def tables(environment: Environment, cluster: str | None, lake: Path | None, as_json: bool) -> int:
    """Show which tables and columns there are, how much is in them, and what could not be read.

    Exit codes: 0, 3 there is no lake.
    """
    place = place_of(environment, cluster, lake)
    manifest = known(place)
    about = describe(manifest) | {"lake": str(place.folder)}
    if as_json:
        emit_json(about)
    else:
        _draw(about)
    return Exit.OK


def describe(manifest: Manifest) -> dict[str, Any]:
    """Everything that the command shows."""
    counts: dict[str, int] = {}
    for file in manifest.files:
        for kind, count in file.kinds.items():
            counts[kind] = counts.get(kind, 0) + count
    rows = {name: sum(file.rows for file in manifest.of_table(name)) for name in TABLES}
    columns = {name: {at: SQL_TYPES[kind] for at, kind in TABLES[name].items()} for name in TABLES}
    columns["deeds"], columns["sessions"], columns["players"] = columns["events"], SESSIONS, PLAYERS
    rows["deeds"], rows["events"] = rows["events"], rows["events"] + rows["moves"]
    found = [
        {"table": name, "about": text, "rows": rows.get(name), "columns": columns[name]} for name, text in ABOUT.items()
    ]
    for kind, seen in kinds_with_view(manifest):
        found.append({"table": kind, "about": "", "rows": counts.get(kind, 0), "columns": columns_of_kind(seen)})
    return {
        "tables": found,
        "since_ms": first_ms(manifest),
        "until_ms": last_ms(manifest),
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "bytes_of_events": sum(file.bytes for file in manifest.files if file.table in HOURLY),
        "losses": [
            {"file": f"{one.folder}/{one.file}", "offset": one.offset, "why": one.why} for one in manifest.losses
        ],
        "losses_unnamed": manifest.losses_unnamed,
        "erased": len(manifest.erased),
    }


def _draw(about: dict[str, Any]) -> None:
    drawn = table("table", "rows", "columns", right=("rows",), folds="columns")
    for one in about["tables"]:
        count = "" if one["rows"] is None else f"{one['rows']:,}"
        names = " ".join(f"{name} {kind.lower()}," for name, kind in one["columns"].items()).rstrip(",")
        drawn.add_row(one["table"], count, f"{one['about']}: {names}" if one["about"] else names)
    console().print(drawn, markup=False)
    if about["until_ms"]:
        say(f"mesh: from {show_ms(about['since_ms'])} to {show_ms(about['until_ms'])}")
    say(
        f"mesh: {about['files']:,} files, {about['bytes'] / (1 << 20):,.1f} MiB in {about['lake']}; "
        "times in SQL are UTC"
    )
    lost = len(about["losses"]) + about["losses_unnamed"]
    if lost:
        say(f"mesh: {lost} places in segments could not be read, and what was there is not in these tables:")
        for one in about["losses"][:LOSSES_SHOWN]:
            say(f"mesh:   {one['file']} at {one['offset']}: {one['why']}")
