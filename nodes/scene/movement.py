"""Whether players may be where they say: a distance budget per player, checked for all moves of a tick at once.

Owns the moves that wait for the tick. Pure. A player may go `speed * elapsed` plus what it has in hand, its slack:
at most a quarter of a second's way, so that a late packet and the early one behind it both pass. What is taken from
the slack must be earned back, so a cheat gains at most RATE - 1 in the long run plus one quarter of a second once.
Of several moves within a tick the newest counts alone: a stalled network delivers them together, and their sum of
ways over the time since the last accepted one is what can be judged.

Rejected: a limit per move (a jittering honest client is corrected all the time), and the client's own stamps as the
measure of time (a cheat writes what it likes).
"""

from collections.abc import Sequence

import numpy as np

from mesh.protocol.lanes import MOVE
from nodes.scene.world import CLIENT_STATE, DEAD, Array, World

SLACK_S = 0.25
RATE = 1.02  # lets an honest client earn its slack back after its network became slower or faster
ELAPSED_S_MAX = 1.0  # who said nothing for longer has no more than this: standing still does not load a teleport
QUEUE_FACTOR = 8  # moves that may wait for a tick, per slot; above it the oldest batch goes, latest wins anyway


class Moves:
    """What arrived since the last tick."""

    def __init__(self, capacity: int) -> None:
        self.waiting_max = capacity * QUEUE_FACTOR
        self.dropped = 0
        self._waiting: list[tuple[Array, Array]] = []
        self._count = 0
        self._last = np.zeros(capacity, np.int64)

    def add(self, slots: Array, records: Array) -> None:
        """One batch: who and what (lanes.MOVE)."""
        self._waiting.append((slots, records))
        self._count += len(slots)
        while self._count > self.waiting_max:
            oldest = len(self._waiting.pop(0)[0])
            self._count -= oldest
            self.dropped += oldest

    def take(self) -> tuple[Array, Array]:
        """The newest move of each player, and nothing is left."""
        if not self._waiting:
            return np.empty(0, np.int64), np.empty(0, MOVE)
        slots, records = (_in_one(column) for column in zip(*self._waiting, strict=True))
        self._waiting.clear()
        self._count = 0
        at = np.arange(len(slots))
        self._last[slots] = at
        newest = np.flatnonzero(self._last.take(slots) == at)
        return (slots, records) if len(newest) == len(slots) else (slots.take(newest), records.take(newest))


def _in_one(parts: Sequence[Array]) -> Array:
    """One behind the other. Rows of several fields as plain bytes: NumPy copies those thirty times as fast."""
    if len(parts) == 1:
        return parts[0]
    kind = parts[0].dtype
    plain = np.dtype(f"V{kind.itemsize}") if kind.names else kind
    return np.concatenate([part.view(plain) for part in parts]).view(kind)


class Incoming:
    """Moves as gates have said them. They are sorted for the lines of the scene once a tick: to look for the players of
    each batch as it comes costs several times as much."""

    def __init__(self) -> None:
        self._batches: dict[str, list[tuple[bytes, bytes]]] = {}  # by gate, in order
        self.count = 0  # of batches

    def add(self, gate: str, handles: bytes, records: bytes) -> None:
        """u32[n], MOVE[n]."""
        self._batches.setdefault(gate, []).append((handles, records))
        self.count += 1

    def take(self) -> list[tuple[str, Array, Array]]:
        """What came, for each gate together, and nothing is left."""
        batches, self._batches, self.count = self._batches, {}, 0
        found = []
        for gate, said in batches.items():
            handles, records = (b"".join(column) for column in zip(*said, strict=True))
            found.append((gate, np.frombuffer(handles, "<u4"), np.frombuffer(records, MOVE)))
        return found


def settle(world: World, slot: int, now: float, speed: float) -> None:
    """A player starts here: with all of its slack, from now on."""
    world.slack[slot] = speed * SLACK_S
    world.moved_at[slot] = now


def apply(world: World, slots: Array, records: Array, now: float, speed: float) -> tuple[Array, Array]:
    """Carry out what is possible. `speed` in units per second. The slots that were refused, and their stamps; they
    stay where they were. The dead do not move and are not told so: their client knows."""
    alive = (world.kind.take(slots) != 0) & (world.state[slots] & DEAD == 0)
    if not alive.all():
        there = np.flatnonzero(alive)
        slots, records = slots.take(there), records.take(there)
    x, y = np.minimum(records["x"], world.units), np.minimum(records["y"], world.units)
    dx, dy = x.astype("f4") - world.x[slots], y.astype("f4") - world.y[slots]
    way = np.sqrt(dx * dx + dy * dy)
    elapsed = np.clip(now - world.moved_at.take(slots), 0, ELAPSED_S_MAX)
    allowed = world.slack.take(slots) + RATE * speed * elapsed
    possible = way <= allowed
    world.slack[slots] = np.minimum(speed * SLACK_S, np.where(possible, allowed - way, allowed))
    world.moved_at[slots] = now
    if possible.all():
        _write(world, slots, x, y, records)
        return slots[:0], records["stamp"][:0]
    refused = ~possible
    stay, gone = slots[refused], slots[possible]
    _write(world, gone, x[possible], y[possible], records.take(np.flatnonzero(possible)))
    return stay, records["stamp"][refused]


def _write(world: World, slots: Array, x: Array, y: Array, records: Array) -> None:
    state = records["state"] & CLIENT_STATE
    heading = records["heading"]
    walked = (world.x[slots] != x) | (world.y[slots] != y)
    differs = walked | (world.heading[slots] != heading) | (world.state[slots] != state)
    world.x[slots], world.y[slots] = x, y
    world.heading[slots], world.state[slots], world.stamp[slots] = heading, state, records["stamp"]
    world.changed[slots] |= differs
    world.unsaved[slots] |= differs
    world.walked[slots] |= walked
