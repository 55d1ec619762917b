"""How many were in the world, from when each came and went. Pure; times are whole milliseconds.

A session is [began, ended): whoever goes in the same moment as another comes is not counted together with him.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


def mean_online(began: Times, ended: Times, edges: Times) -> npt.NDArray[np.float64]:
    """In each span between two edges, over its time."""
    total = _time_before(began, edges) - _time_before(ended, edges)
    mean: npt.NDArray[np.float64] = np.diff(total) / np.diff(edges)
    return mean


def peak_online(began: Times, ended: Times, edges: Times) -> npt.NDArray[np.int64]:
    """The most at one moment, in each span between two edges."""
    times = np.concatenate((ended, began))  # in this order, and sorted stably: who goes, goes before others come
    steps = np.concatenate((np.full(len(ended), -1), np.full(len(began), 1)))
    order = np.argsort(times, kind="stable")
    times, counts = times[order], np.concatenate(([0], np.cumsum(steps[order])))
    first = np.searchsorted(times, edges[:-1], "right")  # what happened up to the first moment is over
    last = np.searchsorted(times, edges[1:], "left")
    peaks = [int(counts[a : max(a, b) + 1].max()) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    return np.array(peaks, np.int64)


def days_of(accounts: Times, began: Times, ended: Times, day_ms: int) -> tuple[Times, Times]:
    """Account and number of the day, once for each day on which an account was in the world."""
    first, last = began // day_ms, np.maximum(ended - 1, began) // day_ms
    counts = last - first + 1
    names, places = np.unique(accounts, return_inverse=True)
    starts = np.cumsum(counts) - counts
    days = np.repeat(first - starts, counts) + np.arange(counts.sum())
    keys = np.unique(days * max(1, len(names)) + np.repeat(places, counts))
    return names[keys % max(1, len(names))], keys // max(1, len(names))


def gini(values: npt.NDArray[Any]) -> float:
    """0: all have the same, towards 1: one has everything. (Gini 1912, by the sorted values.)"""
    some = np.sort(values.astype(np.float64))
    total = some.sum()
    if not len(some) or total <= 0:
        return 0.0
    ranks = np.arange(1, len(some) + 1)
    return float(2 * (ranks * some).sum() / (len(some) * total) - (len(some) + 1) / len(some))


def share_of_top(values: npt.NDArray[Any], part: float) -> float:
    """What the richest `part` (at least one) of all hold."""
    some = np.sort(values.astype(np.float64))[::-1]
    total = some.sum()
    if not len(some) or total <= 0:
        return 0.0
    return float(some[: max(1, int(len(some) * part))].sum() / total)


def _time_before(times: Times, edges: Times) -> npt.NDArray[np.float64]:
    """For each edge: how long ago all of `times` that were before it were, together."""
    some: Times = np.sort(times)
    base = int(some[0]) if len(some) else 0
    sums = np.concatenate(([0.0], np.cumsum(some - base, dtype=np.float64)))
    counts = np.searchsorted(some, edges, "left").astype(np.float64)
    before: npt.NDArray[np.float64] = counts * (edges - base) - sums[counts.astype(np.int64)]
    return before
