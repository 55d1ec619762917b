"""Step 7: a scene is asked to send a session's frames here; when its client comes, and when it is transferred.

What was asked under an older transfer is void when it is answered: a newer one has begun meanwhile and asks for itself.
A scene that does not take the session may have just given it away: the word of the center about that is waited for,
and only then the client is told `unavailable`. It may resume.
"""

import asyncio
from collections.abc import Callable, Iterable

from mesh.errors import Code, MeshError
from mesh.node import Node
from mesh.protocol.cluster import Attach, Attached, Detach
from nodes.gate.delivery import Delivery
from nodes.gate.sessions import Client, Scene, Sessions, State

WORD_S = 1.0
"""The center hears of a lost scene when the gate does, and says then where a session goes that had left it already."""

Dismiss = Callable[[Client, Code, str], None]

_ON_THE_WAY = (State.ATTACHING, State.TRANSFERRING)


class Attaching:
    """See the module."""

    def __init__(self, node: Node, sessions: Sessions, delivery: Delivery, dismiss: Dismiss) -> None:
        self.failed = 0
        self._node, self._sessions, self._delivery, self._dismiss = node, sessions, delivery, dismiss

    async def attach(self, client: Client, received: int = 0, resumed: bool = True) -> bool:
        """Ask the scene of its placement. False when that did not take it: it waits for the center's word then."""
        assert client.placement is not None
        scene = self._sessions.scene(client.placement.scene)
        attempt, said = client.transfer, Attach(client.session, client.number, received, resumed)
        attached = await self._ask(scene, said)
        if client.is_in(State.LEAVING):
            if attached is not None:
                self._node.tell(scene.name, Detach(said.session, client.number))
        elif client.transfer != attempt:
            pass  # the session is not there any more, and there is nothing to detach
        elif attached is None:
            self.failed += 1
            self.wait_for_word([client])
        else:
            self._attached(client, scene, attached.handle, resumed)
        self._delivery.settle(scene)
        return attached is not None or client.transfer != attempt

    def heard(self, client: Client) -> None:
        """It has said TransferHeard: what comes from now on is for the new scene."""
        client.heard = True
        if client.is_in(State.TRANSFERRING) and client.source is not None:
            self._sessions.open(client)

    def wait_for_word(self, clients: Iterable[Client]) -> None:
        """The scene of these clients does not have them: where are they?"""
        self._node.spawn(self._wait_for_word([(client, client.transfer) for client in clients]))

    async def _wait_for_word(self, lost: list[tuple[Client, int]]) -> None:
        await asyncio.sleep(WORD_S)
        for client, attempt in lost:
            if client.is_in(*_ON_THE_WAY) and client.transfer == attempt and client.source is None:
                self._dismiss(client, Code.UNAVAILABLE, "the scene cannot be reached")

    async def _ask(self, scene: Scene, said: Attach) -> Attached | None:
        scene.attaching += 1
        try:
            attached = await self._node.ask(scene.name, said)
        except MeshError as error:
            self._node.log.warning("a scene did not take a session", scene=scene.name, reason=str(error))
            return None
        finally:
            scene.attaching -= 1
        assert isinstance(attached, Attached), "the catalogue allows nothing else"
        return attached

    def _attached(self, client: Client, scene: Scene, handle: int, resumed: bool) -> None:
        if resumed:
            client.allow_again(self._node.clock.now())
        self._sessions.attached(client, scene, handle)
        self._delivery.entered(client, scene)
        if client.is_in(State.ATTACHING) or (client.is_in(State.TRANSFERRING) and client.heard):
            self._sessions.open(client)
