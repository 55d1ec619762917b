"""Which series the history knows. Each has a number, which is its column in memory. Pure.

Numbers are of this process only: files have names. A number is given away again when no file has its series and no
node has had it for a long time, so that nodes that come and go do not fill the memory.

The loop enters and frees; a worker thread reads, and counts in `uses` which series the files have. What both touch is
only ever replaced whole or appended to.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nodes.ops.history.limits import Limits

Array = npt.NDArray[Any]

COUNTER, GAUGE = "counter", "gauge"


class Identity(NamedTuple):
    """A series of a node."""

    node: str
    role: str
    zone: str
    name: str
    kind: str
    labels: tuple[tuple[str, str], ...]

    def all_labels(self) -> dict[str, str]:
        """Those of the node and its own; where both have one of the same name, its own."""
        return {"node": self.node, "role": self.role, "zone": self.zone, **dict(self.labels)}


class NoRoom(ValueError):
    """The series cannot be entered; the text says which limit is in the way."""


class Identities:
    """Series and their numbers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.counters = np.zeros(limits.identities, bool)  # by number
        self.uses = np.zeros(limits.identities, np.int32)  # how many segments have it
        self._left = np.zeros(limits.identities, np.int64)  # how many rows there had been when a node had it last
        self._numbers: dict[Identity, int] = {}
        self._entries: list[Identity | None] = []
        self._by_name: dict[str, list[int]] = {}
        self._of_node: Counter[str] = Counter()  # series
        self._brought_by: dict[str, str] = {}  # metric to node
        self._names_of_node: Counter[str] = Counter()  # metrics that it brought
        self._free: list[int] = []
        self._reused: deque[int] = deque()

    @property
    def width(self) -> int:
        """Above every number."""
        return len(self._entries)

    def __len__(self) -> int:
        return len(self._numbers)

    def at(self, number: int) -> Identity:
        """Of a number that has a series."""
        found = self._entries[number]
        assert found is not None, "a number that is in use"
        return found

    def named(self, name: str) -> list[int]:
        """The numbers of all series of a metric."""
        return list(self._by_name.get(name, ()))

    def all(self) -> list[Identity]:
        return [entry for entry in list(self._entries) if entry is not None]

    def enter(self, identity: Identity) -> int:
        """The number of a series, a new one if need be. NoRoom when there are too many."""
        known = self._numbers.get(identity)
        if known is not None:
            return known
        self._check(identity)
        if self._free:
            number = self._free.pop()
            self._entries[number] = identity
            self._reused.append(number)
        else:
            number = len(self._entries)
            self._entries.append(identity)
        self.counters[number] = identity.kind == COUNTER
        self._numbers[identity] = number
        self._of_node[identity.node] += 1
        if identity.name not in self._by_name:
            self._by_name[identity.name] = []
            self._brought_by[identity.name] = identity.node
            self._names_of_node[identity.node] += 1
        self._by_name[identity.name].append(number)
        return number

    def take_reused(self) -> list[int]:
        """Numbers that have a new series since the last time: what was known of them is of another."""
        return [self._reused.popleft() for _ in range(len(self._reused))]

    def left(self, numbers: Array, rows: int) -> None:
        """A node had these series until there were so many rows."""
        self._left[numbers] = rows

    def free(self, living: Iterable[Array], rows: int) -> None:
        """Forget series that no node has, that no node has had since there were so many rows, and no segment has."""
        idle = self.uses[: self.width] == 0
        idle &= self._left[: self.width] < rows
        for numbers in living:
            idle[numbers] = False
        for number in np.flatnonzero(idle).tolist():
            entry = self._entries[number]
            if entry is not None:
                self._forget(number, entry)

    def _check(self, identity: Identity) -> None:
        limits = self._limits
        if len(self._numbers) >= limits.identities:
            raise NoRoom(f"more than {limits.identities} series in memory and on disk")
        if self._of_node[identity.node] >= limits.node_identities:
            raise NoRoom(f"more than {limits.node_identities} series of one node in memory and on disk")
        if identity.name in self._by_name:
            return
        if len(self._by_name) >= limits.names:
            raise NoRoom(f"more than {limits.names} metrics")
        if self._names_of_node[identity.node] >= limits.node_names:
            raise NoRoom(f"more than {limits.node_names} metrics that only one node has")

    def _forget(self, number: int, entry: Identity) -> None:
        self._entries[number] = None
        del self._numbers[entry]
        self._free.append(number)
        self._of_node[entry.node] -= 1
        if not self._of_node[entry.node]:
            del self._of_node[entry.node]
        others = [other for other in self._by_name[entry.name] if other != number]
        if others:
            self._by_name[entry.name] = others
            return
        del self._by_name[entry.name]
        node = self._brought_by.pop(entry.name)
        self._names_of_node[node] -= 1
        if not self._names_of_node[node]:
            del self._names_of_node[node]
