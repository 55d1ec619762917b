"""Who sees whom on one line, what changed about that, and who is due to be told of whom.

Owns the pairs (observer slot, entity slot), ascending, in flat columns: since when the observer may not know the
entity's latest state, and when it is the pair's turn. An entity is seen from `enter` on and lost beyond `leave`, so
that somebody who walks along the border does not flicker. An observer sees the nearest ones up to its limit, those that
concern it (relevance.py) before all others; ranking.py decides how often it is told of each.

Who is seen is found anew for a part of the observers in each tick, one stretch of slots after the other, as many as
CANDIDATES_TICK allows: all of them where players are spread, a fifteenth in a crowd of 3,000. Newcomers and those who
are asked for come at once, and whoever is gone is lost at once. So a tick costs what its candidates, its pairs and its
records cost, and none of these can exceed its limit. ONE sort of old and new pairs together tells what appeared, stayed
and vanished; the old ones carry their column along in it.

Rejected: a set of neighbours per observer (a Python object per pair: 10,000 players see 200,000), a search of each new
pair in the old ones (three times slower than sorting both together), everybody in every tick (nine million candidates
in a crowd of 3,000).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nodes.scene import ranking
from nodes.scene.budgets import Terms
from nodes.scene.grid import Grid, Near, cost_of
from nodes.scene.pairs import (
    Columns,
    Pairs,
    cut,
    ends_of,
    first_marked,
    joined,
    marked_among,
    no_pairs,
    nobody,
    packed,
    pairs_joined,
    places,
    slots_of,
    spliced,
    stretches_of,
    those,
    unpacked,
)
from nodes.scene.settings import LINE_BITS, LINE_SLOTS
from nodes.scene.world import Array

CANDIDATES_TICK = 250_000  # that the turn of a tick takes on, some 10 ms; newcomers and those asked for come on top
CANDIDATES_FEW = 20_000  # everybody in every tick; with more, everybody in CYCLE ticks at most ...
CYCLE = 3  # ... as long as one tick can take that: in 0.2 s nobody walks much more than a metre
CANDIDATES_MAX = ranking.RANKED_MAX - LINE_SLOTS  # that are measured and ranked at once: bounds the memory of it
URGENT_SHARE = 0.5  # of CANDIDATES_TICK, for those who are asked for
KEEP = np.float32(0.7)  # of two at one distance the one that is seen already is nearer: nobody flickers at the cut
NEVER = -1  # since the beginning of time: told at its next turn in any case
PACE_MIN = 8  # entities that may come into view at once in any crowd
ELAPSED_MAX = 20  # ticks' worth of those, at most
HALVES = 2  # what is called a tick here is half of one: see sight.py
_OLD, _NEAR, _BAND = 0, 1, 2  # the code of a packed pair; its payload is since + 1 for the old, the square for others

Concerns = Callable[[list[int]], Array]  # observers (slots, ascending) -> ascending keys of what concerns them


class Changes(NamedTuple):
    appeared: Pairs
    vanished: Pairs

    def split(self, slot: int, fresh: Array) -> "tuple[Changes, Changes]":
        """For the observers before this slot and the `fresh` ones, and for the others."""
        one, other = zip(*(_split(pairs, slot, fresh) for pairs in self), strict=True)
        return Changes(*one), Changes(*other)


def _split(pairs: Pairs, slot: int, fresh: Array) -> tuple[Pairs, Pairs]:
    soon = pairs.observers < slot
    if len(fresh):
        soon |= np.isin(pairs.observers, fresh)
    return those(pairs, soon), those(pairs, ~soon)


class Interest:
    """`units` is the side of the map, `enter` and `leave` are radii in units."""

    def __init__(self, units: int, enter: float, leave: float, capacity: int) -> None:
        assert leave >= enter > 0
        self.capacity = capacity
        self.cycle = 1  # looks until everybody has had a turn
        self.urgent: dict[int, None] = {}  # observers who are to be looked at soon, the first ones first
        self._enter2 = np.float32(enter) ** 2
        self._grid = Grid(units, leave)
        self._rows = no_pairs()
        self._count = np.zeros(capacity, np.int64)  # pairs by observer
        self._cursor = 0  # the slot with which the next turn begins
        self._looked = np.zeros(capacity, np.int64)  # the tick in which it was looked around for an observer
        self._cost = np.zeros(capacity, np.int64)  # what that took
        self._limit = np.full(capacity, -1, np.int64)  # and how many it might be shown then; -1: it never was

    # --- who sees whom ---

    def forget(self, gone: Array) -> Pairs:
        """These slots hold nobody any more (nor the ones who were there as observers). Who saw them."""
        self._limit[gone] = -1
        marked = np.zeros(self.capacity, "?")
        marked[gone] = True
        rows = self._rows
        hit = marked.take(rows.entities)
        own = marked.take(rows.observers)
        lost = Pairs(rows.observers[hit & ~own], rows.entities[hit & ~own])
        kept = ~(hit | own)
        if not kept.all():
            self._count -= np.bincount(rows.observers[~kept], minlength=self.capacity)
            self._rows = Columns(*(column[kept] for column in rows))
        return lost

    def look(
        self,
        x: Array,
        y: Array,
        entities: Array,
        watching: Array,
        fresh: Array,
        terms: Terms,
        concerns: Concerns,
        tick: int,
    ) -> Changes:
        """Look around for those whose turn it is. x, y and `watching` (a flag) by slot; this and the terms reach as far
        as slots are used. `entities` are the slots that exist, ascending; `fresh` are observers who know nothing yet;
        `concerns` is asked for the keys (see `key_of`) of what concerns some observers. Nobody sees who left:
        call `forget` before."""
        slots = len(watching)
        observers = np.flatnonzero(watching).astype(np.int32)
        self._grid.sort(x, y, entities)
        limit = np.minimum(terms.views[observers], terms.records[observers] << terms.last[observers])
        unknown = self._limit.take(observers) != limit
        if unknown.any():
            self._reach(observers[unknown], limit[unknown], x, y)
        chosen = self._turn(observers, self._cost.take(observers), fresh, terms)
        who, limit = observers.take(chosen), limit.take(chosen)
        ox, oy, first, count = self._reach(who, limit, x, y)
        renewed = (self._count[:slots] > 0) & ~watching  # nobody looks through those eyes any more
        is_fresh = np.zeros(slots, "?")
        renewed[fresh] = is_fresh[fresh] = True
        whole = len(chosen) == len(observers) and not renewed.any()  # all rows are those of who is looked around for
        blank = renewed.copy()
        renewed[who] = True
        ends = ends_of(self._count[:slots])
        old = self._rows
        if not whole:
            old = cut(old, [(int(ends[low]), int(ends[high])) for low, high in stretches_of(renewed & ~blank)])
        found, changes = list[Columns](), list[Changes]()
        candidates = count.sum(axis=1)
        for part in _chunks(candidates):
            group = _Group(who[part], limit[part], is_fresh.take(who[part]), terms, tick)
            mine = slice(*np.searchsorted(old.observers, [group.observers[0], group.observers[-1] + 1]).tolist())
            near, bound = self._grid.sweep(ox[part], oy[part], first[part], count[part], group.limit)
            crowd = candidates[part] > np.minimum(group.limit, terms.records[group.observers])
            relevant = concerns(group.observers[crowd].tolist())
            near = self._with_relevant(near, bound, group, relevant, x, y)
            rows, change = self._compare(Columns(*(column[mine] for column in old)), group, near, relevant)
            found.append(rows)
            changes.append(change)
        new = joined(found or [no_pairs()])
        count = np.bincount(new.observers, minlength=slots)
        self._rows = new if whole else spliced(self._rows, new, stretches_of(renewed), ends, ends_of(count))
        self._count[:slots][renewed] = count[renewed]
        self._looked[who] = tick
        appeared, vanished = zip(*(changes or [Changes(nobody(), nobody())]), strict=True)
        return Changes(pairs_joined(appeared), pairs_joined(vanished))

    def _reach(self, observers: Array, limit: Array, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """Where these are, and which runs of the grid are near them. From now on it is known what they cost."""
        ox, oy = x[observers].astype(np.float32), y[observers].astype(np.float32)
        first, count = self._grid.runs(ox, oy)
        self._cost[observers], self._limit[observers] = cost_of(count.sum(axis=1), limit), limit
        return ox, oy, first, count

    def _turn(self, observers: Array, cost: Array, fresh: Array, terms: Terms) -> Array:
        """Which of the observers are looked around for in this tick, ascending; `cost` is what each took the last time.
        Where they are told of movement every so many ticks, they are looked around for in the same: what came into view
        goes out with it then."""
        if not len(observers):
            return np.empty(0, np.int64)
        wanted = np.zeros(len(terms.views), "?")
        ends = np.cumsum(cost)
        whole = int(ends[-1])
        looks = terms.every // terms.beat  # from one telling to the next
        self.cycle = max(looks, min(CYCLE, -(-whole // CANDIDATES_FEW)), -(-whole // CANDIDATES_TICK))
        if self.cycle == looks and terms.told is not None:
            wanted[observers] = terms.told[observers]
        else:
            wanted[observers[self._stretch(observers, cost, ends)]] = True
        wanted[fresh] = True
        room = URGENT_SHARE * CANDIDATES_TICK
        while self.urgent and room > 0:
            slot = next(iter(self.urgent))
            del self.urgent[slot]
            at = int(np.searchsorted(observers, slot))
            if not wanted[slot] and at < len(observers) and observers[at] == slot:
                wanted[slot] = True
                room -= int(cost[at])
        return np.flatnonzero(wanted.take(observers))

    def _stretch(self, observers: Array, cost: Array, ends: Array) -> slice:
        """The next ones from the cursor on, so many that everybody has had a turn after a cycle."""
        low = int(np.searchsorted(observers, self._cursor))
        low = 0 if low == len(observers) else low
        goal = int(ends[low] - cost[low]) + -(-int(ends[-1]) // self.cycle)
        high = max(low + 1, int(np.searchsorted(ends, goal, side="right")))
        self._cursor = int(observers[high]) if high < len(observers) else 0
        return slice(low, high)

    def _with_relevant(self, near: Near, bound: Array, group: "_Group", relevant: Array, x: Array, y: Array) -> Near:
        """With those that concern observers and were left out of a crowd."""
        if not len(relevant):
            return near
        one, other = slots_of(relevant)
        at = np.searchsorted(group.observers, one)
        dx, dy = (column[one].astype(np.float32) - column[other] for column in (x, y))
        square = dx * dx + dy * dy
        missing = np.flatnonzero((square > bound[at]) & (square <= self._grid.reach**2))
        return Near(*(
            np.concatenate([column, more[missing]]) for column, more in zip(near, (at, other, square), strict=True)
        ))  # fmt: skip

    def _compare(self, old: Columns, group: "_Group", near: Near, relevant: Array) -> tuple[Columns, Changes]:
        """The new rows of these observers, and what is different from the old ones."""
        own = group.observers.take(near.at)
        other = np.flatnonzero(own != near.slots)
        square = near.square.take(other)
        merged = np.concatenate([
            packed(old.observers, old.entities, _OLD, old.since + 1),
            packed(
                own.take(other), near.slots.take(other), np.where(square <= self._enter2, _NEAR, _BAND),
                square.view(np.uint32),
            ),
        ])  # fmt: skip
        merged.sort()
        key, code, payload = unpacked(merged)
        same = np.zeros(len(key) + 1, "?")  # as the entry before: an old pair that is still a candidate
        np.equal(key[1:], key[:-1], out=same[1:-1])
        at = np.flatnonzero((code == _NEAR) | (same[:-1] & (code == _BAND)))
        lost = key[(code == _OLD) & ~same[1:]]
        known = same.take(at)
        since = np.where(known, payload.take(at - 1, mode="wrap").astype(np.int32) - 1, group.tick)
        seen = _Seen(key.take(at), known, since, payload.take(at).view(np.float32))
        return self._settle(seen, lost, group, relevant)

    def _settle(self, seen: "_Seen", lost: Array, group: "_Group", relevant: Array) -> tuple[Columns, Changes]:
        """Cut what is seen to what may be shown, and say when each pair has its turn."""
        observers, terms, tick = group.observers, group.terms, group.tick
        local = np.zeros(len(terms.views), np.int32)
        local[observers] = np.arange(len(observers))
        row = local.take(seen.key >> np.uint32(LINE_BITS))
        records = terms.records[observers]
        crowded = np.bincount(row, minlength=len(observers)) > np.minimum(group.limit, records)
        if not crowded.any():
            none = np.zeros(len(row), np.uint8)
            rows = Columns(*slots_of(seen.key), seen.since, none, none.copy())
            return rows, Changes(slots_of(seen.key[~seen.known]), slots_of(lost))
        some = np.flatnonzero(crowded.take(row))
        elapsed = np.clip((tick - self._looked[observers]) // HALVES, 1, ELAPSED_MAX)
        pace = np.where(group.fresh, LINE_SLOTS, np.maximum(terms.appearing[observers] * elapsed, PACE_MIN))
        first = marked_among(seen.key, relevant)
        picked = _picked(seen, some, row.take(some), group.limit, pace, first)
        mine = row.take(picked)
        place, counts = places(mine, len(observers))
        always = np.bincount(mine, first.take(picked), len(observers)).astype(np.int64)
        lanes = ranking.lanes_for(counts, records, terms.last[observers], always)
        mask, phase = np.zeros((2, len(row)), np.uint8)
        mask[picked], phase[picked] = ranking.schedule(
            mine, place, seen.since.take(picked), tick, lanes, terms.telling[observers]
        )
        stays = np.ones(len(row), "?")
        stays[some] = False
        stays[picked] = True
        left = np.flatnonzero(stays)
        key, known = seen.key.take(left), seen.known.take(left)
        gone = np.sort(np.concatenate([lost, seen.key[~stays & seen.known]]))
        rows = Columns(*slots_of(key), seen.since.take(left), mask.take(left), phase.take(left))
        return rows, Changes(slots_of(key[~known]), slots_of(gone))

    # --- who is told ---

    def due(self, changed_at: Array, terms: Terms, tick: int, low: int = 0, high: int | None = None) -> Pairs:
        """The pairs to send to the observers in [low, high): those whose turn it is, of entities that changed since the
        observer was up to date. From now on it is. `changed_at` by slot: the tick of an entity's last change."""
        rows = self._rows
        first, end = np.searchsorted(rows.observers, [low, self.capacity if high is None else high]).tolist()
        mine = slice(first, end)
        turn = (rows.mask[mine] & self._telling(terms, mine)) == rows.phase[mine]
        if terms.told is not None:
            turn &= terms.told.take(rows.observers[mine])
        if turn.all():  # nobody is in a crowd
            at, some = np.arange(first, end), Pairs(rows.observers[mine], rows.entities[mine])
            since = rows.since[mine].copy()
            rows.since[mine] = tick
        else:
            at = np.flatnonzero(turn) + first
            some, since = Pairs(rows.observers.take(at), rows.entities.take(at)), rows.since.take(at)
            rows.since[at] = tick
        is_new = changed_at.take(some.entities) > since
        if not is_new.all():
            at, some, since = at[is_new], those(some, is_new), since[is_new]
        excess = self._excess(some.observers, tick - since, terms)
        if len(excess):
            rows.since[at[excess]] = since[excess]
            some = those(some, ~excess)
        return some

    def _telling(self, terms: Terms, mine: slice) -> Array:
        if terms.told is None:
            return terms.telling[:1].astype(np.uint8)
        return terms.telling.astype(np.uint8).take(self._rows.observers[mine])

    def _excess(self, observers: Array, waited: Array, terms: Terms) -> Array:
        """A flag for each pair above what its observer may get: its budget has become smaller since its last turn to
        look around, which then comes soon. Those who wait longest go first. Empty for none."""
        if (self._count[: len(terms.records)] <= terms.records).all():
            return np.empty(0, "?")  # nobody sees as many as it may be told of
        counts = np.bincount(observers)
        over = np.flatnonzero(counts > terms.records[: len(counts)])
        if not len(over):
            return np.empty(0, "?")
        self.urgent.update(dict.fromkeys(over.tolist()))
        order = observers.astype(np.uint64) << np.uint64(48)
        order |= (0xFFFF - np.clip(waited, 0, 0xFFFF)).astype(np.uint64) << np.uint64(32)
        order |= np.arange(len(observers), dtype=np.uint64)
        order.sort()
        place, _ = places(observers, self.capacity)
        excess = np.empty(len(observers), "?")
        excess[(order & np.uint64(0xFFFF_FFFF)).astype(np.int64)] = place >= terms.records.take(observers)
        return excess

    def again(self, lost: Array) -> None:
        """Observers (a flag per slot) whose movement was lost: all in view is news for them."""
        self._rows.since[lost.take(self._rows.observers)] = NEVER

    # --- asked by others ---

    @property
    def pairs(self) -> Pairs:
        """Everybody and whom they see."""
        return Pairs(self._rows.observers, self._rows.entities)

    def watchers(self, wanted: Array) -> Pairs:
        """All pairs whose entity is marked in `wanted` (a flag per slot)."""
        at = np.flatnonzero(wanted.take(self._rows.entities))
        return Pairs(self._rows.observers.take(at), self._rows.entities.take(at))

    def watched(self) -> Array:
        """A flag per slot: somebody sees it."""
        flags = np.zeros(self.capacity, "?")
        flags[self._rows.entities] = True
        return flags


