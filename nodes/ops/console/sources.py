"""Where the console gets everything from, and by whom it has everything done: an interface of plain methods.

The console knows no node, no registry and no history; it knows these methods. Whoever implements them answers from
memory where a method is called every second (`overview`, `alerts`, `open_incidents`), and may ask other nodes
everywhere else. Questions raise RefusedError (`not_found`: what was named is not there) or another MeshError with a
sentence for people. Actions return when what was asked for is done, with a sentence that says what; they are told who
asked (`by`), and that is all they learn of operators: permissions, confirmation and the audit trail are the console's.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from nodes.ops.console.answers import (
    Alert,
    Done,
    EventQuery,
    Events,
    Incident,
    IncidentRow,
    LogLines,
    LogQuery,
    MetricName,
    Moment,
    Overview,
    Series,
    Silence,
    Trace,
    TraceRow,
    Vocabulary,
    Wanted,
)
from nodes.ops.console.people import Heat, LineNow, Player, PlayerRow

FOR_EVER_S = -1.0
"""How long a ban without an end is."""


class Sources(Protocol):
    """See the module."""

    # --- the mesh ---

    async def overview(self) -> Overview:
        """Nodes, links, zones and key figures as they are now."""
        ...

    async def vocabulary(self) -> Vocabulary: ...

    # --- metrics ---

    async def metrics(self) -> Sequence[MetricName]:
        """Every metric that some node has or had; a histogram is one name, without its _bucket, _sum and _count."""
        ...

    async def labels(self, name: str) -> dict[str, list[str]]:
        """The values of each label of a metric; `not_found` when there is no such metric."""
        ...

    async def series(self, wanted: Wanted) -> Series:
        """`not_found` when there is no such metric. No line is an answer, too."""
        ...

    async def moments(self, start_s: float, end_s: float) -> Sequence[Moment]:
        """Deployments, restarts and actions, oldest first."""
        ...

    # --- incidents and alerts ---

    async def alerts(self) -> Sequence[Alert]:
        """Those that hold now, silenced ones included; the worst first."""
        ...

    async def open_incidents(self) -> Sequence[IncidentRow]:
        """Open and acknowledged ones, the worst first."""
        ...

    async def incidents(self, since_s: float, limit: int) -> Sequence[IncidentRow]:
        """Those that had not ended before, newest first."""
        ...

    async def incident(self, incident: str) -> Incident: ...

    async def acknowledge(self, incident: str, note: str, by: str) -> Done: ...

    async def silences(self) -> Sequence[Silence]: ...

    async def silence(self, rule: str, node: str, for_s: float, reason: str, by: str) -> Done:
        """Nobody is told of these alerts for so long. Of rule and node one may be "": any."""
        ...

    async def end_silence(self, silence: str, by: str) -> Done: ...

    # --- the world ---

    async def lines(self) -> Sequence[LineNow]: ...

    async def heat(self, zone: str, map_: str, line: int) -> Heat: ...

    async def players_in(
        self, zone: str, map_: str, line: int, west_m: float, south_m: float, east_m: float, north_m: float, limit: int
    ) -> Sequence[PlayerRow]:
        """Players within a rectangle of a line, by name."""
        ...

    # --- players ---

    async def find_players(self, text: str, limit: int) -> Sequence[PlayerRow]:
        """Whose name begins with this, in any case, or whose account has this number."""
        ...

    async def player(self, name: str) -> Player: ...

    async def message(self, player: str, text: str, by: str) -> Done:
        """Tell one player something; `not_found` when it is not in the world."""
        ...

    async def kick(self, player: str, reason: str, by: str) -> Done: ...

    async def mute(self, player: str, for_s: float, reason: str, by: str) -> Done:
        """0 lifts it."""
        ...

    async def ban(self, player: str, for_s: float, reason: str, by: str) -> Done:
        """0 lifts it, FOR_EVER_S has no end."""
        ...

    # --- traces, log lines, events ---

    async def traces(
        self, kind: str, subject: str, order: Literal["latest", "slowest", "failed"], limit: int
    ) -> Sequence[TraceRow]: ...

    async def trace(self, trace: str) -> Trace:
        """With the log lines and events that carry its id."""
        ...

    async def log_lines(self, query: LogQuery) -> LogLines: ...

    async def events(self, query: EventQuery) -> Events: ...

    # --- nodes ---

    async def drain(self, node: str, by: str) -> Done: ...

    async def restart(self, node: str, cold: bool, by: str) -> Done: ...

    async def scale(self, role: str, zone: str, count: int, by: str) -> Done: ...

    async def pin(self, node: str, level: int | None, by: str) -> Done:
        """None: as the pressure says."""
        ...

    async def broadcast(self, zone: str, text: str, by: str) -> Done:
        """To every player of a zone; "" for all zones."""
        ...
