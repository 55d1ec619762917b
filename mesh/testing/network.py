"""A network in memory that keeps the contract of `mesh.transport.base`, and can kill and pause its nodes."""

import asyncio
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

    def endpoint(self, name: str, incarnation: int, listener: Listener) -> "MemoryEndpoint":
        made = MemoryEndpoint(self, f"{name}#{incarnation:x}", listener)
        self.endpoints.append(made)
        return made

    def later(self, function: Callable[..., None], *arguments: Any) -> None:
        """When what was just sent arrives."""
        loop = asyncio.get_running_loop()
        if self.latency_s[1]:
            loop.call_later(self.rolls.uniform(*self.latency_s), function, *arguments)
        else:
            loop.call_soon(function, *arguments)

    def kill(self, name: str) -> None:
        """As SIGKILL does: the node says nothing more, and everyone with a link to it is told. A part of what it had
        just said is lost."""
        for endpoint in [e for e in self.endpoints if e.identity.startswith(f"{name}#")]:
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
        asyncio.get_running_loop().call_soon(self._try, self._last)
        return self._last

    def somebody_listens(self, address: str) -> None:
        for link, wanted in self._dialling.items():
            if wanted == address:
                asyncio.get_running_loop().call_soon(self._try, link)

    def dial_again(self) -> None:
        for link in self._dialling:
            asyncio.get_running_loop().call_soon(self._try, link)

    def _try(self, link: int) -> None:
        place = self._network.places.get(self._dialling.get(link, ""))
        if place is None or not self._open or self.paused or place.paused:
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
        other.queue.append([bytes(frame) for frame in frames])
        if not other.endpoint.paused and not self.paused:
            self._network.later(other.endpoint.deliver, other)
        return True

    def deliver(self, end: _End) -> None:
        if self.paused or not end.queue or end.link not in self._ends:
            return
        frames = end.queue.popleft()
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
            if subscriber._open:
                subscriber._coming.append(bytes(frame))
                self._network.later(subscriber.hear)
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
            self._network.later(end.other.endpoint.broken, end.other)

    def broken(self, end: _End) -> None:
        """The other side hung up or died; what it sent before still arrives first."""
        if self.paused and self._open:
            self._ended.append(end)
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
            asyncio.get_running_loop().call_soon(end.endpoint.broken, end)
        if self in self._network.endpoints:
            self._network.endpoints.remove(self)

    def pause(self, paused: bool) -> None:
        self.paused = paused
        if not paused:
            for end in list(self._ends.values()):
                for _ in end.queue:
                    asyncio.get_running_loop().call_soon(self.deliver, end)
                if end.other is not None:
                    for _ in end.other.queue:
                        asyncio.get_running_loop().call_soon(end.other.endpoint.deliver, end.other)
            ended, self._ended = self._ended, []
            for end in ended:
                asyncio.get_running_loop().call_soon(end.endpoint.broken, end)
            held, self._held = self._held, []
            for frame in held:
                self.listener.published(frame)
