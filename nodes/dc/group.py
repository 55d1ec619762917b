"""What is committed together: operations in their order, their changes, and who waits for their answers.

Who waits has a future or, when there are very many of them, a promise.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mesh.errors import Code, RefusedError, StorageError
from mesh.promise import Promise
from nodes.dc.view import Change, Overlay, Readable, View

Apply = Callable[[View], Any]
Waiting = tuple[Apply, asyncio.Future[Any] | Promise[Any]]
"""An operation, and who waits for its answer."""

Told = tuple[asyncio.Future[Any] | Promise[Any], Any]
"""Who waits, and the answer or the error that there is."""

PACKED_TOGETHER = 32
"""Operations whose rows become bytes at once, while the group still grows: mostly that is while the disk is busy with
the one before it, and what is left to do then is in nobody's way."""


class Group:
    """See the module."""

    __slots__ = ("answers", "applied", "changed", "overlay")

    def __init__(self, committed: Readable, under: Overlay | None = None) -> None:
        self.overlay = Overlay(committed, under)
        self.applied: list[Waiting] = []
        self.answers: list[Any] = []  # of each, or its exception
        self.changed = 0  # operations that have changed something

    def apply(self, waiting: Waiting) -> None:
        """Carry out an operation; one that is refused leaves nothing, and is no concern of the others."""
        overlay, answer = self.overlay, None
        overlay.begin()
        try:
            answer = waiting[0](overlay)
        except StorageError as error:  # a row that it needs is damaged
            overlay.rollback()
            answer = RefusedError(Code.INTERNAL, str(error))
        except Exception as error:  # noqa: BLE001 - also for a mistake of ours, which whoever has asked will log
            overlay.rollback()
            answer = error
        self.applied.append(waiting)
        self.answers.append(answer)
        if overlay.is_changed:
            self.changed += 1
        if not len(self.answers) % PACKED_TOGETHER:
            overlay.pack()


class Committed(NamedTuple):
    """A group that is on disk: its changes as they were written, and the group that was applied over it."""

    group: Group
    packed: Sequence[Change]
    above: Group


def tell_futures(told: Sequence[Told]) -> list[tuple[Promise[Any], Any]]:
    """Who waits for a future hears of it in the next turn of the loop. The promises are returned, to `keep` them then,
    too."""
    promised: list[tuple[Promise[Any], Any]] = []
    for done, answer in told:
        if isinstance(done, Promise):
            promised.append((done, answer))
        elif done.done():
            pass
        elif isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)
    return promised


def keep(promised: Sequence[tuple[Promise[Any], Any]]) -> None:
    """One after the other. What is wrong with one is no concern of the others: they come a turn later."""
    waiting = iter(promised)
    try:
        for promise, answer in waiting:
            promise.keep(answer)
    finally:
        rest = list(waiting)
        if rest:
            asyncio.get_running_loop().call_soon(keep, rest)
