"""Checker `lost`: whatever was acknowledged was carried out and is there at the end."""

from collections.abc import Iterable

from mesh.checking.records import Id, Operation, Problem


def lost(operations: Iterable[Operation], applied: Iterable[Id]) -> list[Problem]:
    """One problem for each operation that was answered with yes and is not among the applied."""
    there = set(applied)
    return [
        Problem("lost", f"operation {one.session}/{one.number} ({one.kind}) was acknowledged and is not there")
        for one in operations
        if one.ended == "ok" and one.id not in there
    ]
