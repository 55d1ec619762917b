"""The command `mesh chaos`: list, run, all."""

from pathlib import Path
from typing import Any

import rich_click as click

from mesh.clock import Clock
from tools.bench import store
from tools.bench.runs import Runs, Teller, check_option, docs_option, folder_option, json_file_option, port_option
from tools.chaos import catalogue
from tools.chaos.result import ChaosResult
from tools.ctl.options import json_option
from tools.ctl.output import say

BASE_PORT = 14_700
SEED = 1

EPILOG = """Exit codes: 0 every rule held, 1 a run could not be made, 2 usage, 6 a rule was broken, a bound was missed
or the run says nothing, 130 interrupted. Results go to stdout, words about the run to stderr."""


@click.group(epilog=EPILOG, context_settings={"token_normalize_func": str.lower})
def chaos() -> None:
    """Break a cluster on purpose, and prove what was not lost.

    Each scenario starts its own cluster, loads it, injects its fault again and again, and checks every operation that
    was recorded against what is stored at the end. docs/reliability.md says what each fault may cost.
    """


seed_option = click.option(
    "--seed", type=click.IntRange(0), default=SEED, show_default=True, help="What all chance comes from."
)


@chaos.command(name="list")
@json_option
def list_(as_json: bool) -> int:
    """Show the scenarios there are."""
    return RUNS.listed(catalogue.SCENARIOS, "what it does", as_json)


@chaos.command()
@click.argument("name", metavar="NAME")
@click.option("--kills", type=click.IntRange(1, 1_000_000), help="How many faults, instead of the usual number.")
@seed_option
@click.option("--quick", is_flag=True, help="Few faults, and times are shown but not judged.")
@json_file_option
@port_option(BASE_PORT)
def run(name: str, kills: int | None, seed: int, quick: bool, json_file: str | None, base_port: int) -> int:
    """Run one scenario."""
    wanted = catalogue.load(name)
    running = Running(quick, seed, base_port)
    return RUNS.one(lambda: running.run(wanted, kills), json_file)


@chaos.command(name="all")
@click.option("--quick/--long", "quick", default=None, help="Few faults each, in minutes; or all of them, in hours.")
@seed_option
@folder_option("scenario")
@port_option(BASE_PORT)
def all_(quick: bool | None, seed: int, out: Path | None, base_port: int) -> int:
    """Run every scenario, one after the other."""
    if quick is None:
        raise click.UsageError("say --quick or --long: all scenarios together take minutes, or hours")
    running = Running(quick, seed, base_port)
    return RUNS.all(catalogue.SCENARIOS, lambda name: running.run(catalogue.load(name), None), out)


@chaos.command()
@check_option
@docs_option("reliability.md and chaos/*.json")
def render(check: bool, docs: Path) -> int:
    """Bring the table of docs/reliability.md in step with docs/chaos/*.json."""
    from tools.chaos import pages

    results = store.read_all(docs / pages.FOLDER, ChaosResult, "scenario")
    return RUNS.published(docs / pages.FOLDER, results, lambda: pages.generated(docs), check)


class Running(Teller):
    """How the scenarios of one command are run."""

    def __init__(self, quick: bool, seed: int, base_port: int, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.quick, self.seed, self.base_port = quick, seed, base_port

    def run(self, wanted: Any, kills: int | None) -> ChaosResult:
        from tools.chaos.running import run_scenario

        say(f"mesh: {wanted.name}: {wanted.line}")
        return run_scenario(wanted, kills, self.seed, self.quick, self.base_port, self.clock, self.say)


def rendered(result: ChaosResult) -> Any:
    from tools.chaos.show import render

    return render(result)


RUNS: Runs[ChaosResult] = Runs(
    "scenario", "mesh chaos", "--long", rendered, lambda result: "; ".join(result.why) or result.proves
)
