"""What the center says to clients, through their gates.

One message per gate, however many of its clients it is for. What is said to somebody whose connection is just breaking
is lost with it: clients ask for their friends again after a resume.
"""

from collections.abc import Iterable

from mesh.errors import Code
from mesh.node import Node
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.cluster import Kick, ToClients
from nodes.center.directory import Presence

TEXTS: dict[str, str] = {
    Code.TAKEN_OVER: "the account logged in from somewhere else",
    Code.UNAVAILABLE: "the place where you played is gone: log in again",
}


class Courier:
    """See the module."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.kicks = 0
        self.friend_notices = 0

    def say(self, message: Message, to: Iterable[Presence], *, bulk: bool = False) -> int:
        """To these clients. Returns how many of them have a connection."""
        gates: dict[str, list[int]] = {}
        for presence in to:
            if presence.gate:
                gates.setdefault(presence.gate, []).append(presence.session)
        body = encode(message) if gates else b""
        for gate, sessions in gates.items():
            self._node.tell(gate, ToClients(sessions, body, bulk))
        return sum(map(len, gates.values()))

    def kick(self, gate: str, connection: int, session: int, code: Code | str, text: str = "") -> None:
        """End a connection, if there is one."""
        if gate:
            self.kicks += 1
            self._node.tell(gate, Kick(connection, session, str(code), text or TEXTS.get(str(code), "")))

    def kick_presence(self, presence: Presence, code: Code | str, text: str = "") -> None:
        self.kick(presence.gate, presence.connection, presence.session, code, text)
