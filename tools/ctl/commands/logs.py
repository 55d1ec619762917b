"""`mesh logs`: the ops logs of all processes as one, in the order of their times; `-f` goes on reading."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import rich_click as click

from mesh.topology import Process, Topology
from tools.ctl import clusters
from tools.ctl.commands.restart import process_of
from tools.ctl.launch import out_file
from tools.ctl.options import Environment, any_cluster_option, complete_node, json_option
from tools.ctl.output import emit, emit_json_line, say
from tools.ctl.processes import is_local

FOLLOW_S = 0.2
TAIL_BYTES_MAX = 4 << 20  # of one file; who wants more opens the file
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")
SUPERVISOR = "supervisor"

Line = tuple[str, str, str]  # stamp, process, text with the stamp


@click.command()
@click.argument("node", required=False, shell_complete=complete_node)
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is logged, until Ctrl-C.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="How many lines to begin with."
)
@any_cluster_option
@json_option
@click.pass_obj
def logs(
    environment: Environment, node: str | None, follow: bool, lines: int, cluster: str | None, as_json: bool
) -> None:
    """Show what the nodes log, all together or only NODE; also of a cluster that has stopped.

    NODE may also be `supervisor`. The files are in <runtime>/logs; what a node wrote to stderr, such as the traceback
    of a crash, is there too and is shown with it. With --json: one object per line, {"process", "at", "text"}.
    """
    topology, _ = clusters.find_or_load(cluster, environment)
    files = files_of(topology, node)
    show = _show_json if as_json else _show
    tails = {path: Tail(process, path) for path, process in files}
    found = sorted((line for tail in tails.values() for line in tail.read()), key=lambda line: line[0])
    for line in found[-lines:] if lines else []:
        show(line)
    if not found and not follow:
        say(f"mesh: no log lines in {topology.runtime / 'logs'}{_elsewhere(topology, node)}")
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_follow(tails.values(), show))


def _elsewhere(topology: Topology, node: str | None) -> str:
    """Where they are, when that is on another machine."""
    host = process_of(topology, node).host if node and node != SUPERVISOR else ""
    return f"; {node} runs on {host}, and its log is there" if host and not is_local(host) else ""


def files_of(topology: Topology, node: str | None) -> list[tuple[Path, str]]:
    """Which files to read: (path, whose)."""
    own = (topology.runtime / "logs" / "supervisor.log", SUPERVISOR)
    if node == SUPERVISOR:
        return [own]
    known = [p.name for p in topology.processes]
    if node and node not in known and "/" not in node and (gone := own[0].with_name(f"{node}.log")).is_file():
        return [(gone, node)]  # it was added while the cluster ran, and is gone again
    processes: list[Process] = [process_of(topology, node)] if node else topology.processes
    files = [(path, p.name) for p in processes for path in (topology.log_file(p), out_file(topology, p))]
    return files if node else [own, *files]


class Tail:
    """The end of a file that grows, and that may be replaced by a new one."""

    def __init__(self, process: str, path: Path) -> None:
        self.process = process
        self.path = path
        self._inode = 0
        self._offset = 0
        self._stamp = ""

    def read(self) -> list[Line]:
        """Whole lines that came since the last time. Lines without a time, as of a traceback, get the one before."""
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_ino != self._inode or about.st_size < self._offset:
                    self._inode, self._offset = about.st_ino, max(0, about.st_size - TAIL_BYTES_MAX)
                    self._stamp = ""
                file.seek(self._offset)
                data = file.read(TAIL_BYTES_MAX)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [self._line(text) for text in whole.decode(errors="replace").splitlines() if text.strip()]

    def _line(self, text: str) -> Line:
        if STAMP.match(text):
            self._stamp = text[:23]
        return (self._stamp, self.process, text)


async def _follow(tails: Iterable[Tail], show: Callable[[Line], None]) -> None:
    while True:
        for line in sorted((line for tail in tails for line in tail.read()), key=lambda line: line[0]):
            show(line)
        await asyncio.sleep(FOLLOW_S)


def _show(line: Line) -> None:
    stamp, process, text = line
    emit(text if STAMP.match(text) else f"{stamp or '-':23} {process}: {text}")


def _show_json(line: Line) -> None:
    stamp, process, text = line
    emit_json_line({"process": process, "at": stamp, "text": text[24:] if STAMP.match(text) else text})
