"""Transfers: a session goes from one line to another, on the same scene or on another one, and its client stays.

    1  old scene   Depart        out of the world there; all of it comes here, a keepsake stays there
    2  new scene   Enter         with what came; refused or lost: another line, at last home again
    3  old scene   Release       the keepsake may go
    4  gate        Transferred   attach the connection there; also when it came home, since its handle is new

All of that happens under the account's lock, so a login, a resume or a logout of the account waits until it is known
where the character is. What was begun is finished, even when nobody waits for it. At every moment at most one scene has
the character in the world, because the next one is asked only when the one before

    has said that it gave it away (Departed), or
    has said that it does not have it (the answer to Release), or
    has lost its link: then it is either dead, or its own list is held against the directory before anything else is
    done with it (`recovery.py`), or it was given up and nothing that it says counts (`rehoming.py`).

A scene whose answer to Depart does not come may have the character or its keepsake; TakeBack makes it one of the two.
Rejected: two scenes that hand the character over between themselves, because each of them, the center and the gate
would then have to find out alone where it is when one of them dies.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.metrics import SECONDS_BUCKETS, Histograms
from mesh.mutes import newer
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import Enter, Hosted
from mesh.protocol.control import Done
from mesh.protocol.placement import Cross, Depart, Departed, TakeBack, Transferred, Why
from mesh.protocol.sessions import Spot
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.finish import finish
from nodes.center.keeper import Keeper
from nodes.center.lines import Line
from nodes.center.locks import AccountLocks
from nodes.center.placement import Companions
from nodes.center.settings import CenterSettings
from nodes.center.watchers import Watcher

TRIES = 2  # lines that are asked to take one character, before it goes home
DEPART_TRIES = 2
HOME_TRIES = 10  # a scene that is there and does not answer, or is still about to give it away
AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """Where to."""

    map: str
    number: int = 0  # this line and no other; 0: the best one
    rather: int = 0  # this one, if it has room
    spot: Spot | None = None


@dataclass(slots=True)
class Transfers:
    """See the module."""

    node: Node
    told: CenterSettings
    directory: Directory
    locks: AccountLocks
    departures: Departures
    keeper: Keeper
    companions: Companions
    watchers: list[Watcher]
    strand: Callable[[list[Presence]], None] = lambda _: None  # their scenes do not have them: see rehoming.py
    under_way: int = 0
    done: Counter[tuple[str, ...]] = field(default_factory=Counter)  # by why
    failed: Counter[tuple[str, ...]] = field(default_factory=Counter)
    returned: int = 0  # came home, because no other line took it
    _seconds: Histograms = field(init=False)

    def __post_init__(self) -> None:
        self._seconds = self.node.metrics.histograms(
            "center_transfer_seconds", "How long transfers took.", "why", buckets=SECONDS_BUCKETS
        )
        reads = self.node.metrics.reads
        reads("center_transfers_total", "Sessions that went to another line.", lambda: dict(self.done), "why")
        reads("center_transfers_failed_total", "Sessions that did not.", lambda: dict(self.failed), "why")
        reads("center_transfers_returned_total", "Of these, taken out and put back.", lambda: self.returned)
        reads("center_transfers_under_way", "Sessions on their way.", lambda: self.under_way)

    @on(Cross)
    async def on_cross(self, said: Cross, caller: Caller) -> Done:
        """A player stands in a portal."""
        presence = self.directory.of_session(said.session)
        if presence is None or presence.scene != caller.peer:
            raise RefusedError(Code.NOT_FOUND, "the session is not there")
        goal = Goal(said.map, spot=Spot(said.x, said.y))
        await finish(self.node, self.transfer(presence, "portal", goal))
        return Done()

    async def transfer(self, presence: Presence, why: Why, goal: Goal) -> None:
        """Returns when it has arrived. RefusedError when it is where it was, or was lost on the way."""
        if self.under_way >= self.told.transfers_max and why != "drain":
            raise RefusedError(Code.TOO_MANY, "too many are on their way: try again")
        began, came_from = self.node.clock.now(), presence.placement
        self.under_way += 1
        try:
            async with self.locks.hold(presence.account):
                self._check(presence)
                if presence.placement != came_from:
                    raise RefusedError(Code.OUT_OF_ORDER, "it went elsewhere meanwhile")
                await self._transfer(presence, why, goal)
        except RefusedError:
            self.failed[why,] += 1
            raise
        finally:
            self.under_way -= 1
        took = self.node.clock.now() - began
        self.done[why,] += 1
        self._seconds.labels(why).observe(took)
        at = {"scene": presence.scene, "map": presence.map, "line": presence.line, "ms": round(took * 1000)}
        self.node.journal.record("transfer", presence.account, session=presence.session, why=why, **at)

    async def depart_for_travel(self, presence: Presence) -> None:
        """Out of this zone: returns when the character is saved and out of the world. RefusedError when it stays."""
        async with self.locks.hold(presence.account):
            self._check(presence)
            with self.moving(presence):
                await self._depart(presence, "travel")
            # It is saved and out. When its keepsake cannot be released now, it is nobody's any more all the same.
            if not await self.departures.release_held(presence, "travel"):
                self.departures.ended(presence, "travel")
                self.departures.discard(presence.scene, presence.session)

    async def take_back(self, presence: Presence, scene: str) -> None:
        """This scene says that it departed from there, and it arrived nowhere."""
        async with self.locks.hold(presence.account):
            present = self.directory.of_session(presence.session) is presence and presence.stage != "leaving"
            if present and presence.scene == scene:
                with self.moving(presence):
                    await self._come_home(presence, TakeBack(presence.session))

    def tell_gate(self, presence: Presence) -> None:
        """Its gate is to attach it anew. When there is none now, it hears it as soon as one has the connection."""
        if presence.gate:
            said = Transferred(presence.session, presence.connection, presence.placement)
            self.node.tell(presence.gate, said)

    # --- the steps; all hold the account's lock ---

    def _check(self, presence: Presence) -> None:
        gone = self.directory.of_session(presence.session) is not presence
        if gone or presence.stage not in ("online", "linkdead"):
            raise RefusedError(Code.NOT_FOUND, "the session is not in the world")

    async def _transfer(self, presence: Presence, why: Why, goal: Goal) -> None:
        line = await self._choose(presence, goal, [])
        self._check(presence)  # its scene may have been lost while a line was being opened
        with self.moving(presence):
            with self.directory.coming(line.scene, line.map, line.number):
                departed = await self._depart(presence, why)
                self.node.seat.failpoints.hit("center.departed")
                hosted = await self._enter(presence, departed, goal, line)
            tried = [line]
            while hosted is None and len(tried) < TRIES and not goal.number:
                try:
                    line = await self._choose(presence, goal, tried)
                except RefusedError:
                    break
                with self.directory.coming(line.scene, line.map, line.number):
                    hosted = await self._enter(presence, departed, goal, line)
                tried.append(line)
            if hosted is None:
                await self._go_home(presence, departed)
                raise RefusedError(Code.UNAVAILABLE, "no line took the character: try again")
            self._arrived(presence, line.scene, hosted)

    async def _choose(self, presence: Presence, goal: Goal, tried: list[Line]) -> Line:
        """The line to go to. RefusedError when there is none."""
        lines, scenes = self.keeper.lines, self.keeper.scenes()
        open_ones = lines.open_ones(goal.map, scenes)
        own = lines.find(presence.map, presence.line, presence.scene)
        if goal.number:
            return self._exactly(goal.number, open_ones, own)
        for line in open_ones:
            if goal.rather == line.number and lines.state(line) != "full" and line not in tried and line is not own:
                return line
        company = self.companions.of(presence.account, presence.friends)
        without = [*tried, own] if own is not None and goal.map == presence.map and goal.spot is None else tried
        found = await self.keeper.find_room(goal.map, company, without)
        if found is None:
            raise RefusedError(Code.UNAVAILABLE, f"there is no room on {goal.map} at the moment")
        return found

    def _exactly(self, number: int, open_ones: list[Line], own: Line | None) -> Line:
        named = [line for line in open_ones if line.number == number]
        if own is not None and own.number == number:
            raise RefusedError(Code.OUT_OF_ORDER, "you are on this line")
        if not named:
            raise RefusedError(Code.NOT_FOUND, "there is no such line")
        free = [line for line in named if self.keeper.lines.state(line) != "full"]
        if not free:
            raise RefusedError(Code.INSUFFICIENT, "this line is full")
        return free[0]

    async def _depart(self, presence: Presence, why: Why) -> Departed:
        """Step 1. RefusedError when it stays where it is."""
        for _ in range(DEPART_TRIES):
            try:
                departed = await self.node.ask(presence.scene, Depart(presence.session, why), self.told.depart_s)
            except DeadlineExceeded:
                continue
            except PeerLost:
                raise RefusedError(Code.UNAVAILABLE, "the scene cannot be reached: try again") from None
            except RefusedError as error:
                if error.code == Code.NOT_FOUND:
                    self.strand([presence])
                raise
            assert isinstance(departed, Departed)
            return departed
        # It has the character or its keepsake: let it be the character. Not at once: a Depart that is being carried out
        # there ends with the time that it was given.
        await asyncio.sleep(AGAIN_S)
        await self._come_home(presence, TakeBack(presence.session))
        raise RefusedError(Code.UNAVAILABLE, "the scene does not answer: try again")

    async def _enter(self, presence: Presence, departed: Departed, goal: Goal, line: Line) -> Hosted | None:
        """Step 2 at one line. None when it is certain that the character is not there. The own scene is not asked to
        drop it, since it would drop the keepsake: it finds what it has when it comes home."""
        enter = self._entering(presence, departed, goal.map, line.number, goal.spot)
        return await self.enter(enter, line, is_home=line.scene == presence.scene)

    async def enter(self, said: Enter, line: Line, *, is_home: bool) -> Hosted | None:
        """Have a scene build a character. None when it is certain that it has not, or that what it has does not count:
        a refusal, too, may come from a handler that was cut short after it had built the character, and a scene whose
        link broke is dead, or says whom it has when it is linked again, or is given up."""
        try:
            hosted = await self.node.ask(line.scene, said, self.told.enter_s)
        except PeerLost as error:
            reason = str(error)
            self.directory.doubted.add(line.scene)
        except (RefusedError, DeadlineExceeded) as error:
            reason = str(error)
            if not is_home:
                await self.departures.discard_held(line.scene, said.session)
        else:
            assert isinstance(hosted, Hosted)
            return hosted
        self.node.log.warning("a line did not take a character", scene=line.scene, line=line.number, reason=reason)
        return None

    async def _go_home(self, presence: Presence, departed: Departed) -> None:
        """No other line took it: back into the old one, which knows it by its keepsake."""
        enter = self._entering(presence, departed, presence.map, presence.line, None)
        if await self._come_home(presence, enter):
            self.returned += 1

    async def _come_home(self, presence: Presence, said: Enter | TakeBack) -> bool:
        """Into the world on its own scene. False when that did not work: then it has none, or that will be known when
        the scene is linked again or was given up."""
        for _ in range(HOME_TRIES):
            try:
                hosted = await self.node.ask(presence.scene, said, self.told.enter_s)
            except DeadlineExceeded:
                continue
            except PeerLost:
                return False
            except RefusedError as error:
                self.node.log.warning("a character could not come home", scene=presence.scene, reason=str(error))
                if error.code != Code.UNAVAILABLE:
                    break
                await asyncio.sleep(AGAIN_S)
                continue
            assert isinstance(hosted, Hosted)
            self.moved(presence, presence.scene, hosted)
            return True
        if await self.departures.discard_held(presence.scene, presence.session):
            self.strand([presence])
        elif presence.scene in self.node.switchboard.links.up:  # it may have the character or not, and does not say
            self.departures.lose(presence)
        return False

    def _arrived(self, presence: Presence, scene: str, hosted: Hosted) -> None:
        """Steps 3 and 4."""
        self.node.seat.failpoints.hit("center.arrived")
        old = presence.scene
        if old != scene:
            self.departures.discard(old, presence.session)
        self.moved(presence, scene, hosted)
        self.keeper.consider(presence.map)
        self.departures.room.set()

    def moved(self, presence: Presence, scene: str, hosted: Hosted) -> None:
        """It is there now: step 4."""
        self.directory.move(presence, scene, hosted.map, hosted.line, self.node.clock.now())
        self.tell_gate(presence)
        for watcher in self.watchers:
            watcher.moved(presence)

    def _entering(self, presence: Presence, departed: Departed, map_: str, line: int, spot: Spot | None) -> Enter:
        mute = newer(departed.status.mute, presence.mute)
        status = msgspec.structs.replace(departed.status, map=map_, mute=mute)
        if spot is not None:
            status = msgspec.structs.replace(status, x=spot.x, y=spot.y)
        party = self.companions.party_of(presence.account)
        return Enter(presence.session, status, line, departed.carried, spot, party, map_)

    @contextmanager
    def moving(self, presence: Presence) -> Iterator[None]:
        """Where it is cannot be said for the moment."""
        presence.moving = True
        try:
            yield
        finally:
            presence.moving = False
