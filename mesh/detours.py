"""Detours: addresses at which a process goes somewhere else, so that a proxy can stand between two nodes.

Owns the text that says them, from the environment variable MESH_DETOURS of a process: FROM=TO, several separated by
commas, with whole addresses such as `ipc:///run/zone/center.1=tcp://127.0.0.1:9000`. What a process dials and what it
subscribes to goes there; where it listens does not. Nobody else is told, so that each process can have its own bad
network. A cluster that serves players has none. Rejected: a topology file for each process, which cannot change where
it finds those whose address it hears from the center.
"""

import re

VARIABLE = "MESH_DETOURS"

_ADDRESS = re.compile(r"^(ipc|tcp)://[^=,\s]+\Z")


class DetourError(ValueError):
    """A text that leads nowhere: what is wrong with it."""


def parse(text: str) -> dict[str, str]:
    """Where to go instead, by address. DetourError names the part that is wrong."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        source, _, target = part.partition("=")
        if not (_ADDRESS.match(source) and _ADDRESS.match(target)):
            raise DetourError(
                f"{VARIABLE}: {part!r}: write FROM=TO with two addresses, such as ipc:///run/x or tcp://host:1"
            )
        found[source] = target
    return found
