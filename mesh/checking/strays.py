"""Checker `strays`: nothing is there that was refused, or that nobody has asked for.

What is unknown may be there or not: once at most, which `doubled` sees to.
"""

from collections.abc import Iterable

from mesh.checking.records import Id, Operation, Problem


def strays(operations: Iterable[Operation], applied: Iterable[Id]) -> list[Problem]:
    """One problem for each applied operation that must not be."""
    ended = {one.id: one.ended for one in operations}
    found = []
    for session, number in dict.fromkeys(applied):
        how = ended.get((session, number), "never asked for")
        if how not in ("ok", "unknown"):
            found.append(Problem("strays", f"operation {session}/{number} was {how} and is there"))
    return found
