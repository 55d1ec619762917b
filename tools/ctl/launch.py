"""How a node process is started: its command line, where its words go, and what they were when it ended.

Used by the supervisor and by `mesh keep`. A node process leads a session of its own, so that Ctrl-C reaches the
supervisor alone and the stop keeps its order; it watches `--parent` and stops when that process is gone.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mesh.spares import GO
from mesh.topology import Process, Topology

OUT_BYTES_MAX = 1 << 20  # of a process's stdout and stderr; at a start above it the file becomes `.out.1`
LAST_LINES = 12
LAST_BYTES = 8192


def node_command(
    topology: Topology,
    process: Process,
    overrides: Mapping[str, str],
    parent: int,
    added: Sequence[str] = (),
    python: str = "",
    beside: bool = False,
    spare: bool = False,
) -> list[str]:
    """-P: a folder named `nodes` where the user happens to be must not shadow ours. `added` are all processes that
    are not in the file: a center that starts anew waits for their scenes, too. `python`: of another installation.
    `beside`: it takes over from the one that runs. `spare`: it waits until it is called."""
    command = [python or sys.executable, "-P", "-m", "nodes", process.name]
    command += ["--topology", str(topology.file), "--base-port", str(topology.base_port)]
    command += ["--runtime", str(topology.runtime), "--parent", str(parent)]
    for key, value in overrides.items():
        command += ["--set", f"{key}={value}"]
    for text in added:
        command += ["--add", text]
    if beside:
        command.append("--beside")
    if spare:
        command.append("--spare")
    return command


def out_file(topology: Topology, process: Process) -> Path:
    """stdout and stderr of the process: empty unless something went wrong."""
    return topology.log_file(process).with_suffix(".out")


class Launched:
    """A process that was started, and the place in its output where this life began."""

    def __init__(self, process: asyncio.subprocess.Process, out: Path, offset: int, command: list[str]) -> None:
        self.process = process
        self.out = out
        self.offset = offset
        self.command = command

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process.returncode is None

    def call(self) -> None:
        """A spare is to be the process now."""
        self.offset = _size(self.out)
        assert self.process.stdin is not None
        self.process.stdin.write(GO)
        self.process.stdin.close()

    def dismiss(self) -> None:
        """A spare is to end without having been the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens when it is gone."""
        if self.runs:
            self.process.send_signal(number)

    def last_words(self) -> list[str]:
        """What it wrote in this life, the last lines of it."""
        try:
            with self.out.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self.offset, size - LAST_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()][-LAST_LINES:]


async def launch(
    topology: Topology,
    process: Process,
    overrides: Mapping[str, str],
    added: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python: str = "",
    beside: bool = False,
    spare: bool = False,
) -> Launched:
    """Start one process; OSError when the system refuses. Without an `environment` it has ours."""
    out = out_file(topology, process)
    out.parent.mkdir(parents=True, exist_ok=True)
    if _size(out) > OUT_BYTES_MAX and not spare:
        out.replace(out.with_suffix(".out.1"))
    command = node_command(topology, process, overrides, os.getpid(), added, python, beside, spare)
    with out.open("ab") as sink:
        offset = sink.tell()
        started = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if spare else asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env=environment,
        )
    return Launched(started, out, offset, command)


def _size(file: Path) -> int:
    """0 when it is not there."""
    return file.stat().st_size if file.exists() else 0


def how_it_ended(code: int, last_words: list[str]) -> str:
    """For people: "ended with exit code 3; its last words: ..."."""
    if code < 0:
        try:
            how = f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was ended by signal {-code}"
    else:
        how = f"ended with exit code {code}"
    return how + "".join(f"\n    {line}" for line in last_words)


async def is_ready(host: str, port: int, timeout_s: float) -> bool:
    """Does GET /-/ready say 200?"""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /-/ready HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]
