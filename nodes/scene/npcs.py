"""The NPCs of one line: they wander around their home, and chase whoever attacks them.

Owns where each NPC wants to go, whom it hates and when the dead come back. Pure; randomness comes from a generator
that is seeded by the node's. All of them think in a few array operations, and only those whom a player sees, or who
fight, think at all: a line without players costs nothing. Under pressure those who do not fight take turns, and make up
for the ticks that they have left out: they walk as fast as ever, in fewer and longer steps.
"""

import numpy as np

from mesh.protocol.lanes import Handle
from nodes.scene import combat
from nodes.scene.world import DEAD, Array, Kind, World

WANDER_M = 15.0  # from home
LEASH_M = 30.0  # further away from home an NPC gives up and walks back
WALK_MPS = 1.5
CHASE_MPS = 4.0
BITE_RANGE_M = 2.0
REST_S = (1.0, 6.0)  # between two walks
STEP_S_MAX = 0.5  # after a pause nobody leaps
TURNS_MAX = 10  # ticks between two turns of an NPC that does not fight, at most
GOLDEN = 0.6180339887498949  # multiples of it are spread evenly over a circle, however many there are
NAMES = ("wolf", "boar", "bandit")


class Npcs:
    """`chance` is this line's own generator. Arrays are by NPC, `slot` says where it is in the world, -1: dead."""

    def __init__(self, world: World, count: int, level: int, respawn_s: float, unit_m: float, seed: int) -> None:
        self.world, self.level, self.respawn_s, self.unit_m = world, level, respawn_s, unit_m
        self.chance = np.random.default_rng(seed)
        self.home = self.chance.uniform(0, world.units, (count, 2))
        self.at = self.home.copy()
        self.goal = self.home.copy()
        self.slot = np.full(count, -1, np.int32)
        self.think_at = np.zeros(count)
        self.back_at = np.zeros(count)
        self.foe = np.zeros(count, "<u4")  # an entity's number, 0 for none
        self._index: dict[int, int] = {}  # by slot
        self._phase = np.arange(count) * GOLDEN % 1.0  # whose turn it is when: a place on a circle
        self._stepped_at = 0.0
        self._reached = 0.0  # of the circle
        self._idle_s = np.zeros(count)  # since its last turn

    def respawn(self, now: float) -> None:
        """Those whose time has come stand at home again."""
        for index in np.flatnonzero((self.slot < 0) & (self.back_at <= now)).tolist():
            if self.world.full:
                return
            x, y = (int(v) for v in self.home[index])
            hp = combat.npc_hp_max_of(self.level)
            slot = self.world.add(Kind.NPC, NAMES[index % len(NAMES)], x, y, hp=hp, hp_max=hp, level=self.level)
            self.slot[index] = slot
            self.at[index] = self.goal[index] = self.home[index]
            self.foe[index] = 0
            self._index[slot] = index

    def died(self, slot: int, now: float) -> None:
        """Its slot is not its own any more."""
        index = self._index.pop(slot)
        self.slot[index] = -1
        self.back_at[index] = now + self.respawn_s

    def provoke(self, slot: int, foe: int) -> None:
        """Somebody (an entity's number) attacked it."""
        index = self._index.get(slot)
        if index is not None:
            self.foe[index] = foe

    def step(self, now: float, seen: Array, share: float = 1.0) -> list[tuple[int, int]]:
        """Think and walk: of those who do not fight this share. `seen` is a flag per slot. The (NPC, target) slots of
        those who are close enough to bite."""
        elapsed = min(now - self._stepped_at, STEP_S_MAX)
        self._stepped_at = now
        self._idle_s += elapsed
        fighting = self.foe > 0
        mine = fighting | self._have_turn(share)
        lengths, self._idle_s = self._idle_s, np.where(mine, 0.0, self._idle_s)
        awake = np.flatnonzero((self.slot >= 0) & mine & (seen[self.slot] | fighting))
        if not len(awake):
            return []
        lengths = lengths[awake]
        bites = self._chase(awake, now)
        self._wander(awake, now)
        self._walk(awake, lengths)
        return bites

    def _have_turn(self, share: float) -> Array:
        """A flag for each: this share of them, evenly spread over the ticks, and each again after as many."""
        share = max(share, 1 / TURNS_MAX)
        behind = (self._phase - self._reached) % 1.0
        self._reached = (self._reached + share) % 1.0
        flags: Array = behind < share
        return flags

    def _chase(self, awake: Array, now: float) -> list[tuple[int, int]]:
        angry = awake[self.foe[awake] > 0]
        if not len(angry):
            return []
        world = self.world
        target = (self.foe[angry] & np.uint32(Handle.SLOT_MASK)).astype(np.int64) - world.base
        there = (world.ids[target] == self.foe[angry]) & (world.kind[target] > 0) & (world.state[target] & DEAD == 0)
        place = np.stack([world.x[target], world.y[target]], axis=1).astype(float)
        near = np.hypot(*(place - self.home[angry]).T) <= LEASH_M / self.unit_m
        lost = angry[~(there & near)]
        self.foe[lost] = 0
        self.goal[lost] = self.home[lost]
        self.think_at[lost] = now + REST_S[1]  # first it walks back
        angry, target, place = angry[there & near], target[there & near], place[there & near]
        close = np.hypot(*(place - self.at[angry]).T) <= BITE_RANGE_M / self.unit_m
        self.goal[angry] = np.where(close[:, None], self.at[angry], place)
        return list(zip(self.slot[angry[close]].tolist(), target[close].tolist(), strict=True))

    def _wander(self, awake: Array, now: float) -> None:
        idle = awake[(self.foe[awake] == 0) & (self.think_at[awake] <= now)]
        if not len(idle):
            return
        reach = WANDER_M / self.unit_m
        goal = self.home[idle] + self.chance.uniform(-reach, reach, (len(idle), 2))
        self.goal[idle] = np.clip(goal, 0, self.world.units)
        self.think_at[idle] = now + self.chance.uniform(*REST_S, len(idle))

    def _walk(self, awake: Array, elapsed: Array) -> None:
        way = self.goal[awake] - self.at[awake]
        length = np.hypot(way[:, 0], way[:, 1])
        going = length > 0
        awake, way, length, elapsed = awake[going], way[going], length[going], elapsed[going]
        if not len(awake):
            return
        speed = np.where(self.foe[awake] > 0, CHASE_MPS, WALK_MPS) / self.unit_m
        part = np.minimum(1.0, speed * elapsed / length)
        self.at[awake] += way * part[:, None]
        world, slots = self.world, self.slot[awake]
        world.x[slots], world.y[slots] = self.at[awake, 0].astype("<u2"), self.at[awake, 1].astype("<u2")
        world.heading[slots] = np.round(np.arctan2(way[:, 1], way[:, 0]) / (2 * np.pi) * 256).astype(int) & 0xFF
        world.changed[slots] = True
