"""Who waits for a place in the zone, and whose turn is next.

The order: who lost his place in the world without wanting to (`keep_return`); then accounts with a priority, the higher
first; then the others. But of every FAIR admissions of the latter two at least one goes to the one of the others who
has waited longest. Among equals: first come, first served.

Nobody waits twice. There is one entry per account: a newer login of an account that waits takes over its position. Who
loses the connection while waiting keeps the position, unseen and not admitted, until the next login of the account
takes it up again. Every position may be without a connection for `hold_s`; only time spent waiting with one gives that
back, second by second, so that nobody holds a position by coming now and then. A return place that was left counts as
one only until its original end. `kept` and `restore` carry positions and return places over a restart of the center.

Pure and bounded: who comes when it is full is refused; of more held positions or return places the oldest go.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, repeat

import msgspec

from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import Online
from mesh.protocol.sessions import account_of

RATE_SAMPLES = 20  # admissions that the estimate looks back on
TOLD_ALWAYS = 50  # the first so many hear of every step
TOLD_STEP = 0.9  # the others when their position has become this much smaller
SETTLE_S = 0.5  # the way of "you wait" to the gate, by login, is longer than that of "it is your turn"
UNKNOWN_S = 5.0  # estimate per position before anybody was admitted
FAIR = 4
RETURNS_MAX = 20_000


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What outlives a center."""

    positions: list[tuple[int, bool]] = []  # account, and whether it has a return place; longest waiting first
    returns: list[tuple[int, float]] = []  # account, seconds left; of who is not back yet
    left: list[tuple[float, float]] = []  # of each position: seconds of absence, and of its return place


@dataclass(slots=True, eq=False)
class Entry:
    """One login that waits."""

    place: int  # its number, never used twice
    online: Online
    joined_at: float
    order: int  # a smaller one has waited longer
    returning: bool
    absence_s: float  # how long it might have been without a connection when it joined
    returns_until: float = 0.0  # the end of its return place, for when it comes again
    told: int = 0  # the position that its client knows
    left: bool = False  # gave up while it was being admitted

    @property
    def account(self) -> int:
        return account_of(self.online.session)

    @property
    def connection(self) -> tuple[str, int]:
        return self.online.gate, self.online.connection

    @property
    def key(self) -> tuple[int, int]:
        """Sorts entries of one class."""
        return (0 if self.returning else -self.online.priority, self.order)


@dataclass(slots=True)
class Held:
    """The position of one that lost its connection."""

    order: int
    returns_until: float
    until: float


def _key(entry: Entry) -> tuple[int, int]:
    return entry.key


