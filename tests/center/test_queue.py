"""The queue of a full zone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.protocol.cluster import Online
from mesh.protocol.sessions import Status, session_of
from nodes.center.queue import FAIR, RETURNS_MAX, SETTLE_S, Kept, Queue

HOLD_S = 120.0


def online(account: int, epoch: int = 1, gate: str = "g1", priority: int = 0, map_: str = "") -> Online:
    status = Status(account, f"p{account}", 1, 0, 100, {}, map_, 0.0, 0.0, 0, "", 0, [], [])
    return Online(session_of(account, epoch), status, gate, account, priority)


def queue_of(*accounts: int, size_max: int = 1000) -> Queue:
    queue = Queue(size_max, HOLD_S)
    for account in accounts:
        queue.join(online(account), 0.0)
    return queue


def admit(queue: Queue, now: float = 100.0) -> int:
    entry = queue.first(now)
    assert entry is not None
    queue.admit(entry, now)
    return entry.account


def admitted(queue: Queue, now: float = 100.0) -> list[int]:
    """Everybody's account, in the order in which they get in."""
    return [admit(queue, now) for _ in range(len(queue))]


def positions(queue: Queue, *accounts: int) -> list[int]:
    return [queue.position(entry) for account in accounts if (entry := queue.of_account(account))]


def test_first_come_first_served() -> None:
    queue = queue_of()
    for account in (5, 3, 9, 1):
        entry = queue.join(online(account), 0.0)
        assert queue.position(entry) == len(queue)
    assert admitted(queue) == [5, 3, 9, 1]
    assert queue.first(100.0) is None


def test_a_full_queue_refuses() -> None:
    queue = queue_of(1, 2, size_max=2)
    with pytest.raises(RefusedError, match="zone_full"):
        queue.join(online(3), 0.0)
    queue.join(online(2, epoch=2), 0.0)  # takes no more room
    assert len(queue) == 2


def test_a_newer_login_takes_over_the_position_and_the_older_place_is_void() -> None:
    queue = queue_of(1, 2)
    first = queue.of_account(1)
    assert first is not None
    again = queue.join(online(1, epoch=2, gate="g2"), 5.0)
    assert queue.position(again) == 1
    assert queue.leave(first.place, "g1", 5.0) is None
    assert queue.of_account(1) is again


def test_only_its_own_gate_can_give_a_place_up() -> None:
    queue = queue_of()
    entry = queue.join(online(1), 0.0)
    assert queue.leave(entry.place, "g2", 0.0) is None
    assert queue.leave(entry.place, "g1", 0.0) is entry
    assert len(queue) == 0


def test_nobody_is_admitted_before_he_can_have_heard_that_he_waits() -> None:
    queue = queue_of()
    queue.join(online(1), 10.0)
    assert queue.first(10.0 + SETTLE_S / 2) is None
    assert queue.first(10.0 + SETTLE_S) is not None


def test_a_newcomer_with_priority_does_not_hold_up_the_others_meanwhile() -> None:
    queue = queue_of(1)
    queue.join(online(2, priority=1), 10.0)
    assert admit(queue, 10.0) == 1


def test_a_map_without_room_does_not_hold_up_the_others() -> None:
    queue = queue_of()
    queue.join(online(1, map_="cave"), 0.0)
    queue.join(online(2, map_="meadow"), 0.0)
    first = queue.first(100.0, {"cave"})
    assert first is not None
    assert first.account == 2
    assert queue.first(100.0, {"cave", "meadow"}) is None


def test_a_lost_gate_loses_its_waiting_clients() -> None:
    queue = queue_of()
    for account in range(1, 5):
        queue.join(online(account, gate=f"g{account % 2}"), 0.0)
    assert queue.lose_gate("g1", 0.0) == 2
    assert queue.held == 2
    assert admitted(queue) == [2, 4]


# --- priority, fairness, return places ---


def test_the_higher_priority_comes_first_and_among_equals_the_older() -> None:
    queue = queue_of()
    for account, priority in ((1, 1), (2, 9), (3, 1), (4, 9)):
        queue.join(online(account, priority=priority), 0.0)
    assert positions(queue, 2, 4, 1, 3) == [1, 2, 3, 4]
    assert admitted(queue) == [2, 4, 1, 3]


