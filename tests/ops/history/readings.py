"""What the tests of the history share: nodes that give readings, short tiers, and everything that a history knows."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mesh.protocol.monitoring import Series
from nodes.ops.history.history import History
from nodes.ops.history.tiers import Tier
from nodes.ops.history.wanted import Answer, How, Line, Wanted
from nodes.ops.reading import Layout, Reading

START = 1_749_999_600  # a full hour
SHORT = (Tier("second", 1, 60, 20, 30), Tier("ten", 10, 600, 6, 24), Tier("minute", 60, 36_000, 4, 8))
HOWS: tuple[How, ...] = ("last", "mean", "max", "rate", "increase")


def counter(name: str, **labels: str) -> Series:
    return Series(name, "counter", tuple(sorted(labels.items())))


def gauge(name: str, **labels: str) -> Series:
    return Series(name, "gauge", tuple(sorted(labels.items())))


class Telling:
    """A node: its layout is the same object as long as it tells of the same series."""

    def __init__(self, node: str = "scene.1", role: str = "scene", zone: str = "one", incarnation: int = 1) -> None:
        self.node, self.role, self.zone, self.incarnation = node, role, zone, incarnation
        self._layout = Layout(())

    def __call__(self, at_s: float, values: Mapping[Series, float]) -> Reading:
        if self._layout.series != tuple(values):
            self._layout = Layout(tuple(values))
        numbers = np.array(list(values.values()), np.float64)
        return Reading(self.node, self.role, self.zone, self.incarnation, at_s, self._layout, numbers)


def tell(history: History, rounds: Iterable[Iterable[Reading]], every: int = 5) -> None:
    """Give it readings round by round, storing every so many rounds and at the end."""
    for count, readings in enumerate(rounds, 1):
        history.add(list(readings))
        if count % every == 0:
            history.store(history.take())
    history.store(history.take())


def ask(history: History, name: str, start_s: float, end_s: float, step_s: float = 1, **more: Any) -> Answer:
    return history.read(Wanted(name, more.pop("where", {}), start_s, end_s, step_s, **more))


def only(answer: Answer) -> Line:
    """The one line of an answer."""
    (line,) = answer.lines
    return line


def points(line: Line) -> dict[int, float]:
    """What is known of a line: second to value."""
    known = ~np.isnan(line.values)
    return dict(zip(line.at_s[known].tolist(), line.values[known].tolist(), strict=True))


def everything(history: History, starts: Iterable[float], end_s: float) -> dict[Any, dict[int, float]]:
    """All lines of all metrics in all tiers that these starts lead to, in every way that fits the metric."""
    found = {}
    for start_s in starts:
        for listed in history.names():
            for how in HOWS if listed.kind == "counter" else HOWS[:3]:
                answer = ask(history, listed.name, start_s, end_s, 1, how=how)
                for line in answer.lines:
                    key = (listed.name, tuple(sorted(line.labels.items())), how, answer.tier_s)
                    found[key] = points(line)
    return found
