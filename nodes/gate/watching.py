"""Which sockets have something to say: one epoll descriptor, whose events come as columns.

Owns the descriptor and the room for its events. Python's own `epoll.poll` makes a tuple of each event, which costs as
much as all else that is done for a move here.

Source of the layout: epoll_ctl(2), and <sys/epoll.h>, which packs the struct on x86-64 only.
"""

import ctypes
import platform
import select

import numpy as np

from nodes.gate.ring import Array

_FIELDS = [("what", "<u4"), ("fd", "<i4"), ("rest", "<u4")]
_ALIGNED = [("what", "<u4"), ("gap", "<u4"), ("fd", "<i4"), ("rest", "<u4")]
_EVENT = np.dtype(_FIELDS if platform.machine() in ("x86_64", "i386", "i686") else _ALIGNED)


class Watch:
    """See the module: at most `events_max` events at a time."""

    def __init__(self, events_max: int) -> None:
        self._epoll = select.epoll()
        self.register, self.modify, self.unregister = self._epoll.register, self._epoll.modify, self._epoll.unregister
        self.fileno, self.close = self._epoll.fileno, self._epoll.close
        self._found = np.zeros(events_max, _EVENT)
        self._call = ctypes.CDLL(None, use_errno=True).epoll_wait
        self._at = ctypes.c_void_p(self._found.ctypes.data)

    def look(self) -> tuple[Array, Array]:
        """Descriptors, and what is new about each (EPOLLIN ...). What does not fit comes with the next look."""
        count = max(0, self._call(self._epoll.fileno(), self._at, len(self._found), 0))  # or a signal: the next look
        found = self._found[:count]
        return found["fd"].copy(), found["what"].copy()
