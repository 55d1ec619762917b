"""What a node said about itself in one second: the row of numbers that the rest of the ops node works on."""

import msgspec
import numpy as np
import numpy.typing as npt

from mesh.protocol.monitoring import Series


class Layout(msgspec.Struct, frozen=True):
    """What the numbers of a row are. The same object as long as the node's series stay the same."""

    series: tuple[Series, ...]


class Reading(msgspec.Struct, frozen=True):
    """One node, one second. A node that did not answer has none."""

    node: str  # short: "scene.1"
    role: str
    zone: str
    incarnation: int  # changes with every start of the node: counters begin anew
    at_s: float  # seconds since 1970, by the clock of the ops node
    layout: Layout
    values: npt.NDArray[np.float64]  # in the layout's order; not a number where the node could not read it
    pid: int = 0  # nodes of one machine with the same one share the figures of their process
    host: str = ""
