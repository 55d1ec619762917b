"""What a center knows of the other zones: pure, told in order and out of order."""

import pytest

from mesh.protocol.zones import Present
from nodes.center.neighbours import FORGET_S, Neighbours

TWO, THREE = "eu.two.center.2", "eu.three.center.3"


def present(account: int, session: int = 0, friends: tuple[int, ...] = ()) -> Present:
    return Present(account, f"P{account}", list(friends), session or account << 24 | 1)


@pytest.fixture
def zones() -> Neighbours:
    made = Neighbours([(TWO, "two"), (THREE, "three")], 0.0)
    made.linked_to(TWO)
    made.linked_to(THREE)
    return made


def test_who_came_is_there_until_it_went(zones):
    assert zones.came(TWO, present(7))
    assert zones.zone_of(7) == "two"
    assert not zones.came(TWO, present(7, friends=(8,)))
    assert zones.went(TWO, 7).friends == [8]
    assert zones.zone_of(7) == ""
    assert zones.went(TWO, 7) is None


def test_of_two_zones_that_name_an_account_the_newer_session_is_true(zones):
    zones.came(TWO, present(7, 1001))
    zones.came(THREE, present(7, 1002))
    assert zones.zone_of(7) == "three"
    zones.went(TWO, 7)
    assert zones.zone_of(7) == "three"


def test_a_whole_list_takes_the_place_of_what_was_known(zones):
    zones.came(TWO, present(7))
    zones.came(TWO, present(8))
    zones.came(THREE, present(9))
    new, gone = zones.whole(TWO, [present(8, 5), present(10)])
    assert [who.account for who in new] == [10]
    assert [who.account for who in gone] == [7]
    assert zones.of_account(8)[1].session == 5
    assert zones.zone_of(9) == "three"


def test_a_zone_without_a_link_is_remembered_for_a_while(zones):
    zones.came(TWO, present(7))
    zones.came(THREE, present(8))
    zones.unlinked_from(TWO, 100.0)
    assert zones.forget(100.0 + FORGET_S) == []
    assert zones.zone_of(7) == "two"
    assert [who.account for who in zones.forget(100.1 + FORGET_S)] == [7]
    assert zones.zone_of(7) == ""
    assert zones.forget(200.0) == []
    assert zones.zone_of(8) == "three"


def test_a_link_that_is_back_in_time_keeps_what_was_known(zones):
    zones.came(TWO, present(7))
    zones.unlinked_from(TWO, 100.0)
    zones.linked_to(TWO)
    assert zones.forget(1000.0) == []
    assert zones.zone_of(7) == "two"


def test_only_where_a_center_can_be_reached_something_can_be_said(zones):
    for account, center in ((7, TWO), (8, TWO), (9, THREE)):
        zones.came(center, present(account))
    assert zones.split([7, 8, 9, 10]) == {TWO: [7, 8], THREE: [9]}
    zones.unlinked_from(TWO, 0.0)
    assert zones.split([7, 8, 9, 10]) == {THREE: [9]}
    assert [zone.zone for zone in zones.linked()] == ["three"]


def test_a_zone_has_room_while_it_can_be_reached_and_is_not_full(zones):
    two = zones.of_zone("two")
    assert not two.has_room  # it has not said yet how much
    two.players, two.capacity = 9, 10
    assert two.has_room
    two.players = 10
    assert not two.has_room
    two.players = 0
    zones.unlinked_from(TWO, 0.0)
    assert not two.has_room
    assert zones.of_zone("four") is None


def test_what_no_center_says_is_not_heard(zones):
    with pytest.raises(KeyError):
        zones.came("eu.one.gate.1", present(7))
    with pytest.raises(KeyError):
        zones.of_center("eu.one.gate.1")
