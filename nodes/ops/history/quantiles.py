"""Quantiles of histograms, as Prometheus estimates them (`histogram_quantile`). Pure.

Within a bucket the observations are taken to be evenly spread; the lowest bucket begins at 0 when its bound is above
that; a quantile that falls above the highest finite bound is that bound. Buckets of nodes that were read at not quite
the same moment may fall from one bound to the next: they are levelled upwards, as Prometheus does.
"""

import numpy as np

from nodes.ops.history.identities import Array


def bound_of(le: str) -> float | None:
    """The upper bound that a label `le` says; None when it says none."""
    try:
        bound = float(le)
    except ValueError:
        return None
    return None if np.isnan(bound) else bound


def quantile(share: float, bounds: Array, counts: Array) -> Array:
    """f8[n] out of upper bounds f8[buckets], ascending, the last infinite, and f8[buckets, n]: how many observations
    there were up to each bound, nan for unknown. nan where there were none, or where the last bucket is not known."""
    if len(bounds) < 2 or not np.isinf(bounds[-1]):
        return np.full(counts.shape[1], np.nan)
    levelled = np.maximum.accumulate(np.nan_to_num(counts, nan=0.0), axis=0)
    total = np.where(np.isnan(counts[-1]), 0.0, levelled[-1])
    rank = share * total
    at = (levelled[:-1] < rank).sum(axis=0)  # the first bucket that reaches the rank
    inner = np.minimum(at, len(bounds) - 2)
    column = np.arange(counts.shape[1])
    upper = bounds[inner]
    lower = np.where(inner > 0, bounds[inner - 1], np.minimum(0.0, upper))
    below = np.where(inner > 0, levelled[inner - 1, column], 0.0)
    inside = levelled[inner, column] - below
    part = np.divide(rank - below, inside, out=np.zeros_like(rank), where=inside > 0)
    found = np.where(at > inner, upper, lower + (upper - lower) * part)
    return np.where(total > 0, found, np.nan)
