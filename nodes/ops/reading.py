"""What the collector knows of a node after it has asked for its metrics. Values only, no behaviour.

Rejected: a dictionary of names and numbers for each node and second. A node has some hundred series that stay the same
for hours, so their names are said once (`Layout`) and a second is one array.
"""

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt


class Series(NamedTuple):
    """One line of a node's registry."""

    name: str  # as on /metrics: "dc_commit_seconds_bucket", "mesh_said_total"
    kind: str  # "counter" (only grows; buckets, _sum and _count of histograms, too) or "gauge"
    labels: tuple[tuple[str, str], ...]  # own labels, sorted, without node and role: (("le", "0.005"),)


class Layout(msgspec.Struct, frozen=True):
    """The same object as long as the node's series stay the same."""

    series: tuple[Series, ...]


class Reading(msgspec.Struct, frozen=True):
    """One node in one second. A node that did not answer has none."""

    node: str  # short: "scene.1"
    role: str
    zone: str
    incarnation: int  # changes with every start of the node: counters begin anew
    at_s: float  # wall clock of the ops node
    layout: Layout
    values: npt.NDArray[np.float64]  # in the layout's order
