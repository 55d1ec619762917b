"""What each observer of a line may be told: from its own budget of bytes, and from the levels of its scene and gate.

Owns nothing. Pure. Of two levels the stricter counts, entry by entry. Time dilation is the scene's alone: it makes
ticks longer, so a telling has more bytes then, and fewer tellings pass until somebody would starve.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from mesh.protocol.lanes import UPDATE_SIZE
from mesh.topology.policy import FULL, Level
from nodes.scene.ranking import longest
from nodes.scene.world import Array

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


def terms(
    budget: Array,
    gate: Array,
    view_max: int,
    tick_hz: float,
    tick: int,
    scene: Level,
    gates: Mapping[int, Level],
    held: Collection[int] = (),
) -> Terms:
    """`budget` and `gate` by slot; `tick_hz` as it is meant, undilated; `gates` has those that are not at full quality,
    by their index; who is at a gate in `held` is not told now. A telling's head weighs as much as a record and is part
    of the budget."""
    hz = tick_hz * scene.dilation
    table = [_merged(scene, gates.get(index, FULL)) for index in range(int(gate.max(initial=-1)) + 1)]
    table.append(scene)  # of those without a gate: index -1
    every = np.array([level.every for level in table])
    tellings = np.array([level.budget * level.every / (UPDATE_SIZE * hz) for level in table])
    records = np.maximum(budget * tellings[gate] - 1, 1).astype(np.int64)
    views = np.array([max(1, round(level.view * view_max)) for level in table])[gate]
    last = np.array([longest(hz / level.every) for level in table])[gate]
    appearing = np.maximum(records // STATE_RECORDS, 1)
    if every.max() == 1 and not held:
        return Terms(views, records, last, np.full(len(gate), tick), None, appearing)
    own = every[gate]
    ticks = tick + np.arange(len(gate)) % own
    told = ticks % own == 0
    if held:
        told &= ~np.isin(gate, list(held))
    return Terms(views, records, last, -(-ticks // own), told, appearing, int(own.min(initial=10, where=gate >= 0)))


def _merged(one: Level, other: Level) -> Level:
    if other == FULL:
        return one
    return Level(
        one.name,
        view=min(one.view, other.view),
        budget=min(one.budget, other.budget),
        every=max(one.every, other.every),
    )
