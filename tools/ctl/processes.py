"""Questions about the processes of this machine: is that one still alive, who holds that port.

A process is named by pid and start time together, since a pid is used again. Nothing here starts or stops anything,
except `send`, which makes sure that the signal reaches the process that was meant.
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterable

import msgspec
import psutil

from mesh.clock import Clock

ANSWER_S = 0.3  # on this machine a connection takes microseconds
START_SLACK_S = 0.05  # start times are kept in clock ticks of 10 ms


class Identity(msgspec.Struct, frozen=True):
    """One process, unmistakably."""

    pid: int
    started: float  # seconds since 1970, as the system tells it


def identity(pid: int | None = None) -> Identity:
    """Of this process, or of another one that exists (psutil.NoSuchProcess)."""
    process = psutil.Process(pid)
    return Identity(process.pid, process.create_time())


def is_alive(who: Identity) -> bool:
    """Does exactly this process exist (and is not a zombie that waits for its parent)?"""
    try:
        process = psutil.Process(who.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return bool(abs(process.create_time() - who.started) < START_SLACK_S)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def send(who: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone."""
    if not is_alive(who):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(who.pid, number)
        return True
    return False


async def wait_gone(who: Iterable[Identity], clock: Clock, timeout_s: float | None, poll_s: float = 0.05) -> bool:
    """Until none of these processes exists; False when that takes too long. They are not our children, so nothing
    but asking tells."""
    left = [w for w in who if is_alive(w)]
    end = None if timeout_s is None else clock.now() + timeout_s
    while left:
        if end is not None and clock.now() >= end:
            return False
        await asyncio.sleep(poll_s)
        left = [w for w in left if is_alive(w)]
    return True


def ancestors(pid: int | None = None) -> list[psutil.Process]:
    """The parent, its parent and so on."""
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).parents())
    return []


def started_by(who: Identity) -> set[str]:
    """The processes of a topology, by name, that this one started and that still run: a process and its spare are one.
    None when it is gone."""
    found = set()
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(who.pid).children():
            with contextlib.suppress(psutil.Error):
                found.add(node_of(child.cmdline()))
    return found - {""}


def node_of(words: list[str]) -> str:
    """Which process of a topology a command line is; "" for another program."""
    return words[4] if words[1:4] == ["-P", "-m", "nodes"] and "--runtime" in words else ""


def is_taken(host: str, port: int) -> bool:
    """Would a server that wants to listen here find the port in use?"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def is_local(host: str) -> bool:
    """Is this an address of this machine?"""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def is_answering(address: str) -> bool:
    """Does somebody take connections at this ipc:// or tcp:// address?"""
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    family = socket.AF_UNIX if scheme == "ipc" else socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_S)
        try:
            probe.connect(rest if scheme == "ipc" else (host.strip("[]"), int(port)))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on a port, for people: "pid 123 (python3 -m http.server)"."""
    try:
        found = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr[1] == port]
    except psutil.AccessDenied:
        found = []
    pid = next((pid for pid in found if pid), None)
    if pid is None:
        return "a process of another user"
    return f"pid {pid} ({command_of(pid)})"


def command_of(pid: int) -> str:
    """The command line of a process, cut to a readable length; for a node, which one it is."""
    try:
        words = psutil.Process(pid).cmdline()
        if node := node_of(words):
            return f"node {node} of the cluster in {words[words.index('--runtime') + 1]}"
        line = " ".join([os.path.basename(words[0]), *words[1:]]) if words else psutil.Process(pid).name()
    except psutil.Error:
        return "gone by now"
    line = " ".join(line.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
