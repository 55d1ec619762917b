"""`mesh data export`: a copy of a lake in another place, that is brought up to date each time."""

from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mesh.lake.columns import HOURLY, TABLES
from mesh.lake.manifest import DataFile, Manifest
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, json_option
from tools.ctl.output import emit_json, say
from tools.data.model import DAY_MS, HOUR_MS
from tools.data.sinks import Sink, sink_of
from tools.data.views import last_ms
from tools.data.where import known, lake_option, place_of

ABOUT = "copy.json"


class Copied(msgspec.Struct):
    """What was done."""

    copied: int = 0
    bytes: int = 0
    there: int = 0  # had been copied before
    removed: int = 0


@click.command()
@click.option("--to", "target", required=True, metavar="FOLDER", help="Where to: a folder.")
@click.option("--days", type=click.IntRange(1), help="Only the events of the last so many days.")
@lake_option
@json_option
@click.pass_obj
def export(
    environment: Environment, target: str, days: int | None, cluster: str | None, lake: Path | None, as_json: bool
) -> int:
    """Copy a lake to another place, or bring a copy up to date: what is new is copied, what is not in the lake any more
    is removed.

    The files are Parquet, by day, hour and zone (`events/day=2025-01-31/hour=14/zone=one/`), as DuckDB, ClickHouse,
    Spark and others read them; copy.json says which columns they have.

    Exit codes: 0, 1 it cannot be written, 2 nothing here writes to such a place, 3 there is no lake.
    """
    sink = sink_of(target)
    place = place_of(environment, cluster, lake)
    done = copy(place.folder, known(place), sink, days)
    if as_json:
        emit_json(done)
    else:
        say(
            f"mesh: {done.copied:,} files copied ({done.bytes / (1 << 20):,.1f} MiB), {done.there:,} were there, "
            f"{done.removed:,} removed"
        )
    return Exit.OK


def copy(folder: Path, manifest: Manifest, sink: Sink, days: int | None = None) -> Copied:
    """First what is new, then the note about it, then away with what is old: whoever reads meanwhile has too much
    rather than too little."""
    wanted = _wanted(manifest, days)
    there, done = set(sink.names()), Copied()
    for file in wanted:
        if file.name in there:
            done.there += 1
            continue
        sink.put(file.name, folder / file.name)
        done.copied, done.bytes = done.copied + 1, done.bytes + file.bytes
    sink.put_text(ABOUT, msgspec.json.format(msgspec.json.encode(_about(wanted))).decode() + "\n")
    for name in sorted(there - {file.name for file in wanted}):
        sink.remove(name)
        done.removed += 1
    return done


def _wanted(manifest: Manifest, days: int | None) -> list[DataFile]:
    first = (last_ms(manifest) // DAY_MS - days + 1) * DAY_MS if days else 0
    return [file for file in manifest.files if file.table not in HOURLY or file.hour * HOUR_MS >= first]


def _about(files: list[DataFile]) -> dict[str, Any]:
    return {
        "zonemesh": "lake",
        "columns": TABLES,
        "files": [{"name": f.name, "rows": f.rows, "oldest_ms": f.oldest_ms, "newest_ms": f.newest_ms} for f in files],
    }
