"""Counters, gauges and histograms of one node, and the page that shows them.

Each node has a registry of its own, so that several nodes in one process or one test do not mix. Hot paths count in
plain ints and are read when somebody looks (`reads`): a Prometheus counter costs a lock for each increment.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Reading = float | dict[tuple[str, ...], float]


class _Reads(Collector):
    """A metric whose value is asked for when the page is made."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], function: Callable[[], Reading], node: tuple[str, str]
    ) -> None:
        self._name, self._text, self._labels, self._function, self._node = name, text, labels, function, node

    def collect(self) -> Iterable[Metric]:
        names = ("node", "role", *self._labels)
        family: CounterMetricFamily | GaugeMetricFamily
        if self._name.endswith("_total"):
            family = CounterMetricFamily(self._name.removesuffix("_total"), self._text, labels=names)
        else:
            family = GaugeMetricFamily(self._name, self._text, labels=names)
        value = self._function()
        for labels, number in (value if isinstance(value, dict) else {(): value}).items():
            family.add_metric((*self._node, *labels), number)
        yield family


class Metrics:
    """The metrics of one node; every one carries the labels `node` and `role`."""

    def __init__(self, node: str, role: str) -> None:
        self.registry = CollectorRegistry()
        self._node = (node, role)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Without labels of its own: a counter ready to `inc()`; otherwise one to call `.labels(...)` on."""
        made = Counter(name, text, ("node", "role", *labels), registry=self.registry)
        return made.labels(*self._node) if not labels else _Partial(made, self._node)  # type: ignore[return-value]

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        made = Gauge(name, text, ("node", "role", *labels), registry=self.registry)
        return made.labels(*self._node) if not labels else _Partial(made, self._node)  # type: ignore[return-value]

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS_BUCKETS) -> Histogram:
        made = Histogram(name, text, ("node", "role", *labels), registry=self.registry, buckets=buckets)
        return made.labels(*self._node) if not labels else _Partial(made, self._node)  # type: ignore[return-value]

    def reads(self, name: str, text: str, function: Callable[[], Reading], *labels: str) -> None:
        """A counter (name ends in `_total`) or gauge that calls `function` when read; with labels it returns
        {(label values): number}."""
        self.registry.register(_Reads(name, text, labels, function, self._node))


class _Partial:
    """A labelled metric whose first labels, node and role, are already given."""

    def __init__(self, metric: Counter | Gauge | Histogram, node: tuple[str, str]) -> None:
        self._metric, self._node = metric, node

    def labels(self, *values: str, **named: str) -> Counter | Gauge | Histogram:
        if named:
            return self._metric.labels(node=self._node[0], role=self._node[1], **named)
        return self._metric.labels(*self._node, *values)


def of_process() -> CollectorRegistry:
    """What the operating system knows of this process: processor time, memory, descriptors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def page(registries: Iterable[CollectorRegistry]) -> bytes:
    """The text exposition of several nodes of one process. A family that two nodes have is merged by name."""
    return generate_latest(_Merged(list(registries)))


class _Merged:
    """Looks like one registry: families of the same name are one family with the samples of all."""

    def __init__(self, registries: list[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples.extend(family.samples)
        return families.values()