def test_of_four_admissions_one_is_for_those_without_priority() -> None:
    queue = queue_of(1, 2, 3)
    for account in range(11, 21):
        queue.join(online(account, priority=1), 0.0)
    expected = [11, 12, 13, 1, 14, 15, 16, 2, 17, 18, 19, 3, 20]
    assert positions(queue, *expected) == list(range(1, 14))
    assert admitted(queue) == expected


def test_return_places_come_before_all_others_for_a_while() -> None:
    queue = queue_of(1)
    queue.join(online(2, priority=9), 0.0)
    queue.keep_return(3, 300.0)
    queue.keep_return(4, 300.0)
    queue.join(online(3), 299.0)
    queue.join(online(4), 301.0)  # too late
    assert positions(queue, 3, 2, 1, 4) == [1, 2, 3, 4]
    assert admitted(queue, 400.0) == [3, 2, 1, 4]


def test_a_return_place_is_used_once() -> None:
    queue = queue_of(1)
    queue.keep_return(2, 300.0)
    queue.arrived(2)
    queue.join(online(2), 10.0)
    assert positions(queue, 1, 2) == [1, 2]


def test_of_too_many_return_places_the_oldest_go() -> None:
    queue = queue_of(1)
    for account in range(2, RETURNS_MAX + 3):
        queue.keep_return(account, 300.0)
    queue.join(online(2), 0.0)
    queue.join(online(3), 0.0)
    assert positions(queue, 3, 1, 2) == [1, 2, 3]


@given(st.lists(st.sampled_from([0, 0, 1, 2, -1]), max_size=60), st.integers(0, 10))
def test_positions_are_the_order_of_admission(priorities: list[int], before: int) -> None:
    """-1: with a return place. Some were admitted before the positions are looked at."""
    queue = queue_of()
    for account, priority in enumerate(priorities, 1):
        if priority < 0:
            queue.keep_return(account, 300.0)
        queue.join(online(account, priority=max(0, priority)), 0.0)
    for _ in range(min(before, len(queue))):
        admit(queue)
    left = [a for a in range(1, len(priorities) + 1) if queue.of_account(a)]
    by_position = sorted(left, key=lambda account: positions(queue, account))
    assert positions(queue, *by_position) == list(range(1, len(left) + 1))
    assert admitted(queue) == by_position


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_nobody_starves(preferred: list[bool]) -> None:
    """However many come with priority: while ordinary ones wait, FAIR admissions in a row include one of them."""
    queue = queue_of()
    for account, has_priority in enumerate(preferred, 1):
        queue.join(online(account, priority=int(has_priority)), 0.0)
    ordinary = preferred.count(False)
    order = [preferred[account - 1] for account in admitted(queue)]
    run = 0
    for has_priority in order:
        run = run + 1 if has_priority else 0
        ordinary -= not has_priority
        assert run < FAIR or not ordinary


# --- positions that are kept ---


def test_who_loses_the_connection_keeps_the_position_for_a_while() -> None:
    queue = queue_of(1, 2, 3)
    for account in (1, 2):
        entry = queue.of_account(account)
        assert entry is not None
        queue.leave(entry.place, "g1", 10.0)
    assert positions(queue, 3) == [1], "the others do not wait for them"
    queue.join(online(2, epoch=2), 10.0 + HOLD_S - 1)
    assert positions(queue, 2, 3) == [1, 2]
    queue.join(online(1, epoch=2), 10.0 + HOLD_S)
    assert positions(queue, 2, 3, 1) == [1, 2, 3], "too late"


def test_a_kept_position_has_room_in_a_full_queue() -> None:
    queue = queue_of(1, 2, size_max=2)
    entry = queue.of_account(1)
    assert entry is not None
    queue.leave(entry.place, "g1", 0.0)
    queue.join(online(3), 0.0)
    queue.join(online(1, epoch=2), 1.0)
    assert positions(queue, 1, 2, 3) == [1, 2, 3]


