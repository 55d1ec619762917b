"""The command `mesh bench`: list, run, all, peers, render."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from mesh.clock import Clock
from tools.bench import catalogue, store
from tools.bench.result import Result
from tools.bench.runs import Runs, Teller, check_option, docs_option, folder_option, json_file_option, port_option
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import json_option
from tools.ctl.output import say

BASE_PORT = 12_700
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


players_option = click.option(
    "--players", type=click.IntRange(2, 30_000), help="Another number than the bench means; the figures are for that."
)


@bench.command(name="list")
@json_option
def list_(as_json: bool) -> int:
    """Show the benches there are."""
    return RUNS.listed(catalogue.BENCHES, "what it measures", as_json)


@bench.command()
@click.argument("name", metavar="NAME")
@json_file_option
@players_option
@depth_option(required=False)
@port_option(BASE_PORT)
def run(name: str, json_file: str | None, players: int | None, quick: bool, base_port: int) -> int:
    """Run one bench."""
    wanted = catalogue.load(name)
    if players is not None and name in catalogue.WITHOUT_PLAYERS:
        raise CommandError(f"{name} is measured without players: leave --players out", Exit.USAGE)
    running = Running(quick, players, base_port)
    return RUNS.one(lambda: running.run(wanted), json_file)


@bench.command(name="all")
@depth_option(required=True)
@folder_option("bench")
@port_option(BASE_PORT)
def all_(quick: bool, out: Path | None, base_port: int) -> int:
    """Run every bench, one after the other."""
    running = Running(quick, None, base_port)
    return RUNS.all(catalogue.BENCHES, lambda name: running.run(catalogue.load(name)), out)


@bench.command()
@json_file_option
@players_option
@depth_option(required=False)
@port_option(BASE_PORT)
def peers(json_file: str | None, players: int | None, quick: bool, base_port: int) -> int:
    """Measure the product beside the references, in one run: C on bare epoll, a bare Python pair, Colyseus."""
    wanted = importlib.import_module("tools.bench.benches.peers").BENCH
    running = Running(quick, players, base_port)
    return RUNS.one(lambda: running.run(wanted), json_file)


@bench.command()
@check_option
@docs_option("benchmarks.md and bench/*.json")
def render(check: bool, docs: Path) -> int:
    """Bring docs/benchmarks.md and the chart of the README in step with docs/bench/*.json."""
    from tools.bench import pages

    results = store.read_all(docs / pages.FOLDER, Result, "bench")
    return RUNS.published(docs / pages.FOLDER, results, lambda: pages.generated(docs), check)


class Running(Teller):
    """How the benches of one command are run."""

    def __init__(self, quick: bool, players: int | None, base_port: int, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.quick, self.players, self.base_port = quick, players, base_port

    def run(self, wanted: Any) -> Result:
        from tools.bench.running import run_bench

        say(f"mesh: {wanted.name}: {wanted.line}")
        return run_bench(wanted, self.quick, self.players, self.base_port, self.clock, self.say)


def rendered(result: Result) -> Any:
    from tools.bench.show import render

    return render(result)


RUNS: Runs[Result] = Runs("bench", "mesh bench", "--full", rendered, lambda result: "; ".join(result.why))
