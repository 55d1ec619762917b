"""The history of all metrics of all nodes: 1 s for an hour, 10 s for a day, 1 min for 30 days.

    add    the readings of a round                       in the loop; one indexed assignment for each node
    take   the rows since the last time                  in the loop
    store  these rows: coarser tiers, blocks, files      in the one worker thread
    read   what somebody wants to see                    in the same thread

The node does `await workers.run(history.store, history.take())` every FLUSH_S; a process that is killed loses what came
since the last of these, never more than 10 s. Coarser tiers are written when a block of them is complete; what they had
in memory is made again from the seconds on disk at the next start, so nothing of it is lost either.

The folder has append-only files for each tier (segments.py); memory has their index only, and opens of a block no more
than the chunk of the metric that is asked for. For 30 nodes with 300 series each that is, with all tiers full:

    index       2,300 blocks (720 + 144 + 1,440), 8 bytes for each of about 100 chunks        2 MB
    columns     about 25 segments, 17 bytes for each of 9,000 series                          4 MB
    names       9,000 series, about 600 bytes each                                            5 MB
    open rows   5 s + 60 of 10 s + 30 of 1 min, 72 KB each, the coarser ones twice           13 MB
    a question  arrays of CELLS_MAX and of the answer, while it is worked on              up to 70 MB

Above the limits of limits.py series are refused, counted and named. A disk that takes nothing leaves the history going
in memory; what happened is in `counts`, and `counts.news()` has what an operator should be told.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from mesh.disk import AppendFile
from mesh.errors import StorageError
from nodes.ops.history.archive import Archive
from nodes.ops.history.cascade import Cascade
from nodes.ops.history.columns import Metric
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import COUNTER, GAUGE, Array, Identities
from nodes.ops.history.limits import Limits
from nodes.ops.history.lines import Grid, Piece, Reduction
from nodes.ops.history.lookup import Range, pieces, present, whole
from nodes.ops.history.quantiles import quantile
from nodes.ops.history.recent import Recent, Taken
from nodes.ops.history.rows import Row, padded, runs
from nodes.ops.history.segment import OpenFile
from nodes.ops.history.tiers import TIERS, Tier, covering
from nodes.ops.history.wanted import Answer, Line, Selection, Wanted, check, check_kind, select, step_of
from nodes.ops.reading import Reading

FLUSH_S = 5.0  # between two `store`; half of what a kill may cost, so that a slow disk does not make it more
LABEL_VALUES_MAX = 200  # of one label in a listing; a completion shows no more
VALUE_MAX = 1e100  # a number beyond this is nonsense, and missing

_BUCKET = "_bucket"
_LOOK_BACK_STEPS = 30  # before the first point of a question, for what it grew from


class Listed(msgspec.Struct, frozen=True):
    """One metric, for a search or a completion."""

    name: str
    kind: str
    series: int
    labels: dict[str, list[str]]  # values, sorted; at most LABEL_VALUES_MAX of each


class History:
    """See the module."""

    def __init__(
        self,
        folder: Path | None,
        limits: Limits | None = None,
        tiers: Sequence[Tier] = TIERS,
        open_file: OpenFile = AppendFile,
    ) -> None:
        """Lock the folder and read what is there (blocking); None keeps everything in memory. StorageError, with what
        to do, when the folder cannot be used."""
        limits = limits or Limits()
        self.counts = Counts()
        self.identities = Identities(limits)
        self.archive = Archive(folder, self.identities, tiers, limits, self.counts, open_file)
        self._tiers = tiers
        self._cascade = Cascade(tiers, self.identities.counters)
        self._width = 0  # of rows
        self._taken: list[Taken] = []  # on their way to `store`
        lives = self._restore()
        self.recent = Recent(self.identities, limits, self.counts, lives, self._cascade.newest_s + 1)

    def add(self, readings: Sequence[Reading]) -> None:
        """Those of one round, in any order."""
        self.recent.add(readings)

    def take(self) -> Taken:
        """What is to be stored next. Until it is, questions find it here."""
        taken = self.recent.take()
        self._taken.append(taken)
        return taken

    def store(self, taken: Taken) -> None:
        """Make blocks of these rows, hand them to the operating system, delete what is too old or too much."""
        self._cascade.forget(self.identities.take_reused())
        self._level(taken.rows)
        for rows in runs(taken.rows, self._tiers[0].block_points):
            self.archive.append(0, rows, self._cascade.seconds + len(rows), taken.lives)
            self._follow(rows)
        self._taken.remove(taken)
        self.archive.write()
        self.archive.retain(self._cascade.newest_s, self._cascade.steady_rows)

    def close(self, taken: Taken) -> None:
        """The last rows, and all coarser steps that are complete; the folder is free for another process."""
        self.store(taken)
        for complete in self._cascade.rest():
            self.archive.append(*complete)
        self.archive.write()
        self.archive.close()

    def read(self, wanted: Wanted) -> Answer:
        """RefusedError when the question makes no sense. A metric that nobody has is an answer without lines."""
        check(wanted)
        open_rows = self._open_rows()
        newest_s = open_rows[-1].at_s if open_rows else self._cascade.newest_s
        place = covering(self._tiers, wanted.start_s, newest_s)
        tier = self._tiers[place]
        step_s, notes = step_of(wanted, tier.step_s)
        metric = self._metric(wanted)
        if metric is None:
            return Answer([], step_s, tier.step_s, notes=notes)
        check_kind(wanted, metric.kind)
        first, behind = int(wanted.start_s // step_s), int(-(-wanted.end_s // step_s))
        where = Range(
            self.archive.shelves[place],
            self._cascade.rows(place) if place else open_rows,
            first * step_s - _LOOK_BACK_STEPS * tier.step_s,
            behind * step_s,
        )
        numbers = present(metric, where, self.identities)
        selection = select(((number, self.identities.at(number).all_labels()) for number in numbers), wanted)
        if selection.left_out:
            notes.append(f"{selection.left_out} more lines: name labels in `where`, or add lines up with `by`")
        if not len(selection.numbers):
            return Answer([], step_s, tier.step_s, notes=notes)
        grid = Grid(first, behind - first, selection.starts, wanted.how)
        found = pieces(metric, where, selection.numbers, self.counts, top=wanted.how == "max" and metric.kind == GAUGE)
        _reduce(found, lambda: Reduction(wanted.how, step_s, tier.step_s, len(selection.numbers), grid))
        lines = _lines(selection, wanted, np.arange(first, behind) * step_s, grid.values)
        return Answer(lines, step_s, tier.step_s, selection.left_out, notes)

    def names(self, part: str = "") -> list[Listed]:
        """The metrics whose names have `part` in them, by name."""
        found: dict[Metric, list[dict[str, str]]] = {}
        for entry in self.identities.all():
            if part in entry.name:
                found.setdefault(Metric(entry.name, entry.kind), []).append(entry.all_labels())
        return [
            Listed(metric.name, metric.kind, len(series), _values(series)) for metric, series in sorted(found.items())
        ]

    def _open_rows(self) -> list[Row]:
        """That are not in the archive. Looked at in this order, a row that the loop takes meanwhile is there twice and
        not missing."""
        rows = self.recent.rows
        taken = [row for each in list(self._taken) for row in each.rows]
        known = {id(row) for row in taken}
        return taken + [row for row in rows if id(row) not in known]

    def _metric(self, wanted: Wanted) -> Metric | None:
        """What the name means. If nodes do not agree on the kind, what most of them say."""
        name = wanted.name
        if wanted.how == "quantile" and not name.endswith(_BUCKET):
            name += _BUCKET
        numbers = self.identities.named(name)
        if not numbers:
            return None
        counters = int(self.identities.counters[numbers].sum())
        return Metric(name, COUNTER if 2 * counters >= len(numbers) else GAUGE)

    def _level(self, rows: Iterable[Row]) -> None:
        """Rows of one width without nonsense."""
        self._width = max(self._width, self.identities.width)
        for row in rows:
            row.values = padded(row.values, self._width)
            row.values[~(np.abs(row.values) <= VALUE_MAX)] = np.nan

    def _follow(self, rows: Iterable[Row]) -> None:
        for row in rows:
            for complete in self._cascade.follow(row):
                self.archive.append(*complete)

    def _restore(self) -> dict[str, int]:
        """Go on where the files end: what coarser tiers had in memory, from the seconds that were written. Returns the
        nodes' incarnations."""
        cascade = self._cascade
        lives: dict[str, int] = {}
        newest_s, seconds = -1, 0
        for place, shelf in enumerate(self.archive.shelves[1:], 1):
            blocks = [block for segment in shelf.segments for block in segment.blocks]
            if blocks:
                newest_s = max(newest_s, blocks[-1].end_s)
                seconds = max(seconds, *(block.head.until for block in blocks))
                cascade.has(place, max(block.head.until for block in blocks))
        self._width = self.identities.width
        needed_from = cascade.needed_from()
        for segment in self.archive.shelves[0].segments:
            for block in list(segment.blocks):
                newest_s, seconds = block.end_s, max(seconds, block.head.until)
                lives.update(block.head.lives)
                if block.head.until <= needed_from:
                    continue
                try:
                    rows = whole(segment, block, self._width)
                except (ValueError, StorageError) as error:
                    assert segment.path is not None, "what was recovered is in a file"
                    self.counts.damage(segment.path, block.offset, f"cannot be read: {error}")
                    continue
                cascade.seconds = block.head.until - block.points
                self._follow(rows)
        cascade.newest_s, cascade.seconds, cascade.steady_rows = newest_s, seconds, 0
        return lives


def _reduce(found: Iterator[tuple[bool, Piece]], new: Callable[[], Reduction]) -> None:
    """A reduction of its own for each run of time."""
    reduction = new()
    for back, piece in found:
        if back:
            reduction.end()
            reduction = new()
        reduction.add(piece)
    reduction.end()


def _lines(selection: Selection, wanted: Wanted, at_s: Array, values: Array) -> list[Line]:
    """`values`: f8[groups, steps]."""
    lines = []
    ends = [*selection.line_starts[1:].tolist(), len(values)]
    for labels, begin, end in zip(selection.labels, selection.line_starts.tolist(), ends, strict=True):
        if wanted.how == "quantile":
            line = quantile(wanted.quantile, selection.bounds[begin:end], values[begin:end])
        else:
            line = values[begin]
        if not np.isnan(line).all():
            lines.append(Line(labels, at_s, line))
    return lines


def _values(series: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for labels in series:
        for name, value in labels.items():
            found.setdefault(name, set()).add(value)
    return {name: sorted(values)[:LABEL_VALUES_MAX] for name, values in sorted(found.items())}
