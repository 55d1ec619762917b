"""Players for scenarios of faults: they walk, ask, fight and loot by themselves, and come back when they are cut off.

Owns who plays and where each of them was when. What they did and what came of it is in the book (recorded.py). All are
moved by one task, a share of them in each turn, so that two thousand cost no more than they must.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mesh.checking.records import Book, Operation
from mesh.client import wire
from mesh.client.session import RESUMABLE
from mesh.clock import Clock
from mesh.errors import MeshError, RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.lanes import UPDATE
from tools.chaos.recorded import RecordedPlayer
from tools.chaos.scenario import Spoilt

__all__ = ["Crowd", "Hero", "Realm", "Stand"]

TURN_S = 0.05
"""The crowd's clock: in each turn some heroes live."""
ENTERING_MAX = 64  # logins under way at the same time
RETURN_PAUSE_S = 0.25  # between two tries to come back; a little more or less for each
LOGIN_S = 10.0
TRAIL_MAX = 64  # places that are remembered
DEAD = 0x80
REACH_M = 2.5  # blows and looting work up to 3 m
BLOW_S = 1.1
GIVE_UP_S = 8.0  # for one target


class Stand(NamedTuple):
    """Where a hero said it was, and when."""

    at: float
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Realm:
    """Where they play. `ticket` makes a login ticket for an account."""

    gates: Sequence[str]
    ticket: Callable[[str], str]
    clock: Clock
    book: Book
    dial: wire.Dial = wire.dial


