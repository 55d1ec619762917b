"""What came before the one it is for: the center speaks to the gate directly, a login's answer goes the long way.

Owns what waits for a login to end: an admission that overtook its place in the queue, a transfer that overtook the
placement, an order to go to another zone, messages for sessions that nobody here speaks for yet, and the announcements
of the last moments, for those who resume here: on their old gate they may have missed them. Pure: told what happened
and when. Bounded in number, bytes and time; what does not fit is counted in `dropped` and goes.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from mesh.protocol.cluster import Admit
from mesh.protocol.placement import Transferred
from mesh.protocol.zones import SendAway

KEEP_S = 2.0
"""How long a message waits for its session."""
ROWS_MAX = 4096
BYTES_MAX = 4 << 20
"""All messages that wait, together."""
ANNOUNCEMENTS_MAX = 256
"""More than a zone may shout in KEEP_S."""
OVERLAP_S = 0.5
"""An announcement and the end of the old connection may reach the old gate in any order: whoever resumes is told a
little too much. Clients know what they had by its number."""


class EarlyRows:
    """Rows of one scene that overtook the answer to the Attach of their handle."""

    __slots__ = ("_before", "_rows", "count")

    def __init__(self) -> None:
        self._rows: dict[int, list[bytes]] = {}  # by handle
        self._before: dict[int, list[bytes]] = {}  # the older half of them
        self.count = 0

    def keep(self, handle: int, row: bytes) -> bool:
        """False: there are too many."""
        if self.count >= ROWS_MAX:
            return False
        self._rows.setdefault(handle, []).append(row)
        self.count += 1
        return True

    def taken(self, handle: int) -> list[bytes]:
        """What came for a handle that is known now."""
        rows = self._before.pop(handle, []) + self._rows.pop(handle, [])
        self.count -= len(rows)
        return rows

    def expire(self) -> None:
        """Now and then: rows that nobody has asked for since the time before are of players that left. Where somebody
        attaches all the time, they would fill what is kept for those who come."""
        self.count -= sum(map(len, self._before.values()))
        self._before, self._rows = self._rows, {}

    def clear(self) -> None:
        """Nobody will ask for them."""
        self._rows.clear()
        self._before.clear()
        self.count = 0


class Row(NamedTuple):
    """A piece, and on which lane it goes."""

    at: float
    row: bytes
    bulk: bool


class Early:
    """See the module."""

    def __init__(self) -> None:
        self.admits: dict[int, Admit] = {}  # by connection
        self.transfers: dict[int, Transferred] = {}  # by connection
        self.orders: dict[int, SendAway] = {}  # by connection
        self.kept = self.delivered = self.dropped = 0  # messages for sessions
        self._rows: dict[int, list[Row]] = {}  # by session
        self._waiting = self._bytes = 0
        self._announced: deque[tuple[float, bytes, frozenset[int]]] = deque(maxlen=ANNOUNCEMENTS_MAX)

    # --- by connection ---

    def newest(self, connection: int, session: int) -> Transferred | None:
        """Taken out: where the session has gone while its login was under way."""
        transfer = self.transfers.pop(connection, None)
        return transfer if transfer is not None and transfer.session == session else None

    def forget(self, connection: int) -> Admit | None:
        """The connection ends; the admission that it did not use, if there was one."""
        self.transfers.pop(connection, None)
        self.orders.pop(connection, None)
        return self.admits.pop(connection, None)

    # --- by session ---

    def keep(self, session: int, row: bytes, bulk: bool, now: float) -> None:
        """A message for a session that nobody here speaks for, yet."""
        if self._waiting >= ROWS_MAX or self._bytes + len(row) > BYTES_MAX:
            self.dropped += 1
            return
        self._rows.setdefault(session, []).append(Row(now, row, bulk))
        self._waiting += 1
        self._bytes += len(row)
        self.kept += 1

    def take(self, session: int, now: float) -> list[Row]:
        """The session is here now: what is not too old, in order."""
        rows = self._rows.pop(session, [])
        self._forget(rows)
        young = [row for row in rows if row.at >= now - KEEP_S]
        self.delivered += len(young)
        self.dropped += len(rows) - len(young)
        return young

    def expire(self, now: float) -> None:
        """About once a second."""
        for session, rows in list(self._rows.items()):
            if rows[-1].at < now - KEEP_S:
                del self._rows[session]
                self._forget(rows)
                self.dropped += len(rows)
        while self._announced and self._announced[0][0] < now - KEEP_S - OVERLAP_S:
            self._announced.popleft()

    def _forget(self, rows: list[Row]) -> None:
        self._waiting -= len(rows)
        self._bytes -= sum(len(row.row) for row in rows)

    # --- for everybody ---

    def announced(self, row: bytes, without: frozenset[int], now: float) -> None:
        """Something was said to everybody except these sessions."""
        self._announced.append((now, row, without))

    def since(self, then: float, session: int) -> Iterator[bytes]:
        """What everybody was told since then, and a moment before, except what this session is not to hear."""
        for at, row, without in list(self._announced):
            if at >= then - OVERLAP_S and session not in without:
                yield row
