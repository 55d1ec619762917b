"""What each observer of a line may be told: from its own budget of bytes, and from the levels of its scene and gate.

Owns what was worked out last. Of two levels the stricter counts, entry by entry. Time dilation is the scene's alone: it
makes ticks longer, so a telling has more bytes then, and fewer tellings pass until somebody would starve.

Where everybody is told so rarely that a part of them in every second tick is enough, every second tick is without: to
look around costs a scene something even if it is for few, and each telling costs its gates a turn of their own. Not
where ticks are dilated: they are far apart then, and with all there is to tell in every second one a Hit would wait
twice as long for a scene and a gate that have nearly no processor left.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from mesh.protocol.lanes import UPDATE_SIZE
from mesh.topology.policy import FULL, Level
from nodes.scene.ranking import longest
from nodes.scene.world import Array

RARE = 4  # ticks from one telling to the next, from which on nobody is told in odd ticks
TOGETHER_BITS = 6  # of a slot: 64 neighbours are told in the same ticks, so that their rows lie together
STATE_RECORDS = 20  # of movement for one entity that appears: a fifth as many bytes as movement may have


class Terms(NamedTuple):
    """By slot, for one tick."""

    views: Array  # entities that it is shown at most
    records: Array  # of movement, in one telling
    last: Array  # the class (see ranking.py) of the longest period
    telling: Array  # the number of its next telling, which may be in this tick
    told: Array | None  # whether it is told of movement in this tick; None: everybody is
    appearing: Array  # entities that may come into view in one tick of a crowd
    every: int = 1  # ticks from one telling to the next, of those who are told most often
    beat: int = 1  # somebody is told in one of so many ticks, those that are multiples of it


class Shares(NamedTuple):
    """What of the terms is the same in every tick, as long as nobody comes or goes and no level changes. By slot."""

    views: Array
    records: Array
    last: Array
    appearing: Array
    own: Array  # ticks from one telling to the next
    gates: int  # that there are
    dilated: bool


class Budgets:
    """The terms of one line, tick by tick. Owns the last shares: they are worked out for all slots of a line, of which
    most may be free, and to do that in every tick was a quarter of what an almost empty line costs. `tick_hz` as it is
    meant, undilated."""

    def __init__(self, view_max: int, tick_hz: float) -> None:
        self._view_max, self._tick_hz = view_max, tick_hz
        self._made_of: tuple[Array, Array, Level, dict[int, Level]] | None = None
        self._shares: Shares

    def terms(
        self,
        budget: Array,
        gate: Array,
        tick: int,
        scene: Level,
        gates: Mapping[int, Level],
        held: Collection[int] = (),
        missed: Mapping[int, int] | None = None,
    ) -> Terms:
        """As the function of this name."""
        known = self._made_of
        if (
            known is None
            or (scene, gates) != known[2:]
            or not (np.array_equal(budget, known[0]) and np.array_equal(gate, known[1]))
        ):
            self._made_of = budget.copy(), gate.copy(), scene, dict(gates)
            self._shares = shares(budget, gate, self._view_max, self._tick_hz, scene, gates)
        return terms(self._shares, gate, tick, held, missed)


def shares(
    budget: Array, gate: Array, view_max: int, tick_hz: float, scene: Level, gates: Mapping[int, Level]
) -> Shares:
    """`budget` and `gate` by slot; `gates` has those that are not at full quality, by their index. A telling's head
    weighs as much as a record and is part of the budget."""
    hz = tick_hz * scene.dilation
    table = [_merged(scene, gates.get(index, FULL)) for index in range(int(gate.max(initial=-1)) + 1)]
    table.append(scene)  # of those without a gate: index -1
    every = np.array([level.every for level in table])
    tellings = np.array([level.budget * level.every / (UPDATE_SIZE * hz) for level in table])
    records = np.maximum(budget * tellings[gate] - 1, 1).astype(np.int64)
    views = np.array([max(1, round(level.view * view_max)) for level in table])[gate]
    last = np.array([longest(hz / level.every) for level in table])[gate]
    appearing = np.maximum(records // STATE_RECORDS, 1)
    return Shares(views, records, last, appearing, every[gate], len(table), scene.dilation < 1)


def terms(
    said: Shares, gate: Array, tick: int, held: Collection[int] = (), missed: Mapping[int, int] | None = None
) -> Terms:
    """Who is at a gate in `held` is not told now, and those whose turn it was come first after that: `missed` has the
    looks for which gates were held, all in all."""
    views, records, last, appearing, own, count, dilated = said
    here = gate >= 0
    if not held and not (own[here] > 1).any():
        return Terms(views, records, last, np.full(len(gate), tick), None, appearing)
    most = int(own.min(initial=10, where=here))
    beat = 2 if most >= RARE and not dilated and not (own[here] % 2).any() else 1
    turns = tick // beat + (np.arange(len(gate)) >> TOGETHER_BITS) % own - _missed(missed or {}, count)[gate]
    own = np.maximum(own // beat, 1)
    told = (turns % own == 0) & (tick % beat == 0)
    if held:
        told &= ~np.isin(gate, list(held))
    return Terms(views, records, last, -(-turns // own), told, appearing, most, beat)


def _missed(missed: Mapping[int, int], gates: int) -> Array:
    """By gate; the last one is for those without any."""
    column = np.zeros(gates, np.int64)
    for gate, turns in missed.items():
        if gate < gates - 1:
            column[gate] = turns
    return column


def _merged(one: Level, other: Level) -> Level:
    if other == FULL:
        return one
    return Level(
        one.name,
        view=min(one.view, other.view),
        budget=min(one.budget, other.budget),
        every=max(one.every, other.every),
    )
