"""`mesh data sample`: a lake of believable data."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.lake.disk import Disk, put
from mesh.lake.lake import Lake
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import json_option
from tools.ctl.output import emit_json, say
from tools.data.where import need

NOTE = "sample.json"
DAY_S = 86_400
EVENTS_MAX = 2_000_000_000
UNITS = {"K": 1_000, "M": 1_000_000}


class Count(click.ParamType[int]):
    """200000, 200K or 10M."""

    name = "count"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).upper()
        number = text.rstrip("KM")
        unit = text[len(number) :]
        if not number.isascii() or not number.isdigit() or unit not in ("", *UNITS):
            self.fail(f"{value!r} is not a number of events: write 200000, 200K or 10M", param, ctx)
        count = int(number) * UNITS.get(unit, 1)
        if not 0 < count <= EVENTS_MAX:
            self.fail(f"{value!r} is not between 1 and {EVENTS_MAX:,}", param, ctx)
        return count


@click.command()
@click.option(
    "--lake", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="FOLDER", help="Where to."
)
@click.option("--days", type=click.IntRange(1, 1000), default=30, show_default=True)
@click.option("--players", type=click.IntRange(20, 10_000_000), default=50_000, show_default=True)
@click.option("--events", type=Count(), default="10M", show_default=True, help="About so many.")
@click.option("--cheaters", type=click.IntRange(0, 1000), default=12, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Another one, another world.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC); with the seed it decides everything. "
    "Default: yesterday.",
)  # fmt: skip
@json_option
def sample(
    lake: Path, days: int, players: int, events: int, cheaters: int, seed: int, until: datetime | None, as_json: bool
) -> int:
    """Make a lake of believable data, to try the reports on: a daily and weekly rhythm, players who come back or do
    not, levels, gold with its ledger, and some cheaters.

    Who the cheaters are is printed at the end and kept in sample.json. Then: `mesh data report daily --lake FOLDER`.

    Exit codes: 0, 1 the folder has something in it already, or cannot be written.
    """
    need("pyarrow", "numpy")
    from tools.data.sample.making import make_sample
    from tools.data.sample.plan import Plan, cheaters_of

    if lake.exists() and any(lake.iterdir()):
        raise CommandError(f"{lake} is not empty: name a new folder")
    wall = SystemClock().wall()
    last = until.replace(tzinfo=UTC).timestamp() + DAY_S if until else wall // DAY_S * DAY_S
    plan = Plan(days, players, events, seed, int(last) * 1000, cheaters_of(cheaters))
    wall_ms = int(wall * 1000)

    def tell(day: int) -> None:
        if (day + 1) % 5 == 0 or day + 1 == days:
            say(f"mesh: day {day + 1} of {days}")

    with Lake(lake.absolute(), wall_ms, Disk(durable=False)) as opened:
        made = make_sample(opened, plan, wall_ms, tell)
        size = opened.manifest.bytes
    put(Disk(), lake.absolute() / NOTE, msgspec.json.format(msgspec.json.encode({"plan": plan, "made": made})))
    if as_json:
        emit_json({"plan": plan, "made": made, "bytes": size})
        return Exit.OK
    say(
        f"mesh: {made.events:,} events of {made.players:,} players in {made.sessions:,} sessions, "
        f"{size / (1 << 20):,.0f} MiB"
    )
    say(f"mesh: cheaters: {_listed('bots', made.bots)}; {_listed('loot too much', made.rich)}")
    say(f"mesh: {_listed('collect the gold of bots', made.collectors)}; {_listed('forged gold', list(made.forged))}")
    say(f"mesh: mesh data report daily --lake {lake}")
    return Exit.OK


def _listed(what: str, accounts: list[int]) -> str:
    return f"{what}: {', '.join(map(str, accounts)) or 'none'}"
