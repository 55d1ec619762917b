"""The links of one node: dialling, greeting, beats, requests and their ends. Knows no registry and no handlers.

It owns the endpoint, the links and the pending requests. It never decides whom to talk to, and never lets a request
go without an end.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from mesh.clock import Clock
from mesh.core.host import Counts, Host
from mesh.core.links import LINKS_MAX, PATIENT_S, Link, Links, may_be_called
from mesh.core.requests import Waiting
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError, StorageError
from mesh.pending import Pending
from mesh.protocol.catalogue import CATALOGUE, Message, decoder, encode, number_of
from mesh.protocol.codec import answer_decoder
from mesh.protocol.control import Beat, Bye, Hello, Refused, Welcome
from mesh.protocol.envelope import ENVELOPES_MAX, TYPED, Envelope, Hop, Kind, Lane, seal, unseal
from mesh.trace import CURRENT
from mesh.transport.base import Blob, Network

VERSION = "1"  # of the mesh protocol: what Hello and Welcome carry
TEND_S = 0.25  # how often links are looked after
REDIAL_S = 0.05
REDIAL_REFUSED_S = 0.5  # after a greeting that came to nothing
GOODBYE_S = 0.1  # for the others to hang up first: what is said last would be lost if we did
TIMEOUT_MS_MAX = 3_600_000  # what an envelope can say
SEALED_BYTES_MAX = 8 << 20  # of several envelopes in one message: the transport's limit is above it

_link_message = decoder([Hello, Welcome, Beat, Bye])


class Switchboard:
    """See the module."""

    def __init__(self, host: Host, name: str, role: str, incarnation: int, network: Network, clock: Clock) -> None:
        self.name, self.role, self.incarnation = name, role, incarnation
        self.links = Links()
        self.counts = Counts()
        self.endpoint = network.endpoint(name, incarnation, self)
        self._host = host
        self._clock = clock
        self._requests = Pending(clock)
        self._wanted: dict[str, str] = {}  # peers that we dial, and their addresses
        self._waiting: Waiting[asyncio.Future[None]] = Waiting()  # asks that wait for a link
        self._dirty: list[Link] = []
        self._closed = False
        self._tended_at = clock.now()

    # --- links ---

    def dial(self, peer: str, address: str) -> None:
        """Have a link to this peer from now on, again and again until `hang_up`. StorageError for an address that
        cannot be dialled."""
        if self._wanted.get(peer) == address and self.links.dialled_to(peer) is not None:
            return
        self._wanted[peer] = address
        old = self.links.dialled_to(peer)
        if old is not None:
            self._drop(old, redial=False)
        self._open(peer)

    def hang_up(self, peer: str) -> None:
        """Have no link to this peer any more."""
        self._wanted.pop(peer, None)
        for waiter in self._waiting.over(peer):
            _fail(waiter, PeerLost(f"{peer} is not part of the mesh any more"))
        for link in self.links.of_peer(peer):
            self._drop(link, redial=False, farewell=True)

    async def leave(self) -> None:
        """Say goodbye to everyone and let them hang up, so that they hear what was said last; then `close`."""
        self._closed = True
        self._say_goodbye()
        try:
            async with asyncio.timeout(GOODBYE_S):
                while any(not link.dialled for link in self.links.up.values()):  # noqa: ASYNC110 - it is brief
                    await asyncio.sleep(0.002)
        except TimeoutError:
            pass
        self.close()

    def _say_goodbye(self) -> None:
        for link in list(self.links.up.values()):
            self._say(link, Envelope(Kind.LINK, _raw(Bye())))
        self._flush()

    def close(self) -> None:
        """Hang up on everyone; every request ends."""
        if not self._closed:
            self._say_goodbye()
        self._closed = True
        for link in list(self.links.by_id.values()):
            self._drop(link, redial=False)
        for waiter in self._waiting.over():
            _fail(waiter, PeerLost(f"{self.name} is stopping"))
        self._requests.close()
        self.endpoint.close()

    async def tend(self) -> None:
        """Look after the links until cancelled: beats, silence, our own pauses."""
        self._tended_at = self._clock.now()
        while True:
            await asyncio.sleep(TEND_S)
            now = self._clock.now()
            paused = now - self._tended_at
            self._tended_at = now
            if paused > PATIENT_S:  # we stood still longer than anybody waits: for all we are dead, so begin anew
                for link in list(self.links.by_id.values()):
                    self._drop(link, farewell=True)
                continue
            if paused > 2 * TEND_S:  # only while we run ourselves can others be silent
                self.links.excuse(paused - TEND_S, now)
            for link in self.links.silent(now):
                self._drop(link, farewell=True)
            for link in self.links.due(now):
                self._say(link, Envelope(Kind.LINK, _raw(Beat())))

    def _open(self, peer: str) -> None:
        if self._closed or peer not in self._wanted or self.links.dialled_to(peer) is not None:
            return
        address = self._wanted[peer]
        self.links.opened(self.endpoint.dial(address, peer), peer, address, self._clock.now())

    def _redial(self, peer: str) -> None:
        try:
            self._open(peer)
        except StorageError:  # no descriptor left, for example
            asyncio.get_running_loop().call_later(REDIAL_REFUSED_S, self._redial, peer)

    def _drop(self, link: Link, *, redial: bool = True, farewell: bool = False) -> None:
        """A link is over: everything that waits on it ends now."""
        if farewell and link.state == "up" and self.links.by_id.get(link.id) is link:
            link.outbox.append(Envelope(Kind.LINK, _raw(Bye())))
            self._flush_link(link)
        if self.links.remove(link.id) is None:
            return
        self.counts.refused += len(link.outbox)
        link.outbox.clear()
        self.endpoint.hang_up(link.id)
        self._requests.lost(link.id, f"the link to {link.peer} broke")
        if link.state == "up":
            self._host.link_down(link)
        if redial and link.dialled and link.peer in self._wanted:
            pause = REDIAL_REFUSED_S if link.state == "greeting" else REDIAL_S
            asyncio.get_running_loop().call_later(pause, self._redial, link.peer)

    # --- speaking ---

    def tell(self, peer: str, message: Message) -> bool:
        """One way. False: there is no link, or it is full; counted."""
        link = self.links.up.get(peer)
        if link is None:
            self.counts.refused += 1
            return False
        current = CURRENT.get()
        return self._say(link, Envelope(Kind.NOTICE, _raw(message), trace=current.id if current else 0))

    def batch(self, peer: str, lane: Lane, blobs: Sequence[Blob]) -> bool:
        """A hot lane's batch, behind everything typed that was said to this peer before."""
        link = self.links.up.get(peer)
        if link is None:
            self.counts.refused += 1
            return False
        if link.outbox:
            self._flush_link(link)
        if self.endpoint.send(link.id, [bytes((lane,)), *blobs]):
            link.said_at = self._clock.now()
            self.counts.batches_said += 1
            return True
        self.counts.refused += 1
        self.counts.full += 1
        return False

    def answer(self, link: Link, request: int, body: msgspec.Raw, received: float, hops: list[Hop], trace: int) -> None:
        """The answer to a request that was heard on this link."""
        if self.links.by_id.get(link.id) is not link:
            return  # nobody waits any more: the asker's request ended when the link did
        if trace:
            answered = _us(self._clock.now())
            envelope = Envelope(Kind.ANSWER, body, request, 0, trace, _us(received), answered, hops)
        else:
            envelope = Envelope(Kind.ANSWER, body, request)
        self._say(link, envelope)

    async def ask(self, peer: str, message: Message, timeout_s: float) -> Message:
        """Ask and wait. Raises RefusedError, PeerLost or DeadlineExceeded; nothing else, and never later than
        `timeout_s` seconds."""
        asked = self._clock.now()
        link = self.links.up.get(peer)
        try:
            if link is None:
                async with asyncio.timeout(timeout_s):
                    link = await self._link_to(peer)
            envelope, heard = await self._request(link, message, timeout_s - (self._clock.now() - asked))
        except TimeoutError:
            raise DeadlineExceeded(f"{peer} did not answer {type(message).__name__} within {timeout_s} s") from None
        try:
            answer: Message = answer_decoder(type(message))(envelope.body)
        except RemoteProtocolError as error:
            self.counts.malformed += 1
            raise PeerLost(f"{peer} gave no answer to {type(message).__name__}: {error}") from None
        current = CURRENT.get()
        if current is not None:
            declared = CATALOGUE[number_of(message)]
            hop = Hop(
                0, declared.step, declared.number, self.name, peer,
                _us(asked), envelope.received_us, envelope.answered_us, _us(heard),
            )  # fmt: skip
            current.add(hop, envelope.hops)
        if isinstance(answer, Refused):
            raise RefusedError(answer.code, answer.text)
        return answer

    async def _request(self, link: Link, message: Message, timeout_s: float) -> tuple[Envelope, float]:
        if self._requests.full:
            raise RefusedError(Code.UNAVAILABLE, f"{self.name} waits for too many answers")
        body = _raw(message)
        current, timeout_ms = CURRENT.get(), min(max(1, round(timeout_s * 1000)), TIMEOUT_MS_MAX)
        number, waiter = self._requests.begin(link.id, timeout_ms / 1000)
        try:
            self._say(link, Envelope(Kind.REQUEST, body, number, timeout_ms, current.id if current else 0))
            return await waiter
        finally:
            self._requests.end(number)

    async def _link_to(self, peer: str) -> Link:
        link = self.links.up.get(peer)
        while link is None:
            if peer not in self._wanted or self._closed:
                raise PeerLost(f"there is no link to {peer}")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if not self._waiting.begin(peer, waiter):
                raise RefusedError(Code.UNAVAILABLE, f"too many wait for a link to {peer}")
            try:
                await waiter
            finally:
                self._waiting.end(peer, waiter)
            link = self.links.up.get(peer)
        return link

    def _say(self, link: Link, envelope: Envelope) -> bool:
        """Keep it until the end of this turn, to travel with others. False: the link took no more and is over."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        if not link.outbox:
            self._dirty.append(link)
        link.outbox.append(envelope)
        if len(link.outbox) >= ENVELOPES_MAX:
            self._flush_link(link)
            return self.links.by_id.get(link.id) is link
        return True

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            self._flush_link(link)

    def _flush_link(self, link: Link) -> None:
        while link.outbox and self.links.by_id.get(link.id) is link:
            some = link.outbox[:ENVELOPES_MAX]
            sealed = seal(link.incarnation, some)
            while len(sealed) > SEALED_BYTES_MAX and len(some) > 1:
                some = some[: len(some) // 2]
                sealed = seal(link.incarnation, some)
            if not self.endpoint.send(link.id, [TYPED, sealed]):
                # Typed messages must not be lost silently, so the link ends: both sides notice, every request on it
                # fails, and it is dialled anew.
                self.counts.full += 1
                self._drop(link)
                return
            del link.outbox[: len(some)]
            link.said_at = self._clock.now()
            self.counts.said += len(some)

    # --- hearing: the transport's Listener ---

    def link_opened(self, link: int) -> None:
        known = self.links.by_id.get(link)
        if known is not None:
            known.state = "greeting"
            known.heard_at = self._clock.now()
            self._say(known, Envelope(Kind.LINK, _raw(Hello(self.name, self.incarnation, [self.role], VERSION))))

    def link_accepted(self, link: int, owner: str) -> None:
        if self._closed or len(self.links.by_id) >= LINKS_MAX:
            self.endpoint.hang_up(link)
            return
        accepted = self.links.accepted(link, self._clock.now())
        accepted.address = owner

    def link_lost(self, link: int) -> None:
        known = self.links.by_id.get(link)
        if known is not None:
            self._drop(known)

    def published(self, frame: bytes) -> None:
        self._host.published(frame)

    def arrived(self, link: int, frames: list[bytes]) -> None:
        known = self.links.by_id.get(link)
        if known is None or not frames or not frames[0]:
            self.counts.malformed += 1
            return
        known.heard_at = self._clock.now()
        if frames[0] == TYPED:
            self._typed(known, frames)
        elif known.state == "up":
            self.counts.batches_heard += 1
            self._host.batch_arrived(known, frames[0][0], frames[1:])

    def _typed(self, link: Link, frames: list[bytes]) -> None:
        try:
            batch = unseal(frames[1] if len(frames) == 2 else b"")
        except RemoteProtocolError:
            self.counts.malformed += 1
            return
        if batch.to not in (0, self.incarnation):
            self.counts.misaddressed += len(batch.envelopes)
            return
        for envelope in batch.envelopes:
            if self.links.by_id.get(link.id) is not link:
                return  # it ended with one of these
            self.counts.heard += 1
            if envelope.kind == Kind.LINK:
                self._greet(link, envelope)
            elif link.state != "up":
                self._say(link, Envelope(Kind.LINK, _raw(Bye(again=True))))
                return
            elif envelope.kind == Kind.ANSWER:
                self.counts.late += not self._requests.answered(envelope, link.id)
            else:
                self._host.heard(link, envelope)

    def _greet(self, link: Link, envelope: Envelope) -> None:
        try:
            message = _link_message(envelope.body)
        except RemoteProtocolError:
            self.counts.malformed += 1
            return
        if isinstance(message, Bye):
            self._drop(link)
        elif isinstance(message, Hello | Welcome):
            if link.state == "up" or link.dialled != isinstance(message, Welcome):
                self.counts.malformed += 1
            elif not self._is_welcome(link, message):
                self._say(link, Envelope(Kind.LINK, _raw(Bye())))
                self._flush_link(link)
                self._drop(link)
            else:
                self._raise(link, message)

    def _is_welcome(self, link: Link, message: Hello | Welcome) -> bool:
        """May whoever says this be at the other end of this link?"""
        role = message.roles[0] if message.roles else ""
        if self._closed or not self._host.may_link(message.name, role):
            return False
        if link.dialled and message.name != link.peer:
            return False
        return may_be_called(message.name, role, "" if link.dialled else link.address, self.name)

    def _raise(self, link: Link, message: Hello | Welcome) -> None:
        peer = message.name
        replaced = self.links.greeted(link, peer, message.roles[0], message.incarnation)
        if not link.dialled:
            self._say(link, Envelope(Kind.LINK, _raw(Welcome(self.name, self.incarnation, [self.role], VERSION))))
        if replaced is not None:
            self._drop(replaced, redial=False)
        self._host.link_up(link)
        for waiter in self._waiting.over(peer):
            if not waiter.done():
                waiter.set_result(None)


def _raw(message: Message) -> msgspec.Raw:
    return msgspec.Raw(encode(message))


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _fail(waiter: asyncio.Future[None], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
