"""Latencies add up over processes, and movement latencies survive the wrap of the stamps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.bots.statistics import (
    PERCENTILES,
    STAMPS,
    Latencies,
    MoveTable,
    Series,
    decode_series,
    encode_series,
)


def test_nothing_measured_is_zero_everywhere() -> None:
    empty = Latencies()
    assert (empty.count, empty.mean_ms, empty.min_ms, empty.max_ms) == (0, 0.0, 0.0, 0.0)
    assert empty.percentiles_ms() == dict.fromkeys(PERCENTILES, 0.0)


def test_percentiles_are_those_of_the_samples() -> None:
    latencies = Latencies()
    for ms in range(1, 1001):
        latencies.record(ms / 1000)
    assert latencies.percentile_ms(50.0) == pytest.approx(500, rel=0.002)
    assert latencies.percentile_ms(99.0) == pytest.approx(990, rel=0.002)
    assert latencies.percentile_ms(100.0) == latencies.max_ms == pytest.approx(1000, rel=0.002)
    assert latencies.mean_ms == pytest.approx(500.5)


def test_what_is_out_of_range_counts_at_its_end() -> None:
    latencies = Latencies()
    latencies.record(-1.0)
    latencies.record(10_000.0)
    assert latencies.count == 2
    assert latencies.max_ms == pytest.approx(600_000, rel=0.002)


@given(st.lists(st.floats(0.0, 60.0), min_size=1, max_size=40), st.integers(1, 4))
def test_merging_equals_measuring_in_one_place(samples: list[float], workers: int) -> None:
    alone, merged = Latencies(), Latencies()
    parts = [Latencies() for _ in range(workers)]
    for at, sample in enumerate(samples):
        alone.record(sample)
        parts[at % workers].record(sample)
    for part in parts:
        merged.add(Latencies(part.encode()))
    assert merged.count == alone.count
    assert merged.mean_ms == pytest.approx(alone.mean_ms)
    for wanted, value in alone.percentiles_ms().items():
        assert merged.percentiles_ms()[wanted] == pytest.approx(value, rel=0.002)


def test_corrected_latency_starts_when_it_was_due() -> None:
    series = Series()
    series.record(0.010, late_s=0.5)
    series.fail()
    there = decode_series(encode_series(series))
    assert (there.count, there.failures) == (2, 1)
    assert there.raw.max_ms == pytest.approx(10, rel=0.01)
    assert there.corrected.max_ms == pytest.approx(510, rel=0.01)


@given(st.integers(0, 10**9), st.integers(0, STAMPS - 1))
def test_a_stamp_tells_the_latency_whatever_the_clock_says(sent_ms: int, latency_ms: int) -> None:
    table = MoveTable()
    table.add(np.array([sent_ms + latency_ms]), np.array([sent_ms % STAMPS], np.uint16))
    assert int(table.counts[latency_ms]) == 1


def test_the_move_table_becomes_a_histogram() -> None:
    table = MoveTable()
    table.add(np.array([1000, 1010, 1010, 1199]), np.array([1000, 1000, 1000, 1000], np.uint16))
    latencies = table.latencies()
    assert latencies.count == 4
    assert latencies.percentile_ms(50.0) == pytest.approx(11, rel=0.01)
    assert latencies.max_ms == pytest.approx(200, rel=0.01)
    table.clear()
    assert table.latencies().count == 0
