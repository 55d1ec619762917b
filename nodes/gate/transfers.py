"""Players who go somewhere else in the zone while their connection stays: portals, lines, drained scenes.

The center has moved the session already and says `Transferred`. From that moment nothing of the old scene reaches the
client and nothing that it says reaches a scene, until it has heard of it:

    gate -> client   TransferBegun(n)   behind everything that the old scene said
    gate -> scene    Attach             its Entered follows at once; play begins with it
    client -> gate   TransferHeard(n)   what came before it was meant for the old place, and is thrown away

What is thrown away is not lost: moves are replaced by the next one, play messages are sent again by the client, since
`Entered` says which ones were carried out. A second transfer may come on top of the first: the number tells them apart.
When a scene is lost, its clients are told that they are on their way: the center says where to, when it knows.
"""

from collections.abc import Callable

from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import Message
from mesh.protocol.client import TransferBegun
from mesh.protocol.placement import Transferred
from mesh.protocol.sessions import Placement
from nodes.gate.attaching import Attaching
from nodes.gate.early import Early
from nodes.gate.lanes import Lanes
from nodes.gate.sessions import Client, Sessions, State

Say = Callable[[Client, Message], None]

_NOT_BOUND = (State.AUTHENTICATING, State.QUEUED)


class Transfers:
    """See the module."""

    def __init__(
        self, node: Node, sessions: Sessions, lanes: Lanes, early: Early, attaching: Attaching, say: Say
    ) -> None:
        self.begun = 0
        self.strays = 0  # for connections that are not there any more
        self._node, self._sessions, self._lanes, self._early = node, sessions, lanes, early
        self._attaching, self._say = attaching, say
        self._processes: dict[str, int] = {}  # the process of each scene that was linked last

    @on(Transferred)
    def on_transferred(self, said: Transferred, _caller: Caller) -> None:
        """The session plays there now."""
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(*_NOT_BOUND):
            self._early.transfers[client.number] = said  # it has overtaken the login's answer
        elif client is None or client.session != said.session or client.is_in(State.MOVED, State.LEAVING):
            self.strays += 1
        else:
            self._begin(client, said.placement)

    def lose_scene(self, name: str, process: int | None = None) -> None:
        """Its players have no scene: the center says in a moment where they go on, or went just now. `process`: the one
        that may have them still (0: any), if that is not the one that was linked last."""
        lost = [client for client in self._sessions.scene(name).clients.values() if not client.is_in(State.MOVED)]
        for client in lost:
            self._leave_place(client)
        here = [client for client in lost if not client.is_in(State.LEAVING)]
        self._attaching.lost(name, here, self._processes.get(name, 0) if process is None else process)

    def scene_up(self, name: str, incarnation: int) -> None:
        """A link to a scene is there, perhaps again."""
        self._processes[name] = incarnation
        self._attaching.found(name, incarnation)

    def _begin(self, client: Client, placement: Placement) -> None:
        self._leave_place(client)
        if not client.is_in(State.LEAVING):
            client.placement = placement
            self._node.spawn(self._attaching.attach(client))

    def _leave_place(self, client: Client) -> None:
        """It is on its way, and is told. It may be LEAVING then: when it does not read, it is cut off."""
        self._lanes.flush_one(client)  # its chat, too, which would wait behind TransferBegun
        if client.is_in(State.LEAVING):
            return
        self._close_ways(client)
        self.begun += 1
        self._say(client, TransferBegun(client.transfer))

    def _close_ways(self, client: Client) -> None:
        owes = client.is_in(State.TRANSFERRING) and not client.heard
        client.become(State.TRANSFERRING)
        self._sessions.detach(client)
        client.transfer += 1
        client.heard = False
        if not owes:  # its time goes on: who never answers is not kept by being transferred again
            client.waited_s = 0.0
