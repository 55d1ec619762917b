"""`mesh data prune`: the oldest hours of a lake go, by age or by size."""

from pathlib import Path

import rich_click as click

from mesh.clock import SystemClock
from mesh.lake.lake import Lake
from mesh.lake.pruning import prune as prune_lake
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, json_option
from tools.ctl.output import emit_json, say
from tools.data.where import known, lake_option, place_of

UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Size(click.ParamType[int]):
    """500M, 20G, 2T as bytes."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).upper().removesuffix("B").removesuffix("I")
        number, unit = text[:-1], text[-1:]
        if unit not in UNITS or not number.isascii() or not number.isdigit() or not int(number):
            self.fail(f"{value!r} is not a size: write 500M, 20G or 2T", param, ctx)
        return int(number) * UNITS[unit]


@click.command()
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Keep the hours of so many days.")
@click.option("--size", type=Size(), metavar="SIZE", help="Keep the newest hours, at most so much: 500M, 20G.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@lake_option
@json_option
@click.pass_obj
def prune(
    environment: Environment, days: float | None, size: int | None, yes: bool, cluster: str | None, lake: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Delete the oldest hours of events from a lake. The ledger stays, and so does the log of the log nodes, which has
    a retention of its own.

    The compactions of a cluster do this by themselves (lake_days and lake_bytes of [settings.log]).

    Exit codes: 0, 1 the lake is being written, 2 neither --days nor --size, 3 there is no lake.
    """
    if days is None and size is None:
        raise CommandError("say what is to be kept: --days, --size or both", Exit.USAGE)
    place = place_of(environment, cluster, lake)
    known(place)
    if not yes:
        click.confirm(f"Delete the oldest hours of {place.folder}?", abort=True, err=True)
    wall_ms = int(SystemClock().wall() * 1000)
    with Lake(place.folder, wall_ms, wait=True) as opened:
        opened.clear_retired(wall_ms)
        done = prune_lake(opened, wall_ms, days or 0.0, size or 0, at_once=True)
    if as_json:
        emit_json(done)
    else:
        say(f"mesh: {done.rows:,} events in {done.files:,} files are gone, {done.bytes / (1 << 20):,.1f} MiB")
    return Exit.OK
