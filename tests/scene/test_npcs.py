"""NPCs wander around home, chase who attacks them, come back, and rest when nobody looks."""

import numpy as np
import pytest

from nodes.scene.npcs import LEASH_M, WANDER_M, Npcs
from nodes.scene.world import Kind, World

UNIT = 0.02


def made(count: int = 20, seed: int = 1) -> tuple[World, Npcs]:
    world = World(0, 10_000, 64)
    npcs = Npcs(world, count, 1, 5.0, UNIT, seed)
    npcs.respawn(0.0)
    return world, npcs


def everybody(world: World) -> np.ndarray:
    return np.ones(world.capacity, "?")


def test_they_wander_but_not_far() -> None:
    world, npcs = made()
    before = world.record.copy()
    for step in range(1, 400):
        npcs.step(step * 0.1, everybody(world))
    away = np.hypot(*(npcs.at - npcs.home).T) * UNIT
    assert (world.x[npcs.slot] != before["x"][npcs.slot]).any()
    assert away.max() <= WANDER_M * 2**0.5
    assert (away > 1).any()


def test_nobody_near_nobody_thinks() -> None:
    world, npcs = made()
    seen = np.zeros(world.capacity, "?")
    seen[npcs.slot[3]] = True
    for step in range(1, 200):
        npcs.step(step * 0.1, seen)
    moved = np.flatnonzero(np.hypot(*(npcs.at - npcs.home).T))
    assert moved.tolist() == [3]


def test_the_same_seed_walks_the_same_ways() -> None:
    ways = []
    for _ in range(2):
        world, npcs = made(seed=9)
        for step in range(1, 100):
            npcs.step(step * 0.1, everybody(world))
        ways.append(npcs.at.tobytes())
    assert ways[0] == ways[1]


def chased(world: World, npcs: Npcs, dx: int) -> tuple[int, int]:
    x, y = int(npcs.at[0, 0]), int(npcs.at[0, 1])
    player = world.add(Kind.PLAYER, "a", min(x + dx, world.units), y, hp=50, hp_max=50)
    npcs.provoke(int(npcs.slot[0]), world.number(player))
    return player, int(npcs.slot[0])


def test_an_attacked_npc_runs_to_its_foe_and_bites() -> None:
    world, npcs = made(1)
    npcs.home[0] = npcs.at[0] = (3000, 3000)
    player, wolf = chased(world, npcs, 1000)
    nothing = np.zeros(world.capacity, "?")
    steps = next(step for step in range(1, 200) if npcs.step(step * 0.1, nothing) == [(wolf, player)])
    assert 1000 * UNIT - 2 - 0.5 <= steps * 0.1 * 4.0 <= 1000 * UNIT  # at 4 m/s, until 2 m are left
    assert world.distance(wolf, player) * UNIT <= 2.1


def test_it_gives_up_beyond_its_leash_or_when_the_foe_is_gone() -> None:
    world, npcs = made(1)
    npcs.home[0] = npcs.at[0] = (3000, 3000)
    player, _ = chased(world, npcs, 1000)
    npcs.step(0.1, everybody(world))
    assert npcs.foe[0]
    world.x[player] = 3000 + round(LEASH_M / UNIT) + 1
    npcs.step(0.2, everybody(world))
    assert not npcs.foe[0]
    assert npcs.goal[0].tolist() == [3000, 3000]
    world.x[player] = 3100
    npcs.provoke(int(npcs.slot[0]), world.number(player))
    world.remove(player)
    assert npcs.step(0.3, everybody(world)) == []
    assert not npcs.foe[0]


def test_the_dead_come_back_home_after_their_time() -> None:
    world, npcs = made(2)
    slot = int(npcs.slot[1])
    number = world.number(slot)
    npcs.died(slot, 100.0)
    world.remove(slot)
    world.release()
    npcs.respawn(104.9)
    assert npcs.slot[1] == -1
    npcs.provoke(slot, 77)  # a late attack on who is not there
    npcs.respawn(105.0)
    assert world.number(int(npcs.slot[1])) != number
    assert int(world.hp[npcs.slot[1]]) == int(world.hp_max[npcs.slot[1]])
    assert npcs.at[1].tolist() == npcs.home[1].tolist()


def steps_of(share: float, count: int = 400) -> tuple[Npcs, np.ndarray]:
    """How often each of 20 NPCs moved in so many steps, and the NPCs."""
    world, npcs = made()
    npcs.goal[:] = np.clip(npcs.home + 5000, 0, world.units)  # all of them have a long way to go
    npcs.think_at[:] = 1e9
    moved = np.zeros(20, int)
    for step in range(1, count + 1):
        before = npcs.at.copy()
        npcs.step(step * 0.1, everybody(world), share)
        moved += (npcs.at != before).any(axis=1)
    return npcs, moved


def test_thinned_npcs_take_turns_and_walk_as_fast_as_ever() -> None:
    all_of_them, always = steps_of(1.0, 40)
    few, seldom = steps_of(0.25, 40)
    assert set(always) == {40}
    assert set(seldom) == {10}
    walked = np.hypot(*(all_of_them.at - all_of_them.home).T), np.hypot(*(few.at - few.home).T)
    assert walked[1] == pytest.approx(walked[0], rel=0.11)


@pytest.mark.parametrize("share", [0.9, 0.7, 0.4, 0.15])
def test_any_share_is_kept_in_every_tick_and_over_time(share: float) -> None:
    """Two thirds of them once thought as all of them do, and less than that as one half."""
    all_of_them, _ = steps_of(1.0, 100)
    some, moved = steps_of(share, 100)
    assert moved.min() >= 100 * share - 1
    assert moved.max() <= 100 * share + 1
    walked = np.hypot(*(all_of_them.at - all_of_them.home).T), np.hypot(*(some.at - some.home).T)
    assert walked[1] == pytest.approx(walked[0], rel=0.08)


@pytest.mark.parametrize("share", [0.9, 0.4, 0.1])
def test_no_tick_has_the_work_of_many(share: float) -> None:
    world, npcs = made()
    npcs.goal[:] = np.clip(npcs.home + 5000, 0, world.units)
    npcs.think_at[:] = 1e9
    moved = []
    for step in range(1, 60):
        before = npcs.at.copy()
        npcs.step(step * 0.1, everybody(world), share)
        moved.append((npcs.at != before).any(axis=1).sum())
    assert max(moved) - min(moved) <= 2


def test_the_smallest_share_still_moves_everybody() -> None:
    _, moved = steps_of(0.001, 100)
    assert set(moved) == {10}


def test_who_fights_thinks_in_every_tick() -> None:
    world, npcs = made()
    _, npc = chased(world, npcs, dx=1000)
    bites = 0
    for step in range(1, 120):
        before = npcs.at[0].copy()
        bites += any(slot == npc for slot, _ in npcs.step(step * 0.1, everybody(world), 0.1))
        assert bites or (npcs.at[0] != before).any()
    assert bites > 50
