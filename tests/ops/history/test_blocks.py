"""The bytes of values: everything comes back, series can be taken out singly, damage is an error and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nodes.ops.history.blocks import NO_RESETS, Resets, pack, unpack

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
any_values = hnp.arrays(np.float64, shapes, elements=st.floats(allow_infinity=False, width=64))
whole_values = hnp.arrays(np.float64, shapes, elements=st.integers(-(2**53) + 1, 2**53 - 1).map(float))
few = st.sampled_from([0.0, 1.0, 2.0, float("nan"), 250.0])
gappy_values = hnp.arrays(np.float64, shapes, elements=few)


def all_of(values: np.ndarray) -> np.ndarray:
    return np.arange(len(values))


@given(st.one_of(any_values, whole_values, gappy_values))
def test_values_come_back_as_they_were(values: np.ndarray) -> None:
    found, resets = unpack(pack(values), *values.shape, all_of(values))
    assert np.array_equal(found, values, equal_nan=True)
    assert len(resets.points) == 0


@given(st.one_of(any_values, gappy_values), st.randoms(use_true_random=False))
def test_series_are_taken_out_singly(values: np.ndarray, random: object) -> None:
    some = np.array(random.sample(range(len(values)), random.randint(0, len(values))), int)  # type: ignore[attr-defined]
    found, _ = unpack(pack(values), *values.shape, some)
    assert np.array_equal(found, values[some], equal_nan=True)


def test_resets_come_back() -> None:
    values = np.arange(12.0).reshape(3, 4)
    resets = Resets(np.array([0, 3]), np.array([2, 1]), np.array([0.5, 7.0]))
    _, found = unpack(pack(values, resets), 3, 4, np.array([1]))
    assert [column.tolist() for column in found] == [[0, 3], [2, 1], [0.5, 7.0]]


def test_what_hardly_changes_takes_hardly_any_room() -> None:
    rng = np.random.default_rng(1)
    still = np.repeat(rng.integers(0, 10**9, (400, 1)), 60, axis=1).astype(float)
    assert len(pack(still)) < 400 * 5
    moving = still + np.cumsum(rng.integers(0, 20, (400, 60)), axis=1)
    assert len(pack(moving)) < 400 * 60


@given(any_values, st.randoms(use_true_random=False))
def test_a_flipped_bit_is_an_error(values: np.ndarray, random: object) -> None:
    chunk = bytearray(pack(values))
    chunk[random.randrange(len(chunk))] ^= 1 << random.randrange(8)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="damaged"):
        unpack(bytes(chunk), *values.shape, all_of(values))


@given(st.binary(max_size=64), st.integers(1, 8), st.integers(1, 8))
def test_other_bytes_are_an_error(data: bytes, series: int, points: int) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(data, series, points, np.arange(series))


def test_a_chunk_of_another_shape_is_an_error() -> None:
    values = np.arange(20.0).reshape(4, 5)
    for series, points in ((5, 4), (4, 6), (4, 0), (2, 10)):
        with pytest.raises(ValueError, match=r"nothing that can be|zstd frame"):
            unpack(pack(values), series, points, np.arange(series))


def test_a_reset_outside_the_block_is_an_error() -> None:
    chunk = pack(np.zeros((2, 3)), Resets(np.array([5]), np.array([0]), np.array([1.0])))
    with pytest.raises(ValueError, match="no series or point"):
        unpack(chunk, 2, 3, np.arange(2))


def test_no_resets_are_no_resets() -> None:
    assert [len(column) for column in NO_RESETS] == [0, 0, 0]