class Hero:
    """One of them. `gate`: the index of the one where it begins."""

    def __init__(
        self, name: str, realm: Realm, gate: int, seed: int, asks_s: float = 1.0, fights: bool = False
    ) -> None:
        self.name, self.realm, self.gate = name, realm, gate
        self.chance = random.Random(seed)
        self.asks_s, self.fights, self.strolls = asks_s, fights, True
        self.player = RecordedPlayer(
            realm.book, realm.clock, self._hear, self._gone, dial=realm.dial, on_updates=self._follow
        )
        self.patience_s = 0.0  # it hears nothing for so long: it tries another gate; 0: it waits
        self.trail: deque[Stand] = deque(maxlen=TRAIL_MAX)
        self.turned_away = ""  # why the last session could not be resumed
        self._returning: asyncio.Task[None] | None = None
        self._asked_at = self._heard_at = 0.0
        self._elsewhere = ""  # the gate where it tries first
        self._target = self._corpse = 0
        self._since = self._blow_at = 0.0
        self.words_heard = 0  # its own, from the scene
        self._won = False  # its target died by its hand, and has not left its corpse yet
        self._dead = False
        self._seen: tuple[int, int] | None = None
        self._told_at = self._silence_s = self.late_s = 0.0  # movement around it; see `listen`
        self._tick = 0

    # --- in and out ---

    async def enter(self) -> None:
        """By a ticket, at its gate. MeshError when that one does not let it in."""
        how = self.realm.gates[self.gate % len(self.realm.gates)]
        await self.player.join(how, "", self.realm.ticket(self.name), method="ticket", timeout_s=LOGIN_S)

    async def leave(self) -> None:
        """Log out, or at least close."""
        self.player.leaving = True
        if self._returning is not None:
            self._returning.cancel()
        try:
            await self.player.logout(LOGIN_S)
        except MeshError:
            self.player.close()

    def _gone(self) -> None:
        if not self.player.leaving and self._returning is None:
            self._returning = asyncio.get_running_loop().create_task(self._return())
            self._returning.add_done_callback(self._returned)

    def _returned(self, task: "asyncio.Task[None]") -> None:
        self._returning = None
        if task.cancelled():
            return
        task.result()  # a mistake of ours is not kept quiet
        if not self.player.connected:  # lost again before it was known that it had returned
            self._gone()

    async def _return(self) -> None:
        """By the token at the next gate, or by a new login when the session is over. Until it is in."""
        while not self.player.connected:
            try:
                if self.player.session.token:
                    elsewhere, self._elsewhere = self._elsewhere, ""
                    await self.player.resume(elsewhere)
                else:
                    await self._enter_anywhere()
            except RefusedError as error:
                if error.code not in RESUMABLE:
                    self.turned_away, self.player.session.token = str(error), ""
            except MeshError:
                pass  # nobody is there yet
            else:
                return
            await asyncio.sleep(RETURN_PAUSE_S * self.chance.uniform(0.5, 1.5))

    async def _enter_anywhere(self) -> None:
        self.gate += 1
        await self.enter()

    @property
    def back(self) -> bool:
        """In the world, with a connection."""
        return self.player.playing

    def arrived_since(self, at: float) -> bool:
        """Did it enter the world, or another place in it, after that moment?"""
        arrivals = self.player.arrivals
        return bool(arrivals) and arrivals[-1].at >= at

    # --- living ---

    def live(self, now: float, elapsed_s: float) -> None:
        """One turn: walk, ask, fight."""
        if not self.player.playing or self.player.session.entered is None:
            return
        if self.patience_s and now - self._heard_at > self.patience_s:
            self._give_up_gate()
            return
        if self._dead:
            pass  # it stays where it fell; to walk on would be in its own memory only
        elif self.fights:
            self._fight(now, elapsed_s)
        elif self.strolls:
            self._stroll(now, elapsed_s)
        if self.asks_s and now - self._asked_at >= self.asks_s:
            self._asked_at = now
            self.player.ask()

    def _give_up_gate(self) -> None:
        others = [gate for gate in self.realm.gates if gate != self.player.url]
        self._elsewhere = self.chance.choice(others) if others else ""
        self.player.drop()

    def walk_to(self, x: float, y: float, now: float, elapsed_s: float) -> float:
        """As far as the speed allows towards these map units; metres that are left."""
        session, entered = self.player.session, self.player.session.entered
        assert entered is not None
        reach = entered.speed_mps * elapsed_s * 0.9 * session.dilation / entered.unit_m
        way_x, way_y = x - session.x, y - session.y
        length = math.hypot(way_x, way_y)
        part = min(1.0, reach / length) if length else 1.0
        side = round(entered.size_m / entered.unit_m)
        at_x = min(side, max(0, round(session.x + way_x * part)))
        at_y = min(side, max(0, round(session.y + way_y * part)))
        self.player.move(at_x, at_y)
        self.trail.append(Stand(now, at_x * entered.unit_m, at_y * entered.unit_m))
        return length * (1 - part) * entered.unit_m

    def _stroll(self, now: float, elapsed_s: float) -> None:
        session, entered = self.player.session, self.player.session.entered
        assert entered is not None
        reach = min(3.0, entered.speed_mps * elapsed_s) / entered.unit_m
        x, y = (value + self.chance.uniform(-reach, reach) for value in (session.x, session.y))
        self.walk_to(x, y, now, elapsed_s)

    def _fight(self, now: float, elapsed_s: float) -> None:
        if now - self._since > GIVE_UP_S:
            self.player.session.view.pop(self._target, None)
            self._target = self._corpse = 0
        if self._corpse:
            if self._approach(self._corpse, now, elapsed_s) <= REACH_M:
                self.player.loot(self._corpse)
                self._corpse = 0
        elif self._target:
            near = self._approach(self._target, now, elapsed_s) <= REACH_M
            if near and now >= self._blow_at:
                self._blow_at = now + BLOW_S / self.player.session.dilation
                self.player.attack(self._target)
        else:
            self._choose(now)

    def _approach(self, entity: int, now: float, elapsed_s: float) -> float:
        known = self.player.session.view.get(entity)
        seen = self._seen or ((known.x, known.y) if known is not None else None)
        return self.walk_to(*seen, now, elapsed_s) if seen is not None else 0.0

    def _choose(self, now: float) -> None:
        """One of the nearest beasts in view, not always the same as everybody else."""
        session = self.player.session
        npcs = [one for one in session.view.values() if one.kind == "npc" and not one.state & DEAD]
        npcs.sort(key=lambda one: (one.x - session.x) ** 2 + (one.y - session.y) ** 2)
        if npcs:
            self._target, self._since, self._seen = self.chance.choice(npcs[:3]).id, now, None

    def _hear(self, said: Message) -> None:
        self._heard_at = self.realm.clock.now()
        match said:
            case play.Died(id=dead, killer=killer) if dead == self._target:
                self._target, self._won = 0, killer == self.player.entity
            case play.Appeared(entities=entities) if self._won:
                corpse = next((one.id for one in entities if one.kind == "corpse"), 0)
                if corpse:
                    self._corpse, self._won, self._seen, self._since = corpse, False, None, self.realm.clock.now()
            case play.Entered(you=you, x=x, y=y):
                self._target = self._corpse = 0
                self._dead = you.hp == 0
                self._put(x, y)
            case play.Died(id=dead) if dead == self.player.entity:
                self._dead = True
            case play.Respawned(id=risen, x=x, y=y) if risen == self.player.entity:
                self._dead = False
                self._put(x, y)
            case play.Corrected(x=x, y=y):
                self._put(x, y)
            case play.Said(speaker=speaker) if speaker == self.player.entity:
                self.words_heard += 1

    def _put(self, x: int, y: int) -> None:
        """The scene says where it is, in units of the map: what it remembers of its last steps was not so."""
        session = self.player.session
        session.x, session.y = x, y
        if session.entered is not None:
            unit_m = session.entered.unit_m
            self.trail.append(Stand(self.realm.clock.now(), x * unit_m, y * unit_m))

    def listen(self, now: float) -> None:
        """From now on: how long is it told of no movement, and how much later than the ticks' numbers say is it told
        (`late_s`)? Where nobody moves there is nothing to tell, so the one may be long without the other."""
        self._told_at, self._silence_s, self.late_s, self._tick = now, 0.0, 0.0, 0

    def heard_since(self, at: float) -> bool:
        """Has it been told of any movement since then?"""
        return self._told_at >= at

    def silence(self, now: float) -> float:
        """The longest such time since then, in seconds."""
        return max(self._silence_s, now - self._told_at)

    def _follow(self, tick: int, records: memoryview) -> None:
        now, entered = self.realm.clock.now(), self.player.session.entered
        if self._tick and entered is not None:
            self.late_s = max(self.late_s, now - self._told_at - (tick - self._tick) / entered.tick_hz)
        self._silence_s = self.silence(now)
        self._heard_at, self._told_at, self._tick = now, now, tick
        if self._target:
            rows = np.frombuffer(records, UPDATE)
            found = np.flatnonzero(rows["id"] == self._target)
            if len(found):
                self._seen = int(rows["x"][found[-1]]), int(rows["y"][found[-1]])


