"""The rules of fighting: who may hit whom, how hard, what a level is worth.

Owns no state: works on the columns of the world. Pure; randomness is an argument. Players and NPCs fight by the same
rules; only their strength differs.
"""

import random
from typing import NamedTuple

from mesh.errors import Code, RefusedError
from nodes.scene.world import DEAD, Kind, World

ATTACK_RANGE_M = 3.0
COOLDOWN_S = 1.0
EARLY_S = 0.1  # a jittering network may bring one attack too early; the next one is due accordingly later
SPREAD = 0.2  # damage varies by so much up and down
NPC_XP = 25
LEVEL_MAX = 100


class Blow(NamedTuple):
    damage: int
    hp: int
    died: bool


def hp_max_of(level: int) -> int:
    """Of a player."""
    return 100 + 10 * (level - 1)


def npc_hp_max_of(level: int) -> int:
    return 30 + 10 * level


def level_for(xp: int, level: int) -> int:
    """The level after `level` if that much experience is enough for it, else `level`: xp >= 100 * level^2."""
    return level + 1 if level < LEVEL_MAX and xp >= 100 * level * level else level


def check_attack(world: World, attacker: int, target: int, now: float, reach: float, pvp: bool) -> None:
    """RefusedError when it is not allowed. Slots; `reach` in units; a target of -1 does not exist."""
    if target < 0:
        raise RefusedError(Code.NOT_FOUND, "there is no such target")
    if world.dead(attacker):
        raise RefusedError(Code.OUT_OF_ORDER, "the dead do not attack")
    if target == attacker or world.kind[target] == Kind.CORPSE:
        raise RefusedError(Code.NOT_ALLOWED, "that cannot be attacked")
    if world.dead(target):
        raise RefusedError(Code.OUT_OF_ORDER, "the target is dead")
    if world.kind[attacker] == Kind.PLAYER and world.kind[target] == Kind.PLAYER and not pvp:
        raise RefusedError(Code.NOT_ALLOWED, "players do not fight each other on this map")
    if world.distance(attacker, target) > reach:
        raise RefusedError(Code.OUT_OF_RANGE, "too far away")
    if now < world.ready_at[attacker] - EARLY_S:
        raise RefusedError(Code.TOO_MANY, "one attack a second")


def strike(world: World, attacker: int, target: int, now: float, chance: random.Random) -> Blow:
    """Carry out an attack that was checked."""
    world.ready_at[attacker] = max(float(world.ready_at[attacker]), now) + COOLDOWN_S
    strength = _strength(world, attacker)
    damage = max(1, round(strength * chance.uniform(1 - SPREAD, 1 + SPREAD)))
    hp = max(0, int(world.hp[target]) - damage)
    world.hp[target] = hp
    if not hp:
        world.state[target] |= DEAD
        world.changed[target] = True
    world.unsaved[target] = True
    return Blow(damage, hp, not hp)


def revive(world: World, slot: int, x: int, y: int) -> None:
    """Full health, at that place."""
    world.hp[slot] = world.hp_max[slot]
    world.state[slot] &= ~DEAD & 0xFF
    world.place(slot, x, y)


def _strength(world: World, slot: int) -> int:
    level = int(world.level[slot])
    return 10 + 2 * level if world.kind[slot] == Kind.PLAYER else 3 + level
