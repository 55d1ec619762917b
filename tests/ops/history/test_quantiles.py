"""Quantiles against the observations themselves, and against Prometheus' own examples."""

import bisect
import random

import numpy as np
import pytest

from nodes.ops.history.quantiles import bound_of, quantile

BOUNDS = np.array([0.1, 0.2, 0.5, 1.0, np.inf])


def one(share: float, bounds: list[float], counts: list[float]) -> float:
    return float(quantile(share, np.array(bounds), np.array(counts, float)[:, None])[0])


@pytest.mark.parametrize("seed", range(20))
def test_the_quantile_lies_in_the_bucket_of_the_true_one(seed: int) -> None:
    rng = random.Random(seed)
    seen = sorted(rng.lognormvariate(-1.5, 1.0) for _ in range(rng.randint(1, 400)))
    counts = [float(bisect.bisect_right(seen, bound)) for bound in BOUNDS]
    for share in (0.01, 0.25, 0.5, 0.9, 0.99, 1.0):
        rank = share * len(seen)
        bucket = next(at for at, count in enumerate(counts) if count >= rank)
        found = one(share, BOUNDS.tolist(), counts)
        if bucket == len(BOUNDS) - 1:
            assert found == 1.0
            continue
        lower = BOUNDS[bucket - 1] if bucket else 0.0
        below = counts[bucket - 1] if bucket else 0.0
        direct = lower + (BOUNDS[bucket] - lower) * (rank - below) / (counts[bucket] - below)
        assert found == pytest.approx(direct)


POSITIVE = [0.1, 0.2, 1.0, np.inf], [50, 70, 110, 120]
NEGATIVE = [-0.2, -0.1, 0.3, np.inf], [10, 20, 20, 30]


@pytest.mark.parametrize(
    ("share", "positive", "negative"),
    [(0, 0, -0.2), (0.2, 0.048, -0.2), (0.5, 0.15, -0.15), (0.8, 0.72, 0.3), (1, 1, 0.3)],
)
def test_the_cases_of_prometheus_itself(share: float, positive: float, negative: float) -> None:
    # promql/promqltest/testdata/histograms.test: testhistogram
    assert one(share, *POSITIVE) == pytest.approx(positive)
    assert one(share, *NEGATIVE) == pytest.approx(negative)


def test_without_observations_or_an_infinite_bucket_there_is_none() -> None:
    assert np.isnan(one(0.5, [0.1, np.inf], [0, 0]))
    assert np.isnan(one(0.5, [0.1, 0.2], [1, 2]))
    assert np.isnan(one(0.5, [np.inf], [3]))
    assert np.isnan(one(0.5, [0.1, np.inf], [3, np.nan]))


def test_buckets_that_fall_are_levelled() -> None:
    assert one(0.5, [1, 2, 3, np.inf], [4, 3, 4, 4]) == pytest.approx(0.5)
    assert one(1.0, [1, 2, np.inf], [np.nan, 4, 4]) == pytest.approx(2.0)


def test_steps_are_worked_out_on_their_own() -> None:
    counts = np.array([[0, 1, 0], [1, 1, 0], [1, 2, 0]], float)
    found = quantile(0.5, np.array([1.0, 2.0, np.inf]), counts)
    assert found[:2].tolist() == [1.5, 1.0]
    assert np.isnan(found[2])


def test_bounds_are_read_from_labels() -> None:
    assert [bound_of(text) for text in ("0.005", "+Inf", "1e-3")] == [0.005, np.inf, 0.001]
    assert [bound_of(text) for text in ("", "much", "nan")] == [None, None, None]
