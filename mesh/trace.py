"""Traces: which requests a request caused, and when each of its ends saw it.

The hops of a request come back with its answer, so the node where a trace began holds all of it and nobody collects.
The current trace is a context variable: it follows `await` and tasks by itself.
"""

import random
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from mesh.clock import Clock
from mesh.errors import Code, MeshError, RefusedError
from mesh.protocol.control import Trace
from mesh.protocol.envelope import HOPS_MAX, Hop
from mesh.recent import Recent

LATEST_MAX = 500
SLOWEST_MAX = 50
FAILED_MAX = 100
OK = "ok"
SUBJECT_MAX = 64  # characters of whom a trace is about
SAMPLED = 0.01  # of what is done often
SLOW_US = 250_000  # of the rest, what takes longer is kept


class TraceContext:
    """One request under way and the hops below it so far."""

    __slots__ = ("hops", "id", "result", "subject")

    def __init__(self, id: int, subject: str = "") -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.subject = subject  # whom it is about; may be set when it is known
        self.result = OK  # set it where it ended in another way
        self.hops: list[Hop] = []

    def add(self, hop: Hop, below: list[Hop]) -> None:
        """A finished request and what it caused. What is over HOPS_MAX is left out: a bound, not an error."""
        self.hops.append(hop)
        self.hops.extend(deeper(hop_below) for hop_below in below)
        del self.hops[HOPS_MAX:]


CURRENT: ContextVar[TraceContext | None] = ContextVar("trace", default=None)


def deeper(hop: Hop) -> Hop:
    """The same hop, one level further down."""
    return Hop(
        hop.depth + 1,
        hop.step,
        hop.number,
        hop.source,
        hop.target,
        hop.asked_us,
        hop.received_us,
        hop.answered_us,
        hop.heard_us,
    )


def duration_us(trace: Trace) -> int:
    """From the first question to the last answer."""
    return trace.hops[0].heard_us - trace.hops[0].asked_us if trace.hops else 0


class Traces:
    """The traces that began here: the latest, the latest that failed, and the slowest of each kind."""

    def __init__(self) -> None:
        self.latest: Recent[Trace] = Recent(LATEST_MAX)
        self.failed: deque[Trace] = deque(maxlen=FAILED_MAX)
        self.slowest: dict[str, list[Trace]] = {}

    def add(self, trace: Trace) -> None:
        self.latest.add(trace)
        if trace.result != OK:
            self.failed.append(trace)
        slow = self.slowest.setdefault(trace.kind, [])
        if len(slow) < SLOWEST_MAX or duration_us(trace) > duration_us(slow[-1]):
            insort(slow, trace, key=lambda one: -duration_us(one))
            del slow[SLOWEST_MAX:]

    def find(self, kind: str, subject: str, order: str, limit: int, failed: bool = False) -> list[Trace]:
        """Newest or slowest first; `failed`: only those that did not end well."""
        if order == "slowest":
            every = [t for group in self.slowest.values() for t in group]
            every.sort(key=duration_us, reverse=True)
        else:
            every = list(reversed(self.failed if failed else self.latest))
        if failed:
            every = [t for t in every if t.result != OK]
        wanted = [t for t in every if (not kind or t.kind == kind) and (not subject or t.subject == subject)]
        return wanted[:limit]


class Tracer:
    """What a node does inside a trace, and the traces that begin at it."""

    def __init__(self, node: str, clock: Clock, chance: random.Random, traces: Traces) -> None:
        self._node, self._clock, self._chance, self._traces = node, clock, chance, traces

    @contextmanager
    def timed(self, step: int, target: str) -> Iterator[None]:
        """Something that is no message of the mesh but belongs into the trace, such as a query of a database."""
        began = self._now_us()
        try:
            yield
        finally:
            context = CURRENT.get()
            if context is not None:
                ended = self._now_us()
                context.add(Hop(0, step, 0, self._node, target, began, began, ended, ended), [])

    @contextmanager
    def tracing(
        self, kind: str, subject: str, step: int = 0, source: str = "client", since: float | None = None
    ) -> Iterator[TraceContext]:
        """Trace what is asked inside. The trace is kept when the block ends; set `.subject` to rename it. `since`:
        when it was asked for, if it had to wait."""
        context = TraceContext(self._chance.getrandbits(62) | 1, subject)
        token = CURRENT.set(context)
        began, wall = self._now_us(), self._clock.wall()
        try:
            yield context
        finally:
            CURRENT.reset(token)
            ended = self._now_us()
            asked = began if since is None else round(since * 1e6)
            root = Hop(0, step, 0, source, self._node, asked, began, ended, ended)
            hops = [root, *(deeper(hop) for hop in context.hops)]
            self._traces.add(
                Trace(context.id, context.subject[:SUBJECT_MAX], kind, round(wall * 1000), hops, context.result)
            )

    @contextmanager
    def sampling(self, kind: str, subject: str) -> Iterator[None]:
        """Trace a share of what is done inside such blocks. Of the rest, what took long or failed is kept with its
        first hop alone: what it caused was not asked for."""
        began = self._now_us()
        result = OK
        is_traced = self._chance.random() < SAMPLED
        with self.tracing(kind, subject, source=self._node) if is_traced else nullcontext() as trace:
            try:
                yield
            except MeshError as error:
                result = str(error.code) if isinstance(error, RefusedError) else str(Code.UNAVAILABLE)
                if trace is not None:
                    trace.result = result
                raise
            finally:
                ended = self._now_us()
                if not is_traced and (result != OK or ended - began > SLOW_US):
                    hop = Hop(0, 0, 0, self._node, self._node, began, began, ended, ended)
                    wall_ms = round(self._clock.wall() * 1000) - (ended - began) // 1000
                    number = self._chance.getrandbits(62) | 1
                    self._traces.add(Trace(number, subject[:SUBJECT_MAX], kind, wall_ms, [hop], result))

    def _now_us(self) -> int:
        return round(self._clock.now() * 1e6)
