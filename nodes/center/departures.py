"""How a session ends: logged out, dropped for too long, banned, or lost because nobody can go on with it.

A character is taken out of the world by its scene, which saves it first; it stays in the directory until the scene has
answered, and the question is asked again until it has or until the scene itself is lost. Only then friends hear that it
is offline. Everything here happens under the account's lock. A scene that is lost ends nobody: see `rehoming.py`.
"""

import asyncio

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import Dropped, Leave, Release
from mesh.protocol.control import Done
from mesh.protocol.sessions import account_of
from nodes.center.courier import Courier
from nodes.center.directory import WITHOUT_END, Directory, Presence
from nodes.center.finish import finish
from nodes.center.forgone import Forgone
from nodes.center.locks import AccountLocks
from nodes.center.queue import Queue
from nodes.center.settings import CenterSettings
from nodes.center.watchers import Watcher

RETURNING = ("expired", "lost")  # who did not want to leave comes back before the others
EVERY_SESSION = 2**63 - 1  # no session has a greater number
SWEEP_S = 1.0  # how exactly `linkdead_s` is kept
SWEEP_MAX = 200  # characters released per sweep: a thousand at once would be a burst of saves
RETRY_S = 2.0  # a scene that did not release somebody is asked again after this
DISCARD_TRIES = 10  # a scene that is there and does not answer, before it is left with a stale character


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
        watchers: list[Watcher],
    ) -> None:
        self._node, self._told, self._directory, self._queue = node, told, directory, queue
        self._locks, self._courier, self._watchers = locks, courier, watchers
        self.forgone = Forgone()
        self.room = asyncio.Event()  # somebody left: the queue may move
        self.expired = 0
        self.lost = 0

    # --- handlers ---

    @on(Dropped)
    def on_dropped(self, said: Dropped, caller: Caller) -> None:
        """A connection broke; the online monitor begins to count. Or a gate does not know what became of a login."""
        if not said.session:
            self.forgone.add(caller.peer, said.connection, self._node.clock.now())
            self.forgo(caller.peer, said.connection)
            return
        self._drop(said.session, caller.peer, said.connection)

    @on(Leave)
    async def on_leave(self, said: Leave, caller: Caller) -> Done:
        """A player logs out."""
        presence = self._directory.of_session(said.session)
        if presence is not None and presence.gate not in ("", caller.peer):
            raise RefusedError(Code.NOT_FOUND, "the session has its connection at another gate")
        if presence is not None and not await finish(self._node, self.release(presence, "logout")):
            raise RefusedError(Code.UNAVAILABLE, "the scene does not answer; the character is saved when it does")
        return Done()

    def forgo(self, gate: str, connection: int) -> None:
        """Whatever the login over this connection got: nobody has heard of it. A session is linkdead, a position in the
        queue is kept for a while."""
        presence = self._directory.forgo(gate, connection)
        if presence is not None:
            self._drop(presence.session, gate, connection)
        self._queue.lose_connection(gate, connection, self._node.clock.now())

    def _drop(self, session: int, gate: str, connection: int) -> None:
        now = self._node.clock.now()
        presence = self._directory.drop(session, gate, connection, now, self._told.linkdead_s)
        if presence is not None:
            self._dropped(presence)

    # --- the end of a session ---

    async def kick(self, account: int, code: str, text: str) -> bool:
        """End what an account has: a place in the queue, a connection, the character in the world. False when it has
        nothing."""
        waiting, presence = self._queue.of_account(account), self._directory.of_account(account)
        self._hang_up(EVERY_SESSION, account, code, text, None)
        if presence is not None:
            self._node.journal.record("kick", account, code=code)
            await finish(self._node, self.release(presence, "kick"))
        return waiting is not None or presence is not None

    async def end_up_to(self, last: int, account: int, code: str, text: str) -> None:
        """End what an account has by sessions up to `last`, and keep those of them out that are still on their way in:
        they come after this to the account's lock, and find that they are over."""
        told = self._hang_up(last, account, code, text, None)  # at once, the lock may take a while
        async with self._locks.hold(account):
            self._directory.supersede(last + 1)
            self._hang_up(last, account, code, text, told)
            presence = self._directory.of_account(account)
            if presence is not None and presence.session <= last:
                self._node.journal.record("kick", account, code=code)
                await self.release_held(presence, "kick")

    def _hang_up(
        self, last: int, account: int, code: str, text: str, told: tuple[str, int] | None
    ) -> tuple[str, int] | None:
        """Tell the account's connections, except the one that was `told`. Returns that of the character."""
        waiting = self._queue.of_account(account)
        if waiting is not None and waiting.online.session <= last:
            self._queue.remove(account)
            self._courier.kick(waiting.online.gate, waiting.online.connection, waiting.online.session, code, text)
        presence = self._directory.of_account(account)
        if presence is None or presence.session > last:
            return None
        connection = presence.gate, presence.connection
        if connection != told:
            self._courier.kick_presence(presence, code, text)
        return connection

    async def release(self, presence: Presence, why: str) -> bool:
        """Save it and take it out of the world. False when its scene did not do it now: then it is tried again."""
        async with self._locks.hold(presence.account):
            return await self.release_held(presence, why)

    async def release_held(self, presence: Presence, why: str, *, discard: bool = False) -> bool:
        """The same, for one who holds the account's lock. `discard`: without saving, the DC would not take it."""
        if self._directory.of_session(presence.session) is not presence:
            return True
        presence.why = presence.why or why  # who asks again later does not know why it was
        self._directory.leave(presence)
        try:
            await self._node.ask(presence.scene, Release(presence.session, discard), self._told.release_s)
        except (RefusedError, PeerLost, DeadlineExceeded) as error:
            self._directory.retry(presence, self._node.clock.now() + RETRY_S)
            self._node.log.warning("a character was not released yet", scene=presence.scene, reason=str(error))
            return False
        self.ended(presence, why)
        return True

    def lose(self, presence: Presence) -> None:
        """No scene has it, and none can have it: the client has to log in again."""
        self.lost += 1
        self._courier.kick_presence(presence, Code.UNAVAILABLE)
        self.ended(presence, "lost")

    def lose_gate(self, gate: str) -> int:
        """The gate is gone: its clients come back by another one."""
        self.forgone.lose_gate(gate)
        dropped = self._directory.lose_gate(gate, self._node.clock.now(), self._told.linkdead_s)
        for presence in dropped:
            self._dropped(presence)
        return len(dropped) + self._queue.lose_gate(gate, self._node.clock.now())

    def discard(self, scene: str, session: int) -> None:
        """A scene has a character that is not the valid one, or the keepsake of one that arrived elsewhere: away with
        it, unsaved. Under the lock, since a transfer may be about to bring the session there."""

        async def ask() -> None:
            async with self._locks.hold(account_of(session)):
                present = self._directory.of_session(session)
                if present is None or present.scene != scene:
                    await self.discard_held(scene, session)

        self._node.spawn(ask())

    async def discard_held(self, scene: str, session: int) -> bool:
        """The same, for one who holds the account's lock. Asks until it is answered, which is what True means, or the
        link ends; then the scene's own list will tell."""
        for _ in range(DISCARD_TRIES):
            try:
                await self._node.ask(scene, Release(session, discard=True), self._told.release_s)
            except DeadlineExceeded:
                continue
            except MeshError as error:
                self._node.log.warning("a stale character was not released", scene=scene, reason=str(error))
                return False
            return True
        self._node.log.warning("a stale character was not released", scene=scene, reason="no answer")
        return False

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

    def ended(self, presence: Presence, why: str) -> None:
        """It is out of the world; what first had it leave is the reason."""
        if self._directory.gone(presence):
            self.went(presence, presence.why or why)
            self.room.set()

    def went(self, presence: Presence, why: str) -> None:
        """Whoever wants to know is told that it left."""
        if why in RETURNING:
            self._queue.keep_return(presence.account, self._node.clock.now() + self._told.return_s)
        self._node.journal.record("logout", presence.account, session=presence.session, why=why)
        for watcher in self._watchers:
            watcher.went(presence, why)

    def _dropped(self, presence: Presence) -> None:
        self._node.journal.record("linkdead", presence.account, session=presence.session)
        for watcher in self._watchers:
            watcher.moved(presence)
