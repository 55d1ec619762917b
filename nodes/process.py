"""One operating system process of a cluster: its loop, its nodes, its HTTP door, its signals."""

import asyncio
import faulthandler
import gc
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from loguru import logger

from mesh import logs, metrics
from mesh.clock import SystemClock
from mesh.errors import DeadlineExceeded, HandedOverError, MeshError, PeerLost, ReplacedError, StorageError
from mesh.failpoints import Armed, Failpoints
from mesh.hosts import HostUsage, tells
from mesh.http import HttpDoor
from mesh.node import Node
from mesh.seat import Seat, ThreadWorkers
from mesh.topology import NodeSpec, Process, Topology
from mesh.transport.auth import Identity
from mesh.transport.sockets import ZmqNetwork
from mesh.usage import Usage

PARENT_CHECK_S = 0.5
USAGE_EXIT = 2
PREDECESSOR_S = 3.0  # for the process before to end, when this one was started beside it
DOOR_AGAIN_S = 0.01
HANDED_EXIT = 3  # everything was given to a process that was started beside: that one is this one now
UNHEARD_EXIT = 4  # the process that was to give us everything does not answer
REPLACED_EXIT = 1  # as after a crash: the supervisor starts the process anew
COLLECT = (20_000, 20, 100)
"""When cycles are looked for (gc.set_threshold). Nothing here makes many of them, and with the usual numbers a burst of
logins spends a fifth of its time on looking."""
SWITCH_S = 0.0001
"""How long a thread waits before a busy loop has to let it go on (sys.setswitchinterval). With the usual 5 ms a commit
begins that much later, and is heard of that much later when the disk has answered."""


