"""What every node tells the ops node and operators: its figures, the traces that began at it, what its process logs.

They ask; nothing is sent unasked, so a cluster without an ops node does nothing for it but to count.
"""

import os
from collections.abc import Sequence

from mesh.core.links import Caller
from mesh.dispatch import Dispatch
from mesh.errors import Code, RefusedError
from mesh.handlers import on
from mesh.logs import Lines
from mesh.metrics import Metrics
from mesh.protocol.control import ListTraces
from mesh.protocol.control import Traces as TracesAnswer
from mesh.protocol.monitoring import (
    LinesRead,
    MetricsRead,
    ReadLines,
    ReadMetrics,
    ReadSlow,
    ReadTraces,
    SlowRead,
    Tap,
    TapRead,
    TracesRead,
)
from mesh.sheet import Sheet
from mesh.tap import TAPS_MAX
from mesh.trace import Traces


class Monitoring:
    """See the module. `around`: figures of the process and its machine, where there is one; `lines`: what it logs."""

    def __init__(
        self, metrics: Metrics, traces: Traces, dispatch: Dispatch, around: Sequence[Metrics], lines: Lines
    ) -> None:
        self._sheet = Sheet([metrics, *around], os.getpid())
        self._traces, self._dispatch, self._lines = traces, dispatch, lines
        text = "Figures that could not be read for the ops node."
        metrics.reads("mesh_figures_failed_total", text, lambda: self._sheet.failed)
        metrics.reads("mesh_log_lines_total", "Lines that the process logged.", self._line_counts, "level")

    def read(self, layout: int) -> MetricsRead:
        """The figures of now, for somebody who knows this layout of ours."""
        return self._sheet.read(layout)

    @on(ReadMetrics)
    def on_read_metrics(self, said: ReadMetrics, _caller: Caller) -> MetricsRead:
        return self.read(said.layout)

    @on(ReadTraces)
    def on_read_traces(self, said: ReadTraces, _caller: Caller) -> TracesRead:
        return TracesRead(*self._traces.latest.after(said.after, said.limit))

    @on(ReadLines)
    def on_read_lines(self, said: ReadLines, _caller: Caller) -> LinesRead:
        return LinesRead(*self._lines.latest.after(said.after, said.limit))

    @on(ReadSlow)
    def on_read_slow(self, said: ReadSlow, _caller: Caller) -> SlowRead:
        return SlowRead(*self._dispatch.slow.after(said.after, said.limit))

    @on(Tap)
    def on_tap(self, said: Tap, _caller: Caller) -> TapRead:
        """`mesh tap`."""
        try:
            return self._dispatch.taps.read(said)
        except KeyError:
            text = f"{TAPS_MAX} others look at what this node hears: try again when one has ended"
            raise RefusedError(Code.TOO_MANY, text) from None

    @on(ListTraces)
    def on_list_traces(self, said: ListTraces, _caller: Caller) -> TracesAnswer:
        return TracesAnswer(self._traces.find(said.kind, said.subject, said.order, said.limit, said.failed))

    def _line_counts(self) -> dict[tuple[str, ...], float]:
        return {(level,): float(number) for level, number in self._lines.counts.items()}
