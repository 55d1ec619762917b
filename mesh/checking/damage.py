"""Checker `damage`: what a disk gives back otherwise than it was written is never served."""

from collections.abc import Iterable

from mesh.checking.records import Problem


def damage(served: Iterable[str]) -> list[Problem]:
    """`served`: rows that were damaged on purpose, and were read without a complaint."""
    return [Problem("damage", f"{row} was damaged, and served") for row in served]
