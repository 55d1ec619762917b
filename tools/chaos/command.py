"""The command `mesh chaos`: list, run, all."""

from pathlib import Path
from typing import Any

import rich_click as click

from mesh.clock import Clock, SystemClock
from tools.bench.command import check_port, check_writable
from tools.chaos import catalogue
from tools.chaos.result import ChaosResult
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import json_option
from tools.ctl.output import console, emit_json, say, table

BASE_PORT = 14_700
SEED = 1

EPILOG = """Exit codes: 0 every rule held, 1 a run could not be made, 2 usage, 6 a rule was broken, a bound was missed
or the run says nothing, 130 interrupted. Results go to stdout, words about the run to stderr."""


@click.group(epilog=EPILOG)
def chaos() -> None:
    """Break a cluster on purpose, and prove what was not lost.

    Each scenario starts its own cluster, loads it, injects its fault again and again, and checks every operation that
    was recorded against what is stored at the end. docs/reliability.md says what each fault may cost.
    """


port_option = click.option(
    "--base-port",
    type=click.IntRange(1024, 65_000),
    callback=check_port,
    default=BASE_PORT,
    show_default=True,
    help="The first port of the clusters that are started.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=SEED, show_default=True, help="What all chance comes from."
)


@chaos.command(name="list")
@json_option
def list_(as_json: bool) -> int:
    """Show the scenarios there are."""
    if as_json:
        emit_json([{"name": name, "line": line} for name, line in catalogue.SCENARIOS.items()])
        return Exit.OK
    shown = table("scenario", "what it does", folds="what it does")
    for name, line in catalogue.SCENARIOS.items():
        shown.add_row(name, line)
    console().print(shown)
    return Exit.OK


@chaos.command()
@click.argument("name", metavar="NAME")
@click.option("--kills", type=click.IntRange(1, 1_000_000), help="How many faults, instead of the usual number.")
@seed_option
@click.option("--quick", is_flag=True, help="Few faults, and times are shown but not judged.")
@click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.")
@port_option
def run(name: str, kills: int | None, seed: int, quick: bool, json_file: str | None, base_port: int) -> int:
    """Run one scenario."""
    wanted = catalogue.load(name)
    check_writable(json_file)
    result = Running(quick, seed, base_port).run(wanted, kills)
    show(result, to_stdout=json_file != "-")
    write(result, json_file)
    return Exit.OK if result.ok else Exit.CHECK_FAILED


@chaos.command(name="all")
@click.option("--quick/--long", "quick", default=None, help="Few faults each, in minutes; or all of them, in hours.")
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write NAME.json for each scenario into this folder.",
)
@port_option
def all_(quick: bool | None, seed: int, out: Path | None, base_port: int) -> int:
    """Run every scenario, one after the other."""
    if quick is None:
        raise click.UsageError("say --quick or --long: all scenarios together take minutes, or hours")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    running, results, failed = Running(quick, seed, base_port), [], []
    for name in catalogue.SCENARIOS:
        try:
            result = running.run(catalogue.load(name), None)
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


class Running:
    """How the scenarios of one command are run."""

    def __init__(self, quick: bool, seed: int, base_port: int, clock: Clock | None = None) -> None:
        self.quick, self.seed, self.base_port = quick, seed, base_port
        self.clock = clock or SystemClock()
        self.began = self.clock.now()

    def run(self, wanted: Any, kills: int | None) -> ChaosResult:
        from tools.chaos.running import run_scenario

        say(f"mesh: {wanted.name}: {wanted.line}")
        return run_scenario(wanted, kills, self.seed, self.quick, self.base_port, self.clock, self.say)

    def say(self, text: str) -> None:
        say(f"mesh: {self.clock.now() - self.began:6.1f} s  {text}")


def show(result: ChaosResult, to_stdout: bool = True) -> None:
    """With --json - the words for people go to stderr."""
    from rich.console import Console

    from tools.chaos.show import render

    (console() if to_stdout else Console(stderr=True, highlight=False)).print(render(result))


def summarise(results: list[ChaosResult], failed: list[str]) -> None:
    """One line for each scenario, at the end of all of them."""
    shown = table("scenario", "verdict", "why", folds="why")
    for result in results:
        shown.add_row(result.name, result.verdict, "; ".join(result.why) or result.proves)
    for name in failed:
        shown.add_row(name, "not run", "see above")
    console().print(shown)


def write(result: ChaosResult, json_file: str | None) -> None:
    if json_file == "-":
        emit_json(result)
    elif json_file is not None:
        import msgspec

        text = msgspec.json.format(msgspec.json.encode(result)).decode()
        Path(json_file).write_text(f"{text}\n", encoding="utf-8")
        say(f"mesh: wrote {json_file}")
