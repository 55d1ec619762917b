"""All figures of a node in one row of numbers, for the ops node that asks for them every second.

The row's order is its layout. Both sides keep it, so that from then on only the numbers travel: 300 series are 2.4 KB.
Owns the layout's number, which grows when a metric gets another set of label values.
"""

import sys
from array import array
from collections.abc import Sequence
from math import nan

from mesh.metrics import Labels, Metrics
from mesh.protocol.monitoring import SERIES_MAX, MetricsRead, Series


class Sheet:
    """See the module. `failed` counts figures that could not be read; their numbers are not a number then."""

    def __init__(self, sources: Sequence[Metrics], pid: int) -> None:
        self.failed = 0
        self._sources, self._pid = sources, pid
        self._number = 0
        self._known: list[Sequence[Labels]] = []  # of each figure
        self._widths: list[int] = []  # how many numbers each gave
        self._series: list[Series] = []

    def read(self, layout: int) -> MetricsRead:
        """The figures of now, for somebody who knows this layout of ours."""
        figures = [figure for source in self._sources for figure in source.figures]
        known: list[Sequence[Labels]] = []
        widths: list[int] = []
        row = array("d")
        for at, figure in enumerate(figures):
            before = len(row)
            try:
                labels, numbers = figure.read()
                row.extend(numbers)
            except Exception:  # noqa: BLE001 - one figure that cannot be read must not hide the others
                self.failed += 1
                del row[before:]
                is_known = at < len(self._known)
                labels = self._known[at] if is_known else ()
                row.extend([nan] * (self._widths[at] if is_known else 0))
            known.append(labels)
            widths.append(len(row) - before)
        if known != self._known:
            self._known, self._widths = known, widths
            self._lay_out()
        del row[SERIES_MAX:]
        if sys.byteorder == "big":
            row.byteswap()
        series = [] if layout == self._number else self._series
        return MetricsRead(self._number, series, row.tobytes(), self._pid)

    def _lay_out(self) -> None:
        self._number += 1
        series: list[Series] = []
        figures = [figure for source in self._sources for figure in source.figures]
        for figure, known in zip(figures, self._known, strict=True):
            kind: str = figure.declared.kind
            for labels in known:
                for name, pairs in figure.series(labels):
                    series.append(Series(name, "gauge" if kind == "gauge" else "counter", pairs))
        self._series = series[:SERIES_MAX]
