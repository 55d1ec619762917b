"""Buckets, offences, caps, and the cutting of batches: arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.bucket import Bucket
from nodes.gate.forward import u32
from nodes.gate.limits import Addresses, Offences, is_loopback
from nodes.gate.rows import FRAME_BYTES_AIM, are_different, block_of, portions


def test_a_bucket_gives_its_burst_and_then_its_rate():
    bucket = Bucket(rate=30.0, burst=60, now=0.0)
    assert bucket.take(0.0, 100) == 60
    assert bucket.take(0.0) == 0
    assert bucket.take(0.5, 100) == 15
    assert bucket.take(100.0, 100) == 60


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 20)), max_size=200))
def test_no_pattern_gets_more_than_burst_plus_rate(pattern):
    bucket, now, taken = Bucket(30.0, 60, 0.0), 0.0, 0
    for pause, count in pattern:
        now += pause
        taken += bucket.take(now, count)
    assert taken <= 60 + 30 * now + 1e-6


def test_garbage_is_counted_within_a_window():
    offences = Offences(0.0)
    assert [offences.garbage(at, 10.0) for at in (1.0, 2.0, 10.0)] == [1, 2, 3]
    assert offences.garbage(12.0, 10.0) == 1


def test_excess_lasts_as_long_as_it_goes_on():
    offences = Offences(0.0)
    assert offences.excess(5.0) == 0.0
    assert offences.excess(5.9) == pytest.approx(0.9)
    assert offences.excess(6.8) == pytest.approx(1.8)
    assert offences.excess(8.0) == 0.0


def test_what_is_above_a_rate_is_counted_as_long_as_it_goes_on():
    offences = Offences(0.0)
    for at in (5.0, 5.1, 5.2):
        offences.excess(at)
    assert offences.exceeded == 3
    offences.excess(7.0)
    assert offences.exceeded == 1


def test_a_flood_is_answered_once_a_second():
    offences = Offences(0.0)
    assert [offences.may_answer(at / 10) for at in range(21)].count(True) == 3


def test_caps_forget_who_left():
    addresses = Addresses(3, 1)
    assert addresses.enter("10.0.0.1")
    assert not addresses.enter("10.0.0.1")
    assert addresses.enter("10.0.0.2")
    addresses.leave("10.0.0.1")
    assert addresses.enter("10.0.0.1")
    assert addresses.enter("::1")
    assert not addresses.enter("10.0.0.4")
    assert addresses.in_all == 3


@pytest.mark.parametrize(
    ("address", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False)]
)
def test_loopback(address, loopback):
    assert is_loopback(address) is loopback


def test_rows_are_cut_where_their_lengths_say():
    block = block_of([u32([7, 8, 9]), u32([2, 3, 1]), b"abcdef"])
    assert [(handle, bytes(row)) for handle, row in block.rows()] == [(7, b"ab"), (8, b"cde"), (9, b"f")]
    assert [(handle, bytes(row)) for handle, row in block.some(np.array([0, 2]))] == [(7, b"ab"), (9, b"f")]


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 12))
def test_a_block_is_cut_between_rows(rows, count):
    block = block_of([u32(list(range(len(rows)))), u32([len(row) for row in rows]), b"".join(rows)])
    parts = block.cut(count)
    assert len(parts[1].handles) == min(count, len(rows))
    assert [(handle, bytes(row)) for part in parts for handle, row in part.rows()] == list(enumerate(rows))


@given(st.lists(st.integers(0, 30), max_size=12))
def test_whether_numbers_are_different(numbers):
    assert are_different(np.array(numbers, np.intp)) == (len(set(numbers)) == len(numbers))


@given(st.lists(st.binary(max_size=12), max_size=4))
def test_batches_that_do_not_fit_together_are_refused(blobs):
    block = block_of(blobs)
    if block is not None:
        assert len(block.handles) == len(block.lengths)
        assert b"".join(row for _, row in block.rows()) == blobs[2]


@given(st.lists(st.integers(1, 2 * FRAME_BYTES_AIM), max_size=20))
def test_portions_keep_order_and_size(sizes):
    rows = [bytes([n]) * size for n, size in enumerate(sizes)]
    frames = portions(rows)
    assert [row for frame in frames for row in frame] == rows
    assert all(sum(map(len, frame)) <= FRAME_BYTES_AIM or len(frame) == 1 for frame in frames)
    assert all(frames)
