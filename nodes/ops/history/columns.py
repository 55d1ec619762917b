"""Which series the blocks of a segment have, and in which of a block's chunks each of them is. Pure.

A segment enters series as they appear and never takes one out; a block has a column for each that was entered before
it. All columns of one metric are one chunk (in coarser tiers two for gauges: means, then maxima), so a question about a
metric reads and decompresses its own chunks only. Chunks are in the order in which the metrics were first entered, and
columns in that of the series: what a block has is known from one number.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nodes.ops.history.blocks import NO_RESETS, Resets, pack
from nodes.ops.history.identities import COUNTER, Array, Identities, Identity
from nodes.ops.history.rows import Row, padded, stacked


class Metric(NamedTuple):
    """What shares a chunk."""

    name: str
    kind: str


class Columns:
    """The series of one segment."""

    def __init__(self, identities: Identities, *, tops: bool) -> None:
        self._identities = identities
        self._tops = tops  # a coarser tier: gauges have maxima, too
        self.numbers = np.empty(0, np.int64)  # of the series, in the order in which they were entered
        self._held = np.empty(0, bool)  # by number
        self._places: dict[Metric, Array] = {}  # ascending places in `numbers`
        self._chunks: dict[Metric, int] = {}  # the first chunk of each
        self._chunk_count = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def missing(self, rows: Sequence[Row]) -> Array:
        """Numbers of series that have a value in these rows and are not entered, ascending."""
        width = max(len(row.values) for row in rows)
        there = np.zeros(width, bool)
        for row in rows:
            there[: len(row.values)] |= ~np.isnan(row.values)
        there[: len(self._held)] &= ~self._held[:width]
        return np.flatnonzero(there)

    def enter(self, numbers: Array) -> None:
        """More series, each once. Counts that this segment has them."""
        places: dict[Metric, list[int]] = {}
        for place, number in enumerate(numbers.tolist(), len(self.numbers)):
            entry = self._identities.at(number)
            places.setdefault(Metric(entry.name, entry.kind), []).append(place)
        for metric, more in places.items():
            if metric not in self._chunks:
                self._chunks[metric] = self._chunk_count
                self._chunk_count += 1 + (self._tops and metric.kind != COUNTER)
                self._places[metric] = np.empty(0, np.int64)
            self._places[metric] = np.concatenate((self._places[metric], more))
        self.numbers = np.concatenate((self.numbers, numbers))
        self._held = np.pad(self._held, (0, max(0, self._identities.width - len(self._held))))
        self._held[numbers] = True
        self._identities.uses[numbers] += 1

    def enter_all(self, identities: Sequence[Identity]) -> None:
        """Series out of a file. ValueError when they are more than fit or not what a segment has."""
        numbers = np.array([self._identities.enter(identity) for identity in identities], np.int64)
        if len(np.unique(numbers)) != len(numbers) or np.isin(numbers, self.numbers).any():
            raise ValueError("the same series twice")
        self.enter(numbers)

    def leave(self) -> None:
        """The segment is gone."""
        self._identities.uses[self.numbers] -= 1

    def chunk_of(self, metric: Metric, *, top: bool) -> int | None:
        """The place of a metric's chunk in blocks that have it; `top`: that of its maxima."""
        first = self._chunks.get(metric)
        return None if first is None else first + (top and self._tops and metric.kind != COUNTER)

    def numbers_of(self, metric: Metric, series: int) -> Array:
        """The series of a metric, in the order of its chunk in a block of so many series."""
        places = self._places.get(metric)
        if places is None:
            return self.numbers[:0]
        return self.numbers[places[: int(np.searchsorted(places, series))]]

    def chunks(self, series: int) -> Iterator[tuple[Array, bool]]:
        """All chunks of a block of so many series: numbers, and whether it is of maxima."""
        for metric in self._chunks:
            numbers = self.numbers_of(metric, series)
            if len(numbers):
                yield numbers, False
                if self._tops and metric.kind != COUNTER:
                    yield numbers, True

    def pack(self, rows: Sequence[Row]) -> list[bytes]:
        """The chunks of a block of these rows, all of whose series are entered."""
        width = max(len(self._held), *(len(row.values) for row in rows))
        values = stacked([row.values for row in rows], width)
        tops = stacked([row.tops for row in rows if row.tops is not None], width) if self._tops else values
        anew = _resets_of(rows)
        row_of = np.full(width, -1)
        packed = []
        for numbers, top in self.chunks(len(self.numbers)):
            row_of[numbers] = np.arange(len(numbers))
            packed.append(pack((tops if top else values)[:, numbers].T, NO_RESETS if top else _within(anew, row_of)))
            row_of[numbers] = -1
        return packed


def picked(rows: Sequence[Row], numbers: Array, *, top: bool) -> tuple[Array, Resets]:
    """What a chunk would have of rows that are in no block yet: f8[numbers, rows], and resets."""
    width = int(numbers.max()) + 1
    values = [padded(row.tops if top and row.tops is not None else row.values, width)[numbers] for row in rows]
    row_of = np.full(width, -1)
    row_of[numbers] = np.arange(len(numbers))
    return np.array(values).T, _within(_resets_of(rows), row_of)


def _resets_of(rows: Iterable[Row]) -> Resets:
    """Of all series; `rows` are numbers here."""
    found = [(point, anew) for point, row in enumerate(rows) for anew in row.anew]
    if not found:
        return NO_RESETS
    return Resets(
        np.concatenate([np.full(len(anew.numbers), point) for point, anew in found]),
        np.concatenate([anew.numbers for _, anew in found]),
        np.concatenate([anew.increases for _, anew in found]),
    )


def _within(anew: Resets, row_of: Array) -> Resets:
    """Those of the series that have a row."""
    if not len(anew.points):
        return anew
    rows = np.where(anew.rows < len(row_of), row_of[np.minimum(anew.rows, len(row_of) - 1)], -1)
    mine = rows >= 0
    return Resets(anew.points[mine], rows[mine], anew.increases[mine])
