"""The questions of one node: each goes out on a link, at once or as soon as there is one, and each ends.

Owns what waits for an answer or for a link, and the breakers. An end is the answer, a refusal, the loss of the link or
the deadline, and the deadline is never later than that of whoever has asked us (`patience.py`).
"""

import asyncio
from collections.abc import Callable

import msgspec

from mesh.clock import Clock
from mesh.core.breaker import Breakers
from mesh.core.host import Counts
from mesh.core.links import Link, Links
from mesh.core.requests import Waiting
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError
from mesh.metrics import Histograms
from mesh.patience import left_s
from mesh.pending import Pending, Waiter
from mesh.protocol.catalogue import CATALOGUE, Message, encode, number_of
from mesh.protocol.codec import answer_decoder
from mesh.protocol.control import Member, Refused
from mesh.protocol.envelope import Envelope, Hop, Kind
from mesh.trace import CURRENT

TIMEOUT_MS_MAX = 3_600_000  # what an envelope can say


class Asking:
    """See the module. `is_wanted`: is there a link to this peer, or will there be one? `say` puts an envelope on it."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        links: Links,
        counts: Counts,
        is_wanted: Callable[[str], bool],
        say: Callable[[Link, Envelope], bool],
    ) -> None:
        self.breakers = Breakers()
        self.answered_after = Histograms()  # how long answers took, by question
        self._name, self._clock, self._links, self._counts = name, clock, links, counts
        self._is_wanted, self._say = is_wanted, say
        self._requests = Pending(clock)
        self._waiting: Waiting[asyncio.Future[None]] = Waiting()  # for a link

    @property
    def waiting(self) -> int:
        """Questions that have not ended."""
        return len(self._requests) + len(self._waiting)

    def able(self, members: list[Member], message: Message) -> list[Member]:
        """Of these, who can be asked this guarded; all of them, when a breaker is open to each."""
        if len(members) < 2:
            return members
        number, now = number_of(message), self._clock.now()
        return [one for one in members if not self.breakers.is_open(one.name, number, now)] or members

    def open_breakers(self) -> dict[tuple[str, ...], float]:
        """For /metrics: 1 for each peer and message."""
        found = self.breakers.open_ones(self._clock.now())
        return {(peer, CATALOGUE[number].type.__name__): 1.0 for peer, number in found}

    async def ask(self, peer: str, message: Message, timeout_s: float, guarded: bool = False) -> Message:
        """Ask and wait. Raises RefusedError, PeerLost or DeadlineExceeded; nothing else, and never later than
        `timeout_s` seconds. `guarded`: not asked at all, which is DeadlineExceeded at once, while a breaker is open.
        That is for a service that anybody may be asked for, not for what one node alone can tell."""
        asked = self._clock.now()
        timeout_s, number = left_s(timeout_s, asked), number_of(message)
        if timeout_s <= 0:
            self._counts.hopeless += 1
            raise DeadlineExceeded(f"nobody waits for {type(message).__name__} of {peer} any more")
        if guarded and not self.breakers.may_ask(peer, number, asked):
            raise DeadlineExceeded(f"{peer} has not answered {type(message).__name__} lately, and is left alone")
        link = self._links.up.get(peer)
        try:
            if link is None:
                async with asyncio.timeout(timeout_s):
                    link = await self._link_to(peer)
            envelope, heard = await self._request(link, message, timeout_s - (self._clock.now() - asked))
        except TimeoutError:
            if guarded:
                self.breakers.timed_out(peer, number, asked, self._clock.now())
            raise DeadlineExceeded(f"{peer} did not answer {type(message).__name__} within {timeout_s:g} s") from None
        if guarded:
            self.breakers.answered(peer, number)
        try:
            answer: Message = answer_decoder(type(message))(envelope.body)
        except RemoteProtocolError as error:
            self._counts.malformed += 1
            raise PeerLost(f"{peer} gave no answer to {type(message).__name__}: {error}") from None
        self.answered_after.labels(type(message).__name__).observe(heard - asked)
        self._trace(peer, message, envelope, asked, heard)
        if isinstance(answer, Refused):
            raise RefusedError(answer.code, answer.text)
        return answer

    def begin(self, peer: str, message: Message, timeout_s: float) -> Waiter:
        """Ask on the link that there is, and wait elsewhere: the future has the answer's envelope, or PeerLost or
        TimeoutError. For who asks ten thousand times a second, and needs no task for each. PeerLost: no link."""
        link = self._links.up.get(peer)
        if link is None:
            raise PeerLost(f"there is no link to {peer}")
        return self._begin(link, message, timeout_s)[1]

    def answered(self, envelope: Envelope, link: int) -> bool:
        """An answer has come. False: nobody waits for it."""
        return self._requests.answered(envelope, link)

    def linked(self, peer: str) -> None:
        """There is a link to this peer: whoever waits for one goes on."""
        self.breakers.forget(peer)
        for waiter in self._waiting.over(peer):
            if not waiter.done():
                waiter.set_result(None)

    def lost(self, link: Link) -> None:
        """This one is over: everything that was asked on it ends now."""
        self.breakers.forget(link.peer)
        self._requests.lost(link.id, f"the link to {link.peer} broke")

    def give_up(self, reason: str, peer: str | None = None) -> None:
        """There will be no link to this peer, or to anybody."""
        for waiter in self._waiting.over(peer):
            if not waiter.done():
                waiter.set_exception(PeerLost(reason))

    def close(self) -> None:
        self.give_up(f"{self._name} is stopping")
        self._requests.close()

    def _begin(self, link: Link, message: Message, timeout_s: float) -> tuple[int, Waiter]:
        if self._requests.full:
            raise RefusedError(Code.UNAVAILABLE, f"{self._name} waits for too many answers")
        body = msgspec.Raw(encode(message))
        current, timeout_ms = CURRENT.get(), min(max(1, round(timeout_s * 1000)), TIMEOUT_MS_MAX)
        number, waiter = self._requests.begin(link.id, timeout_ms / 1000)
        self._say(link, Envelope(Kind.REQUEST, body, number, timeout_ms, current.id if current else 0))
        return number, waiter

    async def _request(self, link: Link, message: Message, timeout_s: float) -> tuple[Envelope, float]:
        number, waiter = self._begin(link, message, timeout_s)
        try:
            return await waiter
        finally:
            self._requests.end(number)

    async def _link_to(self, peer: str) -> Link:
        link = self._links.up.get(peer)
        while link is None:
            if not self._is_wanted(peer):
                raise PeerLost(f"there is no link to {peer}")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if not self._waiting.begin(peer, waiter):
                raise RefusedError(Code.UNAVAILABLE, f"too many wait for a link to {peer}")
            try:
                await waiter
            finally:
                self._waiting.end(peer, waiter)
            link = self._links.up.get(peer)
        return link

    def _trace(self, peer: str, message: Message, envelope: Envelope, asked: float, heard: float) -> None:
        current = CURRENT.get()
        if current is not None:
            declared = CATALOGUE[number_of(message)]
            hop = Hop(
                0, declared.step, declared.number, self._name, peer,
                _us(asked), envelope.received_us, envelope.answered_us, _us(heard),
            )  # fmt: skip
            current.add(hop, envelope.hops)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
