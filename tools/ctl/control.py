"""The supervisor's ear: a Unix socket in the cluster's socket folder, one JSON object per line, one answer each.

    {"do": "stop", "hurry": false}                  -> {"ok": true}
    {"do": "restart", "process": "gate.1"}          -> {"ok": true} when it is Ready again, else {"error": "..."}
    {"do": "restart", "process": "gate.1", "python": "/opt/new/bin/python"} -> the same, from that installation
    {"do": "add", "process": "scene.3", "zone": "one"} -> {"ok": true} when it is Ready
    {"do": "remove", "process": "scene.3"}          -> {"ok": true} when it has ended
    {"do": "drain", "process": "gate.1"}            -> {"ok": true}: when it ends, it is not started again

Only the user who started the cluster can reach it: the folder and the socket are his alone.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from mesh.topology import Topology
from tools.ctl.exits import CommandError, Exit
from tools.ctl.growth import Growth
from tools.ctl.supervisor import Supervisor

REQUEST_BYTES_MAX = 4096


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a command asks of the supervisor. Of another version that one may be: what is not asked for is not said."""

    do: Literal["stop", "restart", "add", "remove", "drain"]
    process: str = ""
    hurry: bool = False
    zone: str = ""
    cold: bool = False  # restart: of a scene: end it first, its players go on elsewhere
    python: str = ""  # restart: of the installation from which it runs from now on; "": as before


class Answer(msgspec.Struct, frozen=True):
    """`error` is empty when it was done."""

    ok: bool
    error: str = ""


def socket_path(topology: Topology) -> Path:
    """Where the supervisor listens."""
    return topology.sockets / "supervisor"


class ControlServer:
    """Hands requests to a supervisor."""

    def __init__(self, supervisor: Supervisor, growth: Growth, path: Path) -> None:
        self._supervisor = supervisor
        self._growth = growth
        self._path = path
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """OSError when the folder cannot be used. A socket that a killed supervisor left is replaced."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=REQUEST_BYTES_MAX)
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker is gone, or its line is longer than any request
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            asked = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Answer(False, f"not a request: {error}")
        if asked.do == "stop":
            if not self._supervisor.supervision.stopping or asked.hurry:
                self._supervisor.stop()
            return Answer(True)
        if asked.do != "add" and asked.process not in self._supervisor.supervision.children:
            return Answer(False, f"there is no process {asked.process}")
        problem = await self._carry_out(asked)
        return Answer(not problem, problem)

    async def _carry_out(self, asked: Request) -> str:
        """What went wrong, or ""."""
        if asked.do == "add":
            return await self._growth.add(asked.process, asked.zone)
        if asked.do == "remove":
            return await self._growth.remove(asked.process)
        if asked.do == "drain":
            await self._supervisor.drained(asked.process)
            return ""
        return await self._supervisor.restart(asked.process, asked.python, cold=asked.cold)


async def ask(topology: Topology, request: Request, timeout_s: float) -> None:
    """Tell the supervisor; CommandError with its reason when it says no, or does not answer."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(socket_path(topology))
            try:
                writer.write(msgspec.json.encode(request) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise CommandError(f"the supervisor did not answer within {timeout_s:.0f} s", Exit.TIMED_OUT) from None
    except OSError as error:
        raise CommandError(f"the supervisor cannot be reached: {error.strerror or error}", Exit.UNHEALTHY) from None
    if not line:
        raise CommandError("the supervisor ended before it answered", Exit.UNHEALTHY)
    answer = msgspec.json.decode(line, type=Answer)
    if not answer.ok:
        raise CommandError(answer.error, Exit.UNHEALTHY)
