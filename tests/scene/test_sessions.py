"""Numbering in both directions, and what a resume gets."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.bucket import Bucket
from mesh.protocol.lanes import PIECE_HEAD, PIECE_SIZE
from mesh.protocol.sessions import Friendship
from nodes.scene.sessions import RING_MAX, RING_S, Session, Sessions


def session(number: int = 1 << 24 | 1) -> Session:
    return Session(number, "one", 0, 3, 77, 0, Bucket(1.0, 5, 0.0))


def sequences(pieces: list[bytes]) -> list[int]:
    return [PIECE_HEAD.unpack_from(one)[3] for one in pieces]


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_a_resume_gets_exactly_what_it_has_not(said: int, acknowledged: int, received: int) -> None:
    one = session()
    bodies = [b"%d" % n for n in range(1, said + 1)]
    for body in bodies:
        one.event(body, 0.0)
    acknowledged, received = min(acknowledged, said), min(received, said)
    one.acknowledge(acknowledged)
    one.attach("gate", 5, received, True)
    replayed = one.replay()
    first = max(acknowledged, received, said - RING_MAX)
    assert sequences(replayed) == list(range(first + 1, said + 1))
    assert [piece[PIECE_SIZE:] for piece in replayed] == bodies[first:]


def test_old_pieces_go_and_that_is_known() -> None:
    one = session()
    one.event(b"a", 0.0)
    one.event(b"b", RING_S - 1)
    one.event(b"c", RING_S + 1)
    one.attach("gate", 1, 0, True)
    assert sequences(one.replay()) == [2, 3]
    assert one.forgotten == 1


def test_play_messages_count_once_and_gaps_do_not_stop_them() -> None:
    one = session()
    assert [one.accept(n) for n in (1, 2, 2, 1, 5, 3, 6)] == [True, True, False, False, True, False, True]
    assert one.processed == 6


def test_sessions_are_found_by_all_their_names() -> None:
    known, one = Sessions(), session()
    known.add(one)
    assert known.find(one.number) is known.of_account(1) is known.of_handle(77) is one
    known.remove(one)
    known.remove(one)
    assert (known.find(one.number), known.of_account(1), known.of_handle(77), len(known)) == (None, None, None, 0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_numbers_and_pieces_go_on_on_another_line(said: int, acknowledged: int, later: int, twice: bool) -> None:
    one, now = session(), 50.0
    for number in range(said):
        one.event(b"%d" % number, number / 100)
    one.acknowledge(min(acknowledged, said))
    one.accept(7)
    one.operation = 12
    kept = sequences(one.replay())
    for _ in range(1 + twice):  # over one or two scenes, whose clocks have nothing to do with each other
        carried, other = one.carried(now, now, 0.0), session()
        now += 1e6
        other.carry_on(carried, now, now)
        one = other
    assert sequences(one.replay()) == kept
    assert (one.sent, one.accept(7), one.accept(8), one.next_operation()) == (said, False, True, 13)
    for number in range(later):
        one.event(b"%d" % number, now)
    assert sequences(one.replay()) == [*kept, *range(said + 1, said + later + 1)][-RING_MAX:]


def test_pieces_go_on_growing_old_on_another_line() -> None:
    one, other = session(), session()
    one.event(b"a", 100.0)
    one.event(b"b", 100.0 + RING_S - 1)
    carried = one.carried(100.0 + RING_S, 0.0, 0.0)
    assert [age_ms for _, age_ms, _ in carried.ring] == [60_000, 1000]
    other.carry_on(carried, 5.0, 0.0)
    other.event(b"c", 6.0)
    assert (sequences(other.replay()), other.forgotten) == ([2, 3], 1)


def test_who_is_blocked() -> None:
    one = session()
    one.befriend([Friendship(2, "b", "friend"), Friendship(3, "c", "blocked"), Friendship(4, "d", "asked")])
    assert one.blocked == {3}
    one.befriend([])
    assert one.blocked == frozenset()
