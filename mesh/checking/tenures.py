"""Checkers `one-writer` and `zombie`: of two that could write one does, and who has been followed says nothing more.

Who may write has it for an epoch, which is given to one process and never again. The first transaction of an epoch adds
a row to the ledger that names the process, so a ledger tells by itself in whose epoch each of its rows was written; and
each process says, in its own log for example, when it takes office.

A zombie is a writer that has been followed and does not know it. Its answers show it: one that was asked for after
somebody had answered in a later epoch, or one to an operation that was only written in a later one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from mesh.checking.epochs import epochs
from mesh.checking.records import Entry, Id, Problem

TENURE = "tenure"
"""The kind of the row that begins an epoch; its note is NAME INCARNATION EPOCH."""


class Tenure(msgspec.Struct, frozen=True, gc=False):
    """One process has the office in one epoch."""

    epoch: int
    writer: str


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A yes to an operation, and in which epoch whoever said it wrote."""

    id: Id
    asked: float
    answered: float
    epoch: int


def tenures(ledger: Iterable[Entry]) -> list[Tenure]:
    """Who wrote in which epoch, as a ledger tells it."""
    return [_tenure(entry) for entry in ledger if entry.kind == TENURE]


def one_writer(claims: Iterable[Tenure], ledger: Sequence[Entry]) -> list[Problem]:
    """A problem for each epoch that was claimed twice, for one in the ledger that nobody claimed or another one did,
    and for one that does not come after those before it. `claims`: what each process said when it took office."""
    claimed: dict[int, str] = {}
    found = []
    for claim in claims:
        if claim.epoch in claimed:
            text = f"epoch {claim.epoch} was taken by {claimed[claim.epoch]} and by {claim.writer}"
            found.append(Problem("one-writer", text))
        claimed.setdefault(claim.epoch, claim.writer)
    written = tenures(ledger)
    for one in written:
        if claimed.get(one.epoch) != one.writer:
            text = f"epoch {one.epoch} was written by {one.writer}, {claimed.get(one.epoch, 'nobody')} had it"
            found.append(Problem("one-writer", text))
    return found + epochs("writers", [one.epoch for one in written])


def zombies(answers: Iterable[Answer], ledger: Iterable[Entry]) -> list[Problem]:
    """A problem for each answer of one that had been followed. What is missing altogether is for `lost`."""
    by_asked = sorted(answers, key=lambda one: one.asked)
    by_answered = sorted(by_asked, key=lambda one: one.answered)
    found, heard, highest = [], 0, 0
    for one in by_asked:
        while by_answered[heard].answered < one.asked:
            highest = max(highest, by_answered[heard].epoch)
            heard += 1
        if one.epoch < highest:
            text = (
                f"operation {one.id[0]}/{one.id[1]} was asked for in epoch {highest}, and acknowledged in {one.epoch}"
            )
            found.append(Problem("zombie", text))
    written = _written(ledger)
    for one in by_asked:
        if written.get(one.id, 0) > one.epoch:
            text = f"was acknowledged in epoch {one.epoch}, and written in {written[one.id]}"
            found.append(Problem("zombie", f"operation {one.id[0]}/{one.id[1]} {text}"))
    return found


def _written(ledger: Iterable[Entry]) -> dict[Id, int]:
    """The epoch in which each operation was written."""
    epoch, found = 0, dict[Id, int]()
    for entry in ledger:
        if entry.kind == TENURE:
            epoch = _tenure(entry).epoch
        elif entry.number:
            found[entry.id] = epoch
    return found


def _tenure(entry: Entry) -> Tenure:
    name, incarnation, epoch = entry.note.split(" ")
    return Tenure(int(epoch), f"{name} {incarnation}")
