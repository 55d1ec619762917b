"""What the log nodes of a group have, seen as one log: every event once, and how many there should be more. Pure.

A batch whose log node was lost before it answered may be with two of them: the sender gives it to another one after a
while. Each event is named by its sender, the sender's incarnation and its number, so such twins are told apart from
events that only look alike. The numbers have no gaps, so what is missing between them was lost: it was stored, and is
not there any more. What its sender never found room for has no number; the sender says how many (`DROPPED`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mesh.protocol.journal import Event, StoredList

DROPPED = "events_dropped"
"""The kind of the event by which a sender says that it had no room for `count` events, some time before."""

Incarnation = tuple[str, int]
"""A sender and which of its lives."""


class Sum(NamedTuple):
    """What a group has of one incarnation of a sender."""

    sender: str
    incarnation: int
    stored: int  # different events
    twice: int  # how many of these two log nodes have
    missing: int  # numbers below the highest that nobody has, and that were not deleted for their age
    dropped: int  # its sender said so


def once(parts: Iterable[Iterable[Event]]) -> list[Event]:
    """The events of several answers, oldest first, each once. Log nodes of an older version name no numbers: theirs
    are taken as they are."""
    seen: set[tuple[str, int, int]] = set()
    found = []
    for event in sorted((event for part in parts for event in part), key=lambda event: event.at_ms):
        name = event.node, event.incarnation, event.number
        if not event.incarnation:
            found.append(event)
        elif name not in seen:
            seen.add(name)
            found.append(event)
    return found


def sums(lists: Sequence[StoredList], notices: Iterable[Event]) -> list[Sum]:
    """One line for each incarnation of a sender, in their order; `notices` are the events of the kind DROPPED."""
    stored: defaultdict[Incarnation, list[tuple[int, int]]] = defaultdict(list)
    deleted: dict[Incarnation, int] = {}  # all that is below was here once
    for said in lists:
        for one in said.stretches:
            stored[one.sender, one.incarnation].append((one.first, one.end))
        for one in said.before:
            key = one.sender, one.incarnation
            deleted[key] = max(deleted.get(key, 0), one.end)
    dropped: Counter[Incarnation] = Counter()
    for event in once([notices]):
        dropped[event.node, event.incarnation] += int(event.fields.get("count", 0))
    found = []
    for key in sorted(stored.keys() | dropped.keys()):
        different, all_ = _length(stored[key]), sum(end - first for first, end in stored[key])
        below = deleted.get(key, 0)
        highest = max((end for _, end in stored[key]), default=0)
        missing = max(highest, below) - _length([*stored[key], (0, below)])
        found.append(Sum(*key, different, all_ - different, missing, dropped[key]))
    return found


def _length(stretches: Iterable[tuple[int, int]]) -> int:
    """How many different numbers there are in these."""
    length = reached = 0
    for first, end in sorted(stretches):
        length += max(0, end - max(first, reached))
        reached = max(reached, end)
    return length
