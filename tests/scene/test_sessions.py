"""Numbering in both directions, and what a resume gets."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.bucket import Bucket
from mesh.protocol.lanes import PIECE_HEAD, PIECE_SIZE
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