def test_who_was_admitted_and_did_not_get_in_takes_up_the_position_again() -> None:
    queue = queue_of(1, 2)
    first = queue.first(100.0)
    assert first is not None
    queue.admit(first, 100.0)
    queue.give_back(first, 100.0)
    queue.join(online(1, epoch=2), 101.0)
    assert positions(queue, 1, 2) == [1, 2]


def test_who_was_admitted_too_early_waits_on_where_he_was() -> None:
    queue = queue_of(1, 2)
    first = queue.first(100.0)
    assert first is not None
    queue.admit(first, 100.0)
    queue.put_back(first, 100.0)
    assert positions(queue, 1, 2) == [1, 2]
    queue.admit(first, 100.0)
    first.left = True
    queue.put_back(first, 100.0)
    assert positions(queue, 1, 2) == [1]
    assert queue.held == 1


def test_who_is_in_the_zone_keeps_no_position() -> None:
    queue = queue_of(1, 2)
    entry = queue.of_account(1)
    assert entry is not None
    queue.leave(entry.place, "g1", 0.0)
    queue.arrived(1)
    assert queue.held == 0
    queue.join(online(1, epoch=2), 1.0)
    assert positions(queue, 2, 1) == [1, 2]


def test_a_kept_position_is_bounded() -> None:
    queue = queue_of(*range(1, 4), size_max=2000)
    small = queue_of(1, 2, size_max=2)
    for account in (1, 2):
        entry = small.of_account(account)
        assert entry is not None
        small.leave(entry.place, "g1", 0.0)
    small.join(online(3), 0.0)
    small.join(online(4), 0.0)
    small.lose_gate("g1", 1.0)
    assert small.held == 2
    assert queue.lose_gate("g1", 0.0) == 3
    assert queue.held == 3


def test_positions_and_return_places_outlive_the_center() -> None:
    queue = queue_of(1, 2, 3, 4)
    queue.keep_return(9, 300.0)
    queue.keep_return(5, 200.0)
    queue.join(online(5), 0.0)
    entry = queue.of_account(2)
    assert entry is not None
    queue.leave(entry.place, "g1", 50.0)
    assert queue.changed
    kept = queue.kept(100.0)
    assert not queue.changed
    left = [(120.0, 0.0), (70.0, 0.0), (120.0, 0.0), (120.0, 0.0), (120.0, 120.0)]
    assert kept == Kept([(1, False), (2, False), (3, False), (4, False), (5, True)], [(9, 200.0)], left)

    again = Queue(10, HOLD_S)
    again.restore(kept, 7000.0)
    assert len(again) == 0
    again.join(online(6), 7000.0)
    for account in (4, 1, 5, 9):
        again.join(online(account, epoch=2), 7001.0)
    assert positions(again, 5, 9, 1, 4, 6) == [1, 2, 3, 4, 5], "who waited before comes before who comes now"
    again.expire(7000.0 + HOLD_S)
    assert again.held == 0


def test_what_an_older_center_kept_is_understood() -> None:
    queue = queue_of()
    queue.restore(Kept([(1, False), (2, True)]), 50.0)
    for account in (3, 1, 2):
        queue.join(online(account), 51.0)
    assert positions(queue, 2, 1, 3) == [1, 2, 3]


def test_nobody_holds_a_position_by_coming_now_and_then() -> None:
    queue = queue_of(1, 2)
    now = 10.0
    for epoch in range(2, 10):  # gone for almost as long as one may be, then there for a second
        entry = queue.of_account(1)
        if entry is None or positions(queue, 1) != [1]:
            break
        queue.leave(entry.place, "g1", now)
        queue.join(online(1, epoch), now + HOLD_S - 1)
        now += HOLD_S
    assert positions(queue, 2, 1) == [1, 2]
    assert now <= 10.0 + 2 * HOLD_S


