"""Where the members of parties are, as far as the center was told: one line's players.

Owns, by slot, who is in a party and what was said of it last. Pure. Costs a few array operations a tick, since on a
busy line every second player may be in a party and moving.
"""

import numpy as np

from nodes.scene.world import Array, World


class Whereabouts:
    """See the module."""

    def __init__(self, capacity: int) -> None:
        self.members = 0
        self._member = np.zeros(capacity, "?")
        self._told = np.zeros(capacity, "?")  # anything at all
        self._x = np.zeros(capacity, "<u2")
        self._y = np.zeros(capacity, "<u2")
        self._hp = np.zeros(capacity, "<u2")
        self._hp_max = np.zeros(capacity, "<u2")

    def join(self, slot: int) -> None:
        """This player is in a party, perhaps another one than before: whoever is in it wants to know where it is."""
        self.members += not self._member[slot]
        self._member[slot] = True
        self._told[slot] = False

    def leave(self, slot: int) -> None:
        """It is in none, or leaves the line."""
        self.members -= bool(self._member[slot])
        self._member[slot] = False

    def changed(self, world: World, part: int, parts: int) -> Array:
        """The slots of one part of the members of whom something is not known yet; from now on it is."""
        if not self.members:
            return np.empty(0, np.int64)
        slots = np.flatnonzero(self._member[part::parts]) * parts + part
        seen = ((self._x, world.x), (self._y, world.y), (self._hp, world.hp), (self._hp_max, world.hp_max))
        differs = ~self._told[slots]
        for known, now in seen:
            differs |= known[slots] != now[slots]
        slots = slots[differs]
        for known, now in seen:
            known[slots] = now[slots]
        self._told[slots] = True
        return slots

    def again(self, slots: Array) -> None:
        """The center did not hear it."""
        self._told[slots] = False
