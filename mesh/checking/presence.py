"""Checkers `presence`, `members` and `endings`: what the nodes of a quiet zone think of each other fits together."""

from collections.abc import Mapping

import msgspec

from mesh.checking.records import Problem
from mesh.protocol.sessions import account_of


class Place(msgspec.Struct, frozen=True):
    """Where the directory has a session; a gate of "" for one without a connection."""

    scene: str
    gate: str


class Sight(msgspec.Struct, frozen=True):
    """Who is where: by the center, by each scene and by each gate; sessions."""

    directory: Mapping[int, Place]
    scenes: Mapping[str, list[int]]
    gates: Mapping[str, list[int]]


def presence(sight: Sight) -> list[Problem]:
    """One owner per account, and the same one for everybody."""
    hosts: dict[int, list[tuple[str, int]]] = {}
    for scene, sessions in sight.scenes.items():
        for session in sessions:
            hosts.setdefault(account_of(session), []).append((scene, session))
    found = [f"account {account} is at {at}" for account, at in sorted(hosts.items()) if len(at) > 1]
    there = {session: scene for at in hosts.values() for scene, session in at}
    for session, place in sight.directory.items():
        if there.get(session) != place.scene:
            found.append(f"session {session}: at {place.scene} by the directory, {there.get(session)} has it")
    found += [
        f"session {one} is at {scene}, the directory has none"
        for one, scene in there.items()
        if one not in sight.directory
    ]
    carried = {session: gate for gate, sessions in sight.gates.items() for session in sessions}
    for session, gate in carried.items():
        known = sight.directory.get(session)
        if known is None or known.gate != gate:
            found.append(f"session {session}: {gate} carries it, by the directory {known.gate if known else 'nobody'}")
    for session, place in sight.directory.items():
        if place.gate and carried.get(session) != place.gate:
            found.append(f"session {session}: at {place.gate} by the directory, {carried.get(session)} carries it")
    return [Problem("presence", text) for text in found]


def members(truth: Mapping[str, int], copies: Mapping[str, Mapping[str, int]]) -> list[Problem]:
    """Everybody's copy of the registry is the center's: names and incarnations."""
    found = []
    for owner, copy in copies.items():
        for name in sorted(truth.keys() | copy.keys()):
            if truth.get(name) != copy.get(name):
                text = f"{owner} takes {name} for incarnation {copy.get(name)}, the center knows {truth.get(name)}"
                found.append(Problem("members", text))
    return found


def endings(waiting: Mapping[str, int]) -> list[Problem]:
    """`waiting`: what has not ended although nothing is going on, by its name."""
    return [Problem("endings", f"{what}: {count} have not ended") for what, count in sorted(waiting.items()) if count]
