"""How a node hears: decodes what comes, finds its handler, and sees to it that every request gets its answer.

A request that has been on its way for longer than its asker waits is dropped, and what a handler may take is what is
left of that time. Malformed input and refusals are answers. A mistake of ours in one handler is logged with its place,
counted, and answered as `internal`: one bad message must not take everybody else's world down.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec

from mesh.alarm import Alarm
from mesh.clock import Clock
from mesh.core.admission import Admission
from mesh.core.links import Link
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError
from mesh.handlers import Handlers
from mesh.metrics import Histogram, Histograms
from mesh.patience import UNTIL
from mesh.promised import Asked, Promised
from mesh.protocol.catalogue import CATALOGUE, Message, decoder, encode, number_in, number_of
from mesh.protocol.control import MemberChanged, Pulse, Refused
from mesh.protocol.envelope import Envelope, Hop, Kind
from mesh.protocol.monitoring import Slow
from mesh.recent import Recent
from mesh.seat import Logger
from mesh.switchboard import Switchboard
from mesh.tap import Taps
from mesh.trace import CURRENT, TraceContext

HANDLERS_MAX = 20_000  # async handlers under way; above it requests are refused
TEXT_MAX = 1000  # of a refusal; below what its field takes
HANDLER_S_MAX = 60.0  # for a handler that nobody waits for
SLOW_S = 0.1  # from a message to its answer: above it is kept for `mesh slowlog`
SLOW_MAX = 1000
_REQUEST = Kind.REQUEST  # to find a member of an enum takes longer than to compare it

_Known = tuple[str, int, str | None]
"""Of a message: who may say it, its step, and the field in which those that are heard together are alike, "" for none;
None: each is heard alone."""


class _Heard(NamedTuple):
    """A message whose handler takes a while."""

    link: Link
    envelope: Envelope
    received: float
    context: TraceContext | None
    handler: object
    left_s: float  # of its asker's patience, from when it was received on
    took: Histogram


class _Timers(dict[type[Message], Histogram]):
    """The histogram of each message that has been heard."""

    def __init__(self, handled: Histograms) -> None:
        super().__init__()
        self._handled = handled

    def __missing__(self, type_: type[Message]) -> Histogram:
        made = self[type_] = self._handled.labels(type_.__name__)
        return made


class Dispatch:
    """See the module."""

    def __init__(
        self, name: str, clock: Clock, log: Logger, board: Switchboard, spawn: Callable[..., asyncio.Task[Any]]
    ) -> None:
        self.handlers = Handlers()
        self.steps = dict.fromkeys(range(1, 10), 0)
        self.errors = 0
        self.waited_s = 0.0  # what is being heard, on its way and until now
        self.malformed = 0
        self.overdue = 0  # requests that came when nobody waited for their answer any more
        self.handled = Histograms()  # how long it took from a message to its answer, by message
        self.slow: Recent[Slow] = Recent(SLOW_MAX)
        self.taps = Taps(clock)
        self.admission = Admission()
        self._running: dict[int, asyncio.Task[Any]] = {}  # async handlers under way
        self._ended = 0  # async handlers whose asker's time was over
        self._late: set[int] = set()  # of these, those that are ended because nobody waits any more
        self._promised = Promised(clock, self._answer_all)  # answers that come without a task
        self._last = 0
        self._alarm = Alarm(clock, self._running.__contains__, self._too_late)
        self._name, self._clock, self._log, self._board, self._spawn = name, clock, log, board, spawn
        self._decode: Callable[[Any], Message] | None = None
        self._known: dict[type[Message], _Known] = {}  # of what is heard
        self._took = _Timers(self.handled)
        self._decode_publication: Callable[[Any], Message] | None = None

    @property
    def under_way(self) -> int:
        """Messages whose answers take a while."""
        return len(self._running) + self._promised.under_way

    @property
    def given_up(self) -> int:
        """Requests whose asker's time was over before their answer was there."""
        return self._ended + self._promised.given_up

    def add(self, part: object) -> None:
        """Enter the handlers of an object into the table."""
        self.handlers.collect(part)
        self._decode = self._decode_publication = None

    def admit(self) -> None:
        """Somebody new is about to come in: RefusedError while those who are here wait for too long."""
        if not self.admission.admits():
            raise RefusedError(Code.UNAVAILABLE, f"{self._name} is behind with its work: try again in a moment")

    # --- batches and publications ---

    def batch(self, link: Link, lane: int, blobs: list[bytes]) -> None:
        handler = self.handlers.lanes.get(lane)
        if handler is None:
            self.malformed += 1
            return
        self.guard(handler, blobs, link.caller)

    def publication(self, body: bytes) -> Message | None:
        """Decode one publication; None for one that nobody here hears."""
        if self._decode_publication is None:
            self._decode_publication = decoder([MemberChanged, Pulse, *self.handlers.publications])
        try:
            return self._decode_publication(body)
        except RemoteProtocolError:
            number = number_in(body)
            declared = CATALOGUE.get(number or 0)
            if number is None or (declared is not None and declared.type in self.handlers.publications):
                self.malformed += 1
            return None

    def published(self, message: Message) -> None:
        handler = self.handlers.publications.get(type(message))
        if handler is not None:
            self.guard(handler, message)

    def guard(self, handler: Callable[..., None], *args: Any) -> None:
        """Call what a role wrote; its mistake is logged and goes no further."""
        try:
            handler(*args)
        except Exception as error:  # noqa: BLE001 - see the module
            self.mistake(error, handler)

    def mistake(self, error: Exception, where: object) -> None:
        self.errors += 1
        self._log.exception("a handler failed", handler=getattr(where, "__qualname__", str(where)), reason=repr(error))

    # --- typed messages ---

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        """What came in one go, in its order; until the link ends with one of these."""
        if self._decode is None:
            self._learn()
        assert self._decode is not None
        decode, known, by_id = self._decode, self._known, self._board.links.by_id
        waited_ms = 1000 * link.waited_s
        said_together: list[Message] = []
        together: list[Envelope] = []
        for envelope in envelopes:
            if by_id.get(link.id) is not link:
                return
            if 0 < envelope.timeout_ms <= waited_ms:
                self.overdue += 1
                continue
            try:
                said = decode(envelope.body)
                source, step, alike = known[type(said)]
                if source != link.role and source != "any":
                    raise RemoteProtocolError(f"{type(said).__name__} is not for a {link.role} to say")
            except RemoteProtocolError as error:
                self._refuse_malformed(link, envelope, error)
                continue
            if step:
                self.steps[step] += 1
            if self.taps.open:
                self.taps.offer(said, link.peer, link.role, _player(said), len(envelope.body))
            is_alone = alike is None
            traced = envelope.trace or (together and together[0].trace)  # what one handler does is of one trace
            if together and (is_alone or traced or not _are_alike(said, said_together[0], alike)):
                self._handle_together(link, together, said_together)
                together, said_together = [], []
            if is_alone:
                self._handle(link, envelope, said)
            else:
                together.append(envelope)
                said_together.append(said)
        if together:
            self._handle_together(link, together, said_together)

    def _learn(self) -> None:
        handlers = self.handlers
        heard = handlers.messages.keys() | handlers.together.keys()
        self._decode = decoder(heard)
        self._known = {type_: (*_how(type_), handlers.alike.get(type_)) for type_ in heard}

    def _refuse_malformed(self, link: Link, envelope: Envelope, error: RemoteProtocolError) -> None:
        self.malformed += 1
        is_known = number_in(bytes(envelope.body)) in {number_of(type_) for type_ in self._known}
        code = Code.BAD_MESSAGE if is_known else Code.UNKNOWN_MESSAGE
        if envelope.kind is _REQUEST:
            refused = self._body(Refused(code, str(error)[:TEXT_MAX]))
            self._board.answer(link, envelope.request, refused, self._clock.now(), [], envelope.trace)

    def _receive(self, link: Link) -> float:
        """When what is being heard was."""
        received = self._clock.now()
        self.waited_s = link.waited_s + received - link.heard_at
        return received

    def _handle(self, link: Link, envelope: Envelope, said: Message) -> None:
        received, handler = self._receive(link), self.handlers.messages[type(said)]
        context = TraceContext(envelope.trace) if envelope.trace else None
        token = CURRENT.set(context) if context is not CURRENT.get() else None  # to look is less work than to set
        try:
            result = handler(said, link.caller)
            if inspect.iscoroutine(result):
                heard = _Heard(
                    link, envelope, received, context, handler, _left_s(link, envelope), self._took[type(said)]
                )
                self._begin(heard, result, type(said))
                return
        except Exception as error:  # noqa: BLE001 - see the module
            result = self._refusal(error, handler)
        finally:
            if token is not None:
                CURRENT.reset(token)
        self._answer(link, envelope, result, received, context.hops if context else [], self._took[type(said)])

    def _handle_together(self, link: Link, envelopes: Sequence[Envelope], said: Sequence[Message]) -> None:
        """The answers are promised. There is a trace only when there is but one."""
        received, handler = self._receive(link), self.handlers.together[type(said[0])]
        context = TraceContext(envelopes[0].trace) if envelopes[0].trace else None
        until = received + max(_left_s(link, envelope) for envelope in envelopes)
        asked = Asked(link, envelopes, received, context, handler, until, self._took[type(said[0])])
        token = CURRENT.set(context) if context is not CURRENT.get() else None
        try:
            if self.under_way + len(envelopes) > HANDLERS_MAX:
                raise RefusedError(Code.UNAVAILABLE, f"{self._name} has too much to do")
            self._promised.add(handler(said, link.caller), asked)
        except Exception as error:  # noqa: BLE001 - see the module
            self._answer_all(asked, error)
        finally:
            if token is not None:
                CURRENT.reset(token)

    def _begin(self, heard: _Heard, work: Coroutine[Any, Any, Message | None], said: type[Message]) -> None:
        if self.under_way >= HANDLERS_MAX:
            work.close()
            raise RefusedError(Code.UNAVAILABLE, f"{self._name} has too much to do")
        self._last += 1
        number = self._last

        def over(_: asyncio.Task[Any]) -> None:
            del self._running[number]
            self._late.discard(number)
            work.close()  # it was never begun when the node ended before

        is_bounded = said not in self.handlers.to_the_end
        task = self._running[number] = self._spawn(self._finish(number, heard, work, is_bounded))
        task.add_done_callback(over)
        if is_bounded:
            self._alarm.set(number, heard.left_s)

    def _too_late(self, number: int) -> None:
        self._ended += 1
        self._late.add(number)
        self._running[number].cancel()

    async def _finish(
        self, number: int, heard: _Heard, work: Coroutine[Any, Any, Message | None], is_bounded: bool
    ) -> None:
        if is_bounded and heard.envelope.timeout_ms:
            UNTIL.set(heard.received + heard.left_s)
        try:
            result = await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            assert task is not None
            if number in self._late and not task.uncancel():
                return  # nobody waits, and whoever still does must not take it for not done
            if task.cancelling():
                raise
            result = self._refusal(error, heard.handler)  # what it waited for was given up, not the handler
        except Exception as error:  # noqa: BLE001 - see the module
            result = self._refusal(error, heard.handler)
        hops = heard.context.hops if heard.context else []
        self._answer(heard.link, heard.envelope, result, heard.received, hops, heard.took)

    def _refusal(self, error: Exception | asyncio.CancelledError, where: object) -> Refused:
        """What the asker is told."""
        if isinstance(error, RefusedError):
            return Refused(error.code, error.text[:TEXT_MAX])
        if isinstance(error, PeerLost | DeadlineExceeded | TimeoutError):
            return Refused(Code.UNAVAILABLE, str(error)[:TEXT_MAX])
        if isinstance(error, asyncio.CancelledError):
            return Refused(Code.UNAVAILABLE, "given up")
        self.mistake(error, where)
        return Refused(Code.INTERNAL, "an internal error; it was logged")

    def _answer(
        self,
        link: Link,
        envelope: Envelope,
        result: Message | None,
        received: float,
        hops: list[Hop],
        took: Histogram,
    ) -> None:
        took_s = self._clock.now() - received
        took.observe(took_s)
        if took_s > SLOW_S:
            self._note_slow(link, envelope, took_s)
        if envelope.kind is _REQUEST:
            self._board.answer(link, envelope.request, self._body(result), received, hops, envelope.trace)

    def _note_slow(self, link: Link, envelope: Envelope, took_s: float) -> None:
        said = CATALOGUE[number_in(bytes(envelope.body)) or 0].type.__name__
        self.slow.add(Slow(round(self._clock.wall() * 1000), said, link.peer[:64], took_s * 1000, envelope.trace))

    def _answer_all(self, asked: Asked, answers: Sequence[Any] | Exception) -> None:
        """Promised ones."""
        link, envelopes, received, context, handler, _, took = asked
        if isinstance(answers, Exception):
            refusal = self._refusal(answers, handler)
            if context is None:
                body = self._body(refusal)  # who is refused together is refused alike
                self._board.answer_all(link, [(one.request, body) for one in envelopes if one.kind is _REQUEST])
                return
            answers = [refusal] * len(envelopes)
        if context is not None:
            for envelope, answer in zip(envelopes, answers, strict=True):
                said = self._refusal(answer, handler) if isinstance(answer, Exception) else answer
                self._answer(link, envelope, said, received, context.hops, took)
            return
        took_s = self._clock.now() - received
        took.observe(took_s, len(envelopes))
        if took_s > SLOW_S:
            self._note_slow(link, envelopes[0], took_s)
        bodies: list[tuple[int, msgspec.Raw]] = []
        for envelope, answer in zip(envelopes, answers, strict=True):
            said = self._refusal(answer, handler) if isinstance(answer, Exception) else answer
            if envelope.kind is _REQUEST:
                bodies.append((envelope.request, self._body(said)))
        self._board.answer_all(link, bodies)

    def _body(self, result: Message | None) -> msgspec.Raw:
        """Of an answer."""
        try:
            return msgspec.Raw(encode(result if result is not None else Refused(Code.INTERNAL, "no answer")))
        except Exception as error:  # noqa: BLE001 - what a handler returned cannot be written
            self.mistake(error, type(result))
            return msgspec.Raw(encode(Refused(Code.INTERNAL, "an internal error; it was logged")))


def _how(type_: type[Message]) -> tuple[str, int]:
    declared = CATALOGUE[number_of(type_)]
    return declared.source, declared.step


def _are_alike(one: Message, other: Message, field: str | None) -> bool:
    """May they be heard together? `field`: of the first."""
    return type(one) is type(other) and (not field or bool(getattr(one, field) == getattr(other, field)))


def _player(said: Message) -> str:
    """Whom a message is about, by the name of a character or account, where it says."""
    return str(getattr(said, "character", "") or getattr(said, "account", ""))


def _left_s(link: Link, envelope: Envelope) -> float:
    """Of a request that is being heard."""
    return envelope.timeout_ms / 1000 - link.waited_s if envelope.timeout_ms else HANDLER_S_MAX