def test_waiting_gives_the_time_of_absence_back_second_by_second() -> None:
    queue = queue_of(1, 2)

    def away(epoch: int, since: float, until: float) -> list[int]:
        entry = queue.of_account(1)
        assert entry is not None
        queue.leave(entry.place, "g1", since)
        queue.join(online(1, epoch), until)
        return positions(queue, 1, 2)

    assert away(2, 500.0, 600.0) == [1, 2]  # 20 s are left
    queue.join(online(1, 3), 610.0)  # a newer login while it waits: 30
    assert away(4, 630.0, 679.0) == [1, 2]  # 50 were left, 1 is
    assert away(5, 1000.0, 1119.0) == [1, 2]  # never more than HOLD_S
    assert away(6, 1120.0, 1123.0) == [2, 1]


def test_a_return_place_keeps_its_end_when_it_is_left() -> None:
    queue = queue_of(1)
    queue.keep_return(2, 100.0)
    queue.keep_return(3, 300.0)
    places = [queue.join(online(account), 50.0).place for account in (2, 3)]
    assert positions(queue, 2, 3, 1) == [1, 2, 3], "2 stays before the others while it waits"
    for place in places:
        queue.leave(place, "g1", 90.0)
    for account in (3, 2):
        queue.join(online(account, 2), 120.0)
    assert positions(queue, 3, 1, 2) == [1, 2, 3], "its time was up"


def test_the_soonest_over_is_forgotten_first() -> None:
    queue = queue_of(1, 2, 3)
    for epoch, (account, since, until) in enumerate([(1, 0.0, 100.0), (2, 100.0, 110.0)], 2):
        entry = queue.of_account(account)
        assert entry is not None
        queue.leave(entry.place, "g1", since)
        queue.join(online(account, epoch), until)
    queue.lose_gate("g1", 111.0)
    queue.expire(111.0 + 32)
    assert queue.held == 2, "1 had 31 s left, though it has waited longest"


# --- what is told ---


def test_the_estimate_follows_the_last_admissions() -> None:
    queue = queue_of(*range(1, 30))
    assert queue.estimate_s(10, 1.0) == 50.0
    for second in range(2, 12, 2):
        admit(queue, float(second))
    assert queue.estimate_s(10, 12.0) == pytest.approx(20.0)


def test_the_first_ones_hear_every_step_and_the_others_when_it_matters() -> None:
    queue = queue_of()
    for account in range(1, 201):
        entry = queue.join(online(account), 0.0)
        entry.told = queue.position(entry)
    admit(queue, 1.0)
    news = queue.moved()
    assert [position for _, position in news] == list(range(1, 51))
    assert queue.moved() == [], "told once"
    for _ in range(20):
        admit(queue, 1.0)
    assert {position for _, position in queue.moved()} >= {1, 50, 100, 150, 179}


def test_who_is_found_by_name() -> None:
    queue = queue_of(1, 2)
    found = queue.of_name("P2")
    assert found is not None
    assert found.account == 2
    assert queue.of_name("p3") is None


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "admit", "remove"]), st.integers(1, 6)), max_size=80))
def test_the_order_is_kept_whatever_happens(events: list[tuple[str, int]]) -> None:
    """Against a model: a list of those who wait, with the held ones in between."""
    queue, model, held, places = Queue(6, HOLD_S), list[int](), set[int](), dict[int, int]()
    for epoch, (kind, account) in enumerate(events, 1):
        waiting = account in model and account not in held
        if kind == "join":
            places[account] = queue.join(online(account, epoch), 0.0).place
            model += [account] if account not in model else []
            held.discard(account)
        elif kind == "leave":
            left = queue.leave(places.get(account, 0), "g1", 0.0)
            assert (left is not None) == waiting
            held |= {account} if waiting else set()
        elif kind == "remove":
            assert (queue.remove(account) is not None) == waiting
            model = [a for a in model if a != account or a in held]
        elif len(queue):
            gone = admit(queue)
            assert gone == next(a for a in model if a not in held)
            model.remove(gone)
        seen = [a for a in model if a not in held]
        assert len(queue) == len(seen)
        assert queue.held == len(held)
        assert positions(queue, *seen) == list(range(1, len(seen) + 1))
    assert admitted(queue) == [a for a in model if a not in held]
