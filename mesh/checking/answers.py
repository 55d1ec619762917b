"""Checker `answers`: whoever was owed an answer got it, once.

A session that goes on after a fault was promised that: its operations are carried out in order, each once, and each is
answered. Only what a session or a scene took along when it ended may stay without.
"""

from collections.abc import Iterable

from mesh.checking.records import Operation, Problem


def answers(owed: Iterable[Operation], twice: int) -> list[Problem]:
    """A problem for each operation that still waits, one for answers that came again. `owed`: of sessions that live."""
    found = [
        Problem("answers", f"operation {one.session}/{one.number} ({one.kind}) was never answered, its session went on")
        for one in owed
    ]
    if twice:
        found.append(Problem("answers", f"{twice} operations were answered twice"))
    return found
