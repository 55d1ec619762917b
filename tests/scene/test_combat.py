"""The rules of fighting, loot and chat."""

import random

import pytest

from mesh.core.bucket import Bucket
from mesh.errors import RefusedError
from nodes.scene import combat
from nodes.scene.loot import EXCLUSIVE_S, Corpses
from nodes.scene.world import Kind, World

REACH = 150.0


def pair(distance: int = 100) -> World:
    """A player in slot 0, another in 1, an NPC in 2, a corpse in 3."""
    world = World(0, 10_000, 8)
    world.add(Kind.PLAYER, "a", 1000, 1000, hp=100, hp_max=100)
    world.add(Kind.PLAYER, "b", 1000 + distance, 1000, hp=100, hp_max=100)
    world.add(Kind.NPC, "wolf", 1000, 1000 + distance, hp=20, hp_max=40)
    world.add(Kind.CORPSE, "wolf", 1000, 1000, hp=0, hp_max=0)
    return world


def refusal(world: World, attacker: int, target: int, now: float = 10.0, pvp: bool = True) -> str:
    try:
        combat.check_attack(world, attacker, target, now, REACH, pvp)
    except RefusedError as error:
        return error.code
    return ""


def test_who_may_be_attacked() -> None:
    world = pair()
    assert refusal(world, 0, 1) == ""
    assert refusal(world, 0, 2) == ""
    assert refusal(world, 0, 0) == "not_allowed"
    assert refusal(world, 0, 3) == "not_allowed"
    assert refusal(world, 0, -1) == "not_found"
    assert refusal(world, 0, 1, pvp=False) == "not_allowed"
    assert refusal(world, 2, 1, pvp=False) == ""
    assert refusal(pair(151), 0, 1) == "out_of_range"
    assert refusal(pair(150), 0, 1) == ""


def test_the_dead_neither_hit_nor_are_hit() -> None:
    world = pair()
    chance = random.Random(1)
    while not combat.strike(world, 0, 1, 0.0, chance).died:
        pass
    assert (int(world.hp[1]), world.dead(1)) == (0, True)
    world.ready_at[0] = 0.0
    assert refusal(world, 0, 1) == "out_of_order"
    assert refusal(world, 1, 0) == "out_of_order"
    combat.revive(world, 1, 50, 60)
    assert (int(world.hp[1]), world.dead(1), int(world.x[1]), int(world.y[1])) == (100, False, 50, 60)


def test_one_attack_a_second_on_average_although_the_network_jitters() -> None:
    world, chance, hits = pair(), random.Random(1), 0
    world.hp[1] = 65_000
    for step in range(1, 1001):
        now = step * 0.02
        if not refusal(world, 0, 1, now):
            combat.strike(world, 0, 1, now, chance)
            hits += 1
    assert hits == 1 + 20
    world.ready_at[0] = 31.0
    assert refusal(world, 0, 1, 30.95) == ""
    assert refusal(world, 0, 1, 30.85) == "too_many"


def test_damage_varies_within_its_spread_and_depends_on_the_seed_alone() -> None:
    damages = []
    for _ in range(2):
        world, chance = pair(), random.Random(7)
        world.hp[1] = 60_000
        damages.append([combat.strike(world, 0, 1, 0.0, chance).damage for _ in range(200)])
    assert damages[0] == damages[1]
    assert min(damages[0]) >= 9
    assert max(damages[0]) <= 15
    assert len(set(damages[0])) > 3


def test_levels() -> None:
    assert combat.level_for(99, 1) == 1
    assert combat.level_for(100, 1) == 2
    assert combat.level_for(399, 2) == 2
    assert combat.level_for(400, 2) == 3
    assert combat.level_for(10**9, combat.LEVEL_MAX) == combat.LEVEL_MAX


def test_the_killer_has_a_corpse_for_itself_at_first_and_it_is_taken_once() -> None:
    corpses, chance = Corpses(10, 60.0), random.Random(1)
    one = corpses.add(5, 3, 42, 100.0, chance)
    assert 1 <= one.gold <= 20
    with pytest.raises(RefusedError, match="not_allowed"):
        corpses.take(5, 43, 100.0 + EXCLUSIVE_S - 1)
    assert corpses.take(5, 43, 100.0 + EXCLUSIVE_S) is one
    with pytest.raises(RefusedError, match="not_found"):
        corpses.take(5, 42, 140.0)
    corpses.give_back(one)
    assert corpses.take(5, 42, 140.0) is one
    corpses.remove(one)
    with pytest.raises(RefusedError, match="not_found"):
        corpses.take(5, 42, 140.0)


def test_corpses_go_when_old_or_too_many_but_not_while_being_taken() -> None:
    corpses, chance = Corpses(3, 60.0), random.Random(1)
    made = [corpses.add(number, number, 1, float(number), chance) for number in range(1, 4)]
    assert corpses.overdue(10.0) == made[:1]  # room for one more
    corpses.take(1, 1, 10.0)
    assert made[0] not in corpses.overdue(62.5)
    assert made[1] in corpses.overdue(62.5)
    assert corpses.overdue(1000.0) == made[1:]


def test_some_corpses_have_an_item() -> None:
    corpses, chance = Corpses(1000, 60.0), random.Random(1)
    made = [corpses.add(number, number, 1, 0.0, chance) for number in range(400)]
    assert 60 < sum(bool(one.item) for one in made) < 140


def test_chat_has_a_burst_and_a_rate() -> None:
    bucket = Bucket(1.0, 3, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(t) for t in (0.5, 1.1, 1.2, 2.1)] == [False, True, False, True]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
