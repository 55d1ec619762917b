"""The ways of clients as columns: where what they say goes, how often they may move, when they were heard last; and
to whom movement may be sent without a look.

Owns one row for each connection, named by its tag, so that the moves of many clients are sorted and limited together
and not one by one, and their movement is sent together. A row of `line` that is -1 is a way up that is closed. Pure:
the time is an argument.

Rejected: a bucket object for each client. To ask it costs more than to read the move from the socket.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
CLOSED = -1
FIRST_ROWS = 256


class Ways:
    """See the module. `rate` moves a second, at most `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = np.float32(rate), np.float32(burst)
        self._free: list[int] = []
        self._rows = 0
        self.handle = np.zeros(0, "<u4")
        self.line = np.zeros(0, "<i4")
        self.heard = np.zeros(0, "?")  # since the last sweep
        self.quiet_s = np.zeros(0, "<f4")
        self.clear = np.zeros(0, "?")  # nothing waits that goes out with its movement, and it does not lag behind
        self._tokens = np.zeros(0, "<f4")
        self._at = np.zeros(0, "<f8")

    def enter(self, now: float) -> int:
        """A new client; its tag."""
        if not self._free:
            self._grow()
        tag = self._free.pop()
        self.line[tag], self.heard[tag], self.quiet_s[tag], self.clear[tag] = CLOSED, True, 0.0, True
        self._tokens[tag], self._at[tag] = self._burst, now
        return tag

    def leave(self, tag: int) -> None:
        """It is gone; the tag is given to somebody else."""
        self.line[tag] = CLOSED
        self._free.append(tag)

    def open(self, tag: int, line: int, handle: int) -> None:
        """What it says goes there, under this handle."""
        self.line[tag], self.handle[tag] = line, handle

    def shut(self, tag: int) -> None:
        self.line[tag] = CLOSED

    def spend(self, tags: Array, now: float) -> Array:
        """One move of each of these different clients: which ones may make it."""
        tokens = self._tokens[tags]
        tokens += (now - self._at[tags]) * self._rate
        np.minimum(tokens, self._burst, out=tokens)
        may = tokens >= 1.0
        tokens -= may
        self._tokens[tags], self._at[tags] = tokens, now
        return may

    def spend_one(self, tag: int, now: float) -> bool:
        """The same for one client."""
        tokens = min(float(self._burst), float(self._tokens[tag]) + (now - float(self._at[tag])) * float(self._rate))
        may = tokens >= 1.0
        self._tokens[tag], self._at[tag] = tokens - may, now
        return may

    def sweep(self, passed_s: float) -> None:
        """So much time has passed since the last sweep."""
        self.quiet_s += np.float32(passed_s)
        self.quiet_s[self.heard] = 0.0
        self.heard[:] = False

    def _grow(self) -> None:
        before, self._rows = self._rows, max(FIRST_ROWS, self._rows * 2)
        for name in ("handle", "line", "heard", "quiet_s", "clear", "_tokens", "_at"):
            column = getattr(self, name)
            grown = np.zeros(self._rows, column.dtype)
            grown[:before] = column
            setattr(self, name, grown)
        self._free.extend(range(self._rows - 1, before - 1, -1))
