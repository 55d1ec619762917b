"""How a session ends: logged out, dropped for too long, banned, or lost with its scene.

A character is taken out of the world by its scene, which saves it first; it stays in the directory until the scene has
answered, and the question is asked again until it has or until the scene itself is lost. Only then friends hear that it
is offline. Everything here happens under the account's lock.
"""

import asyncio

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import Dropped, KickAccount, Leave, Release
from mesh.protocol.control import Done
from nodes.center.courier import Courier
from nodes.center.directory import WITHOUT_END, Directory, Presence
from nodes.center.finish import finish
from nodes.center.locks import AccountLocks
from nodes.center.queue import Queue
from nodes.center.settings import CenterSettings

SWEEP_S = 1.0  # how exactly `linkdead_s` is kept
SWEEP_MAX = 200  # characters released per sweep: a thousand at once would be a burst of saves
RETRY_S = 2.0  # a scene that did not release somebody is asked again after this


class Departures:
    """See the module."""

    def __init__(
        self,
        node: Node,
        told: CenterSettings,
        directory: Directory,
        queue: Queue,
        locks: AccountLocks,
        courier: Courier,
    ) -> None:
        self._node, self._told, self._directory, self._queue = node, told, directory, queue
        self._locks, self._courier = locks, courier
        self.room = asyncio.Event()  # somebody left: the queue may move
        self.expired = 0
        self.lost = 0

    # --- handlers ---

    @on(Dropped)
    def on_dropped(self, said: Dropped, caller: Caller) -> None:
        """A connection broke; the online monitor begins to count."""
        now = self._node.clock.now()
        presence = self._directory.drop(said.session, caller.peer, said.connection, now, self._told.linkdead_s)
        if presence is not None:
            self._node.journal.record("linkdead", presence.account, session=presence.session)

    @on(Leave)
    async def on_leave(self, said: Leave, caller: Caller) -> Done:
        """A player logs out."""
        presence = self._directory.of_session(said.session)
        if presence is not None and presence.gate not in ("", caller.peer):
            raise RefusedError(Code.NOT_FOUND, "the session has its connection at another gate")
        if presence is not None and not await finish(self._node, self.release(presence, "logout")):
            raise RefusedError(Code.UNAVAILABLE, "the scene does not answer; the character is saved when it does")
        return Done()

    @on(KickAccount)
    async def on_kick_account(self, said: KickAccount, _caller: Caller) -> Done:
        """Whatever the account has open ends: a place in the queue, a connection, the character in the world."""
        waiting = self._queue.remove(said.account)
        if waiting is not None:
            online = waiting.online
            self._courier.kick(online.gate, online.connection, online.session, said.code, said.text)
        presence = self._directory.of_account(said.account)
        if presence is not None:
            self._courier.kick_presence(presence, said.code, said.text)
            self._node.journal.record("kick", said.account, code=said.code)
            await finish(self._node, self.release(presence, "kick"))
        return Done()

    # --- the end of a session ---

    async def release(self, presence: Presence, why: str) -> bool:
        """Save it and take it out of the world. False when its scene did not do it now: then it is tried again."""
        async with self._locks.hold(presence.account):
            return await self.release_held(presence, why)

    async def release_held(self, presence: Presence, why: str) -> bool:
        """The same, for one who holds the account's lock."""
        if self._directory.of_session(presence.session) is not presence:
            return True
        self._directory.leave(presence)
        try:
            await self._node.ask(presence.scene, Release(presence.session), self._told.release_s)
        except (RefusedError, PeerLost, DeadlineExceeded) as error:
            self._directory.retry(presence, self._node.clock.now() + RETRY_S)
            self._node.log.warning("a character was not released yet", scene=presence.scene, reason=str(error))
            return False
        self._ended(presence, why)
        return True

    def lose(self, presence: Presence) -> None:
        """Its scene does not have it any more: the client has to log in again."""
        self.lost += 1
        self._courier.kick_presence(presence, Code.UNAVAILABLE)
        self._ended(presence, "lost")

    def lose_scene(self, scene: str) -> int:
        """The scene is gone, with everybody on it. Logins under way there find out by themselves."""
        there = [presence for presence in self._directory.at_scene(scene) if presence.stage != "entering"]
        for presence in there:
            self.lose(presence)
        return len(there)

    def lose_gate(self, gate: str) -> int:
        """The gate is gone: its clients come back by another one."""
        dropped = self._directory.lose_gate(gate, self._node.clock.now(), self._told.linkdead_s)
        for presence in dropped:
            self._node.journal.record("linkdead", presence.account, session=presence.session)
        return len(dropped) + self._queue.lose_gate(gate)

    def discard(self, scene: str, session: int) -> None:
        """A scene has a character that is not the valid one: away with it, unsaved."""

        async def ask() -> None:
            try:
                await self._node.ask(scene, Release(session, discard=True), self._told.release_s)
            except MeshError as error:
                self._node.log.warning("a stale character was not released", scene=scene, reason=str(error))

        self._node.spawn(ask())

    def sweep(self) -> None:
        """Release those whose time is up."""
        for presence in self._directory.due(self._node.clock.now(), SWEEP_MAX):
            self._node.spawn(self._expire(presence))

    async def _expire(self, presence: Presence) -> None:
        async with self._locks.hold(presence.account):
            # While this waited for the lock the player may have come back, and even dropped again.
            if presence.stage not in ("linkdead", "leaving") or presence.deadline != WITHOUT_END:
                return
            self.expired += presence.stage == "linkdead"
            await self.release_held(presence, "expired" if presence.stage == "linkdead" else "logout")

    def _ended(self, presence: Presence, why: str) -> None:
        if self._directory.gone(presence):
            self._courier.tell_friends_offline(presence)
            self._node.journal.record("logout", presence.account, session=presence.session, why=why)
            self.room.set()
