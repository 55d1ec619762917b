"""What one node's metrics are at one second: what the collector makes and everything else of the ops node reads.

Data only. A layout stays the same object as long as a node's series stay the same, so whoever keeps something for each
series works it out once and compares objects (`is`) after that.
"""

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt


class Series(NamedTuple):
    """One line of a node's registry."""

    name: str  # as on /metrics: "dc_commit_seconds_bucket", "mesh_said_total"
    kind: str  # "counter" (only grows; buckets, _sum and _count of histograms, too) or "gauge"
    labels: tuple[tuple[str, str], ...]  # its own, sorted, without node and role: (("le", "0.005"),)


class Layout(msgspec.Struct, frozen=True):
    """Which series the values of a reading are of."""

    series: tuple[Series, ...]


class Reading(msgspec.Struct, frozen=True):
    """All values of one node."""

    node: str  # short: "scene.1"
    role: str
    zone: str
    incarnation: int  # changes with every start of the node: counters begin anew
    at_s: float  # wall clock of the ops node
    layout: Layout
    values: npt.NDArray[np.float64]  # in the layout's order
