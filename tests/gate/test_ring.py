"""Many sends and reads in one system call, on real sockets; skipped where the kernel does not have it."""

import errno
import socket

import numpy as np
import pytest

from nodes.gate import ring as rings
from nodes.gate.ring import address_of, open_ring


@pytest.fixture
def ring():
    made = open_ring()
    if made is None:
        pytest.skip("no io_uring here")
    yield made
    made.close()


@pytest.fixture
def pairs():
    made = [socket.socketpair() for _ in range(40)]
    for one, other in made:
        one.setblocking(False)
        other.setblocking(False)
    yield made
    for one, other in made:
        one.close()
        other.close()


def fds(sockets):
    return np.array([one.fileno() for one in sockets], np.int32)


def sent(ring, sockets, wire, size):
    count = len(sockets)
    begins = np.arange(count, dtype=np.uint64) * np.uint64(size)
    return ring.send(fds(sockets), begins + np.uint64(address_of(wire)), np.full(count, size, np.uint32)).tolist()


def test_each_gets_its_own_bytes_again_and_again(ring, pairs):
    for turn in range(100):  # more often than the ring has places
        wire = b"".join(b"%03d-%03d." % (turn, number) for number in range(40))
        assert sent(ring, [one for one, _ in pairs], wire, 8) == [8] * 40
        assert [other.recv(64) for _, other in pairs] == [b"%03d-%03d." % (turn, n) for n in range(40)]


def test_more_than_the_ring_takes_at_once(pairs):
    ring = rings.Ring(16)
    wire = b"".join(b"%08d" % number for number in range(40))
    assert sent(ring, [one for one, _ in pairs], wire, 8) == [8] * 40
    assert [other.recv(64) for _, other in pairs] == [b"%08d" % number for number in range(40)]
    ring.close()


def test_who_takes_a_part_or_nothing_or_is_gone_is_told_apart(ring, pairs):
    full, gone = pairs[3], pairs[5]
    while True:
        try:
            full[0].send(b"x" * 4096)
        except BlockingIOError:
            break
    gone[1].close()
    found = sent(ring, [one for one, _ in pairs], b"12345678" * 40, 8)
    assert found[3] == -errno.EAGAIN
    assert found[5] == -errno.EPIPE
    assert found[:3] + found[4:5] + found[6:] == [8] * 38


def test_reading_tells_sizes_ends_and_who_has_nothing(ring, pairs):
    pairs[0][1].send(b"hello")
    pairs[1][1].send(b"far too long for its room")
    pairs[2][1].close()
    rooms = np.zeros((40, 8), np.uint8)
    addresses = np.uint64(address_of(rooms)) + np.arange(40, dtype=np.uint64) * np.uint64(8)
    found = ring.receive(fds([one for one, _ in pairs]), addresses, np.full(40, 8, np.uint32)).tolist()
    assert found == [5, 8, 0] + [-errno.EAGAIN] * 37
    assert (rooms[0, :5].tobytes(), rooms[1].tobytes()) == (b"hello", b"far too ")
    assert pairs[1][0].recv(64) == b"long for its room"


def test_a_ring_that_takes_nothing_more_says_so_and_nobody_got_anything(ring, pairs, monkeypatch):
    monkeypatch.setattr(ring, "_call", lambda *_: -1)
    rings.ctypes.set_errno(errno.EBADF)
    assert sent(ring, [one for one, _ in pairs], b"12345678" * 40, 8) == [-errno.EIO] * 40
    assert ring.broken
    assert sent(ring, [one for one, _ in pairs], b"12345678" * 40, 8) == [-errno.EIO] * 40
    with pytest.raises(BlockingIOError):
        pairs[0][1].recv(8)


def test_a_kernel_without_it_is_no_failure(monkeypatch):
    def refused(_self, _entries=0):
        raise PermissionError(errno.EPERM, "not here")

    monkeypatch.setattr(rings.Ring, "__init__", refused)
    assert open_ring() is None
