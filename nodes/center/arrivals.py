"""How a session gets into the zone: placed at once, out of the queue, or resumed.

Step 6 is here: a scene is chosen and asked to build the character; only when it has, the session is online, friends
hear of it and login is answered. Everything happens under the account's lock, and what was begun is finished even when
login does not wait any more, so that a login ends in exactly one of: in the world and in the directory, or in neither.

A second login of an account goes to the scene where the account is already, which hands the living character to the
new session: the position and health that the DC has may be a second old, those of the scene are not. The connection of
the old session is ended before that, since the DC has refused its session from LoadStatus on.
"""

import asyncio
from dataclasses import dataclass, field
from itertools import count

import msgspec

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import (
    Admit,
    Enter,
    Friendship,
    Hosted,
    LeaveQueue,
    Online,
    Placed,
    Placement,
    Queued,
    QueueMoved,
    Release,
    Resume,
    account_of,
)
from mesh.protocol.control import Member
from nodes.center.courier import Courier
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.finish import finish
from nodes.center.locks import AccountLocks
from nodes.center.placement import choose, hosts_of
from nodes.center.queue import Entry, Queue
from nodes.center.registry import Registry
from nodes.center.settings import CenterSettings

TRIES = 2  # scenes that are asked to take one login
QUEUE_LOOK_S = 0.5  # the queue is looked at so often, and whenever somebody leaves
NONCE_BITS = 32  # of a nonce below the epoch: nonces of different epochs of the center never meet


@dataclass(slots=True)
class Counts:
    """What happened, in plain ints."""

    placed: int = 0
    taken_over: int = 0
    resumed: int = 0
    resumes_refused: int = 0
    queued: int = 0
    admitted: int = 0
    enters_failed: int = 0


