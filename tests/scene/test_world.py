"""Slots, generations and who may use a handle."""

import numpy as np

from mesh.protocol.lanes import Handle
from nodes.scene.world import DEAD, ROOM, Kind, World


def add(world: World, kind: Kind = Kind.PLAYER, hp: int = 10) -> int:
    return world.add(kind, "one", 5, 6, hp=hp, hp_max=10)


def test_a_number_names_one_entity_only() -> None:
    world = World(1 << 15, 1000, 2)
    seen = set()
    for _ in range(10):
        slot = add(world)
        number = world.number(slot)
        assert number not in seen
        assert (number & Handle.SLOT_MASK) == world.base + slot
        assert world.slot_of(number) == slot
        seen.add(number)
        world.remove(slot)
        assert world.slot_of(number) == -1
        world.release()
    assert all(world.slot_of(number) == -1 for number in seen)


def test_generations_go_round_without_zero() -> None:
    world = World(0, 1000, 1)
    numbers = []
    for _ in range(Handle.GENERATIONS + 1):
        slot = add(world)
        numbers.append(world.number(slot))
        world.remove(slot)
        world.release()
    assert 0 not in numbers
    assert len(set(numbers)) == Handle.GENERATIONS - 1
    assert max(numbers) < 2**32


def test_a_removed_slot_rests_until_everybody_was_told() -> None:
    world = World(0, 1000, 1)
    slot = add(world)
    number = world.number(slot)
    world.remove(slot)
    assert world.full
    assert world.number(slot) == number  # Vanished needs it
    assert not len(world.active())
    world.release()
    assert not world.full


def test_slots_in_use_lie_together_however_many_come_and_go() -> None:
    world = World(0, 1000, 10_000)
    assert world.used == ROOM
    here = [add(world) for _ in range(ROOM + 1)]
    assert world.used == 2 * ROOM
    for _ in range(50):
        for slot in here[:100]:
            world.remove(slot)
        here = here[100:]
        assert world.used == 2 * ROOM
        world.release()
        here += [add(world) for _ in range(100)]
        assert len(set(here)) == len(here) == len(world.active())
        assert max(here) < world.used == 2 * ROOM
    for slot in here:
        world.remove(slot)
    world.release()
    assert world.used == 2 * ROOM  # others may have kept something at these places
    assert World(0, 1000, 10).used == 10


def test_whoever_rests_is_in_the_stretch_of_those_in_use() -> None:
    world, heir = World(0, 1000, 10_000), World(0, 1000, 10_000)
    slots = [add(world) for _ in range(3 * ROOM)]
    world.remove(slots[-1])
    heir.kind[:], heir.ids[:] = world.kind, world.ids
    assert world.used == heir.used == 3 * ROOM


def test_only_players_of_the_gate_move() -> None:
    world = World(0, 1000, 8)
    mine, other, npc = add(world), add(world), add(world, Kind.NPC)
    world.gate[mine], world.gate[other], world.gate[npc] = 3, 4, 3
    handles = np.array(
        [world.number(s) for s in (npc, mine, other)] + [world.number(mine) ^ (1 << 20), 7, 2**32 - 1], "<u4"
    )
    slots, at = world.players_of(handles, 3)
    assert slots.tolist() == [mine]
    assert at.tolist() == [1]


def test_an_entity_without_health_is_dead_and_a_new_one_is_clean() -> None:
    world = World(0, 1000, 1)
    slot = add(world, Kind.CORPSE, hp=0)
    assert world.dead(slot)
    world.changed[slot] = world.refresh[slot] = True
    world.remove(slot)
    world.release()
    slot = add(world)
    assert not world.state[slot] & DEAD
    assert not world.changed[slot]
    assert not world.refresh[slot]
