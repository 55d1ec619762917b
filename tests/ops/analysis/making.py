"""What the tests of the ops node share: readings and standings made by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mesh.protocol.monitoring import Series
from nodes.ops.analysis.presence import Standing
from nodes.ops.reading import Layout, Reading

Key = str | tuple[str, tuple[tuple[str, str], ...]]


def layout(keys: Sequence[Key]) -> Layout:
    """Kinds by what names end in."""
    named = [(key, ()) if isinstance(key, str) else key for key in keys]
    ends = ("_total", "_bucket", "_sum", "_count")
    return Layout(tuple(Series(name, "counter" if name.endswith(ends) else "gauge", labels) for name, labels in named))


def buckets(name: str, **counts: float) -> dict[Key, float]:
    """A histogram: le_0_1=3 are 3 observations of at most 0.1; `inf` all."""
    said = {"+Inf" if le == "inf" else le.removeprefix("le_").replace("_", "."): count for le, count in counts.items()}
    return {(f"{name}_bucket", (("le", le),)): count for le, count in said.items()}


class Maker:
    """Makes readings whose layouts are the same objects as long as the series are."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[Key, ...], Layout] = {}

    def reading(
        self, node: str, values: Mapping[Any, float], at_s: float, *, incarnation: int = 1, zone: str = "one"
    ) -> Reading:
        keys = tuple(values)
        known = self._layouts.setdefault(keys, layout(keys))
        role = "host" if node.startswith("host:") else node.split(".")[0]
        return Reading(node, role, zone, incarnation, at_s, known, np.array(list(values.values()), np.float64))


def standing(node: str, **more: Any) -> Standing:
    """Of a node in zone one on machine a, with a process of its own."""
    said = {"zone": "one", "host": "a", "process": node, "state": "Ready", "version": "1"} | more
    return Standing(node=node, role=node.split(".")[0], **said)


STANDINGS = [standing(n) for n in ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")]
