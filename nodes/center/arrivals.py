"""How a session gets into the zone: placed at once, out of the queue, or resumed.

Step 6 is here: a line is chosen and its scene asked to build the character; only when it has, the session is online,
whoever watches hears of it and login is answered. Everything happens under the account's lock, and what was begun is
finished even when login does not wait any more, so that a login ends in exactly one of: in the world and in the
directory, or in neither.

A second login of an account goes to the scene where the account is already, which hands the living character to the
new session: the position and health that the DC has may be a second old, those of the scene are not. The connection of
the old session is ended before that, since the DC has refused its session from LoadStatus on.

Who was promised a place (`expect`: a traveller from another zone) does not wait in the queue; what is promised counts
as taken, and nothing is promised while somebody waits here for want of room. Before a session is let in, the other
zones give up what they have of its account (`claims`).

A new login also waits while all scenes where it could go are under so much pressure that the policy wants it to.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import count

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.node import Caller, Node, on, to_the_end
from mesh.protocol.cluster import Admit, Enter, Hosted, LeaveQueue, Online, Placed, Queued, QueueMoved, Release, Resume
from mesh.protocol.sessions import account_of
from nodes.center.claims import Claims
from nodes.center.courier import Courier
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.keeper import Keeper
from nodes.center.lines import Line
from nodes.center.locks import AccountLocks
from nodes.center.mutes import Mutes
from nodes.center.placement import Companions
from nodes.center.promises import Promises
from nodes.center.queue import Entry, Queue
from nodes.center.settings import CenterSettings
from nodes.center.watchers import Watcher

TRIES = 2  # lines that are asked to take one login
EXPECTED_MAX = 10_000  # promised places; one more is refused
QUEUE_LOOK_S = 0.5  # the queue is looked at so often, and whenever somebody leaves
BREAK_S = 2.0  # a gate that hangs is taken for dead by then
BREAK_LOOK_S = 0.1
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
    queue: Queue
    locks: AccountLocks
    courier: Courier
    departures: Departures
    keeper: Keeper
    companions: Companions
    watchers: list[Watcher]
    claims: Claims
    mutes: Mutes
    whole: asyncio.Event  # the directory knows whom the scenes have
    expected: Promises = field(default_factory=Promises)  # who was promised a place, and has not come yet
    counts: Counts = field(default_factory=Counts)
    _nonces: "count[int]" = field(default_factory=lambda: count(1))

    # --- handlers ---

    @on(Online)
    @to_the_end
    async def on_online(self, said: Online, _caller: Caller) -> Placed | Queued:
        """Step 5 ends and step 6 happens here."""
        return await self._online(said)

    @on(Resume)
    @to_the_end
    async def on_resume(self, said: Resume, _caller: Caller) -> Placed:
        """A player whose connection broke is back."""
        return await self._resume(said)

    @on(LeaveQueue)
    def on_leave_queue(self, said: LeaveQueue, caller: Caller) -> None:
        """A waiting player gave up."""
        left = self.queue.leave(said.place, caller.peer, self.node.clock.now()) or self.queue.turns.get(said.place)
        if left is not None:
            left.left = True

    # --- for other zones ---

    def expect(self, account: int, map_: str = "") -> None:
        """Keep a place on this map for one who comes from another zone. RefusedError when there is none, or when
        somebody else waits for it. Who has a promise already keeps it, with its end when it cannot be made anew."""
        now = self.node.clock.now()
        self.expected.forget(now)
        waits = len(self.queue) and not self.keeper.shut()
        if not waits and len(self.expected) < EXPECTED_MAX and not self._is_full(map_):
            self._promise(account, self._map_for(map_))
        elif account not in self.expected:
            raise RefusedError(Code.ZONE_FULL, "the zone is full")

    def _promise(self, account: int, map_: str) -> None:
        """Who is here has a place, and needs no second one."""
        if self.directory.of_account(account) is None:
            self.expected.keep(account, map_, self.node.clock.now() + self.told.expect_s)

    # --- in ---

    async def _online(self, said: Online) -> Placed | Queued:
        await self.whole.wait()
        account = account_of(said.session)
        if self.directory.of_account(account) is None:
            self.node.dispatch.admit()
        async with self.claims.coming(said.session), self.locks.hold(account):
            await self._claim(said.session)
            waiting = self.queue.of_account(account)
            self.expected.forget(self.node.clock.now())
            here = self.directory.of_account(account) is not None or account in self.expected
            if not here and (len(self.queue) or self._is_full(said.status.map) or self._is_held(said)):
                answer: Placed | Queued = self._enqueue(said, waiting)
            else:
                answer = await self._place(said) or self._enqueue(said, waiting)
            if self._is_forgone(said):
                self.departures.forgo(said.gate, said.connection)
            return answer

    def _is_forgone(self, said: Online | Resume) -> bool:
        """Has its gate given this login up while it was on its way, or is it gone? A new one is carried out all the
        same: the DC knows of its session, and it may have to take over what an older one has in the world."""
        if said.gate not in self.node.switchboard.links.up:  # should it live, its list will say whom it has
            return True
        return self.departures.forgone.has(said.gate, said.connection, self.node.clock.now())

    async def _claim(self, session: int) -> None:
        """Have the account for this zone: from here on the others have nothing of it. Refused when it has a newer
        session."""
        waiting = self.queue.of_account(account_of(session))
        if not self.directory.is_over(session) and (waiting is None or waiting.online.session <= session):
            await self.claims.claim(session)
            if not self.directory.is_over(session):
                return
        raise RefusedError(Code.TAKEN_OVER, "a newer login of the account came first")

    def _is_full(self, map_: str) -> bool:
        """Has the zone no room for this character? Refuses when it has no such place at all."""
        return self._taken() >= self.told.capacity or not self._has_room(self._map_for(map_))

    def _taken(self) -> int:
        """Places that somebody has, or was promised, or is about to have."""
        coming = {entry.account for entry in self.queue.turns.values()}
        more = sum(account not in self.expected and self.directory.of_account(account) is None for account in coming)
        return len(self.directory) + len(self.expected) + more

    def _map_for(self, map_: str) -> str:
        found = self.keeper.lines.map_for(map_, self.told.default_map, self.keeper.scenes())
        if not found:
            raise RefusedError(Code.UNAVAILABLE, "no scene is there for this character at the moment")
        return found

    def _has_room(self, map_: str, but: Collection[str] = ()) -> bool:
        return self.keeper.has_room(map_, len(self.queue.turns) + self.expected.on_map(map_), but)

    def _is_held(self, said: Online) -> bool:
        """Must this login wait because of the pressure on the scenes where it could go?"""
        shut, account = self.keeper.shut(), account_of(said.session)
        if not shut or self.queue.is_returning(account, self.node.clock.now()):
            return False
        return not self._has_room(self._map_for(said.status.map), shut)

    async def _place(self, said: Online) -> Placed | None:
        """Have a scene build the character. Holds the account's lock. None: there is no room after all."""
        account = account_of(said.session)
        old, tried = self.directory.of_account(account), list[Line]()
        promised: str | None = None
        if old is not None and old.session != said.session:
            self.courier.kick_presence(old, Code.TAKEN_OVER)
            self.counts.taken_over += 1
        if old is not None and not self.keeper.is_given_up(old.scene):
            presence = await self._enter(said, old.scene, old.map, old.line, old)
            if presence is not None:
                return self._has_come(presence, old)
            await self._withdraw(old.scene, old)
            tried += [line for line in self.keeper.lines.at_scene(old.scene) if line.name == (old.map, old.line)]
        while len(tried) < TRIES and (line := await self._choose(said, tried)) is not None:
            promised = self.expected.take(account) or promised  # from here on it counts as present
            presence = await self._enter(said, line.scene, line.map, line.number, old)
            if presence is not None:
                return self._has_come(presence, old)
            tried.append(line)
        if old is None and not tried:
            return None
        self._has_failed(said, old)
        if promised is not None:
            self._promise(account, promised)
        raise RefusedError(Code.UNAVAILABLE, "no scene took the character: try again")

    async def _choose(self, said: Online, tried: list[Line]) -> Line | None:
        """The best line; a new one when all are full."""
        try:
            map_ = self._map_for(said.status.map)
        except RefusedError:
            return None
        company, shut = self.companions.of(account_of(said.session), said.status.friends), self.keeper.shut()
        if shut and self.keeper.has_room(map_, but=shut):
            tried = [*tried, *(line for scene in shut for line in self.keeper.lines.at_scene(scene))]
        return await self.keeper.find_room(map_, company, tried)

    async def _enter(self, said: Online, scene: str, map_: str, line: int, old: Presence | None) -> Presence | None:
        """Step 6 at one line. None when it did not take it; refused when it is unknown whether it did."""
        now, status = self.node.clock.now(), self.mutes.upon(said.status)
        presence = self.directory.enter(
            said.session, status.name, status.friends, scene, said.gate, said.connection, now, map_, line
        )
        presence.mute = status.mute
        self.node.seat.failpoints.hit("center.entering")
        enter = Enter(said.session, status, line, party=self.companions.party_of(presence.account), map=map_)
        try:
            hosted = await self.node.ask(scene, enter, self.told.enter_s)
        except DeadlineExceeded:
            # It may be in the world there: to be released until the scene says that it is not.
            self.counts.enters_failed += 1
            self.directory.doubted.add(scene)
            self.directory.retry(presence, self.node.clock.now())
            if old is not None and old.session != said.session:
                self.departures.discard(old.scene, old.session)
            raise RefusedError(Code.UNAVAILABLE, "the scene does not answer: try again") from None
        except (RefusedError, PeerLost) as error:
            self.counts.enters_failed += 1
            if isinstance(error, PeerLost):
                self.directory.doubted.add(scene)
            self.node.log.warning("a scene did not take a character", scene=scene, line=line, reason=str(error))
            return None
        assert isinstance(hosted, Hosted)
        self.directory.hosted(
            presence, hosted.map, hosted.line, self._nonce(), self.node.clock.now(), self.told.linkdead_s
        )
        self.node.seat.failpoints.hit("center.entered")
        return presence

    async def _withdraw(self, scene: str, old: Presence) -> None:
        """The scene that has the older session did not take the newer one: it is to give up the older one, too, before
        another scene builds the character. Unsaved, because the DC takes nothing of an older session any more."""
        try:
            await self.node.ask(scene, Release(old.session, discard=True), self.told.release_s)
        except MeshError as error:
            self.node.log.warning("an older session was not released", scene=scene, reason=str(error))

    def _has_come(self, presence: Presence, old: Presence | None) -> Placed:
        self.counts.placed += old is None
        self.expected.take(presence.account)
        self.queue.arrived(presence.account)
        for watcher in self.watchers:
            watcher.came(presence)
        self.keeper.consider(presence.map)
        kind = "login" if old is None or old.session == presence.session else "takeover"
        at = {"scene": presence.scene, "map": presence.map, "line": presence.line, "gate": presence.gate}
        self.node.journal.record(kind, presence.account, session=presence.session, **at)
        return self._placed(presence)

    def _has_failed(self, said: Online, old: Presence | None) -> None:
        presence = self.directory.of_session(said.session)
        if presence is not None:
            self.directory.gone(presence)
        if old is not None:
            self.departures.went(old, "lost")
        self.departures.room.set()

    def _placed(self, presence: Presence) -> Placed:
        assert presence.nonce is not None
        return Placed(presence.session, presence.name, presence.placement, presence.nonce, self.told.linkdead_s)

    def _nonce(self) -> int:
        return self.node.publications.epoch << NONCE_BITS | next(self._nonces)

    # --- back ---

    async def _resume(self, said: Resume) -> Placed:
        await self.whole.wait()
        await self._wait_for_break(said)
        async with self.locks.hold(account_of(said.session)):
            now = self.node.clock.now()
            if self._is_forgone(said):
                raise RefusedError(Code.UNAVAILABLE, "the gate does not wait for this any more")
            try:
                presence, gate, connection = self.directory.resume(
                    said.session, said.nonce, said.gate, said.connection, self._nonce(), now
                )
            except RefusedError:
                self.counts.resumes_refused += 1
                raise
            # The gate may not have noticed yet that the old connection is broken.
            if (gate, connection) != (said.gate, said.connection):
                self.courier.kick(gate, connection, said.session, Code.TAKEN_OVER)
            self.counts.resumed += 1
            for watcher in self.watchers:
                watcher.moved(presence)
            self.node.journal.record("resume", presence.account, session=presence.session, gate=said.gate)
            return self._placed(presence)

    async def _wait_for_break(self, said: Resume) -> None:
        """It names a token that was used a moment ago. Its client may not have heard of that: then the connection
        that the token made is about to end, since its gate is dead or has noticed."""
        until = self.node.clock.now() + BREAK_S
        while (now := self.node.clock.now()) < until:
            if not self.directory.may_repeat(said, now):
                return
            await asyncio.sleep(BREAK_LOOK_S)

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
        self.expected.forget(self.node.clock.now())
        full: set[str] = set()  # maps without room: who wants to go there waits on, and the next one's turn comes
        while len(self.queue.turns) < self.told.admissions_max and self._taken() < self.told.capacity:
            now = self.node.clock.now()
            first = self.queue.first(now, full)
            if first is None:
                return
            try:
                if self._is_held(first.online) or not self._has_room(self._map_for(first.online.status.map)):
                    full.add(first.online.status.map)
                    continue
            except RefusedError:
                return  # no scene at the moment
            self.queue.admit(first, now)
            self.node.spawn(self._admit(first))

    async def _admit(self, entry: Entry) -> None:
        online = entry.online
        try:
            async with self.claims.coming(online.session), self.locks.hold(entry.account):
                if entry.left:
                    self.queue.give_back(entry, self.node.clock.now())
                    return
                await self._claim(online.session)
                placed = await self._place(online)
                if placed is None:
                    self.queue.put_back(entry, self.node.clock.now())
                    return
                self.counts.admitted += 1
                told = not entry.left and self.node.tell(online.gate, Admit(online.connection, entry.place, placed))
                if not told:
                    now = self.node.clock.now()
                    self.directory.drop(online.session, online.gate, online.connection, now, self.told.linkdead_s)
        except MeshError as error:
            self.node.log.warning("a login from the queue failed", reason=str(error))
            code = Code.UNAVAILABLE
            if isinstance(error, RefusedError) and error.code == Code.TAKEN_OVER:
                code = Code.TAKEN_OVER
            else:
                self.queue.give_back(entry, self.node.clock.now())
            self.courier.kick(online.gate, online.connection, online.session, code)
        finally:
            self.queue.turn_over(entry)
            self.departures.room.set()
