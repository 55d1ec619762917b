"""The last operation of each session that was opened while this process writes.

A later one cannot have been carried out before, so the disk is not asked for its slot. Of a session that is not known
here nothing is said. Owns nothing that is not on disk, too, and must be forgotten when another DC may have written.
Pure.
"""

SESSIONS_MAX = 200_000  # the one that was opened first is forgotten


class Latest:
    """See the module."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}  # of each session, 0 when there was none yet

    def __len__(self) -> int:
        return len(self._last)

    def opened(self, session: int) -> None:
        """This is the newest of its account from now on, and has asked for nothing so far."""
        self._last.pop(session - 1, None)  # the one before it, of the same account
        self._last[session] = 0
        if len(self._last) > SESSIONS_MAX:
            del self._last[next(iter(self._last))]

    def follows(self, session: int, sequence: int) -> bool:
        """Is it certain that this operation was not carried out before? It is taken for carried out from here on: when
        it comes to nothing in the end, that does no harm."""
        last = self._last.get(session)
        if last is None or sequence <= last:
            return False
        self._last[session] = sequence
        return True

    def forget(self) -> None:
        """Another DC may have carried out something."""
        self._last.clear()
