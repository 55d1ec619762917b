"""The cluster of a demonstration: started and stopped with the `mesh` command itself, as a newcomer would.

Owns the processes that it started: `stop` ends them whatever happened, and says who is left.
"""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from mesh import topology as topologies
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.exits import CommandError, Exit

UP_S = 60.0
DOWN_S = 40.0
LEFT_S = 3.0  # for the last process to vanish after `down` has returned

MESH = (sys.executable, "-P", "-m", "tools.ctl.main")


class Started(msgspec.Struct):
    """What `mesh up --json` says, as far as it is needed here."""

    topology: str
    runtime: str
    base_port: int
    supervisor_pid: int
    ready_s: float
    clients: list[str]
    nodes: list[dict[str, Any]]


class DemoCluster:
    """One cluster in a fresh runtime folder."""

    def __init__(
        self,
        topology: str,
        runtime: Path,
        base_port: int | None,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.runtime = runtime.resolve()
        self._settings = dict(settings or {})
        self._topology, self._base_port, self._environment, self._say = topology, base_port, environment, say
        self.started: Started | None = None
        self._ours = False  # whatever runs in the folder was started from here

    async def start(self) -> Topology:
        """Up and Ready, or CommandError with what the command said and its exit code."""
        self._clear_folder()
        self._ours = True
        port = [] if self._base_port is None else ["--base-port", str(self._base_port)]
        changes = [word for key, value in self._settings.items() for word in ("--set", f"{key}={value}")]
        command = ["up", self._topology, "--detach", "--json", "--runtime", str(self.runtime), *port, *changes]
        code, answer = await run_mesh(command, UP_S, self._say)
        if code:
            raise CommandError("the cluster did not start; see above", exit_code(code))
        self.started = msgspec.json.decode(answer, type=Started)
        return topologies.load(
            Path(self.started.topology),
            base_port=self.started.base_port,
            runtime=Path(self.started.runtime),
            overrides=self._settings,
        )

    def pids(self) -> dict[int, str]:
        """Process ids that belong to the cluster as it was started."""
        if self.started is None:
            return {}
        found: dict[int, list[str]] = {self.started.supervisor_pid: ["supervisor"]}
        for node in self.started.nodes:
            found.setdefault(node["pid"], []).append(node["name"])
        return {pid: "+".join(names) for pid, names in found.items()}

    async def stop(self) -> list[str]:
        """Stop everything; who is left, which should be nobody. Stopping twice, or what never ran, is no error."""
        if not self._ours:
            return []
        words: list[str] = []
        code, _ = await run_mesh(["down", str(self.runtime)], DOWN_S, words.append)
        for line in words if code != Exit.NOT_FOUND else ():
            self._say(line)
        waited = 0.0
        while (left := self.alive()) and waited < LEFT_S:
            await asyncio.sleep(0.1)
            waited += 0.1
        return left

    def alive(self) -> list[str]:
        """Processes of the cluster that still run: those that were started, and any other that works in its folder."""
        pids, found = self.pids(), []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] != psutil.STATUS_ZOMBIE and is_of_cluster(words, str(self.runtime)):
                found.append(f"{process.info['pid']} {pids.get(process.info['pid'], ' '.join(words)[:80])}")
        return found

    def _clear_folder(self) -> None:
        """An old demonstration's files go. A cluster that runs there, or a folder that is something else, does not."""
        for note in clusters.running(self._environment):
            if Path(note.runtime) == self.runtime:
                raise CommandError(f"a cluster runs in {self.runtime}: `mesh down {self.runtime}` stops it")
        if self.runtime.is_dir() and any(self.runtime.iterdir()) and not (self.runtime / clusters.LAST_NOTE).is_file():
            raise CommandError(f"{self.runtime} is not the folder of a cluster, so it is not deleted", Exit.USAGE)
        shutil.rmtree(self.runtime, ignore_errors=True)

    def remove(self) -> None:
        """Its folder."""
        shutil.rmtree(self.runtime, ignore_errors=True)


async def run_mesh(arguments: list[str], timeout_s: float, say: Callable[[str], None]) -> tuple[int, bytes]:
    """One `mesh` command: exit code and stdout. Its words for people are passed on."""
    return await run_program([*MESH, *arguments], timeout_s, say)


async def run_program(command: list[str], timeout_s: float, say: Callable[[str], None]) -> tuple[int, bytes]:
    """When this is cancelled the program is asked to end and waited for: nothing is left behind."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout_s):
            answer, words = await process.communicate()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
        if isinstance(error, TimeoutError):
            text = f"{' '.join(command[3:6])} took longer than {timeout_s:.0f} s"
            raise CommandError(text, Exit.TIMED_OUT) from None
        raise
    for line in words.decode(errors="replace").splitlines():
        say(line.removeprefix("mesh: "))
    assert process.returncode is not None
    return process.returncode, answer


async def read_offline(role: str, command: str, data: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """What a stopped node's files say, as JSON."""
    program = [sys.executable, "-P", "-m", "nodes", role, "--offline", command, "--data", str(data)]
    code, answer = await run_program(program, DOWN_S, say)
    if code:
        raise CommandError(f"the files of {role} in {data} cannot be read; see above", exit_code(code))
    found: dict[str, Any] = msgspec.json.decode(answer)
    return found


def exit_code(code: int) -> Exit:
    """Of a program that has failed: the same when it is one of ours."""
    return Exit(code) if code in set(Exit) and code else Exit.FAILURE


def is_of_cluster(words: list[str], runtime: str) -> bool:
    """Is this the command line of a node or a supervisor that works in this folder? A supervisor has it in JSON."""
    return ("nodes" in words and runtime in words) or (
        "tools.ctl.detached" in words and any(f'"{runtime}"' in word for word in words)
    )