class Queue:
    """Entries in their order."""

    def __init__(self, size_max: int, hold_s: float) -> None:
        self.changed = False  # since `kept` was called
        self.turns: dict[int, Entry] = {}  # by place: who was admitted, and may not be in yet
        self._size_max, self._hold_s = size_max, hold_s
        self._entries: dict[int, Entry] = {}  # by account
        self._places: dict[int, Entry] = {}
        self._connections: dict[tuple[str, int], Entry] = {}
        self._returning: list[Entry] = []  # each sorted by key
        self._preferred: list[Entry] = []
        self._others: list[Entry] = []
        self._run = 0  # how many with priority were admitted since the last one of the others
        self._held: dict[int, Held] = {}  # by account
        self._ends: list[tuple[float, int]] = []  # a heap of their ends; some are of positions that are held no more
        self._returns: OrderedDict[int, float] = OrderedDict()  # by account, until when
        self._last_place = self._last_order = 0
        self._admitted: deque[float] = deque(maxlen=RATE_SAMPLES)

    def __len__(self) -> int:
        return len(self._entries)

    # --- looking ---

    def of_account(self, account: int) -> Entry | None:
        return self._entries.get(account)

    def of_name(self, name: str) -> Entry | None:
        """By the character's name; case does not matter."""
        return next((e for e in self._entries.values() if e.online.status.name.lower() == name.lower()), None)

    def is_returning(self, account: int, now: float) -> bool:
        """Has it lost its place in the world without wanting to?"""
        entry, held = self._entries.get(account), self._held.get(account)
        until = max(self._returns.get(account, 0.0), held.returns_until if held is not None else 0.0)
        return until > now or (entry is not None and entry.returning)

    @property
    def held(self) -> int:
        """Positions whose owners have lost their connection."""
        return len(self._held)

    def position(self, entry: Entry) -> int:
        """1 is the next one."""
        among = self._class_of(entry)
        index = bisect_left(among, entry.key, key=_key)
        if among is self._returning:
            return index + 1
        first = FAIR - 1 - self._run  # so many with priority may come before the next one of the others
        if among is self._preferred:
            others = 0 if index < first else 1 + (index - first) // (FAIR - 1)
            ahead = index + min(others, len(self._others))
        else:
            ahead = index + min(first + (FAIR - 1) * index, len(self._preferred))
        return len(self._returning) + ahead + 1

    def first(self, now: float, full: Collection[str] = ()) -> Entry | None:
        """Whose turn is next. None when nobody waits who can have heard already that he waits, and whose map has room:
        `full` are those that have none."""
        returning, preferred, others = (
            next((e for e in among if now - e.joined_at >= SETTLE_S and e.online.status.map not in full), None)
            for among in (self._returning, self._preferred, self._others)
        )
        if returning is not None:
            return returning
        if preferred is not None and (others is None or self._run < FAIR - 1):
            return preferred
        return others

    def estimate_s(self, position: int, now: float) -> float:
        """How long somebody at this position will probably wait: as the last admissions went."""
        if len(self._admitted) < 2:
            return position * UNKNOWN_S
        return position * (now - self._admitted[0]) / len(self._admitted)

    # --- coming and going ---

    def join(self, online: Online, now: float) -> Entry:
        """At the end of its class, or in the position that the account has; an older login's entry is void then."""
        account = account_of(online.session)
        self.expire(now)
        before: Entry | Held | None = self._entries.get(account) or self._held.pop(account, None)
        if before is None and len(self._entries) >= self._size_max:
            raise RefusedError(Code.ZONE_FULL, "the zone is full and so is its queue: try again later")
        self.remove(account)
        self._last_place += 1
        if before is None:
            self._last_order += 1
        order = before.order if before is not None else self._last_order
        until = max(self._returns.pop(account, 0.0), before.returns_until if before is not None else 0.0)
        returning = until > now or (isinstance(before, Entry) and before.returning)
        absence_s = self._hold_s if before is None else self._absence_s(before, now)
        entry = Entry(self._last_place, online, now, order, returning, absence_s, until)
        self._insert(entry)
        return entry

    def leave(self, place: int, gate: str, now: float) -> Entry | None:
        """The client of this place is gone; its position is kept for a while."""
        entry = self._places.get(place)
        if entry is None or entry.online.gate != gate:
            return None
        self._hold(entry, now)
        return entry

    def lose_connection(self, gate: str, connection: int, now: float) -> None:
        """The same, for one that knows no place."""
        entry = self._connections.get((gate, connection))
        if entry is not None:
            self._hold(entry, now)

    def lose_gate(self, gate: str, now: float) -> int:
        """So are all who waited at a gate that is gone. Returns how many that were."""
        gone = [entry for entry in self._entries.values() if entry.online.gate == gate]
        for entry in gone:
            self._hold(entry, now)
        return len(gone)

    def remove(self, account: int) -> Entry | None:
        """It waits no more, and has no position."""
        entry = self._entries.pop(account, None)
        if entry is not None:
            del self._places[entry.place]
            if self._connections.get(entry.connection) is entry:
                del self._connections[entry.connection]
            among = self._class_of(entry)
            del among[bisect_left(among, entry.key, key=_key)]
            self.changed = True
        return entry

    def admit(self, entry: Entry, now: float) -> None:
        """It is this one's turn."""
        self.remove(entry.account)
        self.turns[entry.place] = entry
        self._admitted.append(now)
        if not entry.returning:
            self._run = min(self._run + 1, FAIR - 1) if entry.online.priority else 0

    def turn_over(self, entry: Entry) -> None:
        """Whatever came of it: nothing more will."""
        del self.turns[entry.place]
        self.changed = True

    def put_back(self, entry: Entry, now: float) -> None:
        """It was admitted, and there was no room after all: it waits on where it was, if its client does."""
        if entry.left:
            self.give_back(entry, now)
        elif entry.account not in self._entries:
            self._insert(entry)

    def give_back(self, entry: Entry, now: float) -> None:
        """It was admitted and did not get in: its next login takes up the position."""
        if entry.account not in self._entries:
            self._keep(entry, now)

    def arrived(self, account: int) -> None:
        """It is in the zone: nothing is kept for it."""
        kept = self._held.pop(account, None), self._returns.pop(account, None)
        self.changed |= kept != (None, None)

    def keep_return(self, account: int, until: float) -> None:
        """It lost its place in the world, and did not want to."""
        self._returns.pop(account, None)
        self._returns[account] = until
        if len(self._returns) > RETURNS_MAX:
            self._returns.popitem(last=False)
        self.changed = True

    def expire(self, now: float) -> None:
        """Forget what is kept no longer."""
        while self._ends and self._ends[0][0] <= now:
            self._drop_soonest()
        while self._returns and next(iter(self._returns.values())) <= now:
            self._returns.popitem(last=False)

    # --- telling ---

    def moved(self) -> list[tuple[Entry, int]]:
        """Whose client should hear of its new position, which counts as told."""
        news = [
            (entry, position)
            for position, entry in enumerate(self._in_order(), 1)
            if position < entry.told and (position <= TOLD_ALWAYS or position <= entry.told * TOLD_STEP)
        ]
        for entry, position in news:
            entry.told = position
        return news

    # --- over a restart ---

    def kept(self, now: float) -> Kept:
        """What the next center has to know. Counts as saved."""
        self.changed = False
        self.expire(now)
        known: dict[int, Entry | Held] = {entry.account: entry for entry in self.turns.values()}
        both = sorted((known | self._entries | self._held).items(), key=lambda one: one[1].order)
        positions = [
            (account, where.returning if isinstance(where, Entry) else where.returns_until > now)
            for account, where in both
        ]
        left = [(self._absence_s(where, now), self._return_s(where, now)) for _, where in both]
        return Kept(positions, [(account, until - now) for account, until in self._returns.items()], left)

    def restore(self, kept: Kept, now: float) -> None:
        """Everybody has lost the connection; their positions are held from now on."""
        whole = (self._hold_s, self._hold_s)
        for (account, returning), left in zip(kept.positions, chain(kept.left, repeat(whole)), strict=False):
            self._last_order += 1
            absence_s, return_s = left
            self._put_aside(account, Held(self._last_order, now + return_s if returning else 0.0, now + absence_s))
        for account, left_s in kept.returns:
            self._returns[account] = now + left_s

    # --- inside ---

    def _class_of(self, entry: Entry) -> list[Entry]:
        if entry.returning:
            return self._returning
        return self._preferred if entry.online.priority else self._others

    def _insert(self, entry: Entry) -> None:
        self._entries[entry.account] = self._places[entry.place] = self._connections[entry.connection] = entry
        insort(self._class_of(entry), entry, key=_key)
        self.changed = True

    def _hold(self, entry: Entry, now: float) -> None:
        self.remove(entry.account)
        self._keep(entry, now)

    def _keep(self, entry: Entry, now: float) -> None:
        self._put_aside(entry.account, Held(entry.order, entry.returns_until, now + self._absence_s(entry, now)))
        self.changed = True

    def _put_aside(self, account: int, held: Held) -> None:
        self._held[account] = held
        heappush(self._ends, (held.until, account))
        while len(self._held) > self._size_max:
            self._drop_soonest()

    def _drop_soonest(self) -> None:
        """Of the positions that are held; nothing when that end is one of before."""
        until, account = heappop(self._ends)
        held = self._held.get(account)
        if held is not None and held.until == until:
            del self._held[account]

    def _return_s(self, of: Entry | Held, now: float) -> float:
        """How long its return place counts after a restart, which takes nothing from who is there."""
        left_s = max(0.0, of.returns_until - now)
        return max(left_s, self._absence_s(of, now)) if isinstance(of, Entry) and of.returning else left_s

    def _absence_s(self, of: Entry | Held, now: float) -> float:
        """How long it may be without a connection from now on."""
        if isinstance(of, Held):
            return max(0.0, of.until - now)
        return min(self._hold_s, of.absence_s + now - of.joined_at)

    def _in_order(self) -> Iterator[Entry]:
        yield from self._returning
        preferred, others, run = iter(self._preferred), iter(self._others), self._run
        one, other = next(preferred, None), next(others, None)
        while one is not None or other is not None:
            if one is not None and (other is None or run < FAIR - 1):
                yield one
                one, run = next(preferred, None), min(run + 1, FAIR - 1)
            else:
                assert other is not None
                yield other
                other, run = next(others, None), 0
