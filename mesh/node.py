"""What every server is made of: a table of handlers, a lifecycle, a switchboard and a place in the registry.

A role is a subclass with ROLE, SETTINGS and handlers. The order of a life:

    open()     files, stores; a StorageError here ends the process with its text
    (the switchboard binds, the registry is told, links are opened)
    serve()    once, when the node is about to be Ready: registered, and linked to one node of each role it needs
    drain()    asked to stop: finish what was begun, hand over; bounded by DRAIN_S
    close()    always last
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar

import msgspec

from mesh import patience
from mesh.core.journal_outbox import EVENTS_MAX, JournalOutbox
from mesh.core.lifecycle import advance
from mesh.core.links import Caller, Link
from mesh.core.publications import Publications, split
from mesh.counting import count
from mesh.dispatch import Dispatch
from mesh.errors import Code, MeshError, PeerLost, RefusedError, StorageError
from mesh.handlers import on, on_batch, on_published, on_together, to_the_end
from mesh.journal import Journal
from mesh.metrics import Metrics
from mesh.monitoring import Monitoring
from mesh.pressure import PressureWatch
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.control import (
    Describe,
    Description,
    Drain,
    Drained,
    Load,
    Member,
    MemberChanged,
    Pulse,
    State,
)
from mesh.protocol.envelope import Envelope, Lane
from mesh.registry import Registry
from mesh.seat import Seat
from mesh.settings import settings_of
from mesh.switchboard import Switchboard
from mesh.topology import NEEDS, SINGLE
from mesh.trace import Tracer, Traces
from mesh.transport.base import Blob
from mesh.version import VERSION

__all__ = ["Caller", "Node", "on", "on_batch", "on_published", "on_together", "settings_of", "to_the_end"]

DRAIN_S = 3.0  # how long `drain` may take; a cluster is stopped within 4 s
FLUSH_S = 0.5  # and the last events after it
ANNOUNCE_S = 0.3  # the center may have gone before
PULSE_S = 0.25  # what was lost at the end of the stream is missed no later than that
END_S = 1.0  # for cancelled tasks to end


class Node:
    """See the module."""

    ROLE: ClassVar[str] = ""
    SETTINGS: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.name = seat.spec.name
        self.clock, self.random, self.topology, self.log = seat.clock, seat.random, seat.topology, seat.log
        self.settings: Any = settings_of(self.SETTINGS, self.ROLE, seat.topology.settings, str(seat.topology.file))
        self.state: State = "Starting"
        self.incarnation = seat.random.getrandbits(62) | 1
        self.started_at = self.clock.now()
        self.metrics = Metrics(seat.spec.short, self.ROLE, self.log.warning)
        self.traces = Traces()
        tracer = Tracer(self.name, self.clock, self.random, self.traces)
        self.timed, self.tracing, self.sampling = tracer.timed, tracer.tracing, tracer.sampling
        self.publications = Publications()
        self.switchboard = Switchboard(self, self.name, self.ROLE, self.incarnation, seat.network, self.clock)
        self.registry = Registry(self)
        outbox = JournalOutbox(self.name, self.incarnation, events_max=self.topology.events_kept or EVENTS_MAX)
        asking = self.ask, lambda: [m.name for m in self._serving("log")]
        self.journal = Journal(self.name, self.incarnation, self.clock, *asking, outbox=outbox)
        self.stopped, self.ready = asyncio.Event(), asyncio.Event()
        self.failure: MeshError | None = None  # why it cannot serve, when it cannot; `failed` is set then
        self.failed = asyncio.Event()
        self._opened = self._stopping = False
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in their order, so that a simulation repeats itself
        self.dispatch = Dispatch(self.name, self.clock, self.log, self.switchboard, self.spawn)
        self.pressure = PressureWatch(self)
        self.monitoring = Monitoring(self.metrics, self.traces, self.dispatch, seat.around, seat.lines)
        self.serve_parts(self, self.pressure, self.monitoring)
        count(self.metrics, self.switchboard, self.dispatch, self.journal, lambda: self.state == "Ready")

    # --- what a role overrides ---

    async def open(self) -> None:
        """Before the node can be spoken to."""

    async def serve(self) -> None:
        """The node is about to be Ready."""

    async def drain(self) -> None:
        """The node was asked to stop."""

    async def hand_over(self) -> Drained:
        """The node was asked to become empty: it is Draining already, and nobody gives it anything new."""
        return Drained(0, 0)

    async def close(self) -> None:
        """The last thing."""

    def load(self) -> Load:
        return Load()

    def facts(self) -> dict[str, str]:
        """What the registry tells others about this node."""
        return {}

    def describe(self) -> dict[str, Any]:
        """What `mesh status --json` shows besides the usual."""
        return {}

    def peer_up(self, member: Member) -> None:
        """A link to this node is up."""

    def peer_lost(self, member: Member) -> None:
        """It is down: the node died, hangs or left. Its requests have failed already."""

    def registry_changed(self) -> None:
        """The center only: its own member changed."""

    def signals(self) -> dict[str, float]:
        """What puts this role under pressure, besides what does so to every node; 1.0: at its limit."""
        return {}

    def level_changed(self) -> None:
        """This node leaves out more or less from now on: `pressure.level`."""

    def peer_level_changed(self, peer: str) -> None:
        """So does another one: `pressure.of(peer)`."""

    # --- what a role uses ---

    def serve_parts(self, *parts: object) -> None:
        """Add the handlers of these objects to the table."""
        for part in parts:
            self.dispatch.add(part)

    async def ask(self, target: str, message: Message, timeout_s: float = 5.0) -> Message:
        """Ask a node, or any Ready node of a role. Raises RefusedError, PeerLost or DeadlineExceeded."""
        return await self.switchboard.ask(self._resolve(target, message), message, timeout_s, guarded="." not in target)

    def tell(self, target: str, message: Message) -> bool:
        """One way. False: nobody there, or the link takes no more; counted."""
        try:
            return self.switchboard.tell(self._resolve(target, message), message)
        except PeerLost:
            self.switchboard.counts.refused += 1
            return False

    def batch(self, peer: str, lane: Lane, *blobs: Blob) -> bool:
        """A batch of a hot lane to a node."""
        return self.switchboard.batch(peer, lane, blobs)

    def publish(self, message: Message) -> int:
        """Say something to every node (center only); heard here, too. Returns its sequence."""
        body = encode(message)
        self.switchboard.endpoint.publish(self.publications.add(body))
        self._hear_publication(message)
        return self.publications.sequence

    def peers(self, role: str) -> list[Member]:
        """Ready nodes of a role with a link that is up, by name; no standby is one of them."""
        up = self.switchboard.links.up
        return [m for m in self.registry.in_charge(role) if m.state == "Ready" and m.name in up]

    def member(self, name: str) -> Member | None:
        return self.registry.membership.members.get(name)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it beside; a failure is logged, and it ends with the node."""
        task = patience.begin(work)
        self._tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def every(self, seconds: float, function: Callable[[], Awaitable[None] | None]) -> asyncio.Task[Any]:
        """Call a function again and again, `seconds` after it has ended. A mistake in it is logged and counted, and
        it is called again: a gate that stopped to flush would live on and serve nobody."""

        async def again() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    result = function()
                    if inspect.isawaitable(result):
                        await result
                except Exception as error:  # noqa: BLE001 - see above
                    self.dispatch.mistake(error, function)

        return self.spawn(again())

    def step(self, number: int, count: int = 1) -> None:
        """One of the nine steps happened here."""
        self.dispatch.steps[number] += count

    # --- life ---

    async def start(self) -> None:
        """Open, bind, register. Returns when the node can be spoken to; `ready` is set when it serves."""
        await self.open()
        self._opened = True
        await self.switchboard.bind(self.registry.addresses())
        if self.ROLE == "center":
            self.switchboard.endpoint.bind_publisher(self.seat.spec.publisher)
            self.every(PULSE_S, self._pulse)
        else:
            center = self.topology.center_of(self.seat.spec.zone)
            self.switchboard.endpoint.subscribe(center.publisher, center.name)
        self.spawn(self.switchboard.tend())
        self.spawn(self.journal.run())
        self.pressure.begin()
        self.registry.begin()
        self.spawn(self._become_ready())

    async def stop(self) -> None:
        """Drain within DRAIN_S, say goodbye, close."""
        if self._stopping:
            await self.stopped.wait()
            return
        self._stopping = True
        if self.state != "Draining":
            self.state = advance(self.state, "Draining")
        try:
            if self._opened:
                await self._drain()
        finally:
            self.state = advance(self.state, "Shutdown")
            await self._end()

    async def _drain(self) -> None:
        try:
            await self.registry.announce(ANNOUNCE_S)
            async with asyncio.timeout(DRAIN_S):
                await self.drain()
        except (TimeoutError, MeshError) as error:
            self.log.warning("drain was cut short", reason=str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a mistake in it must not keep the rest from closing
            self.dispatch.mistake(error, self.drain)
        if not await self.journal.flush(FLUSH_S):
            self.log.warning("events are left behind", pending=self.journal.pending)

    async def abandon(self) -> None:
        """Let go of everything without a word, as a killed process does (for simulations)."""
        self.state = "Shutdown"
        while self._tasks:  # what ends may begin something
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.stopped.set()

    async def _end(self) -> None:
        try:
            await self.close()
        finally:
            await self.switchboard.leave()
            tasks = [task for task in self._tasks if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=END_S)
            self.stopped.set()

    async def _become_ready(self) -> None:
        await self.registry.registered.wait()
        needs = [role for role in NEEDS.get(self.ROLE, ()) if self.ROLE != "center"]
        await self.registry.wait_linked(needs)
        if self.state in ("Draining", "Shutdown"):
            return
        try:
            await self.serve()
        except StorageError as error:
            self.failure = error
            self.failed.set()
            return
        if self.state in ("Draining", "Shutdown"):
            return
        self.state = advance(self.state, "Ready")
        await self.registry.announce()
        self.ready.set()
        self.log.info("ready", state=self.state)

    def own_member(self) -> Member:
        """This node, as the registry should know it."""
        at, load = self.seat.spec.address, msgspec.structs.replace(self.load(), level=self.pressure.number)
        facts = self.facts() | {"version": VERSION}
        return Member(self.name, self.incarnation, self.ROLE, at, self.state, load, facts)

    def _pulse(self) -> None:
        self.switchboard.endpoint.publish(self.publications.pulse(encode(Pulse())))

    def _resolve(self, target: str, message: Message) -> str:
        if "." in target:
            return target
        peers = self.switchboard.asking.able(self._serving(target), message)
        if not peers:
            raise PeerLost(f"no {target} node is Ready")
        return peers[self.random.randrange(len(peers))].name if len(peers) > 1 else peers[0].name

    def _serving(self, role: str) -> list[Member]:
        """The Ready nodes of a role; when there are none, those that drain: they hear the last word of whoever stops
        together with them."""
        up = self.switchboard.links.up
        there = [m for m in self.registry.in_charge(role) if m.name in up]
        return [m for m in there if m.state == "Ready"] or [m for m in there if m.state == "Draining"]

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self.dispatch.errors += 1
            self.log.error("a task failed", task=task.get_name(), reason=repr(task.exception()))

    # --- hearing: the switchboard's Host ---

    def may_link(self, peer: str, role: str) -> bool:
        return self.topology.may_link(self.seat.spec, peer, role)

    def link_up(self, link: Link) -> None:
        self.registry.link_up(link)
        self.pressure.link_up(link)

    def link_down(self, link: Link) -> None:
        self.registry.link_down(link)
        self.pressure.link_down(link)

    def published(self, frame: bytes) -> None:
        try:
            epoch, sequence, body = split(frame)
        except ValueError:
            self.dispatch.malformed += 1
            return
        self.registry.publication(epoch, sequence, body)

    def hear_publication(self, body: bytes) -> None:
        """Hand one publication, in order, to whoever hears it here."""
        message = self.dispatch.publication(body)
        if message is not None:
            self._hear_publication(message)

    def _hear_publication(self, message: Message) -> None:
        if isinstance(message, MemberChanged):
            self.registry.changed(message.member)
        self.dispatch.published(message)

    def batch_arrived(self, link: Link, lane: int, blobs: list[bytes]) -> None:
        self.dispatch.batch(link, lane, blobs)

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        self.dispatch.heard(link, envelopes)

    # --- about itself ---

    @on(Describe)
    def on_describe(self, _said: Describe, _caller: Caller) -> Description:
        links = [(link.peer or "?", link.state) for link in self.switchboard.links.by_id.values()]
        metrics_url = f"http://{self.seat.spec.host}:{self.seat.spec.metrics_port}/metrics"
        facts = {"version": VERSION, "pressure": self.pressure.describe()} | self.describe()
        return Description(
            self.name, self.ROLE, self.state, self.registry.pid, self.incarnation,
            self.clock.now() - self.started_at, metrics_url, self.own_member().load, sorted(links), facts,
        )  # fmt: skip

    @on(Drain)
    async def on_drain(self, _said: Drain, _caller: Caller) -> Drained:
        """`mesh drain`: from now on nobody chooses this node; what it has goes to the others. It runs on, empty, until
        it is stopped or restarted."""
        if self.ROLE in SINGLE:
            raise RefusedError(Code.NOT_ALLOWED, f"a zone has one {self.ROLE}: it is restarted, not drained")
        if self.state not in ("Ready", "Draining"):
            raise RefusedError(Code.UNAVAILABLE, f"{self.name} is {self.state}")
        if self.state == "Ready":
            others = [m for m in self.registry.of_role(self.ROLE) if m.state == "Ready" and m.name != self.name]
            if not others:
                raise RefusedError(Code.NOT_ALLOWED, f"there is no other {self.ROLE} that is Ready: start one first")
            self.state = advance(self.state, "Draining")
            await self.registry.announce()
            self.log.info("draining", state=self.state)
        return await self.hand_over()
