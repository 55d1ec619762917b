"""All series at one point in time, before they are in a block. Pure."""

from collections.abc import Sequence

import msgspec
import numpy as np

from nodes.ops.history.identities import Array

GAP_S = 60
"""Seconds: rows further apart are not put into one block, and a clock that goes back by more is believed."""


class Anew(msgspec.Struct, frozen=True):
    """Counters that began again from zero within a step, and by how much each of them grew in that step all the same.

    Kept beside the values, since these alone do not tell: a counter that was at 100, began again and came to 120 within
    a minute looks as if it had grown by 20. So no reader has to know of incarnations.
    """

    numbers: Array
    increases: Array  # f8


class Row(msgspec.Struct, eq=False):
    """One second, or one step of a coarser tier."""

    at_s: int  # where the step begins, seconds since 1970
    values: Array  # f8 by number, nan where there is none. Counters: the last value; gauges: the value, or the mean
    tops: Array | None = None  # the gauges' maxima, in coarser tiers
    anew: list[Anew] = []


def padded(values: Array, width: int) -> Array:
    """The same by number, with nan for numbers that are newer."""
    if len(values) >= width:
        return values
    made = np.full(width, np.nan)
    made[: len(values)] = values
    return made


def stacked(columns: Sequence[Array], width: int) -> Array:
    """f8[rows, width]"""
    made = np.full((len(columns), width), np.nan)
    for row, values in zip(made, columns, strict=True):
        row[: len(values)] = values
    return made


def runs(rows: Sequence[Row], points_max: int) -> list[list[Row]]:
    """What may share a block: time neither goes back nor leaps, and there are not too many."""
    found: list[list[Row]] = []
    for row in rows:
        last = found[-1][-1].at_s if found else 0
        if not found or not last <= row.at_s <= last + GAP_S or len(found[-1]) >= points_max:
            found.append([])
        found[-1].append(row)
    return found
