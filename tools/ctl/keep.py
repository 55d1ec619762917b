"""Keeps one process of a topology alive, for a line of a Procfile: python -P -m tools.ctl.keep gate.1 --topology local

honcho ends everything when one of its lines ends, sends SIGTERM to all at once and SIGKILL 5 s later, and leaves its
children behind when it is killed itself. So this is a supervisor of a single process: a node that dies is started
again here, a stop is over within 4 s, and when honcho is gone the node is stopped. The nodes bring the order into a
stop that reaches all at once: the DC waits for those who save.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.topology import Process, Topology
from tools.ctl import clusters, prechecks, state
from tools.ctl.exits import CommandError, Exit, exit_of
from tools.ctl.processes import Identity, ancestors, identity, wait_gone
from tools.ctl.supervision import Instruction, Limits
from tools.ctl.supervisor import Supervisor
from tools.ctl.words import sentence

LIMITS = Limits(grace_s=3.5, stop_s=3.8)  # honcho kills after 5 s, and the last words take a moment
WATCH_S = 0.5
RUNNER = "honcho"
RUNNER_MARK = "HONCHO_PROCESS_NAME"  # set by honcho for its children


def main(arguments: list[str] | None = None) -> int:
    """Until it is stopped; the exit code."""
    given = _options().parse_args(arguments)
    overrides = dict(item.split("=", 1) if "=" in item else (item, "") for item in given.set)
    try:
        topology = clusters.load(
            given.topology,
            base_port=given.base_port,
            runtime=given.runtime,
            overrides=overrides,
            environment=os.environ,
        )
        return int(_keep(topology, overrides, _process(topology, given.process), os.environ))
    except (MeshError, OSError) as error:
        print(error, file=sys.stderr)
        return int(exit_of(error))
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -P -m tools.ctl.keep", description="Keep one process of a topology alive."
    )
    parser.add_argument("process", help="a process, or a node in it: gate.1")
    parser.add_argument(
        "--topology", default=clusters.DEFAULT_TOPOLOGY, help="a file, or the name of one that comes along"
    )
    parser.add_argument("--base-port", type=int)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="ROLE.KEY=VALUE")
    return parser


def _process(topology: Topology, name: str) -> Process:
    for process in topology.processes:
        if name in (process.name, *(node.short for node in process.nodes)):
            return process
    names = ", ".join(p.name for p in topology.processes)
    raise CommandError(f"{topology.file} has no process {name}; it has {names}", Exit.NOT_FOUND)


def _keep(topology: Topology, overrides: Mapping[str, str], process: Process, environment: Mapping[str, str]) -> Exit:
    for note in clusters.running(environment):
        if note.runtime == str(topology.runtime) and note.kind == "supervisor":
            raise CommandError(f"cluster {note.label} runs already (pid {note.holder.pid}); `mesh down` stops it")
    prechecks.processes_on(topology, process.host)
    prechecks.check_keys(topology, [process])
    prechecks.check_writable(topology)
    (topology.runtime / state.KEEP).mkdir(mode=0o700, exist_ok=True)
    with contextlib.closing(prechecks.lock(topology, f"{state.KEEP}/{process.name}")):
        return asyncio.run(_run(topology, overrides, process, environment))


async def _run(
    topology: Topology, overrides: Mapping[str, str], process: Process, environment: Mapping[str, str]
) -> Exit:
    clock = SystemClock()
    await prechecks.wait_leftovers(topology, clock, _say, only=process.name)
    prechecks.check_ports(topology, [process])
    foreman = find_foreman(environment)
    file = topology.runtime / state.KEEP / f"{process.name}.json"

    def told(said: Instruction) -> None:
        if said.process:  # "all are Ready" and the like make no sense for one
            _say(sentence(said, topology))

    supervisor = Supervisor(topology, overrides, clock, told, [process], file, foreman, LIMITS)
    note = clusters.register(topology, overrides, "keep", environment)
    watch = asyncio.create_task(_watch(foreman, supervisor))
    try:
        return await supervisor.run()
    finally:
        watch.cancel()
        note.unlink(missing_ok=True)


async def _watch(foreman: Identity | None, supervisor: Supervisor) -> None:
    """A honcho that was killed does not tell anybody."""
    if foreman is not None:
        await wait_gone([foreman], supervisor.clock, timeout_s=None, poll_s=WATCH_S)
        supervisor.stop()


def find_foreman(environment: Mapping[str, str]) -> Identity | None:
    """The honcho that runs this. Between it and us are a fork of it, which stays when it is killed, and perhaps a
    shell, so watching the parent alone would not do."""
    if RUNNER_MARK not in environment:
        return None
    pid = foreman_among([(process.pid, process.cmdline()) for process in ancestors()])
    return identity(pid) if pid is not None else None


def foreman_among(chain: Sequence[tuple[int, Sequence[str]]]) -> int | None:
    """Pure: of our ancestors (pid, words), nearest first, the last of the nearest row of honchos with one command
    line: forks have that of their parent."""
    found: tuple[int, Sequence[str]] | None = None
    for pid, words in chain:
        if found is not None and words != found[1]:
            break
        if RUNNER in [os.path.basename(word) for word in words[:3]]:
            found = (pid, words)
    return found[0] if found else None


def _say(text: str) -> None:
    """To honcho, which shows it. Nobody may be there to read."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