@dataclass(slots=True)
class Arrivals:
    """See the module."""

    node: Node
    told: CenterSettings
    directory: Directory
    registry: Registry
    queue: Queue
    locks: AccountLocks
    courier: Courier
    departures: Departures
    counts: Counts = field(default_factory=Counts)
    whole: asyncio.Event = field(default_factory=asyncio.Event)  # the directory knows whom the scenes have
    _nonces: "count[int]" = field(default_factory=lambda: count(1))
    _admitting: dict[int, Entry] = field(default_factory=dict)  # by place

    # --- handlers ---

    @on(Online)
    async def on_online(self, said: Online, _caller: Caller) -> Placed | Queued:
        """Step 5 ends and step 6 happens here."""
        return await finish(self.node, self._online(said))

    @on(Resume)
    async def on_resume(self, said: Resume, _caller: Caller) -> Placed:
        """A player whose connection broke is back."""
        return await finish(self.node, self._resume(said))

    @on(LeaveQueue)
    def on_leave_queue(self, said: LeaveQueue, caller: Caller) -> None:
        """A waiting player gave up."""
        entry = self.queue.leave(said.place, caller.peer) or self._admitting.get(said.place)
        if entry is not None:
            entry.left = True

    # --- in ---

    async def _online(self, said: Online) -> Placed | Queued:
        await self.whole.wait()
        account = account_of(said.session)
        async with self.locks.hold(account):
            waiting = self.queue.of_account(account)
            if self.directory.is_over(said.session) or (waiting and waiting.online.session > said.session):
                raise RefusedError(Code.TAKEN_OVER, "a newer login of the account came first")
            if self.directory.of_account(account) is None and (self.queue or self._is_full(said.status.map)):
                return self._enqueue(said, waiting)
            return await self._place(said)

    def _is_full(self, map_: str) -> bool:
        """Has the zone no room for this character? Refuses when it has no such place at all."""
        hosts = self._hosts(map_)
        if not hosts:
            raise RefusedError(Code.UNAVAILABLE, "no scene is there for this character at the moment")
        coming = sum(self.directory.of_account(entry.account) is None for entry in self._admitting.values())
        return len(self.directory) + coming >= self.told.capacity or choose(hosts, self.directory.count_at) is None

    def _hosts(self, map_: str) -> list[Member]:
        linked = (self.registry.members.get(member.name) for member in self.node.peers("scene"))
        return hosts_of([member for member in linked if member is not None], map_, self.told.default_map)

    async def _place(self, said: Online) -> Placed:
        """Have a scene build the character. Holds the account's lock."""
        old = self.directory.of_account(account_of(said.session))
        if old is not None and old.session != said.session:
            self.courier.kick_presence(old, Code.TAKEN_OVER)
            self.counts.taken_over += 1
        scene, tried = old.scene if old is not None else "", set[str]()
        for _ in range(TRIES):
            if not scene:
                chosen = choose(self._hosts(said.status.map), self.directory.count_at, tried)
                if chosen is None:
                    break
                scene = chosen.name
            presence = await self._enter(said, scene, old)
            if presence is not None:
                self._has_come(presence, old)
                return self._placed(presence)
            await self._withdraw(scene, old)
            tried.add(scene)
            scene = ""
        self._has_failed(said, old)
        raise RefusedError(Code.UNAVAILABLE, "no scene took the character: try again")

    async def _enter(self, said: Online, scene: str, old: Presence | None) -> Presence | None:
        """Step 6 at one scene. None when it did not take it; refused when it is unknown whether it did."""
        now, status = self.node.clock.now(), said.status
        presence = self.directory.enter(
            said.session, status.name, status.friends, scene, said.gate, said.connection, now
        )
        try:
            hosted = await self.node.ask(scene, Enter(said.session, status), self.told.enter_s)
        except DeadlineExceeded:
            # It may be in the world there: to be released until the scene says that it is not.
            self.counts.enters_failed += 1
            self.directory.retry(presence, self.node.clock.now())
            if old is not None and old.session != said.session:
                self.departures.discard(old.scene, old.session)
            raise RefusedError(Code.UNAVAILABLE, "the scene does not answer: try again") from None
        except (RefusedError, PeerLost) as error:
            self.counts.enters_failed += 1
            self.node.log.warning("a scene did not take a character", scene=scene, reason=str(error))
            return None
        assert isinstance(hosted, Hosted)
        self.directory.hosted(
            presence, hosted.map, hosted.line, self._nonce(), self.node.clock.now(), self.told.linkdead_s
        )
        return presence

    async def _withdraw(self, scene: str, old: Presence | None) -> None:
        """The scene that has the older session did not take the newer one: it is to give up the older one, too, before
        another scene builds the character. Unsaved, because the DC takes nothing of an older session any more."""
        if old is None or old.scene != scene:
            return
        try:
            await self.node.ask(scene, Release(old.session, discard=True), self.told.release_s)
        except MeshError as error:
            self.node.log.warning("an older session was not released", scene=scene, reason=str(error))

    def _has_come(self, presence: Presence, old: Presence | None) -> None:
        if old is None:
            self.counts.placed += 1
            self.courier.tell_friends_online(presence)
        kind = "login" if old is None or old.session == presence.session else "takeover"
        self.node.journal.record(
            kind, presence.account, session=presence.session, scene=presence.scene, map=presence.map, gate=presence.gate
        )

    def _has_failed(self, said: Online, old: Presence | None) -> None:
        presence = self.directory.of_session(said.session)
        if presence is not None:
            self.directory.gone(presence)
        if old is not None:
            self.courier.tell_friends_offline(old)
            self.node.journal.record("logout", old.account, session=old.session, why="lost")
        self.departures.room.set()

    def _placed(self, presence: Presence) -> Placed:
        placement = Placement(presence.scene, presence.map, presence.line)
        assert presence.nonce is not None
        return Placed(presence.session, presence.name, placement, presence.nonce, self.told.linkdead_s)

    def _nonce(self) -> int:
        return self.node.publications.epoch << NONCE_BITS | next(self._nonces)

    # --- back ---

    async def _resume(self, said: Resume) -> Placed:
        await self.whole.wait()
        async with self.locks.hold(account_of(said.session)):
            now = self.node.clock.now()
            try:
                presence, gate, connection = self.directory.resume(
                    said.session, said.nonce, said.gate, said.connection, self._nonce(), now
                )
            except RefusedError:
                self.counts.resumes_refused += 1
                raise
            # The gate may not have noticed yet that the old connection is broken.
            self.courier.kick(gate, connection, said.session, Code.TAKEN_OVER)
            self.counts.resumed += 1
            self.node.journal.record("resume", presence.account, session=presence.session, gate=said.gate)
            return self._placed(presence)

    # --- the queue ---

    def _enqueue(self, said: Online, waiting: Entry | None) -> Queued:
        entry = self.queue.join(said, self.node.clock.now())
        if waiting is not None and waiting.online.session != said.session:
            online = waiting.online
            self.courier.kick(online.gate, online.connection, online.session, Code.TAKEN_OVER)
        self.counts.queued += 1
        entry.told = self.queue.position(entry)
        self.departures.room.set()
        return Queued(entry.place, entry.told, self.queue.estimate_s(entry.told, self.node.clock.now()))

    async def move_queue(self) -> None:
        """Admit as many as there is room for, again and again."""
        while True:
            try:
                async with asyncio.timeout(QUEUE_LOOK_S):
                    await self.departures.room.wait()
            except TimeoutError:
                pass
            self.departures.room.clear()
            self._admit_some()
            now = self.node.clock.now()
            for entry, position in self.queue.moved():
                estimate = self.queue.estimate_s(position, now)
                self.node.tell(entry.online.gate, QueueMoved(entry.online.connection, position, estimate))

    def _admit_some(self) -> None:
        while (first := self.queue.first(self.node.clock.now())) is not None and len(
            self._admitting
        ) < self.told.admissions_max:
            try:
                if self._is_full(first.online.status.map):
                    return
            except RefusedError:
                return  # no scene at the moment: they wait on
            entry = self.queue.admit(self.node.clock.now())
            self._admitting[entry.place] = entry
            self.node.spawn(self._admit(entry))

    async def _admit(self, entry: Entry) -> None:
        online = entry.online
        try:
            async with self.locks.hold(entry.account):
                if entry.left:
                    return
                if self.directory.is_over(online.session):
                    self.courier.kick(online.gate, online.connection, online.session, Code.TAKEN_OVER)
                    return
                placed = await self._place(online)
                self.counts.admitted += 1
                told = not entry.left and self.node.tell(online.gate, Admit(online.connection, entry.place, placed))
                if not told:
                    now = self.node.clock.now()
                    self.directory.drop(online.session, online.gate, online.connection, now, self.told.linkdead_s)
        except MeshError as error:
            self.node.log.warning("a login from the queue failed", reason=str(error))
            self.courier.kick(online.gate, online.connection, online.session, Code.UNAVAILABLE)
        finally:
            del self._admitting[entry.place]
            self.departures.room.set()

    def friends_changed(self, account: int, friends: list[Friendship]) -> None:
        """Of somebody who waits: the list that came with the login is not the newest any more."""
        waiting = self.queue.of_account(account)
        if waiting is not None:
            status = msgspec.structs.replace(waiting.online.status, friends=friends)
            waiting.online = msgspec.structs.replace(waiting.online, status=status)
