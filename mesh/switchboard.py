"""The links of one node: dialling, greeting, beats, what is said and heard. Knows no registry and no handlers.

It owns the endpoint and the links; what is asked and waits for an answer is in `asking.py`. It never decides whom to
talk to.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from mesh.asking import Asking
from mesh.clock import Clock
from mesh.core.host import Counts, Host
from mesh.core.links import LINKS_MAX, PATIENT_S, Link, Links, may_be_called
from mesh.errors import RemoteProtocolError, StorageError
from mesh.protocol.catalogue import Message, decoder, encode
from mesh.protocol.control import Beat, Bye, Hello, Welcome
from mesh.protocol.envelope import ENVELOPES_MAX, TYPED, Envelope, Hop, Kind, Lane, seal, unseal
from mesh.trace import CURRENT
from mesh.transport.base import Blob, Network

VERSION = "1"  # of the mesh protocol: what Hello and Welcome carry
TEND_S = 0.25  # how often links are looked after
REDIAL_S = 0.05
REDIAL_REFUSED_S = 0.5  # after a greeting that came to nothing
BIND_AGAIN_S = 0.002
GOODBYE_S = 0.1  # for the others to hang up first: what is said last would be lost if we did
SEALED_BYTES_MAX = 8 << 20  # of several envelopes in one message: the transport's limit is above it
_NOTICE, _REQUEST, _ANSWER, _LINK = Kind  # to find a member of an enum takes longer than to compare it

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
        self.predecessor_s = 0.0  # how long another process may still have our addresses
        self.waited_s = 0.0  # the longest that something was on its way, since somebody looked
        self.asking = Asking(name, clock, self.links, self.counts, self._is_wanted, self._say)
        self._wanted: dict[str, str] = {}  # peers that we dial, and their addresses
        self._dirty: list[Link] = []
        self._closed = False
        self._tended_at = clock.now()

    # --- links ---

    async def bind(self, addresses: Sequence[str]) -> None:
        """Take links there. StorageError when an address is taken, for longer than a predecessor may need to end."""
        until = self._clock.now() + self.predecessor_s
        for address in addresses:
            while True:
                try:
                    self.endpoint.bind(address)
                    break
                except StorageError:
                    if self._clock.now() >= until:
                        raise
                await asyncio.sleep(BIND_AGAIN_S)

    def dial(self, peer: str, address: str, *, is_new: bool = False) -> None:
        """Have a link to this peer from now on, again and again until `hang_up`. `is_new`: its process has only just
        begun, so a try that nobody has heard is made anew at once: the transport pauses longer after each of those that
        went to its predecessor. StorageError for an address that cannot be dialled."""
        old = self.links.dialled_to(peer)
        if self._wanted.get(peer) == address and old is not None and not (is_new and old.state == "opening"):
            return
        self._wanted[peer] = address
        if old is not None:
            self._drop(old, redial=False)
        self._open(peer)

    def hang_up(self, peer: str) -> None:
        """Have no link to this peer any more."""
        self._wanted.pop(peer, None)
        self.asking.give_up(f"{peer} is not part of the mesh any more", peer)
        for link in self.links.of_peer(peer):
            self._drop(link, redial=False, farewell=True)

    def begin_anew(self) -> None:
        """End every link and dial again: what others wait for from us ends as unknown, since we cannot say."""
        for link in list(self.links.by_id.values()):
            self._drop(link, farewell=True)

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
        self.asking.close()
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
                self.begin_anew()
                continue
            if paused > 2 * TEND_S:  # only while we run ourselves can others be silent
                self.links.excuse(paused - TEND_S, now)
            for link in self.links.silent(now):
                self._drop(link, farewell=True)
            for link in self.links.due(now):
                self._say(link, Envelope(Kind.LINK, _raw(Beat())))

    def _is_wanted(self, peer: str) -> bool:
        return peer in self._wanted and not self._closed

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
        if farewell and link.state == "up" and self._is_open(link):
            link.outbox.append(Envelope(Kind.LINK, _raw(Bye())))
            self._flush_link(link)
        if self.links.remove(link.id) is None:
            return
        self.counts.refused += len(link.outbox)
        link.outbox.clear()
        self.endpoint.hang_up(link.id)
        self.asking.lost(link)
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
        if not self._is_open(link):
            return  # nobody waits any more: the asker's request ended when the link did
        if trace:
            answered = _us(self._clock.now())
            envelope = Envelope(_ANSWER, body, request, 0, trace, _us(received), answered, hops)
        else:
            envelope = Envelope(_ANSWER, body, request)
        self._say(link, envelope)

    def answer_all(self, link: Link, answers: Sequence[tuple[int, msgspec.Raw]]) -> None:
        """The answers to requests that were heard on this link and are not traced."""
        if answers and self._is_open(link):
            self._say(link, *[Envelope(_ANSWER, body, request) for request, body in answers])

    async def ask(self, peer: str, message: Message, timeout_s: float, guarded: bool = False) -> Message:
        """See `Asking.ask`."""
        return await self.asking.ask(peer, message, timeout_s, guarded)

    def _say(self, link: Link, *envelopes: Envelope) -> bool:
        """Keep them until the end of this turn, to travel with others. False: the link took no more and is over."""
        outbox = link.outbox
        if not outbox:
            if not self._dirty:
                asyncio.get_running_loop().call_soon(self._flush)
            self._dirty.append(link)
        outbox += envelopes
        if len(outbox) >= ENVELOPES_MAX:
            self._flush_link(link)
            return self._is_open(link)
        return True

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            self._flush_link(link)

    def _flush_link(self, link: Link) -> None:
        while link.outbox and self._is_open(link):
            some = link.outbox[:ENVELOPES_MAX]
            said_us = _us(self._clock.now())
            sealed = seal(link.incarnation, some, said_us)
            while len(sealed) > SEALED_BYTES_MAX and len(some) > 1:
                some = some[: len(some) // 2]
                sealed = seal(link.incarnation, some, said_us)
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
        known.hear(self._clock.now())
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
        if batch.said_us:
            link.waited_s = link.transit.heard(batch.said_us / 1e6, link.heard_at)
            self.waited_s = max(self.waited_s, link.waited_s)
        heard: list[Envelope] = []
        for envelope in batch.envelopes:
            kind = envelope.kind
            if kind is _REQUEST or kind is _NOTICE:  # what comes in a row is heard in one go
                heard.append(envelope)
                continue
            if not self._hear(link, heard):
                return
            heard = []
            self.counts.heard += 1
            if kind is _LINK:
                self._greet(link, envelope)
            elif link.state != "up":
                self._say(link, Envelope(Kind.LINK, _raw(Bye(again=True))))
                return
            else:
                self.counts.late += not self.asking.answered(envelope, link.id)
        self._hear(link, heard)

    def _hear(self, link: Link, envelopes: Sequence[Envelope]) -> bool:
        """What is for our host. False: nothing more of this message is heard, for the link has ended or is not up."""
        if envelopes and self._is_open(link):
            self.counts.heard += len(envelopes)
            if link.state != "up":
                self._say(link, Envelope(Kind.LINK, _raw(Bye(again=True))))
                return False
            self._host.heard(link, envelopes)
        return self._is_open(link)

    def _is_open(self, link: Link) -> bool:
        return self.links.by_id.get(link.id) is link

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
        self.asking.linked(peer)


def _raw(message: Message) -> msgspec.Raw:
    return msgspec.Raw(encode(message))


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
