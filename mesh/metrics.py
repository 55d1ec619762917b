"""Counters, gauges and histograms of one node, the page that shows them, and the row that the ops node asks for.

Each node has its own, so that several nodes in one process or one test do not mix. Hot paths count in plain ints and
are read when somebody looks (`reads`); a `Histogram` is a list of ints. A counter of prometheus-client costs a lock for
each increment; its text format is used, its counters are not.

A metric has at most LABELS_MAX sets of label values: one that is labelled with something unbounded would fill every
memory that it is copied into. What is above that is left out, named in `mesh_metric_series_refused` and told once.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
FEW_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.5)
"""For what is measured for each of many labels: each bucket is a series of its own."""
LABELS_MAX = 400

Labels = tuple[str, ...]
Reading = float | Mapping[Labels, float]
Kind = Literal["counter", "gauge", "histogram"]


class Declared(NamedTuple):
    """A metric as docs/metrics.md shows it."""

    name: str
    kind: Kind
    text: str
    labels: Labels


class Histogram:
    """How often values fell into each bucket; `bounds` are their upper ends, inclusive, in the metric's unit."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS_BUCKETS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)  # the last: above all bounds
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """`times` values of this size."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Histograms:
    """One histogram for each set of label values, for at most LABELS_MAX of them."""

    def __init__(self, bounds: Sequence[float] = FEW_BUCKETS) -> None:
        self.bounds = tuple(bounds)
        self.made: dict[Labels, Histogram] = {}
        self.refused = 0  # times that there was one more
        self._unseen = Histogram(bounds)  # takes what is above the limit

    def labels(self, *values: str) -> Histogram:
        """Keep it where it is used often."""
        found = self.made.get(values)
        if found is None:
            if len(self.made) >= LABELS_MAX:
                self.refused += 1
                return self._unseen
            found = self.made[values] = Histogram(self.bounds)
        return found


class Figure:
    """One metric of a node: what it is called, and how it is read."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared

    def read(self) -> tuple[Sequence[Labels], Iterable[float]]:
        """Which sets of label values there are (the same object as before, when they are the same), and the numbers:
        one for each, or one for each series of each histogram, in the order of `series`."""
        raise NotImplementedError

    def series(self, labels: Labels) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        """The series below one set of label values: their names and labels."""
        yield self.declared.name, tuple(zip(self.declared.labels, labels, strict=True))

    def family(self, node: tuple[tuple[str, str], ...]) -> Metric:
        """For the page; `node`: labels that come first."""
        raise NotImplementedError


class _Read(Figure):
    """A counter or gauge that is asked for."""

    def __init__(self, declared: Declared, function: Callable[[], Reading], refused: Callable[[], None]) -> None:
        super().__init__(declared)
        self._function, self._refused = function, refused
        self._known: tuple[Labels, ...] = ((),)

    def read(self) -> tuple[Sequence[Labels], Iterable[float]]:
        value = self._function()
        if not isinstance(value, Mapping):
            return self._known, (value,)
        if len(value) > LABELS_MAX:
            self._refused()
            value = dict(islice(value.items(), LABELS_MAX))
        if len(self._known) != len(value) or self._known != tuple(value):
            self._known = tuple(value)
        return self._known, value.values()

    def family(self, node: tuple[tuple[str, str], ...]) -> Metric:
        name, kind, text, own = self.declared
        names = [*(label for label, _ in node), *own]
        made: CounterMetricFamily | GaugeMetricFamily
        if kind == "counter":
            made = CounterMetricFamily(name.removesuffix("_total"), text, labels=names)
        else:
            made = GaugeMetricFamily(name, text, labels=names)
        for labels, number in zip(*self.read(), strict=True):
            made.add_metric((*(value for _, value in node), *labels), number)
        return made


