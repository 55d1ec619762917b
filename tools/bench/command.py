"""The command `mesh bench`: list, run, all, peers, render."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from mesh.clock import Clock, SystemClock
from tools.bench import catalogue, store
from tools.bench.result import Result
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import json_option
from tools.ctl.output import console, emit_json, say, table

BASE_PORT = 12_700
PORT_MAX = 32_500
F = TypeVar("F", bound=Callable[..., Any])

EPILOG = """Exit codes: 0 every figure is as required, 1 a run could not be made, 2 usage, 6 a figure was missed or a
run is INVALID, 130 interrupted. Results go to stdout, words about the run to stderr."""


@click.group(epilog=EPILOG)
def bench() -> None:
    """Measure the servers against their required figures.

    Each bench starts its own cluster on cores of its own, loads it, stops it, and prints the figures beside what is
    required. docs/benchmarking.md explains what is measured and when a run is INVALID.
    """


def depth_option(required: bool) -> Callable[[F], F]:
    """--quick or --full. `run` means --full when nothing is said, since only that is judged against every figure."""

    def check(_context: click.Context, _parameter: click.Parameter, quick: bool | None) -> bool:
        if quick is None and required:
            raise click.UsageError("say --quick or --full: all benches together take seconds each, or minutes each")
        return bool(quick)

    return click.option(
        "--quick/--full",
        "quick",
        default=None,
        callback=check,
        help="Some seconds and few players, or the whole thing.",
    )


def check_port(_context: click.Context, _parameter: click.Parameter, port: int) -> int:
    """The clients of a run take thousands of ports as their own, any of those that the system gives away."""
    if port > PORT_MAX:
        raise click.BadParameter(
            f"{port} is too high: at most {PORT_MAX}, since the system gives the ports above to the clients of the run"
        )
    return port


port_option = click.option(
    "--base-port",
    type=click.IntRange(1024, 65_000),
    callback=check_port,
    default=BASE_PORT,
    show_default=True,
    help="The first port of the clusters that are started.",
)
players_option = click.option(
    "--players", type=click.IntRange(2, 30_000), help="Another number than the bench means; the figures are for that."
)


@bench.command(name="list")
@json_option
def list_(as_json: bool) -> int:
    """Show the benches there are."""
    if as_json:
        emit_json([{"name": name, "line": line} for name, line in catalogue.BENCHES.items()])
        return Exit.OK
    shown = table("bench", "what it measures", folds="what it measures")
    for name, line in catalogue.BENCHES.items():
        shown.add_row(name, line)
    console().print(shown)
    return Exit.OK


@bench.command()
@click.argument("name", metavar="NAME")
@click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.")
@players_option
@depth_option(required=False)
@port_option
def run(name: str, json_file: str | None, players: int | None, quick: bool, base_port: int) -> int:
    """Run one bench."""
    wanted = catalogue.load(name)
    if players is not None and name in catalogue.WITHOUT_PLAYERS:
        raise CommandError(f"{name} is measured without players: leave --players out", Exit.USAGE)
    check_writable(json_file)
    result = Running(quick, players, base_port).run(wanted)
    show(result, to_stdout=json_file != "-")
    write(result, json_file)
    return Exit.OK if result.ok else Exit.CHECK_FAILED


@bench.command(name="all")
@depth_option(required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write NAME.json for each bench into this folder.",
)
@port_option
def all_(quick: bool, out: Path | None, base_port: int) -> int:
    """Run every bench, one after the other."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    running, results, failed = Running(quick, None, base_port), [], []
    for name in catalogue.BENCHES:
        try:
            result = running.run(catalogue.load(name))
        except CommandError as error:
            say(f"mesh: {name} could not be run: {error}")
            failed.append(name)
            continue
        results.append(result)
        show(result)
        write(result, str(out / f"{name}.json") if out else None)
    summarise(results, failed)
    if failed:
        return Exit.FAILURE
    return Exit.OK if all(result.ok for result in results) else Exit.CHECK_FAILED


@bench.command()
@click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.")
@players_option
@depth_option(required=False)
@port_option
def peers(json_file: str | None, players: int | None, quick: bool, base_port: int) -> int:
    """Measure the product beside the references, in one run: C on bare epoll, a bare Python pair, Colyseus."""
    check_writable(json_file)
    wanted = importlib.import_module("tools.bench.benches.peers").BENCH
    result = Running(quick, players, base_port).run(wanted)
    show(result, to_stdout=json_file != "-")
    write(result, json_file)
    return Exit.OK if result.ok else Exit.CHECK_FAILED


@bench.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 6 when something is not in step.")
@click.option(
    "--docs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("docs"),
    show_default=True,
    help="The folder with benchmarks.md and bench/*.json.",
)
def render(check: bool, docs: Path) -> int:
    """Bring docs/benchmarks.md and the chart of the README in step with docs/bench/*.json."""
    from tools.bench.pages import left_out, stale, write_all

    results = store.read_all(docs / "bench")
    if not results:
        say(f"mesh: there is no result in {docs / 'bench'}, so nothing is rendered: mesh bench all --full --out")
        return Exit.OK if check else Exit.NOT_FOUND
    for line in left_out(results):
        say(f"mesh: {line}")
    if not check:
        for path in write_all(docs):
            say(f"mesh: wrote {path}")
        return Exit.OK
    behind = stale(docs)
    for path in behind:
        say(f"mesh: {path} is not in step with {docs / 'bench'}: run mesh bench render")
    return Exit.CHECK_FAILED if behind else Exit.OK


class Running:
    """How the benches of one command are run."""

    def __init__(self, quick: bool, players: int | None, base_port: int, clock: Clock | None = None) -> None:
        self.quick, self.players, self.base_port = quick, players, base_port
        self.clock = clock or SystemClock()
        self.began = self.clock.now()

    def run(self, wanted: Any) -> Result:
        from tools.bench.running import run_bench

        say(f"mesh: {wanted.name}: {wanted.line}")
        return run_bench(wanted, self.quick, self.players, self.base_port, self.clock, self.say)

    def say(self, text: str) -> None:
        say(f"mesh: {self.clock.now() - self.began:6.1f} s  {text}")


def show(result: Result, to_stdout: bool = True) -> None:
    """With --json - the words for people go to stderr."""
    from rich.console import Console

    from tools.bench.show import render as rendered

    (console() if to_stdout else Console(stderr=True, highlight=False)).print(rendered(result))


def summarise(results: list[Result], failed: list[str]) -> None:
    """One line for each bench, at the end of all of them."""
    shown = table("bench", "verdict", "why", folds="why")
    for result in results:
        shown.add_row(result.name, result.verdict, "; ".join(result.why))
    for name in failed:
        shown.add_row(name, "not run", "see above")
    console().print(shown)


def check_writable(json_file: str | None) -> None:
    """CommandError now and not after minutes."""
    if json_file in (None, "-"):
        return
    path = Path(str(json_file))
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from None


def write(result: Result, json_file: str | None) -> None:
    if json_file is None:
        return
    if json_file == "-":
        emit_json(result)
        return
    store.write(result, Path(json_file))
    say(f"mesh: wrote {json_file}")
