"""Players whose scene is gone: they go on elsewhere, from what the DC knows, and their clients stay.

    1  it is certain, or `scene_grace_s` are over: this process of the scene is given up for good
    2  dc          FenceScene    whether it lives or not, nothing that it says is stored any more
    3  dc          ReadStatuses  the characters, at most a second old, and the last operation of each
    4  new scene   Enter         a line with room, opened when there is none; the scene itself when it is back
    5  gate        Transferred   as after any transfer

Nobody is built anywhere before the fence is on disk: otherwise a process that only stood still would go on to write
for players who are somewhere else. Who finds no room keeps the session and its connection, and is tried again until
`linkdead_s` are over. A scene that was given up and speaks again is told to end.

A center that starts anew finds sessions at gates that no scene has: their scene died with the center before, or is cut
off. They are taken in the same way, if it is known which process is to be fenced.

A center that hears no DC either is probably the one who is cut off: it gives up nobody. Rejected: to build everybody
anew from what gates and clients have, because none of them may be believed about gold.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from mesh.errors import Code, MeshError, RefusedError
from mesh.mutes import newer
from mesh.node import Caller, Node, on, to_the_end
from mesh.protocol.cluster import Enter, Replaced, SessionAt
from mesh.protocol.control import Done, Member
from mesh.protocol.records import FenceScene, ReadStatuses, StatusAt, StatusesRead
from mesh.protocol.sessions import account_of
from mesh.protocol.succession import Succeed
from nodes.center.departures import Departures
from nodes.center.directory import WITHOUT_END, Directory, Presence
from nodes.center.keeper import Keeper
from nodes.center.lines import Line
from nodes.center.locks import AccountLocks
from nodes.center.placement import Companions
from nodes.center.settings import CenterSettings
from nodes.center.transfers import Transfers

DC = "dc"
ASK_S = 2.0
AGAIN_S = 0.1  # between two questions to a DC that did not answer
LOOK_S = 0.2  # between two looks at whether there is room
CHUNK = 100  # characters that the DC is asked for, and that are then built, at a time
PATIENCE_S = 0.5  # for those, before the next are begun
TRIES = 2  # lines that are asked to take one character before others are tried
OVER_MAX = 16  # processes of one scene that are remembered as given up


@dataclass(slots=True, eq=False)
class Homeless:
    """One session without a scene. `placed`: it is so as long as nobody has put it anywhere since."""

    presence: Presence
    placed: int
    busy: bool = False  # somebody is at it
    is_new: bool = False  # to this center: only its gate knew of it


@dataclass(slots=True)
class Rehoming:
    """See the module."""

    node: Node
    told: CenterSettings
    directory: Directory
    locks: AccountLocks
    departures: Departures
    transfers: Transfers
    keeper: Keeper
    companions: Companions
    rehomed: int = 0
    given_up: int = 0  # processes of scenes
    succeeded: int = 0  # processes of scenes that gave everything to another one
    _known: dict[str, int] = field(default_factory=dict)  # the process of each scene that was linked last
    _remembered: dict[str, int] = field(default_factory=dict)  # that was there before this center started
    _heirs: dict[str, tuple[int, int]] = field(default_factory=dict)  # by scene: who gave everything to whom
    _over: dict[str, deque[int]] = field(default_factory=dict)  # those that were given up, by scene
    _homeless: dict[int, Homeless] = field(default_factory=dict)  # by account
    _heard: set[str] = field(default_factory=set)  # scenes that have said whom they have

    def __post_init__(self) -> None:
        reads = self.node.metrics.reads
        reads("center_rehomed_total", "Sessions that lost their scene and went on elsewhere.", lambda: self.rehomed)
        reads("center_homeless", "Sessions that lost their scene and wait for another.", lambda: len(self._homeless))
        reads("center_scenes_succeeded_total", "Processes of scenes that handed over.", lambda: self.succeeded)
        reads("center_scenes_given_up_total", "Processes of scenes that were given up.", lambda: self.given_up)

    # --- links ---

    def heard(self, scene: str) -> None:
        """It has said whom it has: nobody is there who is not known."""
        self._heard.add(scene)
        self.directory.doubted.discard(scene)

    def scene_up(self, scene: str, incarnation: int) -> bool:
        """A link to a scene is up. False when this process of it was given up, and is to end."""
        before = self._known.get(scene)
        self._known[scene] = incarnation
        if self._heirs.get(scene) == (before, incarnation):
            del self._heirs[scene]
            self._over.setdefault(scene, deque(maxlen=OVER_MAX)).append(before or 0)
            return True
        if self.is_over(scene, incarnation):
            self.node.tell(scene, Replaced())
            return False
        if before not in (None, incarnation):
            self._give_up(scene, before or 0)
        return True

    @on(Succeed)
    @to_the_end
    async def on_succeed(self, said: Succeed, caller: Caller) -> Done:
        """This process of a scene has given everything to another one. It is fenced like one that is lost, and nobody
        is moved; if its heir never comes, it is lost."""
        if self.is_over(caller.peer, caller.incarnation):
            raise RefusedError(Code.STALE_EPOCH, "this process was given up")
        await self.node.ask(DC, FenceScene(caller.peer, caller.incarnation), ASK_S)
        if self.is_over(caller.peer, caller.incarnation):
            raise RefusedError(Code.STALE_EPOCH, "this process was given up meanwhile")
        self._heirs[caller.peer] = (caller.incarnation, said.heir)
        self.succeeded += 1
        return Done()

    async def scene_lost(self, scene: str) -> None:
        """The link to a scene broke: it may come back soon, and then its own list tells."""
        incarnation = self._known.get(scene, 0)
        while True:
            await asyncio.sleep(self.told.scene_grace_s)
            if scene in self.node.switchboard.links.up or self._known.get(scene, 0) != incarnation:
                return
            if self.node.peers(DC):
                break
        self.keeper.lines.lost(scene)
        self._give_up(scene, incarnation)

    def is_over(self, scene: str, incarnation: int) -> bool:
        """Was this process of the scene given up?"""
        return incarnation in self._over.get(scene, ())

    def _give_up(self, scene: str, incarnation: int) -> None:
        """Whoever is on this process of the scene goes elsewhere; logins under way there find out by themselves."""
        there = [presence for presence in self.directory.at_scene(scene) if presence.stage != "entering"]
        is_empty = not there and scene not in self.directory.doubted
        if is_empty or self.is_over(scene, incarnation):
            return  # with nobody there it has nothing to write, and may come back as it is
        self.directory.doubted.discard(scene)
        over = self._over.setdefault(scene, deque(maxlen=OVER_MAX))
        over.append(incarnation)
        before, heir = self._heirs.pop(scene, (0, 0))
        if before == incarnation:  # it is fenced, and its heir did not come in time: now that is not to come any more
            over.append(heir)
        self.given_up += 1
        self.node.log.warning("a scene was given up", scene=scene, players=len(there))
        fence = FenceScene(scene, heir if before == incarnation else incarnation)
        if there:
            self._begin(there, fence)
        else:  # somebody may have come whom another scene has by now
            self.node.spawn(self._fence(fence, self.node.clock.now() + self.told.linkdead_s))

    # --- players ---

    def remember(self, members: Iterable[Member]) -> None:
        """Who was there before this center started."""
        self._remembered = {member.name: member.incarnation for member in members if member.role == "scene"}

    def take_in(self, gate: str, sessions: Iterable[SessionAt]) -> list[SessionAt]:
        """A gate has these, and no scene: they lost theirs while there was no center. Returns those who cannot be let
        in, because they are over, or because it is not known which process had them. Those of a living scene that has
        not said yet whom it has wait for that."""
        others, taken = list[SessionAt](), dict[str, list[Presence]]()
        for at in sessions:
            is_free = self.directory.of_account(account_of(at.session)) is None
            if not is_free or self.directory.is_over(at.session) or at.scene not in self._remembered:
                others.append(at)
                continue
            if self._may_name(at.scene):
                continue
            now = self.node.clock.now()
            presence = self.directory.adopt(at.session, at.character, [], at.scene, at.map, at.line, now, WITHOUT_END)
            self.directory.learn_nonce(presence, at.nonce)
            self.directory.connect(presence, gate, at.connection, now)
            taken.setdefault(at.scene, []).append(presence)
        for scene, presences in taken.items():
            link, process = self.node.switchboard.links.up.get(scene), self._remembered[scene]
            fence = None  # it lives, and has said that it does not have them
            if link is None or link.incarnation != process:
                fence = FenceScene(scene, process)
                self._over.setdefault(scene, deque(maxlen=OVER_MAX)).append(process)
            self._begin(presences, fence, is_new=True)
        return others

    def _may_name(self, scene: str) -> bool:
        """Is the process that was there before the center linked, and has it not spoken yet?"""
        link = self.node.switchboard.links.up.get(scene)
        return link is not None and link.incarnation == self._remembered[scene] and scene not in self._heard

    def strand(self, presences: Iterable[Presence]) -> None:
        """Their scenes say that they do not have these."""
        self._begin(presences, None)

    def _begin(self, presences: Iterable[Presence], fence: FenceScene | None, *, is_new: bool = False) -> None:
        new = [Homeless(p, p.placed, is_new=is_new) for p in presences if not self._is_known(p)]
        self._homeless |= {one.presence.account: one for one in new}
        if new:
            self.node.spawn(self._rehome(new, fence))

    def _is_known(self, presence: Presence) -> bool:
        one = self._homeless.get(presence.account)
        return one is not None and one.presence is presence and one.placed == presence.placed

    def _waits(self, one: Homeless) -> bool:
        """It was not put anywhere, did not end, and no newer session has come."""
        presence = one.presence
        return self.directory.of_session(presence.session) is presence and presence.placed == one.placed

    async def _rehome(self, homeless: list[Homeless], fence: FenceScene | None) -> None:
        began = self.node.clock.now()
        until = began + self.told.linkdead_s
        await self._end_leaving(homeless)
        fenced = fence is None or await self._fence(fence, until)
        left = self._left(homeless)
        while fenced and left and self.node.clock.now() < until:
            for first in range(0, len(left), CHUNK):
                await self._place(left[first : first + CHUNK])
            left = self._left(left)
            if left:
                await self._end_leaving(left)
                await asyncio.sleep(LOOK_S)
        for one in left:
            await self._lose(one)
        took_ms = round(1000 * (self.node.clock.now() - began))
        self.node.log.info("players went on elsewhere", players=len(homeless) - len(left), lost=len(left), ms=took_ms)

    def _left(self, homeless: list[Homeless]) -> list[Homeless]:
        """Those who still wait; the others are forgotten."""
        for one in homeless:
            if not self._waits(one) and self._homeless.get(one.presence.account) is one:
                del self._homeless[one.presence.account]
        return [one for one in homeless if self._waits(one)]

    async def _end_leaving(self, homeless: list[Homeless]) -> None:
        """Who was about to leave has left: there is nobody who could say so any more."""
        for one in [one for one in homeless if one.presence.stage == "leaving"]:
            async with self.locks.hold(one.presence.account):
                if self._waits(one) and one.presence.stage == "leaving":
                    self.departures.ended(one.presence, "lost")

    async def _lose(self, one: Homeless) -> None:
        """It cannot be saved."""
        async with self.locks.hold(one.presence.account):
            if self._waits(one):
                self.departures.lose(one.presence)
        self._left([one])

    # --- the steps ---

    async def _fence(self, said: FenceScene, until: float) -> bool:
        """Step 2, for as long as it takes. False when the time is over, and nobody knows whether it was done."""
        while self.node.clock.now() < until:
            try:
                await self.node.ask(DC, said, ASK_S)
            except MeshError as error:
                self.node.log.warning("a scene is not fenced yet", scene=said.scene, reason=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                return True
        return False

    async def _place(self, homeless: list[Homeless]) -> None:
        """Steps 3 to 5 for those of these for whom there may be room. Who takes long does not hold up the others."""
        able = [one for one in homeless if self._waits(one) and not one.busy]
        waiting = {one.presence.session: one for one in able if self.keeper.has_room(one.presence.map)}
        if not waiting:
            return
        try:
            said = await self.node.ask(DC, ReadStatuses(list(waiting)), ASK_S)
        except MeshError as error:
            self.node.log.warning("the characters of a lost scene are not known yet", reason=str(error))
            return
        assert isinstance(said, StatusesRead), "the catalogue names the only answer"
        found = [(waiting.pop(at.session), at) for at in said.found if at.session in waiting]
        builds = [self.node.spawn(self._build(one, at)) for one, at in found]
        if builds:
            await asyncio.wait(builds, timeout=PATIENCE_S)
        for one in waiting.values():
            await self._lose(one)  # a newer session has begun elsewhere, or the DC cannot read the character

    async def _build(self, one: Homeless, at: StatusAt) -> None:
        """Steps 4 and 5."""
        presence, one.busy = one.presence, True
        try:
            async with self.locks.hold(presence.account):
                if self._waits(one) and presence.stage != "leaving":
                    if one.is_new:
                        self._came(one, at)
                    with self.transfers.moving(presence):
                        await self._enter_somewhere(presence, at)
        finally:
            one.busy = False

    def _came(self, one: Homeless, at: StatusAt) -> None:
        """Now it is known who its friends are."""
        one.is_new, one.presence.friends = False, list(at.status.friends)
        for watcher in self.transfers.watchers:
            watcher.came(one.presence)

    async def _enter_somewhere(self, presence: Presence, at: StatusAt) -> None:
        company = self.companions.of(presence.account, presence.friends)
        map_, tried = at.status.map or presence.map, list[Line]()
        while len(tried) < TRIES and (line := await self.keeper.find_room(map_, company, tried)) is not None:
            with self.directory.coming(line.scene, line.map, line.number):
                if await self._enter(presence, at, line):
                    return
            tried.append(line)

    async def _enter(self, presence: Presence, at: StatusAt, line: Line) -> bool:
        presence.mute = newer(presence.mute, at.status.mute)
        status = msgspec.structs.replace(at.status, friends=presence.friends, mute=presence.mute)
        party = self.companions.party_of(presence.account)
        enter = Enter(
            presence.session, status, line.number, party=party, map=line.map, operation=at.operation,
            nonce=presence.nonce or 0,
        )  # fmt: skip
        hosted = await self.transfers.enter(enter, line, is_home=False)
        if hosted is None:
            return False
        self.rehomed += 1
        self.transfers.moved(presence, line.scene, hosted)
        where = {"scene": line.scene, "map": hosted.map, "line": hosted.line}
        self.node.journal.record("rehomed", presence.account, session=presence.session, **where)
        return True
