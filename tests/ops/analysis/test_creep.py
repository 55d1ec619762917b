"""Slow growth: found when it goes on, not where players, steps or noise explain it."""

from collections.abc import Callable

import numpy as np

from nodes.ops.analysis.catalogue import BY_NAME
from nodes.ops.analysis.creep import Creeps, Crept
from nodes.ops.analysis.signals import Slot

MEMORY = Slot(BY_NAME["memory"], "scene.1", "scene.1", "one")
TICK = Slot(BY_NAME["tick"], "scene.1", "scene.1", "one")
DISK = Slot(BY_NAME["disk_left"], "host:a", "", "")
PLAYERS = Slot(BY_NAME["players"], "zone:one", "", "one")


def found(
    slot: Slot,
    value: Callable[[float], float],
    seconds: int,
    *,
    players: Callable[[float], float] = lambda _: 500.0,
    noise: float = 0.0,
    quiet_s: float = 1e9,
    step_s: int = 1,
) -> list[tuple[float, Crept]]:
    """Each look at which something creeps."""
    creeps, chance, seen = Creeps(), np.random.default_rng(5), []
    for second in range(0, seconds, step_s):
        now = value(second) * (1 + chance.normal(0, noise))
        values = np.array([now, players(second)])
        creeping = creeps.look([slot, PLAYERS], values, float(second), np.array([quiet_s, quiet_s]))
        seen += [(second, crept) for crept in creeping]
    return seen


def test_memory_that_leaks_is_found_within_five_minutes() -> None:
    seen = found(MEMORY, lambda s: 120e6 + max(0, s - 600) * 0.5e6, 900, noise=0.002)
    assert 600 < seen[0][0] <= 900
    assert seen[0][1].creep.kind == "memory-leak"
    assert seen[0][1].since_s >= 600 - 240


def test_a_slow_leak_is_found_within_half_an_hour() -> None:
    assert found(MEMORY, lambda s: 120e6 + max(0, s - 1800) * 0.06e6, 3600, noise=0.002, step_s=10)


def test_memory_that_grows_with_players_does_not_leak() -> None:
    def crowd(second: float) -> float:
        return 300 + second

    assert found(MEMORY, lambda s: 90e6 + crowd(s) * 2e5, 900, players=crowd) == []


def test_a_step_is_no_creep() -> None:
    for at in range(100, 500, 37):
        assert found(MEMORY, lambda s, at=at: 120e6 + (s > at) * 90e6, 800, noise=0.002) == []


def test_a_creeping_tick_is_found_through_noise() -> None:
    seen = found(TICK, lambda s: 0.012 * (1 + 0.15 / 60 * max(0, s - 300)), 600, noise=0.05)
    assert 300 < seen[0][0] <= 560
    assert seen[0][1].creep.kind == "tick-creep"


def test_ticks_that_grow_with_an_evening_do_not_creep() -> None:
    def crowd(second: float) -> float:
        return 400.0 * 3 ** (second / 900)

    assert found(TICK, lambda s: 0.003 + 1.2e-5 * crowd(s), 900, players=crowd, noise=0.05) == []


def test_noise_does_not_creep() -> None:
    assert found(TICK, lambda _: 0.012, 4 * 3600, noise=0.3, step_s=5) == []


def test_a_node_that_has_just_begun_may_grow() -> None:
    assert found(MEMORY, lambda s: 80e6 + s * 0.5e6, 600, quiet_s=60.0) == []


def test_a_disk_that_will_be_full_within_two_hours() -> None:
    seen = found(DISK, lambda s: 40e9 - s * 8e6, 900, step_s=5)
    assert seen[0][1].creep.kind == "disk-full"
    assert found(DISK, lambda s: 4000e9 - s * 8e6, 1200, step_s=5) == []


def test_it_ends_when_the_growth_ends() -> None:
    seen = found(MEMORY, lambda s: 120e6 + min(max(0, s - 300), 300) * 0.5e6, 1500, noise=0.002)
    assert seen
    assert seen[-1][0] < 1000


def test_values_that_are_not_known_do_not_creep() -> None:
    assert found(MEMORY, lambda _: float("nan"), 600) == []
