"""Checker `doubled`: nothing was carried out twice, however often it was asked."""

from collections import Counter
from collections.abc import Iterable

from mesh.checking.records import Id, Problem


def doubled(applied: Iterable[Id]) -> list[Problem]:
    """One problem for each id that is there more than once."""
    return [
        Problem("doubled", f"operation {session}/{number} was carried out {times} times")
        for (session, number), times in Counter(applied).items()
        if times > 1
    ]
