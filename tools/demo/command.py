"""The command `mesh demo`: the whole system at work in under 90 seconds, with a report and an honest exit code."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import rich_click as click
import uvloop
from rich.console import Console

from mesh.clock import SystemClock
from tools.awake import awake
from tools.ctl.exits import Exit
from tools.demo.cluster import DemoCluster
from tools.demo.outcome import as_json
from tools.demo.report import render
from tools.demo.run import Demonstrated, demonstrate
from tools.waterfall import bar_cells

BOTS_MIN, BOTS_MAX = 80, 2000
"""The story needs a few players in every part; above the maximum `mesh bots` is the tool."""
PASSWORDS_SHARE = 10  # every tenth logs in with a password
SPAWN_RATE = 50.0


@click.command(
    epilog="""Exit codes: 0 every line of the report holds, 1 the demonstration could not be carried out, 2 usage or
topology error, 4 the cluster did not become Ready, 5 time-out, 6 a line does not hold, 130 interrupted."""
)
@click.option("--bots", type=click.IntRange(BOTS_MIN, BOTS_MAX), default=200, show_default=True, help="How many.")
@click.option("--topology", default="local", show_default=True, help="A .toml file or the name of one of ours.")
@click.option("--base-port", type=click.IntRange(1024, 65_000), help="Other ports than those of the topology.")
@click.option(
    "--runtime",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="A folder for the cluster's files; what is in it is deleted first.",
)
@click.option("--keep", is_flag=True, help="Keep that folder, with data and logs. It is kept anyway when a line fails.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("var/demo.json"),
    show_default=True,
    help="Where the result is written to.",
)
def demo(bots: int, topology: str, base_port: int | None, runtime: Path, keep: bool, json_file: Path) -> int:
    """Start a cluster, send players through everything it does, check every figure, stop it.

    Players log in (with passwords and with tickets), walk, fight, loot, trade, talk, make friends, speak to everybody,
    lose their connection and resume, and leave. Every line of the report must hold.
    """
    words = Console(stderr=True, highlight=False)
    clock = SystemClock()
    began = clock.now()

    def say(text: str) -> None:
        words.print(f"[dim]{clock.now() - began:5.1f} s[/dim]  {text}", soft_wrap=True)

    cluster = DemoCluster(topology, runtime, base_port, os.environ, say)
    with awake(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        shown = runner.run(_interruptible(demonstrate(cluster, bots, bots // PASSWORDS_SHARE, SPAWN_RATE, clock, say)))
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(as_json(shown.outcome), encoding="utf-8")
    _print(shown)
    if not shown.outcome.ok:
        say(f"data and logs of the cluster are in {cluster.runtime}")
        return Exit.CHECK_FAILED
    if not keep:
        cluster.remove()
    return Exit.OK


async def _interruptible(work: Coroutine[Any, Any, Demonstrated]) -> Demonstrated:
    """Ctrl-C and SIGTERM cancel the work, which then stops the cluster; repeated ones do not hurry it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _print(shown: Demonstrated) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    console.print(render(shown, bar_cells(console.width)))
