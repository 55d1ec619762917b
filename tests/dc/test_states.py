"""States in columns: nothing that is not on disk is forgotten, only the newest session writes, memory is bounded, and
what is packed in bulk is what a row would have been."""

import numpy as np
import pytest

from mesh.errors import Code, RefusedError
from mesh.protocol.lanes import STATE
from mesh.protocol.sessions import account_of, session_of
from nodes.dc.cache import Rows
from nodes.dc.memory_store import MemoryStore
from nodes.dc.packing import Packing
from nodes.dc.records import ACCOUNT, STATES, StateRow
from nodes.dc.states import LOOKED_AT, PLACES_MIN, States

from .desk import Desk, commit, put_state


def empty(waiting_max: int = 10) -> States:
    return States(Rows(MemoryStore(), 100, 100_000), waiting_max)


def state(hp: int, account: int = 1, map_: str = "meadow") -> StateRow:
    return StateRow(map_, 1.0, 2.0, hp, 3, 4, 500, session_of(account, 1))


def put(states: States, hp: int, now: float, account: int = 1, map_: str = "meadow") -> None:
    row = state(hp, account, map_)
    assert put_state(states, row.session, row, now) == 1


def put_many(states: States, accounts: range, now: float) -> int:
    sessions = np.array([session_of(account, 1) for account in accounts], np.uint64)
    return states.put("meadow", sessions, np.zeros(len(accounts), STATE), now, lambda _: True)


def flush(states: States, count: int, began: float) -> list[int]:
    """Accounts that were written."""
    changes = states.take(count).changes
    states.flushed(began)
    return [ACCOUNT.unpack(key) for _, key, _ in changes]


def test_the_newest_state_is_seen_before_during_and_after_its_flush() -> None:
    desk = Desk()
    account = desk.account("anna")
    states = States(desk.rows, 10)
    assert states.get(account) == StateRow("", 0.0, 0.0, 100)
    assert states.waiting(account) is None
    put(states, 50, 1.0, account)
    assert states.get(account) == states.waiting(account) == state(50, account)
    commit(desk.store, states.take(10).changes)
    assert states.get(account) == states.waiting(account) == state(50, account)
    states.flushed(2.0)
    assert (len(states), states.waiting(account), states.get(account)) == (0, None, state(50, account))
    assert States(desk.rows, 10).get(account) == state(50, account)


def test_a_state_that_changed_during_the_commit_waits_on() -> None:
    states = empty()
    put(states, 50, 1.0)
    states.take(10)
    put(states, 40, 1.5)
    assert states.age_s(1.6) == pytest.approx(0.6)
    states.flushed(1.4)
    assert (states.get(1), len(states)) == (state(40), 1)
    assert states.age_s(2.0) == pytest.approx(0.6)
    assert flush(states, 10, 2.0) == [1]
    assert (len(states), states.age_s(3.0)) == (0, 0.0)


def test_a_flush_that_failed_is_taken_again_and_first() -> None:
    states = empty()
    put(states, 50, 1.0, account=7)
    states.take(10)
    put(states, 50, 2.0, account=8)
    put(states, 60, 2.0, account=7)
    states.failed()
    assert (len(states), states.age_s(3.0)) == (2, 2.0)
    assert flush(states, 1, 3.0) == [7]
    assert states.get(7) == state(60, 7)
    assert flush(states, 10, 3.0) == [8]


def test_the_oldest_go_first_and_the_number_that_waits_is_bounded() -> None:
    states = empty(waiting_max=3)
    for account in (5, 6, 7):
        assert states.room(1)
        put(states, account, float(account), account)
    put(states, 99, 9.0, account=5)  # stays as old as its first unflushed write
    assert not states.room(1)
    assert states.age_s(10.0) == 5.0
    assert flush(states, 2, 10.0) == [5, 6]
    assert states.age_s(10.0) == 3.0
    assert states.room(2)


def test_in_one_batch_the_last_state_of_a_character_wins() -> None:
    states = empty()
    records = np.zeros(3, STATE)
    records["hp"] = (1, 2, 3)
    sessions = np.array([session_of(1, 1), session_of(2, 1), session_of(1, 1)], np.uint64)
    assert states.put("meadow", sessions, records, 1.0, lambda _: True) == 3
    found = [states.get(account) for account in (1, 2)]
    assert [row.hp for row in found if row is not None] == [3, 2]
    assert len(states) == 2


