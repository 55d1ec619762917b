"""The queue of a full zone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.protocol.cluster import Online, Status, session_of
from nodes.center.queue import SETTLE_S, Queue


def online(account: int, epoch: int = 1, gate: str = "g1", connection: int = 0) -> Online:
    status = Status(account, f"p{account}", 1, 0, 100, {}, "", 0.0, 0.0, 0, "", 0, [], [])
    return Online(session_of(account, epoch), status, gate, connection or account)


def admitted(queue: Queue, now: float = 100.0) -> list[int]:
    """Everybody's account, in the order in which they get in."""
    order = []
    while queue.first(now) is not None:
        order.append(queue.admit(now).account)
    return order


def test_first_come_first_served() -> None:
    queue = Queue(10)
    for account in (5, 3, 9, 1):
        entry = queue.join(online(account), 0.0)
        assert queue.position(entry) == len(queue)
    assert admitted(queue) == [5, 3, 9, 1]


def test_a_full_queue_refuses() -> None:
    queue = Queue(2)
    queue.join(online(1), 0.0)
    queue.join(online(2), 0.0)
    with pytest.raises(RefusedError, match="zone_full"):
        queue.join(online(3), 0.0)
    queue.join(online(2, epoch=2), 0.0)  # takes no more room
    assert len(queue) == 2


def test_a_newer_login_takes_over_the_position_and_the_older_place_is_void() -> None:
    queue = Queue(10)
    first, _ = queue.join(online(1), 0.0), queue.join(online(2), 0.0)
    again = queue.join(online(1, epoch=2, gate="g2"), 5.0)
    assert queue.position(again) == 1
    assert queue.leave(first.place, "g1") is None
    assert queue.of_account(1) is again


def test_only_its_own_gate_can_give_a_place_up() -> None:
    queue = Queue(10)
    entry = queue.join(online(1), 0.0)
    assert queue.leave(entry.place, "g2") is None
    assert queue.leave(entry.place, "g1") is entry
    assert len(queue) == 0


def test_nobody_is_admitted_before_he_can_have_heard_that_he_waits() -> None:
    queue = Queue(10)
    queue.join(online(1), 10.0)
    assert queue.first(10.0 + SETTLE_S / 2) is None
    assert queue.first(10.0 + SETTLE_S) is not None


def test_a_lost_gate_loses_its_waiting_clients() -> None:
    queue = Queue(10)
    for account in range(1, 5):
        queue.join(online(account, gate=f"g{account % 2}"), 0.0)
    assert queue.lose_gate("g1") == 2
    assert admitted(queue) == [2, 4]


def test_the_estimate_follows_the_last_admissions() -> None:
    queue = Queue(100)
    for account in range(1, 30):
        queue.join(online(account), 0.0)
    for second in range(2, 12, 2):
        queue.admit(float(second))
    assert queue.estimate_s(10, 12.0) == pytest.approx(20.0)


def test_the_first_ones_hear_every_step_and_the_others_when_it_matters() -> None:
    queue = Queue(1000)
    for account in range(1, 201):
        entry = queue.join(online(account), 0.0)
        entry.told = queue.position(entry)
    queue.admit(1.0)
    news = queue.moved()
    assert [position for _, position in news] == list(range(1, 51))
    assert queue.moved() == [], "told once"
    for _ in range(20):
        queue.admit(1.0)
    assert {position for _, position in queue.moved()} >= {1, 50, 100, 150, 179}


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "admit", "lose"]), st.integers(1, 6)), max_size=80))
def test_the_order_is_kept_whatever_happens(events: list[tuple[str, int]]) -> None:
    queue, model, places = Queue(4), list[int](), dict[int, int]()
    for epoch, (kind, account) in enumerate(events, 1):
        if kind == "join" and (account in model or len(model) < 4):
            places[account] = queue.join(online(account, epoch), 0.0).place
            model += [account] if account not in model else []
        elif kind == "leave":
            left = queue.leave(places.get(account, 0), "g1")
            assert (left is not None) == (account in model)
            model = [a for a in model if a != account]
        elif kind == "admit" and model:
            assert queue.admit(0.0).account == model.pop(0)
        elif kind == "lose":
            assert (queue.remove(account) is not None) == (account in model)
            model = [a for a in model if a != account]
        assert len(queue) == len(model)
        assert [queue.position(e) for a in model if (e := queue.of_account(a))] == list(range(1, len(model) + 1))
    assert admitted(queue) == model
