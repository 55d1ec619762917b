"""What is committed together: operations in their order, their changes, and who waits for their answers.

Who waits has a future for one answer or, when there are very many of them, a promise of the answers to all that was
asked in one go.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mesh.errors import Code, RefusedError, StorageError
from mesh.promise import Promise
from nodes.dc.view import Change, Overlay, Readable, View

Done = asyncio.Future[Any] | Promise[Sequence[Any]]
"""Who waits for one answer, or for several."""

Told = tuple[Done, Sequence[Any]]
"""Who waits, and the answers, or the errors that there are instead."""

ROWS_MAX = 50_000
"""Rows that a group changes: from here on nothing more is added. A commit has to fit into one message to a standby,
however much each operation is about."""

PACKED_TOGETHER = 32
"""Operations whose rows become bytes at once, while the group still grows: mostly that is while the disk is busy with
the one before it, and what is left to do then is in nobody's way."""


class Waiting(NamedTuple):
    """Operations that were asked for in one go: how each is carried out, and who waits for the answers."""

    apply: Callable[[View, Any], Any]
    said: Sequence[Any]
    done: Done


class Group:
    """See the module."""

    __slots__ = ("answers", "applied", "changed", "overlay", "refused", "size")

    def __init__(self, committed: Readable, under: Overlay | None = None) -> None:
        self.overlay = Overlay(committed, under)
        self.applied: list[Waiting] = []
        self.answers: list[list[Any]] = []  # of each of those: of each operation, or its exception
        self.size = 0  # in operations
        self.changed = 0  # operations that have changed something
        self.refused: list[Exception] = []

    def is_full(self, operations_max: int) -> bool:
        """Has what is to come wait for the next one?"""
        return self.size >= operations_max or self.overlay.rows >= ROWS_MAX

    def apply(self, waiting: Waiting) -> None:
        """Carry out operations; one that is refused leaves nothing, and is no concern of the others."""
        overlay, apply, answers, size = self.overlay, waiting.apply, list[Any](), self.size
        for said in waiting.said:
            overlay.begin()
            try:
                answers.append(apply(overlay, said))
            except Exception as error:  # noqa: BLE001 - also for a mistake of ours, which whoever has asked will log
                overlay.rollback()
                answers.append(self._refusal(error))
            else:
                self.changed += overlay.is_changed
            size += 1
            if not size % PACKED_TOGETHER:
                overlay.pack()
        self.size = size
        self.applied.append(waiting)
        self.answers.append(answers)

    def _refusal(self, error: Exception) -> Exception:
        """What is said instead of an answer."""
        if isinstance(error, StorageError):  # a row that it needs is damaged
            error = RefusedError(Code.INTERNAL, str(error))
        if isinstance(error, RefusedError):
            # Its way here holds the frame of `apply`, and so all answers of the group, this one among them: a circle of
            # everything that was asked together, which only the rarest collection would find.
            error.__traceback__ = None
        self.refused.append(error)
        return error


@dataclass(slots=True)
class Counts:
    """What a writer did, in plain ints."""

    acked: int = 0  # operations that changed something and are on disk
    repeated: int = 0  # operations that were answered without changing anything
    refused: dict[str, int] = field(default_factory=dict)  # by code
    states: int = 0  # cached states that were written
    commits: int = 0

    def add(self, group: Group) -> None:
        """It was acknowledged."""
        for error in group.refused:
            self.refuse(error.code if isinstance(error, RefusedError) else Code.INTERNAL)
        self.acked += group.changed
        self.repeated += group.size - group.changed - len(group.refused)

    def refuse(self, code: str, count: int = 1) -> None:
        """So many operations were."""
        self.refused[code] = self.refused.get(code, 0) + count


class Committed(NamedTuple):
    """A group that is on disk: its changes as they were written, and the group that was applied over it."""

    group: Group
    packed: Sequence[Change]
    above: Group


def tell_futures(told: Sequence[Told]) -> list[tuple[Promise[Sequence[Any]], Sequence[Any]]]:
    """Who waits for a future hears of it in the next turn of the loop. The promises are returned, to `keep` them then,
    too."""
    promised: list[tuple[Promise[Sequence[Any]], Sequence[Any]]] = []
    for done, answers in told:
        if isinstance(done, Promise):
            promised.append((done, answers))
        elif done.done():
            pass
        elif isinstance(answers[0], Exception):
            done.set_exception(answers[0])
        else:
            done.set_result(answers[0])
    return promised


def keep(promised: Sequence[tuple[Promise[Sequence[Any]], Sequence[Any]]]) -> None:
    """One after the other. What is wrong with one is no concern of the others: they come a turn later."""
    waiting = iter(promised)
    try:
        for promise, answers in waiting:
            promise.keep(answers)
    finally:
        rest = list(waiting)
        if rest:
            asyncio.get_running_loop().call_soon(keep, rest)