def run_process(
    topology: Topology,
    process: Process,
    classes: dict[str, type[Node]],
    parent: int | None,
    armed: dict[str, Armed] | None = None,
    detours: dict[str, str] | None = None,
    beside: bool = False,
) -> int:
    """Run these nodes until a signal; the exit code. `armed`: failpoints; `detours`: other ways to addresses. `beside`:
    another process is this one still, and is to give us all that it has; only then we take its place."""
    clock = SystemClock()
    try:
        for folder in (topology.runtime, topology.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_strangers(topology)
        lines = logs.Lines()
        logs.begin(topology.log_file(process), clock, lines=lines)
    except OSError as error:
        raise StorageError(f"cannot use {error.filename}: {error.strerror}; choose another --runtime") from None
    sys.setswitchinterval(SWITCH_S)
    work = _Runner(topology, process, classes, clock, parent, armed or {}, detours or {}, beside, lines)
    if sys.platform == "win32":
        return asyncio.run(work.run())
    import uvloop

    return int(uvloop.run(work.run()))


def refuse_strangers(topology: Topology) -> None:
    """Whoever owns the folder of the sockets could put others in their place; under a temporary folder its name can be
    guessed."""
    is_inside = topology.runtime.resolve() in topology.sockets.parents
    if not is_inside and topology.sockets.stat().st_uid != os.getuid():
        raise StorageError(f"{topology.sockets} belongs to somebody else; choose a --runtime with a shorter path")


def settle_memory() -> None:
    """What exists now lives as long as the process: later collections need not look at it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


@runtime_checkable
class Heir(Protocol):
    """A node that can take over from another process of the same name."""

    async def inherit(self) -> None:
        """Returns when it has everything; MeshError when it gets nothing."""


class _Runner:
    """The life of the process."""

    def __init__(
        self,
        topology: Topology,
        process: Process,
        classes: dict[str, type[Node]],
        clock: SystemClock,
        parent: int | None,
        armed: dict[str, Armed],
        detours: dict[str, str],
        beside: bool,
        lines: logs.Lines,
    ) -> None:
        self._beside = beside
        self._failpoints = Failpoints(armed, self._act)
        self._crashes: BinaryIO | None = None  # kept open for the moment in which it is needed
        self._topology, self._process, self._classes = topology, process, classes
        self._clock, self._parent, self._detours = clock, parent, detours
        self._stop = asyncio.Event()
        self._nodes: list[Node] = []
        self._usage, self._lines = Usage(clock), lines
        self._around = [self._usage.metrics]
        if tells(topology, process):
            self._around.append(HostUsage(topology.runtime, clock).metrics)
        if detours:
            logger.bind(node=process.name).warning("goes detours", addresses=",".join(detours))
        if armed:
            logger.bind(node=process.name).warning("failpoints are armed", points=",".join(armed))

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._usage.begin()
        network = ZmqNetwork(self._identities(), self._detours)
        door = HttpDoor(self._pages())
        watch = loop.create_task(self._watch_parent())
        try:
            if self._beside:
                settle_memory()  # to look for cycles while a scene stands still would take as long as all the rest
            else:
                await self._open_door(door)
            for spec in self._process.nodes:
                node = self._classes[spec.role](self._seat(spec, network))
                if self._beside:
                    await self._inherit(node)
                self._nodes.append(node)
                await node.start()
                if self._stop.is_set():
                    return 0
            if self._beside:
                await self._open_door(door, PREDECESSOR_S)
            settle_memory()
            await self._wait_end()
        except StorageError as error:
            logger.bind(node=self._process.name).error("cannot start", reason=str(error))
            print(str(error), file=sys.stderr)
            return USAGE_EXIT
        except (PeerLost, DeadlineExceeded) as error:
            print(str(error), file=sys.stderr)
            return UNHEARD_EXIT
        except HandedOverError as error:
            logger.bind(node=self._process.name).info("the process ends", reason=str(error))
            os._exit(HANDED_EXIT)  # our addresses are the successor's by now: nothing of them may be closed in order
        except ReplacedError as error:
            logger.bind(node=self._process.name).error("the process ends", reason=str(error))
            return REPLACED_EXIT
        finally:
            watch.cancel()
            await self._stop_nodes()
            await door.close()
            network.close()
        return 0

    async def _wait_end(self) -> None:
        """Until somebody asks for it. StorageError when a node finds that it cannot serve, ReplacedError when it is not
        to serve any more."""
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(event.wait()) for event in (self._stop, *(node.failed for node in self._nodes))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for node in self._nodes:
            if node.failure is not None:
                raise node.failure

    async def _stop_nodes(self) -> None:
        """All at once, as when each has a process of its own: who waits for whom is between them."""
        for ended in await asyncio.gather(*(node.stop() for node in self._nodes), return_exceptions=True):
            if isinstance(ended, BaseException):
                logger.bind(node=self._process.name).opt(exception=ended).error("a node did not stop in order")

    def _identities(self) -> dict[str, Identity]:
        if not self._topology.curve:
            return {}
        folder = self._topology.keys / "curve"
        return {spec.name: Identity.load(folder, spec.short) for spec in self._process.nodes}

    async def _inherit(self, node: Node) -> None:
        """StorageError when this process is not to be; PeerLost or DeadlineExceeded when the other one says nothing."""
        if not isinstance(node, Heir):
            raise StorageError(f"a {node.ROLE} hands nothing over: it is stopped and started again")
        try:
            await node.inherit()
        except (PeerLost, DeadlineExceeded):
            raise
        except MeshError as error:
            raise StorageError(f"nothing was handed over: {error}") from None

    async def _open_door(self, door: HttpDoor, predecessor_s: float = 0.0) -> None:
        port, until = self._process.metrics_port, self._clock.now() + predecessor_s
        while True:
            try:
                await door.open(self._process.host, port)
                return
            except OSError as error:
                if self._clock.now() >= until:
                    text = f"port {port} for /metrics cannot be used: {error.strerror}; try --base-port"
                    raise StorageError(text) from None
            await asyncio.sleep(DOOR_AGAIN_S)

    def _seat(self, spec: NodeSpec, network: ZmqNetwork) -> Seat:
        return Seat(
            spec,
            self._topology,
            self._clock,
            network,
            random.Random(random.SystemRandom().getrandbits(64)),
            logs.of_node(spec.short),
            ThreadWorkers,
            self._topology.data(spec),
            _front if spec.role == "gate" else None,
            self._failpoints,
            self._crash_into,
            self._around,
            self._lines,
        )

    def _crash_into(self, path: Path) -> None:
        """From now on: when compiled code ends the process, how that happened is added to this file."""
        self._crashes = path.open("ab")
        path.chmod(0o600)
        faulthandler.enable(self._crashes)

    def _act(self, _name: str, armed: Armed) -> None:
        """An armed failpoint was hit."""
        if armed.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self._clock.stand_still(armed.seconds)

    def _pages(self) -> dict[str, Callable[[], tuple[int, str, bytes]]]:
        def metrics_page() -> tuple[int, str, bytes]:
            body = metrics.page([*self._around, *(node.metrics for node in self._nodes)])
            return 200, "text/plain; version=0.0.4; charset=utf-8", body

        def healthy() -> tuple[int, str, bytes]:
            return 200, "text/plain", b"ok\n"

        def ready() -> tuple[int, str, bytes]:
            states = {node.seat.spec.short: node.state for node in self._nodes}
            every = len(states) == len(self._process.nodes) and all(s == "Ready" for s in states.values())
            text = "".join(f"{short} {state}\n" for short, state in states.items()).encode()
            return (200 if every else 503), "text/plain", text or b"Starting\n"

        return {"/metrics": metrics_page, "/-/healthy": healthy, "/-/ready": ready}

    async def _watch_parent(self) -> None:
        """Whoever started us may be killed; then nobody would ever stop us. Its number may live on as a zombie, but
        the system gives its children to somebody else."""
        while self._parent is not None:
            await asyncio.sleep(PARENT_CHECK_S)
            if os.getppid() != self._parent:
                logger.bind(node=self._process.name).warning("the supervisor is gone", parent=self._parent)
                self._stop.set()
                return


def _front(*arguments: Any) -> Any:
    from nodes.gate.front import SocketFront

    return SocketFront(*arguments)
