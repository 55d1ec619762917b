"""Who takes part in the history: the nodes that gave readings, and which of their series are kept. Pure; in the loop.

Series that a node had before go first, so a limit refuses what is newest. What is refused is counted and named.

A counter begins from zero when its node has another incarnation, and when it appears in a node that was there before
without it (a label that was not used so far): its first value is what it grew by. Of a node that is new here nothing of
that kind is known.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from mesh.protocol.monitoring import Series
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import COUNTER, GAUGE, Array, Identities, Identity, NoRoom
from nodes.ops.history.limits import Limits
from nodes.ops.reading import Reading

AWAY_ROWS = 7200  # a node's place is given away, if it is needed, when it was not heard of for so many rows


class Member(msgspec.Struct, eq=False):
    """A node that gave readings."""

    reading: Reading  # the first with this layout
    life: int  # another one for each incarnation of each node
    numbers: Array  # of the series that are kept
    places: Array | None  # where they are in the layout; None: all of them, in order
    refused: int  # series that are not kept
    begun: Array | None  # numbers of counters that begin from zero with the next reading that is taken
    at_s: int = -1  # of the newest reading
    row: int = 0  # how many rows there had been then


class Members:
    """See the module."""

    def __init__(self, identities: Identities, limits: Limits, counts: Counts, lives: Mapping[str, int]) -> None:
        """`lives`: incarnations of nodes, as far as files tell."""
        self._identities, self._limits, self._counts = identities, limits, counts
        self._members: dict[str, Member] = {}
        self._lives = dict(lives)  # of nodes that are not members
        self._life_of = np.zeros(limits.identities, np.int64)  # by number: in which life it was seen last
        self._life = 0
        self.rows = AWAY_ROWS + 1  # that there have been; so that what files have counts as heard of long ago

    def __len__(self) -> int:
        return len(self._members)

    @property
    def series(self) -> int:
        """That are kept, of all nodes."""
        return sum(len(member.numbers) for member in self._members.values())

    @property
    def refused(self) -> int:
        """Series that nodes have and that are not kept."""
        return sum(member.refused for member in self._members.values())

    def lives(self) -> list[tuple[str, int]]:
        """Nodes and incarnations."""
        return [(name, member.reading.incarnation) for name, member in self._members.items()]

    def of(self, reading: Reading) -> Member | None:
        """Whose reading that is; None when there are too many nodes."""
        member = self._members.get(reading.node)
        if member is not None and member.reading.layout is reading.layout:
            if member.reading.incarnation == reading.incarnation:
                return member
        elif member is None and not self._has_place():
            self._counts.refuse(reading.node, f"more than {self._limits.nodes} nodes")
            return None
        return self._meet(reading, member)

    def go_back(self) -> None:
        """The clock did: seconds may come again."""
        for member in self._members.values():
            member.at_s = -1

    def _has_place(self) -> bool:
        if len(self._members) >= self._limits.nodes:
            self._forget_away()
        return len(self._members) < self._limits.nodes

    def _meet(self, reading: Reading, known: Member | None) -> Member:
        """A node that is new, begins again or has other series."""
        kept = self._kept(reading, known)
        places = np.array(sorted(kept), np.int64)
        numbers = np.array([kept[place] for place in places.tolist()], np.int64)
        if known and known.reading.incarnation == reading.incarnation:
            life = known.life
        else:
            self._life += 1
            life = self._life
        member = Member(
            reading,
            life,
            numbers,
            None if len(kept) == len(reading.values) else places,
            len(reading.values) - len(kept),
            self._begun(reading, known, places, numbers, life),
        )
        self._life_of[numbers] = life
        if known:
            member.at_s, member.row = known.at_s, known.row
            self._identities.left(known.numbers, self.rows)
        self._members[reading.node] = member
        return member

    def _begun(self, reading: Reading, known: Member | None, places: Array, numbers: Array, life: int) -> Array | None:
        """Numbers of counters that begin from zero, None when there are none."""
        before = known.reading.incarnation if known else self._lives.pop(reading.node, None)
        if before is None or (known is None and before == reading.incarnation):
            return None
        begun = self._identities.counters[numbers] & (self._life_of[numbers] != life)
        if known and known.refused and before == reading.incarnation:
            old = set(known.reading.layout.series)  # what was refused may have counted for long
            begun &= np.array([reading.layout.series[place] not in old for place in places.tolist()], bool)
        found = numbers[begun]
        if known and known.begun is not None:  # no reading was taken since
            found = np.union1d(found, known.begun)
        return found if len(found) else None

    def _kept(self, reading: Reading, known: Member | None) -> dict[int, int]:
        """Which series of a reading are kept: place to number."""
        series = reading.layout.series
        before = _series_of(known)
        if self.series + len(series) > self._limits.series:
            self._forget_away()
        of_others = sum(len(member.numbers) for name, member in self._members.items() if name != reading.node)
        kept: dict[int, int] = {}
        of_name: Counter[str] = Counter()
        for place in sorted(range(len(series)), key=lambda place: series[place] not in before):
            one = series[place]
            try:
                self._check(one, len(kept), of_name[one.name], of_others)
                kept[place] = self._number(Identity(reading.node, reading.role, reading.zone, *one), kept)
            except NoRoom as error:
                self._counts.refuse(f"{one.name} of {reading.node}", str(error))
            else:
                of_name[one.name] += 1
        return kept

    def _check(self, one: Series, of_node: int, of_name: int, of_others: int) -> None:
        """NoRoom when a series is above a limit."""
        limits = self._limits
        if one.kind not in (COUNTER, GAUGE):
            raise NoRoom("neither a counter nor a gauge")
        if len(one.name) + sum(len(name) + len(value) for name, value in one.labels) > limits.text:
            raise NoRoom(f"name and labels have more than {limits.text} characters")
        if of_name >= limits.name_series:
            raise NoRoom(f"more than {limits.name_series} series of one metric on one node")
        if of_node >= limits.node_series:
            raise NoRoom(f"more than {limits.node_series} series of one node")
        if of_node + of_others >= limits.series:
            raise NoRoom(f"more than {limits.series} series of all nodes")

    def _number(self, identity: Identity, kept: Mapping[int, int]) -> int:
        try:
            return self._identities.enter(identity)
        except NoRoom:
            living = [member.numbers for member in self._members.values()]
            living.append(np.array(list(kept.values()), np.int64))
            self._identities.free(living, self.rows - AWAY_ROWS)
            return self._identities.enter(identity)

    def _forget_away(self) -> None:
        """Nodes that were not heard of for long."""
        for name, member in list(self._members.items()):
            if member.row < self.rows - AWAY_ROWS:
                self._identities.left(member.numbers, member.row)
                del self._members[name]
                if len(self._lives) < self._limits.nodes:
                    self._lives[name] = member.reading.incarnation


def _series_of(member: Member | None) -> set[Series]:
    """That are kept of a node."""
    if member is None:
        return set()
    series = member.reading.layout.series
    return set(series if member.places is None else [series[place] for place in member.places.tolist()])
