"""The command `mesh bots`: flags as Locust has them, a verdict, and documented exit codes."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click
from click import get_current_context
from click.core import ParameterSource
from rich.console import Console, RenderableType

from mesh.clock import SystemClock
from tools.bots import flags as may
from tools.bots.accounts import create_accounts
from tools.bots.actions import check_wishes
from tools.bots.course import Course
from tools.bots.htmlreport import limit_page, run_page
from tools.bots.live import Lines, Redrawn
from tools.bots.objective import DEFAULT as OBJECTIVE
from tools.bots.options import PROCESSES_MAX, USERS_MAX, Limits, Options, account_name
from tools.bots.ramp import LimitFound, Ramp
from tools.bots.report import render, render_limit, write_csv
from tools.bots.run import Run
from tools.bots.scenarios.catalogue import MINDS
from tools.bots.search import Bounds
from tools.bots.shape import NAMES as SHAPES
from tools.bots.watcher import Watcher
from tools.ctl import clusters
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import PIPE_CELLS, say

DEFAULTS = Limits()
BOUNDS = Bounds()
LIMIT = click.FloatRange(0)
SOME = click.FloatRange(0, min_open=True)

PLAY, JUDGED, OUTPUT = "Who plays, and what", "What must hold", "Where the result goes"
SEARCH, MEANWHILE, HOW = "How many fit", "What is done to the cluster meanwhile", "How it is done"

T = TypeVar("T")


@click.command(
    epilog="""Exit codes: 0 OK, 1 the run could not be made, 2 usage, 3 no such cluster, 6 the verdict is FAILED or
