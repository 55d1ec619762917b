"""Opens and closes lines: asks the scenes for what `lines.py` decides.

A line is opened when all lines of its map have reached their soft caps, when a login or a transfer finds no room at
all (it waits for that), when a scene is emptied, or when an operator says so. It is closed when it was empty for
`line_close_s`. One line of a map is opened at a time, however many wait for it; a map for which that failed is left
alone for AGAIN_S, so that a full zone does not ask for lines with every login.

What a scene did not answer is asked to be undone: a line that nobody knows of would take its name a second time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.node import Node
from mesh.protocol.control import Member
from mesh.protocol.placement import CloseLine, OpenLine
from nodes.center.lines import Line, Lines
from nodes.center.placement import Company
from nodes.center.settings import CenterSettings

TEND_S = 1.0  # how often lines are looked after
AGAIN_S = 1.0
TRIES = 3  # scenes that are asked to open one line, and new lines that one player waits for


@dataclass(slots=True)
class Counts:
    """What happened, in plain ints."""

    opened: int = 0
    closed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Keeper:
    """See the module. `relist` asks a scene for its list anew."""

    node: Node
    told: CenterSettings
    lines: Lines
    relist: Callable[[str], Awaitable[None]]
    room: asyncio.Event  # set when a line was opened: the queue may move
    is_over: Callable[[str, int], bool] = lambda _scene, _incarnation: False  # see rehoming.py
    counts: Counts = field(default_factory=Counts)
    _opening: dict[str, "asyncio.Task[Line | None]"] = field(default_factory=dict)  # by map
    _asked: set[tuple[str, str, int]] = field(default_factory=set)  # lines that a scene is asked to open or to undo
    _not_before: dict[str, float] = field(default_factory=dict)  # by map

    def scenes(self) -> dict[str, Member]:
        """The scenes on which players may be placed, by name: those of which the process that has said that it is
        Ready is the one that we are linked to, and was not given up."""
        up = self.node.switchboard.links.up
        ready = [m for m in self.node.peers("scene") if up[m.name].incarnation == m.incarnation]
        return {member.name: member for member in ready if not self.is_given_up(member.name)}

    def is_given_up(self, scene: str) -> bool:
        """It is linked, and not to be asked for anything."""
        link = self.node.switchboard.links.up.get(scene)
        return link is not None and self.is_over(scene, link.incarnation)

    def shut(self) -> set[str]:
        """Of these, those that take no new players, because they are under pressure and the policy says so. That is
        for new logins alone: whoever is in the zone already, or was promised a place, goes where it has to.

        A scene with few players is not relieved by turning others away: something else makes it late, and that may
        last. Only an operator's level holds there, too."""
        policy, levels, few = self.node.topology.policy, self.node.pressure, self.told.never_shut_below
        return {
            name
            for name in self.scenes()
            if not policy[levels.of(name)].logins and (self.lines.players_at(name) >= few or levels.is_held(name))
        }

    # --- room ---

    def has_room(self, map_: str, more: int = 0, but: Collection[str] = ()) -> bool:
        """Is there a place besides so many others, on a scene that is none of these?"""
        lines = self.lines.open_ones(map_, self.scenes().keys() - set(but))
        free = sum(max(0, line.max - self.lines.players(line)) for line in lines)
        return free > more or self.could_open(map_, but)

    async def find_room(self, map_: str, company: Company, tried: Collection[Line] = ()) -> Line | None:
        """The line for one more player, a new one if need be; None when all are full or tried. Its place has to be
        taken at once: several may have waited for the same new line."""
        for _ in range(TRIES):
            line = self.lines.place(map_, self.scenes(), company, tried)
            if line is not None or await self.another(map_) is None:
                return line
        return None

    # --- opening ---

    def could_open(self, map_: str, but: Collection[str] = ()) -> bool:
        """Might `another` work, on a scene that is none of these?"""
        if map_ in self._opening:
            return True
        waits = self.node.clock.now() < self._not_before.get(map_, 0.0)
        return not waits and bool(self.lines.host_for(map_, 0, self.scenes(), but))

    async def another(self, map_: str) -> Line | None:
        """One more line of this map, None when no scene can carry it. Whoever asks meanwhile waits for the same one."""
        task = self._opening.get(map_)
        if task is None:
            if not self.could_open(map_):
                return None
            task = self._opening[map_] = self.node.spawn(self._another(map_))
            task.add_done_callback(lambda _: self._opening.pop(map_))
        return await asyncio.shield(task)

    async def _another(self, map_: str) -> Line | None:
        shut = self.shut()
        line = await self.open(map_, but=tuple(shut)) or (await self.open(map_) if shut else None)
        if line is None:
            self._not_before[map_] = self.node.clock.now() + AGAIN_S
        return line

    async def open(self, map_: str, number: int = 0, but: tuple[str, ...] = ()) -> Line | None:
        """Open a line, with this number or the lowest that is free, on the least loaded scene that can carry it."""
        tried = set(but)
        for _ in range(TRIES):
            scene = self.lines.host_for(map_, number, self.scenes(), tried)
            if not scene:
                break
            try:
                return await self.open_at(scene, map_, number)
            except RefusedError as error:
                self.node.log.warning("a line was not opened", scene=scene, map=map_, reason=str(error))
            tried.add(scene)
        return None

    async def open_at(self, scene: str, map_: str, number: int = 0) -> Line:
        """The same on this scene. RefusedError when it did not open it."""
        number = number or self._free_number(map_)
        asked = (scene, map_, number)
        if not number or asked in self._asked:
            raise RefusedError(Code.UNAVAILABLE, "this line is being opened or closed just now")
        self._asked.add(asked)
        try:
            await self.node.ask(scene, OpenLine(map_, number), self.told.line_s)
        except DeadlineExceeded:
            self.counts.failed += 1
            self.node.spawn(self._undo(*asked))
            raise RefusedError(Code.UNAVAILABLE, f"{scene} does not answer") from None
        except MeshError as error:
            self.counts.failed += 1
            self._asked.discard(asked)
            raise error if isinstance(error, RefusedError) else RefusedError(Code.UNAVAILABLE, str(error)) from None
        self._asked.discard(asked)
        line = self.lines.opened(scene, map_, number)
        if line is None:
            await self.relist(scene)
            line = self.lines.find(map_, number, scene)
        if line is None:
            raise RefusedError(Code.UNAVAILABLE, f"{scene} has opened the line and does not list it")
        self.counts.opened += 1
        self.node.log.info("a line was opened", scene=scene, map=map_, line=number)
        self.node.journal.record("line_opened", 0, scene=scene, map=map_, line=number)
        self.room.set()
        return line

    def _free_number(self, map_: str) -> int:
        number = self.lines.free_number(map_)
        asked = {taken for _, of, taken in self._asked if of == map_}
        while number in asked:
            number += 1
        return number

    async def _undo(self, scene: str, map_: str, number: int) -> None:
        """It may be open there or not: it is not to be. A scene whose link ends is heard anew."""
        while True:
            try:
                await self.node.ask(scene, CloseLine(map_, number), self.told.line_s)
            except DeadlineExceeded:
                continue
            except (RefusedError, PeerLost):
                pass
            break
        line = self.lines.find(map_, number, scene)
        if line is not None:  # the scene's list told of it meanwhile
            self.lines.remove(line)
        self._asked.discard((scene, map_, number))

    # --- closing ---

    async def close(self, line: Line) -> None:
        """End an empty line. RefusedError when it stays; then it is used again."""
        asked = (line.scene, line.map, line.number)
        if asked in self._asked:
            raise RefusedError(Code.UNAVAILABLE, "this line is being opened or closed just now")
        self._asked.add(asked)
        line.closing = True
        try:
            if self.lines.players(line):
                raise RefusedError(Code.OUT_OF_ORDER, "somebody is on this line")
            await self.node.ask(line.scene, CloseLine(line.map, line.number), self.told.line_s)
        except MeshError as error:
            # When it is unknown whether it was closed, the next try tells: unknown lines are closed.
            line.closing, line.empty_since = False, None
            raise error if isinstance(error, RefusedError) else RefusedError(Code.UNAVAILABLE, str(error)) from None
        finally:
            self._asked.discard(asked)
        self.lines.remove(line)
        self.counts.closed += 1
        self.node.log.info("a line was closed", scene=line.scene, map=line.map, line=line.number)
        self.node.journal.record("line_closed", 0, scene=line.scene, map=line.map, line=line.number)

    async def _try_to_close(self, line: Line) -> None:
        try:
            await self.close(line)
        except RefusedError as error:
            self.node.log.warning("a line was not closed", scene=line.scene, map=line.map, reason=str(error))

    # --- looking after them ---

    def tend(self) -> None:
        """Open what will be needed, close what is not."""
        scenes, now = self.scenes(), self.node.clock.now()
        for map_ in {line.map for line in self.lines.all()}:
            self.consider(map_)
        empty = [line for line in self.lines.doubles(scenes) if not self.lines.players(line)]
        for line in {*self.lines.to_close(scenes, now, self.told.line_close_s), *empty}:
            self.node.spawn(self._try_to_close(line))

    def consider(self, map_: str) -> None:
        """Somebody came onto this map: is it time for another line?"""
        if map_ not in self._opening and self.lines.wants_another(map_, self.scenes()) and self.could_open(map_):
            self.node.spawn(self.another(map_))
