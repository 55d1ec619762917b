"""Checkers `order` and `prefix`: history is one line, and what is on a disk is its beginning.

`order`: an operation that was asked after another one had been answered comes after it in the ledger (this is what
linearizability asks of a log: Herlihy and Wing, 1990). It needs no search, since the ledger names the order that was
chosen: walking it once, nobody may return before somebody in front of it was called.
"""

from collections.abc import Iterable, Sequence

from mesh.checking.records import Id, Operation, Problem


def order(operations: Iterable[Operation], applied: Iterable[Id]) -> list[Problem]:
    """A problem for each applied operation that had been answered before one in front of it was even asked."""
    known = {one.id: one for one in operations}
    latest: Operation | None = None
    found = []
    for id_ in dict.fromkeys(applied):
        one = known.get(id_)
        if one is None:
            continue
        if latest is not None and one.returned < latest.called:
            text = f"{one.session}/{one.number} was answered before {latest.session}/{latest.number} was asked"
            found.append(Problem("order", f"operation {text}, and stands behind it"))
        if latest is None or one.called > latest.called:
            latest = one
    return found


def prefix(accepted: Sequence[Id], applied: Sequence[Id]) -> list[Problem]:
    """Is `applied` how the accepted order begins? A problem at the first place where it is not."""
    for place, (wanted, found) in enumerate(zip(accepted, applied, strict=False)):
        if wanted != found:
            return [Problem("prefix", f"place {place} of the order: {wanted} was accepted, {found} is there")]
    if len(applied) > len(accepted):
        return [Problem("prefix", f"{len(applied)} are there, {len(accepted)} were accepted")]
    return []
