"""Leases: who is in the list, and who is not any more."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.protocol.control import Load, Member
from nodes.center.registry import PAUSE_S, Registry

LEASE_S = 3.0


def member(name: str = "eu.one.scene.1", incarnation: int = 1, state: str = "Ready") -> Member:
    return Member(name, incarnation, name.split(".")[2], f"ipc://{name}", state)


def ticked(registry: Registry, start: float, end: float) -> list[Member]:
    """What ends while the clock is looked at every half second."""
    gone, now = [], start
    while now <= end:
        gone += registry.expire(now)
        now += 0.5
    return gone


def test_a_lease_that_is_not_renewed_ends() -> None:
    registry = Registry(LEASE_S)
    assert registry.register(member(), 0.0)
    assert ticked(registry, 0.0, 2.5) == []
    [gone] = ticked(registry, 3.0, 3.0)
    assert (gone.name, gone.incarnation, gone.state) == ("eu.one.scene.1", 1, "Shutdown")
    assert registry.members == {}
    assert not registry.knows("eu.one.scene.1", 1)


def test_renewing_keeps_it_and_only_a_new_state_is_news() -> None:
    registry = Registry(LEASE_S)
    registry.register(member(state="Starting"), 0.0)
    assert registry.renew("eu.one.scene.1", "Ready", Load(3, 10), 2.0)
    assert not registry.renew("eu.one.scene.1", "Ready", Load(5, 10), 2.5)
    assert registry.members["eu.one.scene.1"].load.players == 5
    assert ticked(registry, 2.5, 5.0) == []
    assert len(ticked(registry, 5.5, 5.5)) == 1


def test_a_new_incarnation_takes_the_place_of_the_old_one() -> None:
    registry = Registry(LEASE_S)
    registry.register(member(incarnation=1), 0.0)
    assert registry.register(member(incarnation=2), 1.0)
    assert not registry.register(member(incarnation=2), 1.5), "nothing new"
    assert not registry.knows("eu.one.scene.1", 1)
    assert registry.knows("eu.one.scene.1", 2)


def test_a_center_that_stood_still_does_not_strike_everybody_from_the_list() -> None:
    registry = Registry(LEASE_S)
    registry.register(member(), 0.0)
    registry.expire(0.5)
    assert registry.expire(60.0) == []
    assert len(ticked(registry, 60.5, 64.0)) == 1, "but who does not come back is gone after a lease"


def test_what_was_known_before_a_restart_holds_for_one_lease() -> None:
    registry = Registry(LEASE_S)
    registry.restore([member("eu.one.scene.1"), member("eu.one.dc.1")], 100.0)
    registry.register(member("eu.one.dc.1"), 101.0)
    assert [gone.name for gone in ticked(registry, 100.0, 103.0)] == ["eu.one.scene.1"]


def test_the_center_itself_never_expires() -> None:
    registry = Registry(LEASE_S)
    registry.register(member("eu.one.center.1"), 0.0)
    now = 0.0
    while now < 10:
        assert registry.expire(now, {"eu.one.center.1"}) == []
        now += 0.5


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.floats(0.0, PAUSE_S * 0.9)), max_size=60))
def test_nobody_is_listed_longer_than_a_lease_after_the_last_word(events: list[tuple[str, float]]) -> None:
    registry, now, last = Registry(LEASE_S), 0.0, dict[str, float]()
    for name, wait in events:
        now += wait
        registry.expire(now)
        full = f"eu.one.{name}.1"
        if registry.knows(full, 1):
            registry.renew(full, "Ready", Load(), now)
        else:
            registry.register(member(full), now)
        last[full] = now
        assert set(registry.members) == {n for n, at in last.items() if now < at + LEASE_S}