INVALID, 130 stopped by a second Ctrl-C. The first Ctrl-C ends the run early and reports."""
)
@click.option(
    "-u",
    "--users",
    type=click.IntRange(1, USERS_MAX),
    default=100,
    show_default=True,
    help="How many bots.",
    panel=PLAY,
)
@click.option(
    "-r",
    "--spawn-rate",
    type=click.FloatRange(0.01, 10_000),
    default=50.0,
    show_default=True,
    help="Logins per second; each is due at a fixed time, however long the ones before take.",
    panel=PLAY,
)
@click.option(
    "-t",
    "--run-time",
    callback=may.duration,
    help="How long to measure after all are in, e.g. 90s, 20m, 1h30m; 0s: until Ctrl-C. 30s, or the whole shape.",
    panel=PLAY,
)
@click.option(
    "--scenario",
    callback=may.scenario,
    default="mixed",
    show_default=True,
    metavar="NAME|FILE.py",
    help=f"What they do: {', '.join(MINDS)}, or a scenario of your own.",
    panel=PLAY,
)
@click.option(
    "-o",
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    callback=may.pairs,
    help="For the scenario; any number.",
    panel=PLAY,
)
@click.option(
    "--shape",
    metavar="NAME|FILE",
    help=f"When they come and how long they stay: {', '.join(SHAPES)}, or a file.",
    panel=PLAY,
)
@click.option(
    "--speed", type=SOME, default=1.0, show_default=True, help="Seconds of the shape in one second.", panel=PLAY
)
@click.option(
    "--moves-per-s", type=click.FloatRange(0.1, 50), default=10.0, show_default=True, help="Of each bot.", panel=PLAY
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the bots' decisions.", panel=PLAY)
@click.option(
    "--until",
    metavar="COUNT=N",
    callback=may.until,
    help="End the measuring when so many were counted: crossings=1000.",
    panel=PLAY,
)
@click.option(
    "--login-p99-ms", type=LIMIT, default=DEFAULTS.login_p99_ms, show_default=True, help="Limit for OK.", panel=JUDGED
)
@click.option(
    "--move-p99-ms", type=LIMIT, default=DEFAULTS.move_p99_ms, show_default=True, help="Limit for OK.", panel=JUDGED
)
@click.option(
    "--ratio",
    "ratio_min",
    type=LIMIT,
    default=DEFAULTS.ratio_min,
    show_default=True,
    help="Least share of updates.",
    panel=JUDGED,
)
@click.option(
    "--html", "html_file", metavar="FILE", help="Write one page with charts; it needs no network.", panel=OUTPUT
)
@click.option(
    "--csv", "csv_prefix", metavar="PREFIX", help="Write PREFIX_stats.csv and others, as Locust does.", panel=OUTPUT
)
@click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.", panel=OUTPUT)
@click.option(
    "--find-limit", is_flag=True, help="More and more players, until the objective breaks: how many fit?", panel=SEARCH
)
@click.option(
    "--objective",
    callback=may.clauses,
    default=OBJECTIVE,
    show_default=True,
    help="For --find-limit: what must hold.",
    panel=SEARCH,
)
@click.option(
    "--start", type=click.IntRange(1), default=BOUNDS.start, show_default=True, help="Its first step.", panel=SEARCH
)
@click.option(
    "--max-users",
    type=click.IntRange(1, USERS_MAX),
    default=BOUNDS.users_max,
    show_default=True,
    help="It goes no further.",
    panel=SEARCH,
)
@click.option(
    "--max-steps", type=click.IntRange(1), default=BOUNDS.steps_max, show_default=True, help="Nor longer.", panel=SEARCH
)
@click.option(
    "--max-time", callback=may.duration, default="10m", show_default=True, help="Nor longer than that.", panel=SEARCH
)
@click.option(
    "--hold",
    callback=may.duration,
    default="10s",
    show_default=True,
    help="How long each step is measured.",
    panel=SEARCH,
)
@click.option(
    "--kill", metavar="NODES", callback=may.nodes, help="Kill these nodes in turn: scene.1,center.1", panel=MEANWHILE
)
@click.option(
    "--kill-every",
    callback=may.duration,
    default="2s",
    show_default=True,
    help="When all are Ready again.",
    panel=MEANWHILE,
)
@click.option("--drain", metavar="NODE", help="Empty this node while they play: gate.1", panel=MEANWHILE)
@click.option(
    "--after",
    callback=may.duration,
    default="3s",
    show_default=True,
    help="Before the first kill or drain.",
    panel=MEANWHILE,
)
@click.option(
    "--processes",
    type=click.IntRange(0, PROCESSES_MAX),
    default=0,
    help=f"Bot processes; 0: one for every {may.USERS_PER_PROCESS} bots.",
    panel=HOW,
)
@click.option("--login", type=click.Choice(["ticket", "password"]), default="ticket", show_default=True, panel=HOW)
@click.option(
    "-c", "--topology", "--cluster", "cluster", help="Which running cluster; without it the only one.", panel=HOW
)
@click.option(
    "--host",
    multiple=True,
    metavar="WS-URL",
    callback=may.addresses,
    help="Gates to use instead of all of the topology, such as ws://127.0.0.1:7700.",
    panel=HOW,
)
@click.option(
    "--stop-timeout",
    callback=may.duration,
    default="10s",
    show_default=True,
    help="For logging out at the end.",
    panel=HOW,
)
@click.option("--headless", is_flag=True, help="No redrawn line, also on a terminal.", panel=HOW)
def bots(**flags: Any) -> int:
    """Load a cluster with bots and measure.

    Bots play at times that are fixed beforehand, so that a slow server cannot slow them down. The verdict is OK,
    FAILED (the server broke a limit) or INVALID (the bots could not keep up, so that the figures say nothing).
    docs/load-testing.md explains everything.
    """
    context = get_current_context()
    given = {name for name in flags if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    may.check_together(flags, given)
    check_writable(flags["csv_prefix"], flags["json_file"], flags["html_file"])
    running = clusters.find(flags["cluster"], os.environ)
    topology = running.load()
    options, wishes = may.make_options(flags, topology), may.make_wishes(flags)
    check_wishes(wishes, topology)
    if options.login == "password":
        names = [account_name(number, "password") for number in range(options.users)]
        asyncio.run(create_accounts(topology, Path(options.key_file), names))
    watcher = make_watcher(options, Console(stderr=True), flags["headless"])
    if flags["find_limit"]:
        ramp = Ramp(options, SystemClock(), watcher, topology, flags["objective"], may.make_bounds(flags))
        found = asyncio.run(play(ramp, watcher))
        write_limit(ramp, found, flags)
        return Exit.OK if found.verdict == "OK" else Exit.CHECK_FAILED
    run = Run(options, SystemClock(), watcher, topology, wishes, flags["until"])
    result = asyncio.run(play(run, watcher))
    write(flags, result, render(result), run_page(result, run.history))
    if flags["csv_prefix"]:
        write_tables(run, flags["csv_prefix"])
    return Exit.OK if result.verdict == "OK" else Exit.CHECK_FAILED


def make_watcher(options: Options, words: Console, headless: bool) -> Watcher:
    users = 0 if options.in_steps or options.shape else options.users
    if words.is_terminal and not headless:
        return Redrawn(words, users)
    return Lines(words, users)


async def play(course: Course[T], watcher: Watcher) -> T:
    """A run or a search under the eyes of Ctrl-C."""
    loop = asyncio.get_running_loop()
    interrupted = 0

    def interrupt() -> None:
        nonlocal interrupted
        interrupted += 1
        course.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        result = await course.play()
    finally:
        watcher.close()
    if interrupted > 1:
        raise KeyboardInterrupt
    return result


def check_writable(csv_prefix: str | None, json_file: str | None, html_file: str | None) -> None:
    """CommandError now and not after the run, when its figures would be lost."""
    for name in (f"{csv_prefix}_stats.csv" if csv_prefix else "", json_file if json_file != "-" else "", html_file):
        if name:
            path = Path(name)
            try:
                path.open("a", encoding="utf-8").close()
            except OSError as error:
                there = "" if path.parent.is_dir() else f"; there is no folder {path.parent}"
                raise CommandError(f"{path} cannot be written: {error.strerror}{there}", Exit.USAGE) from None


def write(flags: dict[str, Any], result: msgspec.Struct, shown: RenderableType, page: str) -> None:
    """Every output from the one snapshot. With --json - the words for people go to stderr."""
    json_file, html_file = flags["json_file"], flags["html_file"]
    to_stdout = json_file == "-"
    console = Console(stderr=to_stdout, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=to_stdout, highlight=False, width=PIPE_CELLS)
    console.print(shown)
    if json_file:
        text = msgspec.json.format(msgspec.json.encode(result)).decode()
        if to_stdout:
            click.echo(text)
        else:
            Path(json_file).write_text(text + "\n", encoding="utf-8")
            say(f"mesh: wrote {json_file}")
    if html_file:
        Path(html_file).write_text(page, encoding="utf-8")
        say(f"mesh: wrote {html_file}")


def write_limit(ramp: Ramp, found: LimitFound, flags: dict[str, Any]) -> None:
    write(flags, found, render_limit(found), limit_page(found, ramp.history))
    if flags["csv_prefix"]:
        write_tables(ramp, flags["csv_prefix"])


def write_tables(course: Course[Any], prefix: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        paths = write_csv(prefix, course.totals, course.history)
        say(f"mesh: wrote {', '.join(str(path) for path in paths)}")
