"""Who tells the scenes how much movement each client may get (Lane.BUDGETS); `bandwidth.py` has the arithmetic.

Owns when each client's queue is looked at: everybody's every ROUND looks, and at each look of those who have a limit or
may soon have one. A scene that attaches a client knows of no limit; what was said before was said to another one, so
that `told` is forgotten with each attach.
"""

from collections.abc import Callable, Iterable

from mesh.protocol.lanes import Lane
from nodes.gate.bandwidth import UNHINDERED, UNLIMITED, Demand, differs, judged, shares
from nodes.gate.forward import u32
from nodes.gate.sessions import Client, Scene, Sessions
from nodes.gate.traffic import Line, Seen, seen

ROUND = 8
"""Looks within which everybody is looked at."""

Batch = Callable[..., bool]


class Budgets:
    """See the module. `bandwidth` in bytes a second; 0: the gate has no limit."""

    def __init__(self, sessions: Sessions, bandwidth: int, batch: Batch) -> None:
        self.said = 0  # budgets
        self._sessions, self._bandwidth, self._batch = sessions, bandwidth, batch
        self._hindered: set[Client] = set()
        self._turn = 0
        self._at: float | None = None
        self._before: dict[Line, Seen] = {}
        self._usual: dict[Line, float] = {}  # bytes of movement a second that a client got on average
        self._shares: dict[Line, float] = {}  # of one client of the line; lines without a limit are not in it

    @property
    def hindered(self) -> int:
        """Clients whose own links bear less than they could be told."""
        return sum(client.link.bears != UNLIMITED for client in self._hindered)

    def look(self, now: float) -> None:
        """Every quarter of a second or so."""
        self._turn = (self._turn + 1) % ROUND
        if self._turn == 0:
            self._measure(now)
        due = {c for c in self._sessions if c.number % ROUND == self._turn and c.line is not None}
        due |= self._hindered
        for client in due:
            self._judge(client)
        self._say(self._sessions if self._shares and self._turn == 0 else due)

    def share(self, line: Line) -> float:
        """What one client of this line may get; 0: no limit."""
        return self._shares.get(line, 0.0)

    def _measure(self, now: float) -> None:
        """What each line used since the last time, and what follows from that."""
        after = {line: seen(line) for line in self._sessions.lines.all}
        passed = now - self._at if self._at is not None else 0.0
        if passed > 0:
            demands = {line: self._demand(line, after[line], passed) for line in after if line.clients}
            self._usual = {line: demand.used / demand.clients for line, demand in demands.items()}
            self._share_out(demands, after, passed)
        self._at, self._before = now, after

    def _demand(self, line: Line, after: Seen, passed: float) -> Demand:
        before = self._before.get(line, after)
        used = (after.updates_bytes - before.updates_bytes) / passed
        deeds = (after.plays - before.plays + after.control - before.control) / passed
        return Demand(line.clients, used, deeds, self.share(line) * line.clients)

    def _share_out(self, demands: dict[Line, Demand], after: dict[Line, Seen], passed: float) -> None:
        if not self._bandwidth or not demands:
            return
        others = sum(
            (now.down_bytes - now.updates_bytes) - (was.down_bytes - was.updates_bytes)
            for line, now in after.items()
            if (was := self._before.get(line)) is not None
        )
        found = shares(self._bandwidth, others / passed, list(demands.values()))
        before, self._shares = self._shares, {
            line: share / line.clients for line, share in zip(demands, found, strict=True) if share
        }  # fmt: skip
        if before and not self._shares:
            self._say(self._sessions)

    def _judge(self, client: Client) -> None:
        line = client.line
        if line is None:  # gone, or on its way; it is looked at again where it comes
            self._hindered.discard(client)
            return
        client.link = judged(client.link, client.connection.queued(), self._usual.get(line, float(UNLIMITED)))
        if client.link == UNHINDERED:
            self._hindered.discard(client)
        else:
            self._hindered.add(client)

    def _say(self, clients: Iterable[Client]) -> None:
        by_scene: dict[Scene, list[Client]] = {}
        for client in clients:
            if client.source is not None and differs(client.told, self._wanted(client)):
                by_scene.setdefault(client.source, []).append(client)
        for scene, told in by_scene.items():
            wanted = [self._wanted(client) for client in told]
            if scene.held:
                continue
            if self._batch(scene.name, Lane.BUDGETS, u32([client.handle for client in told]), u32(wanted)):
                self.said += len(told)
                for client, value in zip(told, wanted, strict=True):
                    client.told = value

    def _wanted(self, client: Client) -> int:
        share = self._shares.get(client.line) if client.line is not None else None
        return client.link.bears if share is None else min(client.link.bears, int(share))