class _Group(NamedTuple):
    """Observers who are looked around for together."""

    observers: Array  # ascending
    limit: Array  # how many entities each may be shown
    fresh: Array  # whether it knows nothing yet
    terms: Terms
    tick: int


class _Seen(NamedTuple):
    """Pairs within sight, ascending by key."""

    key: Array
    known: Array  # they were before
    since: Array
    square: Array  # of the distance


def _picked(seen: _Seen, some: Array, row: Array, limit: Array, pace: Array, first: Array) -> Array:
    """Which of `some` pairs (of these rows) are shown, in the order of their rank: the nearest `limit` of each row, of
    them at most `pace` that were not seen before. `first` marks pairs that come before all others."""
    known = seen.known.take(some)
    square = (seen.square.take(some) + 1) * np.where(known, KEEP, np.float32(1))
    square[first.take(some)] = 0
    order = ranking.order_by(row, ranking.distance_key(square))
    counts = np.bincount(row, minlength=len(limit))
    allowed = first_marked(~known.take(order), counts, pace) | known.take(order)
    shown = first_marked(allowed, counts, limit)
    picked: Array = some.take(order[shown])
    return picked


def _chunks(candidates: Array) -> list[slice]:
    """Consecutive observers, so that together they have few candidates."""
    ends = np.cumsum(candidates)
    begin, chunks = 0, []
    while begin < len(candidates):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + CANDIDATES_MAX, side="right")))
        chunks.append(slice(begin, end))
        begin = end
    return chunks
