"""`mesh data report`: a ready report in the terminal, as JSON, or as one HTML file."""

from pathlib import Path

import rich_click as click

from mesh.clock import SystemClock
from mesh.lake.manifest import Manifest
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, json_option
from tools.ctl.output import emit_json, say
from tools.ctl.when import parse_when
from tools.data.limits import limit_options, parse_limits
from tools.data.model import DAY_MS, Period
from tools.data.reports.catalogue import REPORTS
from tools.data.views import Views, first_ms, last_ms
from tools.data.where import known, lake_option, need, place_of

DAYS = 30
DAYS_MAX = 3660

NAMES = "\n".join(f"{name}: {text}." for name, text in REPORTS.items())


@click.command(
    help=f"""Show a ready report: of the last {DAYS} days of the data, or of others.

\b
{NAMES}

Days are UTC. Something that does not add up is red, and the exit code is 0 all the same.

Exit codes: 0, 1 it takes more memory than it may, 3 there is no lake, or no event in that time, 5 time-out."""
)
@click.argument("name", type=click.Choice(list(REPORTS)), metavar="NAME")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), help=f"So many, up to --until. Default: {DAYS}.")
@click.option("--since", metavar="WHEN", help="The first day: 7d (ago), 2025-01-31.")
@click.option("--until", metavar="WHEN", help="The last day, likewise. Default: the last one of the data.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it as a page with charts."
)
@limit_options("10m")
@lake_option
@json_option
@click.pass_obj
def report(
    environment: Environment, name: str, days: int | None, since: str | None, until: str | None, html: Path | None,
    memory: str, threads: int, timeout: str, cluster: str | None, lake: Path | None, as_json: bool,
) -> int:  # fmt: skip
    need("duckdb")
    from tools.data.desk import Desk, Limits, answer
    from tools.data.page import page_of
    from tools.data.reports.catalogue import maker
    from tools.data.terminal import draw

    place, limits = place_of(environment, cluster, lake), Limits(*parse_limits(memory, threads, timeout))
    manifest = known(place)
    period = period_of(manifest, days, since, until)
    with Desk(place.folder, manifest, limits, Views.TABLES) as desk:
        made = answer(desk, lambda: maker(name)(desk, period))
    if html is not None:
        html.write_text(page_of(made, str(place.folder)), encoding="utf-8")
        say(f"mesh: {html}")
    if as_json:
        emit_json(made)
    elif html is None:
        draw(made)
    return Exit.OK


def period_of(manifest: Manifest, days: int | None, since: str | None, until: str | None) -> Period:
    """Whole days. CommandError when there is nothing in them, or too much is said."""
    if days is not None and since is not None:
        raise CommandError("--days or --since", Exit.USAGE)
    first, last = first_ms(manifest), last_ms(manifest)
    if not last:
        raise CommandError("the lake has no events yet", Exit.NOT_FOUND)
    wall = SystemClock().wall()
    end = _day(parse_when(until, wall) if until else last) + DAY_MS
    begin = (
        _day(parse_when(since, wall)) if since else max(end - (days or DAYS) * DAY_MS, min(_day(first), end - DAY_MS))
    )
    if begin >= end or (end - begin) // DAY_MS > DAYS_MAX:
        raise CommandError(f"--since is before --until, by at most {DAYS_MAX} days", Exit.USAGE)
    if end <= first or begin > last:
        raise CommandError(
            "the lake has no events in that time: `mesh data tables` says from when to when", Exit.NOT_FOUND
        )
    return Period(begin, end)


def _day(ms: int) -> int:
    return ms // DAY_MS * DAY_MS
