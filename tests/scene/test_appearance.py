"""Descriptions that are laid out in bulk decode to the entities as they are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.protocol import play
from mesh.protocol.codec import decoder_for
from mesh.protocol.lanes import PIECE_HEAD, PIECE_SIZE, PieceClass, PieceLane
from nodes.scene.appearance import States
from nodes.scene.outbound import Rows
from nodes.scene.pairs import Pairs
from nodes.scene.world import KIND_NAMES, Kind, World

decode = decoder_for("client", "scene")


def read(rows: Rows) -> list[tuple[int, object]]:
    found, begin = [], 0
    for handle, length in zip(rows.handles.tolist(), rows.lengths.tolist(), strict=True):
        lane, cls, size, sequence = PIECE_HEAD.unpack_from(rows.body, begin)
        assert (lane, cls, size, sequence) == (PieceLane.CONTROL, PieceClass.VIEW, length - PIECE_SIZE, 0)
        found.append((handle, decode(rows.body[begin + PIECE_SIZE : begin + length])))
        begin += length
    assert begin == len(rows.body)
    return found


def state_of(world: World, slot: int) -> play.EntityState:
    kind = KIND_NAMES[int(world.kind[slot])]
    columns = (world.x, world.y, world.heading, world.state, world.level, world.hp, world.hp_max)
    return play.EntityState(world.number(slot), kind, world.names[slot], *(int(column[slot]) for column in columns))  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.sampled_from([Kind.PLAYER, Kind.NPC, Kind.CORPSE]), st.text(max_size=40)), min_size=8,
             max_size=8),
    st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1),
    st.integers(0, 2**32),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_each_observer_gets_what_appears_to_it(entities, seen, seed) -> None:
    world, chance = World(3 << 15, 1000, 8), np.random.default_rng(seed)
    states = States(world)
    for again in range(2):
        for kind, name in entities:
            world.add(kind, name, *chance.integers(0, 1000, 2).tolist(), hp=int(chance.integers(0, 0xFFFF)), hp_max=5)
        listed = sorted(seen)
        pairs = Pairs(*(np.array(column, "u2") for column in zip(*listed, strict=True)))
        found = read(states.appeared(pairs))
        assert [handle for handle, _ in found] == [world.number(one) for one in sorted({one for one, _ in listed})]
        told = [(handle, state) for handle, said in found for state in said.entities]
        assert told == [(world.number(one), state_of(world, other)) for one, other in listed]
        lost = [(handle, number) for handle, said in read(states.vanished(pairs)) for number in said.ids]
        assert lost == [(world.number(one), world.number(other)) for one, other in listed]
        for slot in range(8):
            world.remove(slot)
        world.release()
        assert again or world.full is False


def test_what_does_not_fit_into_one_piece_is_split() -> None:
    world = World(0, 1000, 3_000)
    for number in range(3_000):
        world.add(Kind.PLAYER, f"{number:032d}", number % 1000, 5, hp=9, hp_max=9)
    observers = np.repeat(np.array([1, 2], "u2"), [2_500, 3])
    entities = np.concatenate([np.arange(10, 2_510), np.arange(3)]).astype("u2")
    found = read(States(world).appeared(Pairs(observers, entities)))
    assert [handle for handle, _ in found] == [world.number(1)] * 3 + [world.number(2)]
    told = [state.id for _, said in found for state in said.entities]
    assert told == [world.number(int(slot)) for slot in entities]


def test_many_who_vanish_are_split_too() -> None:
    world = World(0, 1000, 15_000)
    for _ in range(15_000):
        world.add(Kind.NPC, "wolf", 1, 1, hp=9, hp_max=9)
    found = read(States(world).vanished(Pairs(np.zeros(15_000, "u2"), np.arange(15_000, dtype="u2"))))
    assert len(found) == 2
    assert [number for _, said in found for number in said.ids] == world.ids.tolist()
