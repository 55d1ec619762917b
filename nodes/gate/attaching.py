"""Step 7: a scene is asked to send a session's frames here; when its client comes, and when it is transferred.

What was asked under an older transfer is void when it is answered: a newer one has begun meanwhile and asks for itself.
A scene that does not take the session may have just given it away, and one that is lost gives its players to another:
the word of the center about that is waited for, and only then the client is told `unavailable`. It may resume. When
the scene itself is back before, as it was, it is asked again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mesh.errors import Code, MeshError, PeerLost
from mesh.node import Node
from mesh.protocol.cluster import Attach, Attached, Detach
from nodes.gate.delivery import Delivery
from nodes.gate.sessions import Client, Scene, Sessions, State

WORD_S = 5.0
"""For the center's word about a session that its scene does not have. Of a scene that is lost: `word_s`."""

Dismiss = Callable[[Client, Code, str], None]

_ON_THE_WAY = (State.ATTACHING, State.TRANSFERRING)


class Waiting(NamedTuple):
    """A client of a lost scene. `incarnation`: of the process that had it; 0: any may have it."""

    client: Client
    attempt: int
    incarnation: int


class Attaching:
    """See the module. `word_s`: how long the players of a lost scene wait for the center's word."""

    def __init__(self, node: Node, sessions: Sessions, delivery: Delivery, dismiss: Dismiss, word_s: float) -> None:
        self.failed = 0
        self._word_s = word_s
        self._lost: dict[str, dict[int, Waiting]] = {}  # by scene and connection
        self._node, self._sessions, self._delivery, self._dismiss = node, sessions, delivery, dismiss

    async def attach(self, client: Client, received: int = 0, resumed: bool = True) -> bool:
        """Ask the scene of its placement. False when that did not take it: it waits for the center's word then."""
        assert client.placement is not None
        scene = self._sessions.scene(client.placement.scene)
        attempt, said = client.transfer, Attach(client.session, client.number, received, resumed, client.nonce)
        links = self._node.switchboard.links.up
        link = links.get(scene.name)
        attached, is_lost = await self._ask(scene, said)
        if attached is not None and links.get(scene.name) is not link and not scene.held:
            attached, is_lost = None, True  # its answer was the last thing on that link: it has no gate for it any more
        if client.is_in(State.LEAVING):
            if attached is not None:
                self._node.tell(scene.name, Detach(said.session, client.number))
        elif client.transfer != attempt:
            pass  # the session is not there any more, and there is nothing to detach
        elif attached is None:
            self.failed += 1
            if is_lost:
                self.lost(scene.name, [client])
                if (now := links.get(scene.name)) is not None and now is not link:
                    self.found(scene.name, now.incarnation)  # it is back already: nobody else will say so
            else:
                self._wait([client], WORD_S)
        else:
            self._attached(client, scene, attached.handle, resumed)
            self._node.seat.failpoints.hit("gate.attached")
        if not scene.attaching:  # nobody will ask for what was kept
            scene.early.clear()
        return attached is not None or client.transfer != attempt

    def heard(self, client: Client) -> None:
        """It has said TransferHeard: what comes from now on is for the new scene."""
        client.heard = True
        if client.is_in(State.TRANSFERRING) and client.source is not None:
            self._sessions.open(client)

    def lost(self, scene: str, clients: Iterable[Client], incarnation: int = 0) -> None:
        """The link to the scene of these is gone: where are they?"""
        new = {client.number: Waiting(client, client.transfer, incarnation) for client in clients}
        self._lost.setdefault(scene, {}).update(new)
        self._wait([one.client for one in new.values()], self._word_s, scene)

    def found(self, scene: str, incarnation: int) -> None:
        """The link is there again. Whoever waits for this process of the scene is still on it."""
        for one in self._lost.pop(scene, {}).values():
            at = one.client.placement
            is_meant = at is not None and at.scene == scene and one.incarnation in (0, incarnation)
            if is_meant and self._waits(one.client, one.attempt):
                self._node.spawn(self.attach(one.client))

    def _wait(self, clients: Iterable[Client], seconds: float, scene: str = "") -> None:
        self._node.spawn(self._wait_for_word([(client, client.transfer) for client in clients], seconds, scene))

    async def _wait_for_word(self, lost: list[tuple[Client, int]], seconds: float, scene: str) -> None:
        await asyncio.sleep(seconds)
        waiting = self._lost.get(scene, {})
        for client, attempt in lost:
            if (one := waiting.get(client.number)) is not None and one.attempt == attempt:
                del waiting[client.number]
            if self._waits(client, attempt):
                self._dismiss(client, Code.UNAVAILABLE, "the scene cannot be reached")

    def _waits(self, client: Client, attempt: int) -> bool:
        return client.is_in(*_ON_THE_WAY) and client.transfer == attempt and client.source is None

    async def _ask(self, scene: Scene, said: Attach) -> tuple[Attached | None, bool]:
        """Its answer, if it took the session; else whether that is because it cannot be reached."""
        scene.attaching += 1
        self._node.seat.failpoints.hit("gate.attaching")
        try:
            attached = await self._node.ask(scene.name, said)
        except MeshError as error:
            self._node.log.warning("a scene did not take a session", scene=scene.name, reason=str(error))
            return None, isinstance(error, PeerLost)
        finally:
            scene.attaching -= 1
        assert isinstance(attached, Attached), "the catalogue allows nothing else"
        return attached, False

    def _attached(self, client: Client, scene: Scene, handle: int, resumed: bool) -> None:
        if resumed:
            client.allow_again(self._node.clock.now())
        self._sessions.attached(client, scene, handle)
        self._delivery.entered(client, scene)
        if client.is_in(State.ATTACHING) or (client.is_in(State.TRANSFERRING) and client.heard):
            self._sessions.open(client)
