"""A network in memory that keeps the contract of `mesh.transport.base`, and can kill, pause and part its nodes.

What arrives at a node is heard in the context in which its endpoint was made, never in that of the sender.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from mesh.errors import StorageError
from mesh.transport.base import Blob, Listener

HIGH_WATER = 10_000  # messages of one link, as in the real transport


class MemoryNetwork:
    """Links between endpoints of one process, with the promises of `mesh.transport.base`.

    `latency_s` is from and to how many seconds a message takes, drawn for each one; the order on a link stays. With
    none, everything arrives in the next turn of the loop.
    """

    def __init__(self, seed: int = 0) -> None:
        self.rolls = random.Random(seed)
        self.latency_s = (0.0, 0.0)
        self.places: dict[str, MemoryEndpoint] = {}  # who listens where
        self.publishers: dict[str, list[MemoryEndpoint]] = {}  # who subscribes to which address
        self.endpoints: list[MemoryEndpoint] = []
        self.lossy: dict[str, int] = {}  # node -> how many of the next publications it does not hear
        self.on_said: Callable[[str, str, Sequence[Blob]], None] | None = None  # identities of both ends, frames
        self.on_heard: Callable[[str, str, Sequence[Blob]], None] | None = None
        self._cuts: set[tuple[str, str]] = set()  # (from, to): nothing gets through
        self._narrow: set[tuple[str, str]] = set()  # (from, to): nothing more is taken
        self._unheard: list[_End] = []  # whose end was not heard because of that

    def endpoint(self, name: str, incarnation: int, listener: Listener) -> "MemoryEndpoint":
        made = MemoryEndpoint(self, f"{name}#{incarnation:x}", listener)
        self.endpoints.append(made)
        return made

    def later(self, there: "MemoryEndpoint", function: Callable[..., None], *arguments: Any) -> None:
        """When what was just sent arrives there."""
        loop, context = asyncio.get_running_loop(), there.context.copy()
        if self.latency_s[1]:
            loop.call_later(self.rolls.uniform(*self.latency_s), function, *arguments, context=context)
        else:
            loop.call_soon(function, *arguments, context=context)

    def kill(self, name: str, incarnation: int | None = None) -> None:
        """As SIGKILL does: the node says nothing more, and everyone with a link to it is told. A part of what it had
        just said is lost. With an incarnation: of several processes of that name this one."""
        meant = f"{name}#" if incarnation is None else f"{name}#{incarnation:x}#"
        for endpoint in [e for e in self.endpoints if (e.identity + "#").startswith(meant)]:
            endpoint.lose_some(self.rolls)
            endpoint.crash()

    def pause(self, name: str, paused: bool = True) -> None:
        """As SIGSTOP does, seen from the others: nothing gets in or out, and nobody is told. What was sent waits. (The
        paused node's own timers go on, as if the network alone had stopped.)"""
        for endpoint in list(self.endpoints):
            if endpoint.identity.startswith(f"{name}#"):
                endpoint.pause(paused)
        for endpoint in list(self.endpoints):
            endpoint.dial_again()

    def cut(self, source: str, target: str) -> None:
        """Nothing that this node says gets to that one, as behind a broken router: links stay until somebody gives
        them up. What is said meanwhile arrives when the cut is mended, but for publications, which are lost."""
        self._cuts.add((source, target))

    def mend(self, source: str, target: str) -> None:
        self._cuts.discard((source, target))
        unheard, self._unheard = self._unheard, []
        for end in unheard:
            self.later(end.endpoint, end.endpoint.broken, end)
        for endpoint in list(self.endpoints):
            endpoint.hear_again()
            endpoint.dial_again()

    def is_cut(self, source: "MemoryEndpoint", target: "MemoryEndpoint") -> bool:
        return bool(self._cuts) and (source.name, target.name) in self._cuts

    def narrow(self, source: str, target: str, narrow: bool = True) -> None:
        """The queue from this node to that one is full, or not any more: what is said is refused, as by a socket at its
        high water mark."""
        (self._narrow.add if narrow else self._narrow.discard)((source, target))

    def is_narrow(self, source: "MemoryEndpoint", target: "MemoryEndpoint") -> bool:
        return bool(self._narrow) and (source.name, target.name) in self._narrow

    def sever(self, one: str, other: str) -> None:
        """Every link between these two breaks, and with it a part of what was under way on it."""
        for endpoint in [e for e in self.endpoints if e.name == one]:
            endpoint.sever(other)

    def is_lost(self, subscriber: "MemoryEndpoint") -> bool:
        """Does it not hear this publication?"""
        left = self.lossy.get(subscriber.name, 0)
        if left:
            self.lossy[subscriber.name] = left - 1
        return left > 0

    def keep(self, end: "_End") -> None:
        """It will hear of its end when the cut is mended."""
        self._unheard.append(end)


class _End:
    """One end of a link in memory."""

    def __init__(self, endpoint: "MemoryEndpoint", link: int, accepted: bool) -> None:
        self.endpoint, self.link, self.accepted = endpoint, link, accepted
        self.heard = False  # an accepted link is reported with its first message, as ZeroMQ does
        self.other: _End | None = None
        self.queue: deque[list[bytes]] = deque()  # on the way to this end


class MemoryEndpoint:
    """See `mesh.transport.base.Endpoint`."""

    def __init__(self, network: MemoryNetwork, identity: str, listener: Listener) -> None:
        self.identity = identity
        self.name = identity.partition("#")[0]
        self.context = contextvars.copy_context()
        self.listener = listener
        self.paused = False
        self._network = network
        self._last = 0
        self._ends: dict[int, _End] = {}
        self._dialling: dict[int, str] = {}
        self._places: list[str] = []
        self._stream: str | None = None
        self._coming: deque[bytes] = deque()  # publications on the way
        self._held: list[bytes] = []
        self._ended: list[_End] = []  # links whose end is to be told when the pause is over
        self._open = True

    def bind(self, address: str) -> None:
        if not self._open:
            return  # the process died while it started
        if address in self._network.places:
            raise StorageError(f"cannot listen at {address}: somebody does")
        self._network.places[address] = self
        self._places.append(address)
        for endpoint in self._network.endpoints:
            endpoint.somebody_listens(address)

    def bind_publisher(self, address: str) -> None:
        self._stream = address

    def subscribe(self, address: str, peer: str = "") -> None:
        self._network.publishers.setdefault(address, []).append(self)

    def dial(self, address: str, peer: str = "") -> int:
        self._last += 1
        self._dialling[self._last] = address
        self._soon(self._try, self._last)
        return self._last

    def _soon(self, function: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_soon(function, *arguments, context=self.context.copy())

    def somebody_listens(self, address: str) -> None:
        for link, wanted in self._dialling.items():
            if wanted == address:
                self._soon(self._try, link)

    def dial_again(self) -> None:
        for link in self._dialling:
            self._soon(self._try, link)

    def _try(self, link: int) -> None:
        place = self._network.places.get(self._dialling.get(link, ""))
        if place is None or not self._open or self.paused or place.paused:
            return
        if self._network.is_cut(self, place) or self._network.is_cut(place, self):
            return
        del self._dialling[link]
        mine, theirs = _End(self, link, False), place.take()
        mine.other, theirs.other = theirs, mine
        self._ends[link] = mine
        self.listener.link_opened(link)

    def take(self) -> _End:
        self._last += 1
        end = _End(self, self._last, True)
        self._ends[self._last] = end
        return end

    def send(self, link: int, frames: Sequence[Blob]) -> bool:
        end = self._ends.get(link)
        if end is None or end.other is None or len(end.other.queue) >= HIGH_WATER:
            return False
        other = end.other
        if self._network.is_narrow(self, other.endpoint):
            return False
        other.queue.append([bytes(frame) for frame in frames])
        if self._network.on_said is not None:
            self._network.on_said(self.identity, other.endpoint.identity, frames)
        if not other.endpoint.paused and not self.paused:
            self._network.later(other.endpoint, other.endpoint.deliver, other)
        return True

    def deliver(self, end: _End) -> None:
        if self.paused or not end.queue or end.link not in self._ends:
            return
        assert end.other is not None
        if self._network.is_cut(end.other.endpoint, self):
            return
        frames = end.queue.popleft()
        if self._network.on_heard is not None:
            self._network.on_heard(end.other.endpoint.identity, self.identity, frames)
        if end.accepted and not end.heard:
            end.heard = True
            self.listener.link_accepted(end.link, "")
        self.listener.arrived(end.link, frames)

    def publish(self, frame: Blob) -> bool:
        if self._stream is None:
            return False
        if self.paused:
            return True  # taken, and lost
        for subscriber in self._network.publishers.get(self._stream, []):
            lost = self._network.is_cut(self, subscriber) or self._network.is_lost(subscriber)
            if subscriber._open and not lost:
                subscriber._coming.append(bytes(frame))
                self._network.later(subscriber, subscriber.hear)
        return True

    def hear(self) -> None:
        frame = self._coming.popleft()
        if self.paused:
            self._held.append(frame)
        elif self._open:
            self.listener.published(frame)

    def hang_up(self, link: int) -> None:
        self._dialling.pop(link, None)
        end = self._ends.pop(link, None)
        if end is None or end.other is None:
            return
        if self.paused and self._open:
            self._ended.append(end.other)
        else:
            self._network.later(end.other.endpoint, end.other.endpoint.broken, end.other)

    def broken(self, end: _End) -> None:
        """The other side hung up or died; what it sent before still arrives first."""
        if self.paused and self._open:
            self._ended.append(end)
            return
        if end.other is not None and self._network.is_cut(end.other.endpoint, self):
            self._network.keep(end)
            return
        while end.queue and end.link in self._ends:
            self.deliver(end)
        if end.link in self._ends:
            del self._ends[end.link]
            if self._open:
                self.listener.link_lost(end.link)

    def lose_some(self, rolls: random.Random) -> None:
        for end in self._ends.values():
            queue = end.other.queue if end.other is not None else deque()
            for _ in range(rolls.randint(0, len(queue))):
                queue.pop()

    def sever(self, peer: str) -> None:
        """Break what links this one and that peer."""
        for end in [e for e in self._ends.values() if e.other is not None and e.other.endpoint.name == peer]:
            assert end.other is not None
            for side in (end, end.other):
                for _ in range(self._network.rolls.randint(0, len(side.queue))):
                    side.queue.pop()
                self._network.later(side.endpoint, side.endpoint.broken, side)

    def hear_again(self) -> None:
        """What was kept back may arrive now."""
        for end in self._ends.values():
            for _ in end.queue:
                self._soon(self.deliver, end)

    def close(self) -> None:
        for link in [*self._ends, *self._dialling]:
            self.hang_up(link)
        self.crash()

    def crash(self) -> None:
        self._open = False
        for place in self._places:
            self._network.places.pop(place, None)
        self._places.clear()
        for subscribers in self._network.publishers.values():
            if self in subscribers:
                subscribers.remove(self)
        for link in list(self._ends):
            self.hang_up(link)
        for end in self._ended:
            end.endpoint._soon(end.endpoint.broken, end)
        if self in self._network.endpoints:
            self._network.endpoints.remove(self)

    def pause(self, paused: bool) -> None:
        self.paused = paused
        if not paused:
            self.hear_again()
            for end in list(self._ends.values()):
                if end.other is not None:
                    for _ in end.other.queue:
                        end.other.endpoint._soon(end.other.endpoint.deliver, end.other)
            ended, self._ended = self._ended, []
            for end in ended:
                end.endpoint._soon(end.endpoint.broken, end)
            held, self._held = self._held, []
            for frame in held:
                self.listener.published(frame)
