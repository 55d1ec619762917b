"""Many sends, or many reads, in one system call: io_uring, where the kernel lets us.

A gate writes to every client ten times a second. One `send()` for each costs as much in Python and in entering the
kernel as half of what the kernel then does; here a whole batch is laid out as one array and handed over at once. Owns
the ring and nothing else: every request is done, or refused, when a call returns, so no memory is lent to the kernel.
Where there is no io_uring (an old kernel, a container that forbids it) `open_ring` gives None, and the front goes on
with single calls.

Source of the layout: io_uring_setup(2) and io_uring_enter(2). Rejected: requests that stay with the kernel until
something comes (no epoll at all then, but buffers and closed descriptors of thousands of strangers in flight).
"""

import ctypes
import errno
import mmap
import os
import socket
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ENTRIES = 1024  # requests in one system call; more are several calls
TRIES = 100  # of handing over a batch that the kernel takes in parts, or not just now

_SETUP, _ENTER = 425, 426  # the same on every architecture of Linux but one
_SINGLE_MMAP = 1
_SEND, _RECEIVE = 26, 27
_NOW = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_REQUESTS_AT = 0x1000_0000  # where the file of the ring has them
_REQUEST = np.dtype([
    ("what", "u1"), ("flags", "u1"), ("priority", "<u2"), ("fd", "<i4"), ("offset", "<u8"), ("address", "<u8"),
    ("length", "<u4"), ("how", "<u4"), ("name", "<u8"), ("unused", "<u8", 3),
])  # fmt: skip
_ANSWER = np.dtype([("name", "<i8"), ("result", "<i4"), ("flags", "<u4")])
_AGAIN = (errno.EAGAIN, errno.EBUSY, errno.EINTR)


class Ring:
    """See the module. OSError when the kernel does not give one."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self.broken = False  # it takes nothing more; what it did not take is answered with EIO
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        asked = (ctypes.c_uint32 * 30)()
        self._fd = self._call(_SETUP, entries, ctypes.byref(asked))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.entries, answers, features = asked[0], asked[1], asked[5]
        if not features & _SINGLE_MMAP:
            self.close()
            raise OSError(errno.ENOSYS, "this kernel's io_uring is too old")
        _, tail, _, _, _, _, order = asked[10:17]
        head, end, _, _, _, found = asked[20:26]
        size = max(order + self.entries * 4, found + answers * _ANSWER.itemsize)
        self._numbers = np.frombuffer(self._map(size, 0), "<u4", size // 4)
        table = self._numbers[found // 4 : found // 4 + answers * 4].view(_ANSWER)
        self._names, self._results = table["name"], table["result"]
        requests = np.frombuffer(self._map(self.entries * _REQUEST.itemsize, _REQUESTS_AT), _REQUEST)
        self._tail, self._head, self._end = tail // 4, head // 4, end // 4
        self._order = self._numbers[order // 4 : order // 4 + self.entries]
        requests["how"], requests["name"] = _NOW, np.arange(self.entries)
        self._columns = [requests[name] for name in ("what", "fd", "address", "length")]
        self._counting = np.arange(self.entries)

    def _map(self, size: int, offset: int) -> mmap.mmap:
        return mmap.mmap(self._fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def send(self, fds: Array, addresses: Array, lengths: Array) -> Array:
        """Write `lengths[i]` bytes at `addresses[i]` to each socket. What each took, or the negative errno. No socket
        may be named twice: what follows a part would be taken all the same."""
        return self._all(_SEND, fds, addresses, lengths)

    def receive(self, fds: Array, addresses: Array, lengths: Array) -> Array:
        """Read at most `lengths[i]` bytes to `addresses[i]`. What there was (0: the end), or the negative errno."""
        return self._all(_RECEIVE, fds, addresses, lengths)

    def _all(self, what: int, fds: Array, addresses: Array, lengths: Array) -> Array:
        if len(fds) <= self.entries and not self.broken:
            return self._some(what, fds, addresses, lengths)
        results = np.full(len(fds), -errno.EIO, np.int32)
        for low in range(0, len(fds), self.entries):
            if self.broken:
                break
            part = slice(low, low + self.entries)
            results[part] = self._some(what, fds[part], addresses[part], lengths[part])
        return results

    def _some(self, what: int, fds: Array, addresses: Array, lengths: Array) -> Array:
        """Always the first requests of the table, which know their names; only their order goes round."""
        numbers, count = self._numbers, len(fds)
        tail = int(numbers[self._tail])
        for column, values in zip(self._columns, (what, fds, addresses, lengths), strict=True):
            column[:count] = values
        _put_round(self._order, tail, self._counting[:count])
        numbers[self._tail] = (tail + count) & 0xFFFF_FFFF
        self._hand_over(count)
        head, end = int(numbers[self._head]), int(numbers[self._end])
        answered = (end - head) & 0xFFFF_FFFF
        results = np.empty(count, np.int32)
        if answered < count:
            results.fill(-errno.EIO)
        results[_taken_round(self._names, head, answered)] = _taken_round(self._results, head, answered)
        numbers[self._head] = end
        return results

    def _hand_over(self, count: int) -> None:
        for _ in range(TRIES):
            taken = self._call(_ENTER, self._fd, count, 0, 0, None, 0)
            if taken < 0 and ctypes.get_errno() not in _AGAIN:
                break
            count -= max(0, taken)
            if not count:
                return
        self.broken = True


def _put_round(table: Array, at: int, values: Array) -> None:
    """Into a table that begins anew behind its end."""
    at &= len(table) - 1
    room = len(table) - at
    table[at : at + len(values)] = values[:room]
    if len(values) > room:
        table[: len(values) - room] = values[room:]


def _taken_round(table: Array, at: int, count: int) -> Array:
    """Out of one."""
    at &= len(table) - 1
    found = table[at : at + count]
    return found if len(found) == count else np.concatenate([found, table[: count - len(found)]])


def address_of(held: bytes | Array) -> int:
    """Where these bytes are, for as long as nobody lets go of them."""
    found: int = np.frombuffer(held, np.uint8).__array_interface__["data"][0]
    return found


def open_ring() -> Ring | None:
    """A ring that was tried out, or None."""
    try:
        ring = Ring()
    except OSError:
        return None
    one, other = socket.socketpair()
    with one, other:
        sent = ring.send(np.array([one.fileno()]), np.array([address_of(b"ring")], np.uint64), np.array([4]))
        if sent.tolist() == [4] and other.recv(8) == b"ring":
            return ring
    ring.close()
    return None
