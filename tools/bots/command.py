"""The command `mesh bots`: flags as Locust has them, a verdict, and documented exit codes."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich.console import Console

from mesh import keys
from mesh.clock import SystemClock
from mesh.topology import Topology
from tools.bots.accounts import create_accounts
from tools.bots.live import Lines, Redrawn
from tools.bots.options import PROCESSES_MAX, SCENARIOS, USERS_MAX, Limits, Options, account_name, parse_duration
from tools.bots.report import render, write_csv
from tools.bots.result import Result
from tools.bots.run import Run, Watcher
from tools.bots.servers import ServerMeter, find_pids
from tools.ctl import clusters
from tools.ctl.exits import Exit
from tools.ctl.output import PIPE_CELLS, say
from tools.ctl.words import client_addresses

USERS_PER_PROCESS = 2000
DEFAULTS = Limits()
LIMIT = click.FloatRange(0)


def duration(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    """90, 90s, 20m, 1h30m as seconds."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def addresses(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """WebSocket addresses, as gates have them."""
    for value in values:
        if not value.startswith(("ws://", "wss://")):
            raise click.BadParameter(f"{value!r} is not the address of a gate: write ws://HOST:PORT")
    return values


@click.command(
    epilog="""Exit codes: 0 OK, 1 the run could not be made, 2 usage, 3 no such cluster, 6 the verdict is FAILED or
INVALID, 130 stopped by a second Ctrl-C. The first Ctrl-C ends the run early and reports."""
)
@click.option("-u", "--users", type=click.IntRange(1, USERS_MAX), default=100, show_default=True, help="How many bots.")
@click.option(
    "-r",
    "--spawn-rate",
    type=click.FloatRange(0.01, 10_000),
    default=50.0,
    show_default=True,
    help="Logins per second; each is due at a fixed time, however long the ones before take.",
)
@click.option(
    "-t",
    "--run-time",
    callback=duration,
    default="30s",
    show_default=True,
    help="How long to measure after all are in, e.g. 90s, 20m, 1h30m; 0s: until Ctrl-C.",
)
@click.option("--scenario", type=click.Choice(SCENARIOS), default="mixed", show_default=True, help="What they do.")
@click.option("--moves-per-s", type=click.FloatRange(0.1, 50), default=10.0, show_default=True, help="Of each bot.")
@click.option(
    "--processes",
    type=click.IntRange(0, PROCESSES_MAX),
    default=0,
    help=f"Bot processes; 0: one for every {USERS_PER_PROCESS} bots.",
)
@click.option("--login", type=click.Choice(["ticket", "password"]), default="ticket", show_default=True)
@click.option("-c", "--topology", "--cluster", "cluster", help="Which running cluster; without it the only one.")
@click.option(
    "--host",
    multiple=True,
    metavar="WS-URL",
    callback=addresses,
    help="Gates to use instead of all of the topology, such as ws://127.0.0.1:7700.",
)
@click.option("--stop-timeout", callback=duration, default="10s", show_default=True, help="For logging out at the end.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the bots' decisions.")
@click.option("--headless", is_flag=True, help="No redrawn line, also on a terminal.")
@click.option("--csv", "csv_prefix", metavar="PREFIX", help="Write PREFIX_stats.csv and others, as Locust does.")
@click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.")
@click.option("--login-p99-ms", type=LIMIT, default=DEFAULTS.login_p99_ms, show_default=True, help="Limit for OK.")
@click.option("--move-p99-ms", type=LIMIT, default=DEFAULTS.move_p99_ms, show_default=True, help="Limit for OK.")
@click.option(
    "--ratio", "ratio_min", type=LIMIT, default=DEFAULTS.ratio_min, show_default=True, help="Least share of updates."
)
def bots(**flags: Any) -> int:
    """Load a cluster with bots and measure.

    Bots play at times that are fixed beforehand, so that a slow server cannot slow them down. The verdict is OK,
    FAILED (the server broke a limit) or INVALID (the bots could not keep up, so that the figures say nothing).
    """
    check_writable(flags["csv_prefix"], flags["json_file"])
    running = clusters.find(flags["cluster"], os.environ)
    topology = running.load()
    options = make_options(flags, topology)
    if options.login == "password":
        names = [account_name(number, "password") for number in range(options.users)]
        asyncio.run(create_accounts(topology, Path(options.key_file), names))
    words = Console(stderr=True)
    run, result = asyncio.run(play(options, topology, make_watcher(options, words, flags["headless"])))
    write(run, result, flags["csv_prefix"], flags["json_file"])
    return Exit.OK if result.verdict == "OK" else Exit.CHECK_FAILED


def make_options(flags: dict[str, Any], topology: Topology) -> Options:
    """The flags as values."""
    users = flags["users"]
    return Options(
        gates=list(flags["host"]) or client_addresses(topology),
        key_file=str(topology.keys / keys.TICKETS),
        users=users,
        spawn_rate=flags["spawn_rate"],
        run_time_s=flags["run_time"],
        scenario=flags["scenario"],
        moves_per_s=flags["moves_per_s"],
        login=flags["login"],
        processes=min(flags["processes"] or -(-users // USERS_PER_PROCESS), users),
        stop_timeout_s=flags["stop_timeout"],
        seed=flags["seed"],
        limits=Limits(
            login_p99_ms=flags["login_p99_ms"], move_p99_ms=flags["move_p99_ms"], ratio_min=flags["ratio_min"]
        ),
    )


def make_watcher(options: Options, words: Console, headless: bool) -> Lines | Redrawn:
    if words.is_terminal and not headless:
        return Redrawn(words, options.users)
    return Lines(words, options.users)


async def play(options: Options, topology: Topology, watcher: Watcher) -> tuple[Run, Result]:
    """One run under the eyes of Ctrl-C."""
    run = Run(options, SystemClock(), watcher, ServerMeter(await find_pids(topology)))
    loop = asyncio.get_running_loop()
    interrupted = 0

    def interrupt() -> None:
        nonlocal interrupted
        interrupted += 1
        run.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        result = await run.play()
    finally:
        if isinstance(watcher, Redrawn):
            watcher.close()
    if interrupted > 1:
        raise KeyboardInterrupt
    return run, result


def check_writable(csv_prefix: str | None, json_file: str | None) -> None:
    """Make the folders of the files. OSError now and not after the run, when its figures would be lost."""
    for name in (f"{csv_prefix}_stats.csv" if csv_prefix else "", json_file if json_file != "-" else ""):
        if name:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a", encoding="utf-8").close()


def write(run: Run, result: Result, csv_prefix: str | None, json_file: str | None) -> None:
    """Every output from the one snapshot. With --json - the words for people go to stderr."""
    to_stdout = json_file == "-"
    console = Console(stderr=to_stdout, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=to_stdout, highlight=False, width=PIPE_CELLS)
    console.print(render(result))
    if json_file:
        text = msgspec.json.format(msgspec.json.encode(result)).decode()
        if to_stdout:
            click.echo(text)
        else:
            Path(json_file).write_text(text + "\n", encoding="utf-8")
            say(f"mesh: wrote {json_file}")
    if csv_prefix:
        with contextlib.suppress(BrokenPipeError):
            paths = write_csv(csv_prefix, run.totals, run.history)
            say(f"mesh: wrote {', '.join(str(path) for path in paths)}")
