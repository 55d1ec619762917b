"""What a disk may hold after the power was lost: all that was synced, and any part of what was not."""

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from tools.chaos.platter import PAGE, Platter, Step, pieces, put, steps_of


def record(kind: str, at: float, offset: int = 0, data: bytes = b"") -> bytes:
    return struct.pack("<QdQQ", ord(kind), at, offset, len(data)) + data


def test_a_trace_is_read_in_order_and_its_torn_end_is_left_out() -> None:
    trace = (
        record("W", 1.0, 4096, b"page") + record("S", 2.0) + record("D", 3.0, 0, b"meta") + record("W", 4.0, 8, b"x")
    )
    steps = [Step("write", 1.0, 4096, b"page"), Step("sync", 2.0), Step("synced write", 3.0, 0, b"meta")]
    assert list(steps_of(trace[:-1])) == steps
    assert list(steps_of(trace)) == [*steps, Step("write", 4.0, 8, b"x")]


def test_what_was_synced_is_in_every_image() -> None:
    platter = Platter()
    for step in (Step("write", 0, 0, b"a" * PAGE), Step("sync", 1), Step("synced write", 2, PAGE, b"b")):
        platter.do(step)
    assert {platter.image(random.Random(seed)) for seed in range(20)} == {b"a" * PAGE + b"b"}


def test_of_what_was_not_any_part_may_be_there() -> None:
    platter = Platter()
    platter.do(Step("write", 0, 0, b"a" * PAGE + b"b" * PAGE))
    images = {platter.image(random.Random(seed)) for seed in range(200)}
    assert images == {b"", b"a" * PAGE, bytes(PAGE) + b"b" * PAGE, b"a" * PAGE + b"b" * PAGE}


def test_a_synced_write_does_not_sync_the_others() -> None:
    platter = Platter()
    platter.do(Step("write", 0, 0, b"a" * PAGE))
    platter.do(Step("synced write", 1, 2 * PAGE, b"m"))
    images = {platter.image(random.Random(seed))[:PAGE] for seed in range(50)}
    assert images == {bytes(PAGE), b"a" * PAGE}


def test_the_later_of_two_writes_wins_when_both_are_there() -> None:
    platter = Platter()
    platter.do(Step("write", 0, 0, b"old!"))
    platter.do(Step("write", 1, 0, b"new!"))
    assert {platter.image(random.Random(seed)) for seed in range(200)} == {b"", b"old!", b"new!"}
    platter.do(Step("sync", 2))
    assert platter.image(random.Random(0)) == b"new!"


@given(st.integers(0, 3 * PAGE), st.binary(max_size=20))
def test_pieces_are_the_whole_and_none_crosses_a_page(offset: int, some: bytes) -> None:
    data = some * 997
    parts = list(pieces(offset, data))
    file = bytearray()
    for at, part in parts:
        assert at // PAGE == (at + len(part) - 1) // PAGE
        put(file, at, part)
    assert bytes(file[offset:]) == data
