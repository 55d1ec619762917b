"""From the archive and the rows that are not in it yet to the points that a question is about. Blocking; in the worker.

Opens the chunks of one metric in the blocks that a question's time touches, and nothing else. What cannot be read is
missing from the answer, counted and named.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mesh.errors import StorageError
from nodes.ops.history.archive import Shelf
from nodes.ops.history.blocks import Resets, unpack
from nodes.ops.history.columns import Metric, picked
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Array, Identities
from nodes.ops.history.lines import Piece
from nodes.ops.history.rows import Anew, Row, runs
from nodes.ops.history.segment import Block, Segment


class Range(NamedTuple):
    """Points of a tier from `begin_s` on and before `end_s`."""

    shelf: Shelf
    rows: Sequence[Row]  # behind the last block
    begin_s: float
    end_s: float

    def touches(self, block: Block) -> bool:
        return block.end_s >= self.begin_s and block.begin_s < self.end_s


def present(metric: Metric, wanted: Range, identities: Identities) -> list[int]:
    """The series of a metric that may have points there, ascending."""
    found = [
        segment.columns.numbers_of(metric, len(segment.columns))
        for segment in wanted.shelf.segments
        if any(wanted.touches(block) for block in segment.blocks)
    ]
    named = np.array(identities.named(metric.name), np.int64)
    if len(named) and wanted.rows:
        values, _ = picked(wanted.rows, named, top=False)
        named = named[~np.isnan(values).all(axis=1)]
        found.append(np.array([number for number in named.tolist() if identities.at(number).kind == metric.kind], int))
    return np.unique(np.concatenate(found)).tolist() if found else []


def pieces(metric: Metric, wanted: Range, numbers: Array, counts: Counts, *, top: bool) -> Iterator[tuple[bool, Piece]]:
    """Points in the order in which they were stored, and whether time went back before each piece. `top`: gauges'
    maxima."""
    place_of = np.full(int(numbers.max()) + 1, -1)
    place_of[numbers] = np.arange(len(numbers))
    newest_s, back = -1, False
    for segment in wanted.shelf.segments:
        in_chunk = segment.columns.numbers_of(metric, len(segment.columns))
        places = np.where(in_chunk < len(place_of), place_of[np.minimum(in_chunk, len(place_of) - 1)], -1)
        chunk = segment.columns.chunk_of(metric, top=top)
        for block in segment.blocks:
            back |= block.begin_s < newest_s
            newest_s = block.end_s
            if chunk is None or not wanted.touches(block):
                continue
            series = len(segment.columns.numbers_of(metric, block.head.series))
            try:
                piece = _piece(segment, block, chunk, places[:series], len(numbers))
            except (ValueError, StorageError) as error:
                _missing(segment, block, metric, error, counts)
                continue
            if piece:
                yield back, piece
                back = False
    for rows in runs(wanted.rows, len(wanted.rows)):
        back |= rows[0].at_s < newest_s
        newest_s = rows[-1].at_s
        values, resets = picked(rows, numbers, top=top)
        yield back, Piece(np.array([row.at_s for row in rows], np.int64), values, resets)
        back = False


def whole(segment: Segment, block: Block, width: int) -> list[Row]:
    """All rows of a block of the finest tier, as they were when they came in. ValueError or StorageError when one of
    its chunks cannot be read."""
    values = np.full((block.points, width), np.nan)
    rows = [Row(at_s, row) for at_s, row in zip(block.times.tolist(), values, strict=True)]
    for place, (numbers, _) in enumerate(segment.columns.chunks(block.head.series)):
        found, resets = unpack(segment.chunk(block, place), len(numbers), block.points, slice(None))
        values[:, numbers] = found.T
        for point in set(resets.points.tolist()):
            here = resets.points == point
            rows[point].anew.append(Anew(numbers[resets.rows[here]], resets.increases[here]))
    return rows


def _piece(segment: Segment, block: Block, chunk: int, places: Array, series: int) -> Piece | None:
    """`places`: for each series of the chunk its place in the question, -1 for none."""
    some = np.flatnonzero(places >= 0)
    if not len(some):
        return None
    found, resets = unpack(segment.chunk(block, chunk), len(places), block.points, some)
    values = np.full((series, block.points), np.nan)
    values[places[some]] = found
    if len(resets.points):
        mine = places[resets.rows] >= 0
        resets = Resets(resets.points[mine], places[resets.rows[mine]], resets.increases[mine])
    return Piece(block.times, values, resets)


def _missing(segment: Segment, block: Block, metric: Metric, error: Exception, counts: Counts) -> None:
    if isinstance(error, StorageError):
        counts.failures += 1
    assert segment.path is not None, "only what is in a file can be damaged"
    counts.damage(segment.path, block.offset, f"{metric.name} of this block cannot be read: {error}")
