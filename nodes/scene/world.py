"""The entities of one line as columns: one slot per player, NPC or corpse.

Owns the slots, their generations and every number about an entity that is needed in bulk. The record that travels
(lanes.UPDATE) is itself a column, so that a frame is a gather of rows. An entity's number is its handle: slot in the
low bits, generation above, so what named an earlier holder of a slot names nobody now.

A removed entity's slot rests until `release` (after the tick told its observers): otherwise a newcomer in the same
slot would look like the one who left. Then it is the first to be used again, so that those in use lie together: what
is done with whole columns, in every tick, is done with as many rows as the line ever had at once.

Rejected: an object per entity, which costs 100 bytes and a loop in Python per tick.
"""

from collections import deque
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from mesh.protocol.lanes import UPDATE, Handle

Array = npt.NDArray[Any]

DEAD = 0x80  # state bit 7
CLIENT_STATE = 0x7F  # the bits that a client may set
ROOM = 256  # slots, by which the stretch of those in use grows
GENERATIONS = Handle.GENERATIONS - 1  # of one slot: 0 is none, so that no handle is 0


class Kind(IntEnum):
    FREE = 0
    PLAYER = 1
    NPC = 2
    CORPSE = 3


KIND_NAMES = ("", "player", "npc", "corpse")


class World:
    """The columns. `base` is the number of the first slot among all lines of the scene; `generation` is what the slots
    were used for last, when they were used before: it goes on, so that what named somebody on a line that was closed
    names nobody on the one that was opened in its place."""

    def __init__(self, base: int, units: int, capacity: int, generation: Array | None = None) -> None:
        self.base = base
        self.units = units
        self.capacity = capacity
        self.kind = np.zeros(capacity, "u1")
        self.ids = np.zeros(capacity, "<u4")  # 0: free
        self.generation = np.zeros(capacity, "<u2") if generation is None else generation[:capacity]
        self.record = np.zeros(capacity, UPDATE)
        self.x = self.record["x"]
        self.y = self.record["y"]
        self.heading = self.record["heading"]
        self.state = self.record["state"]
        self.stamp = self.record["stamp"]
        self.hp = np.zeros(capacity, "<u2")
        self.hp_max = np.zeros(capacity, "<u2")
        self.level = np.zeros(capacity, "<u2")
        self.xp = np.zeros(capacity, "<u4")
        self.gate = np.full(capacity, -1, "<i2")  # who carries the player's frames
        self.budget = np.zeros(capacity, "<u4")  # bytes a second that it may get of movement
        self.watching = np.zeros(capacity, "?")  # a player who gets updates
        self.changed = np.zeros(capacity, "?")  # since the last tick: neighbours are told
        self.refresh = np.zeros(capacity, "?")  # an observer who lost updates: told of all in view
        self.unsaved = np.zeros(capacity, "?")  # since the last save to the DC
        self.walked = np.zeros(capacity, "?")  # since the last "move" event in the behaviour log
        self.slack = np.zeros(capacity, "<f4")  # metres that a player may be ahead, see movement.py
        self.moved_at = np.zeros(capacity, "<f8")
        self.ready_at = np.zeros(capacity, "<f8")  # when the next attack is due, see combat.py
        self.account = np.zeros(capacity, "<i8")  # whose player it is
        self.names: list[str] = [""] * capacity
        self._free = deque(range(capacity))
        self._resting: list[int] = []
        self._active: Array | None = None
        self._used = 0
        self.arrived = False  # somebody came or went since the last tick

    @property
    def full(self) -> bool:
        return not self._free

    def add(self, kind: Kind, name: str, x: int, y: int, *, hp: int, hp_max: int, level: int = 1) -> int:
        """Put an entity on the map; its slot. The caller checked `full`."""
        slot = self._free.popleft()
        generation = int(self.generation[slot]) % GENERATIONS + 1
        number = generation << Handle.SLOT_BITS | (self.base + slot)
        self.generation[slot] = generation
        self.ids[slot] = number
        self.record[slot] = (number, x, y, 0, 0 if hp else DEAD, 0)
        self.kind[slot], self.hp[slot], self.hp_max[slot], self.level[slot] = kind, hp, hp_max, level
        self.names[slot] = name
        self.gate[slot], self.ready_at[slot], self.xp[slot] = -1, 0.0, 0
        for flag in (self.watching, self.changed, self.refresh, self.unsaved, self.walked):
            flag[slot] = False
        self._active = None
        self.arrived = True
        return slot

    def remove(self, slot: int) -> None:
        """Take an entity off the map. Its number stays readable until `release`."""
        self.kind[slot] = Kind.FREE
        self.watching[slot] = self.changed[slot] = self.unsaved[slot] = self.walked[slot] = False
        self.gate[slot] = -1
        self._resting.append(slot)
        self._active = None
        self.arrived = True

    @property
    def resting(self) -> Array:
        """The slots of those who left since the last tick."""
        return np.array(self._resting, np.int64)

    def release(self) -> None:
        """Everyone was told of those who left: their slots may be used again."""
        for slot in self._resting:
            self.ids[slot] = 0
            self.names[slot] = ""
        self._free.extendleft(reversed(self._resting))
        self._resting.clear()

    def active(self) -> Array:
        """The slots in use, ascending."""
        return self._survey()

    @property
    def used(self) -> int:
        """No slot from this one on is in use, rests or was ever seen."""
        self._survey()
        return self._used

    def _survey(self) -> Array:
        if self._active is None:
            self._active = np.flatnonzero(self.kind != Kind.FREE).astype(np.int32)
            top = int(np.flatnonzero(self.ids)[-1:].sum()) + 1
            self._used = max(self._used, min(self.capacity, -(-top // ROOM) * ROOM))
        return self._active

    def number(self, slot: int) -> int:
        """The entity in a slot, as clients and gates name it."""
        return int(self.ids[slot])

    def slot_of(self, number: int) -> int:
        """The slot of an entity that exists, else -1."""
        slot = (number & Handle.SLOT_MASK) - self.base
        if 0 <= slot < self.capacity and self.kind[slot] and self.ids[slot] == number:
            return slot
        return -1

    def players_of(self, handles: Array, gate: int) -> tuple[Array, Array]:
        """Slots of the handles (u32) that name players of this gate; and where in `handles` they were."""
        slots = (handles & np.uint32(Handle.SLOT_MASK)).astype(np.int64) - self.base
        at = np.flatnonzero((slots >= 0) & (slots < self.capacity))
        slots = slots[at]
        right = (self.ids[slots] == handles[at]) & (self.kind[slots] == Kind.PLAYER) & (self.gate[slots] == gate)
        return slots[right], at[right]

    def place(self, slot: int, x: int, y: int) -> None:
        """Move an entity by decision of the scene."""
        self.x[slot], self.y[slot] = x, y
        self.touch(slot)

    def touch(self, slot: int) -> None:
        """Something that neighbours and the DC should know has changed."""
        self.changed[slot] = self.unsaved[slot] = True

    def distance(self, one: int, other: int) -> float:
        """Between two slots, in units of the map."""
        dx, dy = int(self.x[one]) - int(self.x[other]), int(self.y[one]) - int(self.y[other])
        return float((dx * dx + dy * dy) ** 0.5)

    def dead(self, slot: int) -> bool:
        return bool(self.state[slot] & DEAD)