def test_only_the_newest_session_writes_and_is_looked_up_once() -> None:
    states, newest, asked = empty(), {session_of(1, 1), session_of(2, 5)}, list[int]()

    def is_newest(session: int) -> bool:
        asked.append(session)
        return session in newest

    def save(*sessions: int) -> int:
        records = np.zeros(len(sessions), STATE)
        records["xp"] = [session & 0xFF for session in sessions]
        return states.put("meadow", np.array(sessions, np.uint64), records, 1.0, is_newest)

    both = session_of(1, 1), session_of(2, 5)
    assert save(*both, session_of(2, 4), session_of(3, 1)) == 2
    assert save(*both) == 2
    assert asked == [*both, session_of(2, 4), session_of(3, 1)]
    assert states.places == 2
    newest.add(session_of(1, 2))
    newest.remove(session_of(1, 1))
    states.fence(1)
    states.fence(99)  # has nothing here
    assert save(*both) == 1
    assert save(session_of(1, 2), session_of(1, 1)) == 1
    row = states.get(1)
    assert row is not None
    assert (row.session, row.xp) == (session_of(1, 2), 2)


def test_states_on_several_maps_are_packed_as_rows_would_be() -> None:
    states = empty()
    for account, map_ in ((3, "meadow"), (1, ""), (2, "m" * 40)):
        put(states, 65535, 1.0, account, map_)
    changes = states.take(10).changes
    assert [table for table, _, _ in changes] == ["states"] * 3
    found = {ACCOUNT.unpack(key): STATES.unpack(key, value or b"") for _, key, value in changes}
    assert found == {1: state(65535, 1, ""), 2: state(65535, 2, "m" * 40), 3: state(65535, 3, "meadow")}


def test_the_largest_and_smallest_numbers_can_be_packed() -> None:
    records = np.zeros(2, STATE)
    records[1] = (-1e6, 1e6, 0xFFFF, 0xFF, 0xFF, 0xFFFF_FFFF)
    packed = Packing("meadow").pack(np.array([1, 2**39 - 1]), records, np.array([1, 2**63 - 1], np.uint64))
    rows = [STATES.unpack(key, value) for key, value in packed]
    assert rows[0] == StateRow("meadow", 0.0, 0.0, 0, session=1)
    assert rows[1] == StateRow("meadow", -1e6, 1e6, 0xFFFF, 0xFF, 0xFF, 0xFFFF_FFFF, 2**63 - 1)
    assert ACCOUNT.unpack(packed[1][0]) == 2**39 - 1


def test_places_of_what_is_on_disk_are_used_again_and_no_other() -> None:
    many = 2 * LOOKED_AT
    states = empty(waiting_max=many)
    for begin in range(1, 20 * many, many):
        assert put_many(states, range(begin, begin + many), 1.0) == many
        put_many(states, range(begin, begin + 10), 1.5)
        while len(states) > many // 2:
            flush(states, 1000, 2.0)
        waiting = [account for account in range(begin, begin + many) if states.waiting(account)]
        assert len(waiting) == len(states) > 0
        last = set(waiting)
        while len(states):
            last -= set(flush(states, 1000, 3.0))
        assert not last
    assert states.places <= 4 * many
    assert states.get(1) is None  # its place was given away: it is read from the store


def test_a_batch_never_takes_the_places_of_its_own_characters() -> None:
    states = empty(waiting_max=PLACES_MIN)
    put_many(states, range(1, PLACES_MIN - 9), 1.0)
    flush(states, PLACES_MIN, 1.0)
    together = np.array([session_of(account, 1) for account in (*range(1, 500), *range(5000, 5500))], np.uint64)
    records = np.zeros(len(together), STATE)
    records["xp"] = np.arange(len(together))
    states.put("meadow", together, records, 2.0, lambda _: True)
    for xp, session in enumerate(together.tolist()):
        row = states.get(account_of(session))
        assert row is not None
        assert (row.xp, row.session) == (xp, session)


def test_a_batch_that_fails_half_way_leaves_no_place_without_a_state() -> None:
    """Whether a session is the newest one cannot be said while its row is on its way to the standby."""
    store = MemoryStore()
    states = States(Rows(store, 1000, 10_000_000), 1000)
    put_state(states, session_of(1, 1), StateRow("meadow", 3.0, 4.0, 55), 0.0)  # so that a map is known
    row = StateRow("harbour", 7.0, 8.0, 99, xp=1234, session=session_of(2, 1))
    key = STATES.keys.pack(2)
    store.begin()
    store.write([(STATES.name, key, STATES.pack(key, row))])
    store.commit()

    def is_newest(session: int) -> bool:
        if session == session_of(3, 1):
            raise RefusedError(Code.UNAVAILABLE, "this is being changed")
        return True

    sessions = np.array([session_of(2, 1), session_of(3, 1)], np.uint64)
    with pytest.raises(RefusedError):
        states.put("meadow", sessions, np.array([(1.0, 1.0, 1, 0, 0, 1)] * 2, STATE), 1.0, is_newest)
    assert states.get(2) == row
