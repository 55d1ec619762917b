"""Checker `wishes`: what a player said once is carried out once, however many scenes have asked for it.

A message that nobody answered is said again to the next scene, which asks the DC under another number. Of the
operations for one message at most one is carried out, and exactly one when the DC has said that it had been before.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from mesh.checking.records import Id, Problem

Wish = tuple[int, int]
"""A session, and the number that its client gave the message."""


def wishes(asked: Mapping[Wish, Sequence[Id]], confirmed: Set[Wish], applied: Iterable[Id]) -> list[Problem]:
    """`asked`: the operations for each message; `confirmed`: which ones the DC has said to be carried out before."""
    there = set(applied)
    found = []
    for (session, number), ids in asked.items():
        times = sum(one in there for one in ids)
        if times > 1:
            found.append(Problem("wishes", f"message {number} of session {session} was carried out {times} times"))
        elif not times and (session, number) in confirmed:
            text = f"message {number} of session {session} was said to be carried out before, and was not"
            found.append(Problem("wishes", text))
    return found
