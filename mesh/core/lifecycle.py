"""The states of a node, as a table. The words are those of game server hosting (Agones)."""

from mesh.errors import LocalProtocolError
from mesh.protocol.control import State

NEXT: dict[State, tuple[State, ...]] = {
    "Starting": ("Ready", "Draining", "Shutdown"),
    "Ready": ("Draining", "Shutdown"),
    "Draining": ("Shutdown",),
    "Shutdown": (),
}


def advance(now: State, wanted: State) -> State:
    """The wanted state, if it may follow."""
    if wanted not in NEXT[now]:
        raise LocalProtocolError(f"a node that is {now} cannot become {wanted}")
    return wanted
