"""What the ops node asks the others for: their figures, their traces, the lines that they log. No game in here.

60-69  between the ops node and any node
70-79  between operators and the ops node
"""

from typing import Annotated, Literal, NamedTuple

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.control import Trace
from mesh.protocol.types import U63, Label

SERIES_MAX = 20_000
"""Of one node. Above it nobody could look at them, and one node would take the room of all."""

Value = Annotated[str, msgspec.Meta(max_length=128)]


class Series(NamedTuple):
    """One line of a node's metrics: its name as on /metrics, whether it only grows until the node's next start (as
    the buckets, sum and count of a histogram do), and its own labels."""

    name: Annotated[str, msgspec.Meta(max_length=96)]
    kind: Literal["counter", "gauge"]
    labels: tuple[tuple[Label, Value], ...]


@message("any -> any", answers=("MetricsRead",))
class ReadMetrics(Message, frozen=True, tag=60):
    """Your figures, please; `layout` is the number of the layout that is known of you, 0 for none."""

    layout: U63 = 0


@message("any -> any")
class MetricsRead(Message, frozen=True, tag=61):
    """The figures of now."""

    layout: U63  # grows when series come or go; begins with 1 at every start of the node
    series: Annotated[list[Series], msgspec.Meta(max_length=SERIES_MAX)]  # empty when the layout is known
    values: Annotated[bytes, msgspec.Meta(max_length=8 * SERIES_MAX)]  # float64, little-endian, in their order
    pid: int  # nodes with the same one on the same host share its process figures


@message("any -> any", answers=("TracesRead",))
class ReadTraces(Message, frozen=True, tag=62):
    """The traces that began at you after this one."""

    after: U63 = 0  # the number of a trace, not its id
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200


@message("any -> any")
class TracesRead(Message, frozen=True, tag=63):
    """Whole traces, the oldest first."""

    last: U63  # ask for what comes after this one next
    missed: U63  # how many between were forgotten already
    traces: list[Trace]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of the ops log."""

    wall_ms: int
    level: Label
    node: Label
    text: Annotated[str, msgspec.Meta(max_length=1024)]
    fields: dict[str, str] = {}
    trace: U63 = 0  # the trace in which it was written


@message("any -> any", answers=("LinesRead",))
class ReadLines(Message, frozen=True, tag=64):
    """The lines that your process has logged after this one."""

    after: U63 = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1000


@message("any -> any")
class LinesRead(Message, frozen=True, tag=65):
    """Lines, the oldest first."""

    last: U63
    missed: U63
    lines: list[Line]


class Slow(msgspec.Struct, frozen=True, array_like=True):
    """A message whose answer took long."""

    wall_ms: int
    message: Label
    source: Label  # who said it, a full name
    took_ms: float
    trace: U63 = 0


@message("any -> any", answers=("SlowRead",))
class ReadSlow(Message, frozen=True, tag=66):
    """The slow messages of yours after this one."""

    after: U63 = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200


@message("any -> any")
class SlowRead(Message, frozen=True, tag=67):
    """Slow messages, the oldest first."""

    last: U63
    missed: U63
    slow: list[Slow]


class Tapped(msgspec.Struct, frozen=True, array_like=True):
    """A message as it was heard, with its secrets masked."""

    wall_ms: int
    message: Label
    source: Label  # a full name; of a client's message "client"
    player: Label  # the character it is of, where that is known
    fields: Annotated[str, msgspec.Meta(max_length=2000)]  # as JSON, cut when it is long
    bytes: int


@message("ctl -> any", answers=("TapRead",))
class Tap(Message, frozen=True, tag=70):
    """Keep what you hear from now on, and give me what there is since. A tap that nobody asks for ends after a few
    seconds; one with other filters is another one."""

    after: U63 = 0
    message: Label = ""  # only this one
    player: Label = ""  # only of this character
    source: Label = ""  # only from this node or role


@message("any -> ctl")
class TapRead(Message, frozen=True, tag=71):
    """What was heard, the oldest first."""

    last: U63
    missed: U63  # were more than is kept, or more in a second than a tap takes
    heard: list[Tapped]
