"""Where characters are and how they feel (class C): the newest of each, in columns, on its way to the disk.

The only place where something newer than the disk lives. It forgets nothing before its commit, so what waits is bounded
by refusing; what is on disk stays as a copy until its place is needed.

A scene saves thousands of characters at a time, and the same ones again a second later. So a batch is compared, stored
and packed by numpy, and one character costs a look into a dictionary and not an object. Each place knows the session
that may write it: the DC looks for it in the store once, and `fence` forgets it when the account has a newer one.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mesh.protocol.lanes import STATE
from mesh.protocol.sessions import EPOCH_BITS
from nodes.dc.cache import Rows
from nodes.dc.packing import Packing
from nodes.dc.records import STATES, StateRow
from nodes.dc.view import Change

Array = npt.NDArray[Any]

CLEAN = -1.0  # in place of the time since when a state waits: it is on disk
NOWHERE = -1  # in place of a place
PLACES_MIN = 1024
LOOKED_AT = 4096  # places at a time when one is needed and all are taken


class Flush(NamedTuple):
    """States on their way to the disk."""

    places: Array
    puts: Array  # with which batch each of them came
    changes: list[Change]


NOTHING = Flush(np.zeros(0, np.int64), np.zeros(0, np.int64), [])


class States:
    """See the module."""

    def __init__(self, rows: Rows, waiting_max: int) -> None:
        self._rows = rows
        self._waiting_max = waiting_max
        self._waiting = 0
        self._queue: deque[Array] = deque()  # places that wait, oldest first; those of one batch together
        self._flying = NOTHING
        self._puts = 0
        self._places: dict[int, int] = {}  # by account
        self._free: list[int] = []
        self._hand = 0  # where to look next for a place to give away
        self._maps: dict[str, int] = {}
        self._packings: list[tuple[str, Packing]] = []  # by the number of the map
        self._account = np.zeros(0, np.int64)
        self._may = np.zeros(0, np.uint64)  # the session that may write here; 0: not known
        self._session = np.zeros(0, np.uint64)  # the one that has
        self._map = np.zeros(0, np.int32)
        self._state = np.zeros(0, STATE)
        self._since = np.zeros(0)  # since when it waits, on the clock's `now`, or CLEAN
        self._put = np.zeros(0, np.int64)  # which batch it came with

    def __len__(self) -> int:
        """How many wait for the disk."""
        return self._waiting

    @property
    def places(self) -> int:
        """How many are in memory, on disk or not."""
        return len(self._places)

    # --- reading ---

    def get(self, account: int) -> StateRow | None:
        """The newest state, on disk or not."""
        place = self._places.get(account)
        return self._rows.get(STATES, account) if place is None else self._row(place)

    def waiting(self, account: int) -> StateRow | None:
        """The newest state if it is not on disk yet."""
        place = self._places.get(account)
        return None if place is None or self._since[place] == CLEAN else self._row(place)

    def age_s(self, now: float) -> float:
        """How long the oldest one waits; 0 when none does."""
        first = [self._since[places[0]] for places in (self._flying.places, *list(self._queue)[:1]) if len(places)]
        return now - float(min(first)) if first else 0.0

    def _row(self, place: int) -> StateRow:
        x, y, hp, heading, state, xp = self._state[place].item()
        map_, _ = self._packings[self._map[place]]
        return StateRow(map_, x, y, hp, heading, state, xp, int(self._session[place]))

    # --- writing ---

    def room(self, accounts: int) -> bool:
        """May this many more be put?"""
        return self._waiting + accounts <= self._waiting_max

    def put(self, map_: str, sessions: Array, states: Array, now: float, is_newest: Callable[[int], bool]) -> int:
        """Take newer states; how many were taken: not those of sessions that are not the newest of their account.
        A state stays as old as the oldest one that it replaces unflushed."""
        places = self._places_of(sessions, is_newest)
        taken = places != NOWHERE
        if not taken.all():
            places, sessions, states = places[taken], sessions[taken], states[taken]
        self._puts += 1
        self._session[places] = sessions
        self._state[places] = states
        self._map[places] = self._number_of(map_)
        self._put[places] = self._puts
        self._wait(np.unique(places[self._since[places] == CLEAN]), now)
        return len(places)

    def fence(self, account: int) -> None:
        """The account has a newer session: who may write is to be looked up anew."""
        place = self._places.get(account)
        if place is not None:
            self._may[place] = 0

    def forget(self) -> None:
        """Another DC writes: what waits here is over, and what is a copy may be old."""
        self._queue.clear()
        self._flying, self._waiting = NOTHING, 0
        self._places.clear()
        self._since[:], self._account[:], self._may[:] = CLEAN, 0, 0
        self._free = list(range(len(self._account)))

    # --- to the disk ---

    def take(self, count: int) -> Flush:
        """The ones that have waited longest. They are waiting still, until `flushed` or `failed`, which comes first."""
        found: list[Array] = []
        while self._queue and count > 0:
            batch = self._queue.popleft()
            if len(batch) > count:
                self._queue.appendleft(batch[count:])
                batch = batch[:count]
            found.append(batch)
            count -= len(batch)
        if found:
            places = np.concatenate(found)
            self._flying = Flush(places, self._put[places], self._packed(places))
        return self._flying

    def flushed(self, began: float) -> None:
        """What was taken is on disk, as it was when the commit began at `began`. Newer ones wait on, from then at
        most."""
        flush, self._flying = self._flying, NOTHING
        self._waiting -= len(flush.places)
        self._since[flush.places] = CLEAN
        self._wait(flush.places[self._put[flush.places] != flush.puts], began)

    def failed(self) -> None:
        """What was taken could not be written: it goes on waiting."""
        if len(self._flying.places):
            self._queue.appendleft(self._flying.places)
        self._flying = NOTHING

    def _wait(self, places: Array, since: float) -> None:
        if len(places):
            self._since[places] = since
            self._waiting += len(places)
            self._queue.append(places)

    def _packed(self, places: Array) -> list[Change]:
        changes: list[Change] = []
        for number in np.unique(self._map[places]).tolist():
            these = places[self._map[places] == number]
            these = these[np.argsort(self._account[these])]  # neighbours on disk one after the other
            packed = self._packings[number][1].pack(self._account[these], self._state[these], self._session[these])
            changes += [(STATES.name, key, value) for key, value in packed]
        return changes

    def _number_of(self, map_: str) -> int:
        if map_ not in self._maps:
            self._maps[map_] = len(self._packings)
            self._packings.append((map_, Packing(map_)))
        return self._maps[map_]

    # --- places ---

    def _places_of(self, sessions: Array, is_newest: Callable[[int], bool]) -> Array:
        """Of every session; NOWHERE for one that may not write."""
        if len(self._free) < len(sessions):  # before the look: none that is found may be given away
            self._make_room(len(sessions))
        accounts: list[int] = (sessions >> np.uint64(EPOCH_BITS)).tolist()
        find = self._places.get
        places = np.array([find(account, NOWHERE) for account in accounts], np.int64)
        unknown = (places == NOWHERE) | (self._may[places] != sessions)
        asked = np.flatnonzero(unknown).tolist()
        # All of them before anybody gets a place: it may fail.
        newest = [is_newest(int(sessions[index])) for index in asked]
        for index, is_one in zip(asked, newest, strict=True):
            places[index] = self._admit(accounts[index], int(sessions[index])) if is_one else NOWHERE
        return places

    def _admit(self, account: int, session: int) -> int:
        place = self._places.get(account)
        if place is None:
            place = self._places[account] = self._free.pop()
            self._account[place], self._since[place] = account, CLEAN
        self._may[place] = session
        return place

    def _make_room(self, count: int) -> None:
        """Have so many free places: new ones, or from a certain number on those of states that are on disk."""
        size = len(self._account)
        for _ in range(0, size if size >= self._waiting_max else 0, LOOKED_AT):
            if len(self._free) >= count:
                return
            looked = np.arange(self._hand, min(self._hand + LOOKED_AT, size))
            self._hand = (self._hand + LOOKED_AT) if self._hand + LOOKED_AT < size else 0
            self._give_away(looked[(self._since[looked] == CLEAN) & (self._account[looked] != 0)])
        while len(self._free) < count:
            self._enlarge(max(PLACES_MIN, len(self._account) * 2))

    def _give_away(self, places: Array) -> None:
        for place, account in zip(places.tolist(), self._account[places].tolist(), strict=True):
            del self._places[account]
            self._free.append(place)
        self._account[places] = 0

    def _enlarge(self, size: int) -> None:
        before = len(self._account)
        for name in ("_account", "_may", "_session", "_map", "_state", "_since", "_put"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(size - before, column.dtype)]))
        self._free.extend(range(size - 1, before - 1, -1))
