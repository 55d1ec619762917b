"""Checker `parties`: in a quiet zone everybody has the same idea of who is with whom."""

from collections.abc import Mapping

from mesh.checking.records import Problem

Members = frozenset[str]
ALONE: Members = frozenset()


def parties(center: Mapping[str, Members], scenes: Mapping[str, Members], told: Mapping[str, Members]) -> list[Problem]:
    """Each maps a player to the members of its party: as the center knows it, as the scene that has the player does,
    and as the player was told last. Who is in no party, or unknown, is missing or has no members."""
    found = []
    for who in sorted(center.keys() | scenes.keys() | told.keys()):
        truth = center.get(who, ALONE)
        for what, copies in (("its scene", scenes), ("it", told)):
            if who in copies and copies[who] != truth:
                text = f"{who} is with {_names(truth)} by the center, {what} knows of {_names(copies[who])}"
                found.append(Problem("parties", text))
    return found


def _names(members: Members) -> str:
    return ", ".join(sorted(members)) or "nobody"