@dataclass
class Crowd:
    """Many heroes, each living `lives_per_s` times a second."""

    realm: Realm
    heroes: list[Hero]
    lives_per_s: float = 2.0
    failures: list[str] = field(default_factory=list)  # logins that came to nothing
    _task: "asyncio.Task[None] | None" = None

    async def enter(self) -> None:
        """All of them, some at a time; those that are refused are tried again by themselves."""
        turn = asyncio.Semaphore(ENTERING_MAX)

        async def enter(hero: Hero) -> None:
            async with turn:
                try:
                    await hero.enter()
                except MeshError as error:
                    self.failures.append(f"{hero.name}: {error}")

        await asyncio.gather(*(enter(hero) for hero in self.heroes))
        self._task = asyncio.get_running_loop().create_task(self._live())

    @property
    def names(self) -> list[str]:
        """Of their accounts."""
        return [hero.name for hero in self.heroes]

    async def come_in(self, seconds: float) -> None:
        """All of them are in the world when this returns. Spoilt when that takes longer."""
        await self.enter()
        if not await self.wait_back(self.heroes, seconds):
            raise Spoilt("not everybody came into the world", *self.failures[:3])

    async def wait_back(self, heroes: Iterable[Hero], timeout_s: float) -> bool:
        """Until all of these are in the world; False when that takes too long."""
        left, end = list(heroes), self.realm.clock.now() + timeout_s
        while left := [hero for hero in left if not hero.back]:
            if self.realm.clock.now() >= end:
                return False
            await asyncio.sleep(TURN_S)
        return True

    async def wait_arrived(self, heroes: Iterable[Hero], since: float, timeout_s: float) -> bool:
        """Until all of these were let into the world, or brought to another place in it, after that moment."""
        left, end = list(heroes), self.realm.clock.now() + timeout_s
        while left := [hero for hero in left if not hero.arrived_since(since)]:
            if self.realm.clock.now() >= end:
                return False
            await asyncio.sleep(TURN_S)
        return True

    async def rest(self) -> None:
        """Nobody does anything any more; what is under way may end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def leave(self) -> None:
        await self.rest()
        turn = asyncio.Semaphore(ENTERING_MAX)

        async def leave(hero: Hero) -> None:
            async with turn:
                await hero.leave()

        await asyncio.gather(*(leave(hero) for hero in self.heroes))

    def owed(self) -> list[Operation]:
        """What was asked in sessions that go on, and was not answered."""
        book = self.realm.book.operations
        return [book[line] for hero in self.heroes for line in sorted(hero.player.owed)]

    @property
    def answered_twice(self) -> int:
        return sum(hero.player.answered_twice for hero in self.heroes)

    async def _live(self) -> None:
        clock = self.realm.clock
        shares = max(1, round(1 / self.lives_per_s / TURN_S))
        due, turn = clock.now(), 0
        while True:
            now = clock.now()
            for hero in self.heroes[turn % shares :: shares]:
                hero.live(now, 1 / self.lives_per_s)
            turn, due = turn + 1, max(due + TURN_S, now)  # a machine that is late does not hurry afterwards
            await asyncio.sleep(max(0.001, due - clock.now()))
