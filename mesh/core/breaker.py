"""Circuit breakers: who has not answered again and again is not asked for a while.

A tier that is slow must not make the one before it slow, too: there each question that waits for its deadline holds a
place, a lock, a login. Rules, for each peer and kind of message:

    closed     ROW_MAX time-outs in a row, with no answer in between: open
    open       nothing is asked for OPEN_S; then one question is let through, and the others still are not
    half open  an answer, a refusal too: closed. A time-out: open again, for twice as long, at most OPEN_MAX_S

So it is seconds until things are normal again, however long it was slow. A time-out says something about the other side
only when it had FAIR_S at least: the last moments of somebody's patience do not count. The table is as large as what
has timed out lately. Pure.

Rejected: a share of failures in a window, which needs traffic to mean anything; and one breaker for all kinds of
messages of a peer, which the quick ones would keep closed while the slow one holds everybody up.
"""

from dataclasses import dataclass

ROW_MAX = 5
OPEN_S = 0.5
OPEN_MAX_S = 4.0
PROBE_S = 5.0  # for the one question; whoever asked it may have gone without waiting for its end
FAIR_S = 1.0

Key = tuple[str, int]
"""A peer, and the number of a message."""


@dataclass(slots=True)
class _Row:
    """Time-outs without an answer in between."""

    length: int = 0
    until: float = 0.0  # nothing is asked before that
    open_s: float = 0.0  # 0: closed
    probe_until: float = 0.0  # the one question is under way


class Breakers:
    """All of one node."""

    def __init__(self) -> None:
        self.refused = 0  # questions that were not asked
        self.opened = 0
        self._rows: dict[Key, _Row] = {}

    def is_open(self, peer: str, number: int, now: float) -> bool:
        """Is it no use to ask now?"""
        row = self._rows.get((peer, number))
        return row is not None and row.open_s > 0 and (now < row.until or now < row.probe_until)

    def may_ask(self, peer: str, number: int, now: float) -> bool:
        """Somebody is about to ask: may he? After a pause the first one may."""
        row = self._rows.get((peer, number))
        if row is None or not row.open_s:
            return True
        if now < row.until or now < row.probe_until:
            self.refused += 1
            return False
        row.probe_until = now + PROBE_S
        return True

    def answered(self, peer: str, number: int) -> None:
        """It was: the row ends."""
        if self._rows:
            self._rows.pop((peer, number), None)

    def timed_out(self, peer: str, number: int, asked_at: float, now: float) -> None:
        """It was not, asked then and given up now."""
        if now - asked_at < FAIR_S:
            return
        row = self._rows.setdefault((peer, number), _Row())
        row.length += 1
        if row.open_s and asked_at >= row.until:  # the one that was let through
            self._open(row, min(OPEN_MAX_S, 2 * row.open_s), now)
        elif not row.open_s and row.length >= ROW_MAX:
            self._open(row, OPEN_S, now)

    def forget(self, peer: str) -> None:
        """A link to it came or went: this is another process, or another time."""
        for key in [key for key in self._rows if key[0] == peer]:
            del self._rows[key]

    def open_ones(self, now: float) -> list[Key]:
        """Of whom and what nothing is asked now."""
        return [key for key in self._rows if self.is_open(*key, now)]

    def _open(self, row: _Row, seconds: float, now: float) -> None:
        row.open_s, row.until, row.probe_until = seconds, now + seconds, 0.0
        self.opened += 1
