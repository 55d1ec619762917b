"""Traces: which requests a request caused, and when each of its ends saw it.

The hops of a request come back with its answer, so the node where a trace began holds all of it and nobody collects.
The current trace is a context variable: it follows `await` and tasks by itself.
"""

from collections import deque
from contextvars import ContextVar

from mesh.protocol.control import Trace
from mesh.protocol.envelope import HOPS_MAX, Hop

LATEST_MAX = 500
SLOWEST_MAX = 50


class TraceContext:
    """One request under way and the hops below it so far."""

    __slots__ = ("hops", "id", "subject")

    def __init__(self, id: int, subject: str = "") -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.subject = subject  # whom it is about; may be set when it is known
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
    """The traces that began here: the latest, and the slowest of each kind."""

    def __init__(self) -> None:
        self.latest: deque[Trace] = deque(maxlen=LATEST_MAX)
        self.slowest: dict[str, list[Trace]] = {}

    def add(self, trace: Trace) -> None:
        self.latest.append(trace)
        slow = self.slowest.setdefault(trace.kind, [])
        if len(slow) < SLOWEST_MAX or duration_us(trace) > duration_us(slow[-1]):
            slow.append(trace)
            slow.sort(key=duration_us, reverse=True)
            del slow[SLOWEST_MAX:]

    def find(self, kind: str, subject: str, order: str, limit: int) -> list[Trace]:
        """Newest or slowest first."""
        if order == "slowest":
            every = [t for group in self.slowest.values() for t in group]
            every.sort(key=duration_us, reverse=True)
        else:
            every = list(reversed(self.latest))
        wanted = [t for t in every if (not kind or t.kind == kind) and (not subject or t.subject == subject)]
        return wanted[:limit]
