"""Which scene takes a player."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.protocol.control import Load, Member
from nodes.center.placement import choose, hosts_of, maps_of


def scene(number: int, maps: str = "meadow:1", players: int = 0, capacity: int = 1000, pressure: float = 0.0) -> Member:
    name = f"eu.one.scene.{number}"
    return Member(name, 1, "scene", "ipc://x", "Ready", Load(players, capacity, pressure), facts={"maps": maps})


def name_of(chosen: Member | None) -> str | None:
    return chosen.name.split(".")[-1] if chosen else None


def test_maps_are_a_list_in_a_fact() -> None:
    assert maps_of(scene(1, "meadow:1, forest:12,meadow:2,")) == {"meadow", "forest"}
    assert maps_of(scene(1, "meadow")) == {"meadow"}
    assert maps_of(Member("eu.one.scene.1", 1, "scene", "ipc://x", "Ready")) == set()


@pytest.mark.parametrize(
    ("wanted", "default", "hosts"),
    [
        ("forest", "", ["2", "3"]),
        ("", "", ["3"]),  # the first map by name: cave
        ("", "meadow", ["1", "3"]),
        ("sunken city", "meadow", ["1", "3"]),  # nobody hosts it any more
        ("sunken city", "atlantis", []),
    ],
)
def test_the_hosts_of_a_map(wanted: str, default: str, hosts: list[str]) -> None:
    scenes = [scene(1, "meadow:1"), scene(2, "forest:1"), scene(3, "forest:2,meadow:2,cave:1")]
    assert [name_of(host) for host in hosts_of(scenes, wanted, default)] == hosts


def test_the_least_loaded_is_chosen_by_room_and_by_pressure() -> None:
    placed = Counter[str]()
    assert name_of(choose([scene(1, players=10), scene(2, players=9)], placed.__getitem__)) == "2"
    assert name_of(choose([scene(1, players=10, capacity=100), scene(2, players=20)], placed.__getitem__)) == "2"
    assert name_of(choose([scene(1, pressure=0.9), scene(2, players=500)], placed.__getitem__)) == "2"


def test_who_is_full_or_was_tried_is_left_out() -> None:
    placed = Counter[str]()
    scenes = [scene(1, players=1000), scene(2)]
    assert name_of(choose(scenes, placed.__getitem__)) == "2"
    assert choose(scenes, placed.__getitem__, tried={"eu.one.scene.2"}) is None
    assert name_of(choose([scene(1, players=5000, capacity=0)], placed.__getitem__)) == "1"


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=5), st.integers(0, 200))
def test_a_burst_spreads_evenly_while_the_reports_are_old(pressures: list[float], players: int) -> None:
    """Also when one scene had the quieter second: that is no reason to send it everybody."""
    there = [scene(n, capacity=10_000, pressure=pressure) for n, pressure in enumerate(pressures, 1)]
    placed = Counter[str]()
    for _ in range(players):
        chosen = choose(there, placed.__getitem__)
        assert chosen is not None
        placed[chosen.name] += 1
    counts = [placed[s.name] for s in there]
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 150))
def test_no_scene_is_filled_above_its_capacity(capacities: list[int], players: int) -> None:
    there = [scene(n, capacity=c) for n, c in enumerate(capacities, 1)]
    placed = Counter[str]()
    for _ in range(players):
        chosen = choose(there, placed.__getitem__)
        if chosen is None:
            break
        placed[chosen.name] += 1
    assert sum(placed.values()) == min(players, sum(capacities))
    assert all(placed[s.name] <= s.load.capacity for s in there)
