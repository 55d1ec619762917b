"""The columns of sockets: who has something to say, and whom to read and write without a look."""

import select
import socket

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodes.gate.shortcuts import NONE, Shortcuts
from nodes.gate.watching import Watch


def test_events_are_those_of_epoll_itself():
    pairs = [socket.socketpair() for _ in range(6)]
    watch, plain = Watch(16), select.epoll()
    try:
        for mine, _ in pairs:
            watch.register(mine, select.EPOLLIN | select.EPOLLRDHUP)
            plain.register(mine, select.EPOLLIN | select.EPOLLRDHUP)
        assert watch.look()[0].tolist() == []
        for _, other in pairs[:4]:
            other.send(b"x")
        pairs[1][1].close()
        pairs[2][1].shutdown(socket.SHUT_WR)
        watch.modify(pairs[5][0], select.EPOLLOUT)
        plain.modify(pairs[5][0], select.EPOLLOUT)
        fds, events = watch.look()
        assert dict(zip(fds.tolist(), events.tolist(), strict=True)) == dict(plain.poll(0))
        watch.unregister(pairs[0][0])
        assert pairs[0][0].fileno() not in watch.look()[0]
    finally:
        watch.close()
        plain.close()
        for pair in pairs:
            for one in pair:
                one.close()


def test_what_does_not_fit_into_one_look_comes_with_the_next():
    pairs = [socket.socketpair() for _ in range(5)]
    watch = Watch(2)
    try:
        for mine, other in pairs:
            watch.register(mine, select.EPOLLIN | select.EPOLLET)
            other.send(b"x")
        found = [watch.look()[0].tolist() for _ in range(4)]
        assert list(map(len, found)) == [2, 2, 1, 0]
        assert sorted(fd for fds in found for fd in fds) == sorted(mine.fileno() for mine, _ in pairs)
    finally:
        watch.close()
        for pair in pairs:
            for one in pair:
                one.close()


changes = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.booleans(), st.booleans()), max_size=30)


@given(changes)
def test_shortcuts_say_what_was_set_last(said):
    shortcuts, reads, writes = Shortcuts(), {}, {}
    for fd, tag, may_read, may_write in said:
        shortcuts.enter(fd)
        shortcuts.set(fd, tag, may_read, may_write)
        reads[fd], writes[tag] = (tag if may_read else NONE), (fd if may_write else NONE)
    assert {fd: shortcuts.readers[fd] for fd in reads} == reads
    assert {tag: shortcuts.writers[tag] for tag in writes} == writes
    others = np.ones(len(shortcuts.readers), bool)
    others[list(reads)] = False
    assert (shortcuts.readers[others] == NONE).all()