class _Observed(Figure):
    """A histogram, or one for each set of label values."""

    def __init__(self, declared: Declared, histograms: Histograms, refused: Callable[[], None]) -> None:
        super().__init__(declared)
        self._made, self._histograms, self._refused = histograms.made, histograms, refused
        self._ends = [*(repr(float(bound)) for bound in histograms.bounds), "+Inf"]
        self._refused_before = 0
        self._known: tuple[Labels, ...] = ()

    def read(self) -> tuple[Sequence[Labels], Iterable[float]]:
        if self._histograms.refused > self._refused_before:
            self._refused_before = self._histograms.refused
            self._refused()
        if len(self._known) != len(self._made):
            self._known = tuple(self._made)
        numbers: list[float] = []
        for one in self._made.values():
            cumulative = list(accumulate(one.counts))
            numbers += (*cumulative, one.total, cumulative[-1])
        return self._known, numbers

    def series(self, labels: Labels) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        name, own = self.declared.name, tuple(zip(self.declared.labels, labels, strict=True))
        for end in self._ends:
            yield f"{name}_bucket", (*own, ("le", end))
        yield f"{name}_sum", own
        yield f"{name}_count", own

    def family(self, node: tuple[tuple[str, str], ...]) -> Metric:
        name, _, text, own = self.declared
        made = HistogramMetricFamily(name, text, labels=[*(label for label, _ in node), *own])
        for labels, one in self._made.items():
            buckets = list(zip(self._ends, accumulate(one.counts), strict=True))
            made.add_metric((*(value for _, value in node), *labels), buckets, one.total)
        return made


def _silent(_text: str, **_fields: object) -> None:
    """For the metrics of a process, which have few labels."""


class Metrics(Collector):
    """The metrics of one node, which carry the labels `node` and `role`; or, without a name, of a process."""

    def __init__(self, node: str = "", role: str = "", warn: Callable[..., None] = _silent) -> None:
        """`warn`, a logger's, is told once of each metric that has too many label values."""
        self.figures: list[Figure] = []
        self._node = (("node", node), ("role", role)) if node else ()
        self._warn = warn
        self._refused: dict[str, float] = {}  # metric -> how often something was left out
        if node:
            text = "How often label values of a metric were left out, as it has too many."
            self.reads("mesh_metric_series_refused", text, lambda: self._by_metric(), "metric")

    @property
    def declared(self) -> list[Declared]:
        """All of them, in the order in which they were made."""
        return [figure.declared for figure in self.figures]

    def histogram(self, name: str, text: str, buckets: Sequence[float] = SECONDS_BUCKETS) -> Histogram:
        """One to `observe` with."""
        return self.histograms(name, text, buckets=buckets).labels()

    def histograms(self, name: str, text: str, *labels: str, buckets: Sequence[float] = FEW_BUCKETS) -> Histograms:
        """One for each set of label values."""
        made = Histograms(buckets)
        self.shows(name, text, made, *labels)
        return made

    def shows(self, name: str, text: str, histograms: Histograms, *labels: str) -> None:
        """The same, of somebody who has made them."""
        declared = Declared(name, "histogram", text, labels)
        self.figures.append(_Observed(declared, histograms, lambda: self._refuse(name)))

    def reads(self, name: str, text: str, function: Callable[[], Reading], *labels: str) -> None:
        """A counter (name ends in `_total`) or gauge that calls `function` when read; with labels it returns
        {(label values): number}."""
        kind: Kind = "counter" if name.endswith("_total") else "gauge"
        self.figures.append(_Read(Declared(name, kind, text, labels), function, lambda: self._refuse(name)))

    def collect(self) -> Iterable[Metric]:
        return [figure.family(self._node) for figure in self.figures]

    def _refuse(self, name: str) -> None:
        if name not in self._refused:
            text = "a metric has too many label values: those above the limit are left out"
            self._warn(text, metric=name, limit=LABELS_MAX)
        self._refused[name] = self._refused.get(name, 0.0) + 1

    def _by_metric(self) -> Reading:
        return {(name,): number for name, number in self._refused.items()}


def page(every: Iterable[Metrics]) -> bytes:
    """The text exposition of several nodes of one process. A family that two nodes have is merged by name."""
    return generate_latest(_Merged(list(every)))


class _Merged(Collector):
    """Families of the same name are one family with the samples of all."""

    def __init__(self, every: list[Metrics]) -> None:
        self._every = every

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for metrics in self._every:
            for family in metrics.collect():
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples.extend(family.samples)
        return families.values()
