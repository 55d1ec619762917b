"""One bot: a player on the real client, the mind that plays it, and its row in the columns of its worker.

Owns the connection of one player. Must never: wait inside a callback, or move by itself (its worker moves all bots
of a slot together). Whoever loses its connection, or is sent away because a node died, comes back as a player would:
by a resume or by a new login. That is counted, and is an error of the run only when it does not succeed.
"""

import asyncio
import errno
import math
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np

from mesh.client import wire
from mesh.client.player import Player
from mesh.client.session import RESUMABLE
from mesh.clock import Clock
from mesh.errors import DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.protocol import client, play
from mesh.protocol.catalogue import Message
from mesh.protocol.lanes import UPDATE
from tools.bots.columns import Columns
from tools.bots.guard import describe_own
from tools.bots.measures import STATE_BOT, STATE_DUE, STATE_RUNNING, Measures
from tools.bots.mind import GAME_ANSWERS, Mind
from tools.bots.options import Credentials, Options
from tools.bots.result import QUEUED, UNQUEUED

LOGIN_TIMEOUT_S = 60.0  # connecting, and then again for getting in: long enough to measure a server that is late
RESUME_PAUSE_S = 0.5
ARRIVE_LOOK_S = 0.05
RETURN_S = 45.0  # for coming back, by a resume or a new login; longer when the session is kept for longer
RETURN_LOGIN_S = 10.0
LATE_BACK_S = 5.0  # who has tried for longer than this when the run ends did not come back
ELSEWHERE = frozenset({"unavailable", "shutdown", "no connection"})
"""Why a gate does not let anybody in though another one may: it drains, it is full, it is gone."""
LOST = "unavailable"
"""What was tried while a node was away: in a run about losses it belongs to it."""
OUT_OF = {
    errno.EMFILE: "out_of_descriptors",
    errno.ENFILE: "out_of_descriptors",
    errno.EADDRNOTAVAIL: "out_of_ports",
}
"""Errors of the generator's own machine: they make a run INVALID."""


class Bot:
    """Number `number` of the run, row `row` of its worker. `inside` says whether it is in the world."""

    def __init__(
        self,
        number: int,
        row: int,
        columns: Columns,
        measures: Measures,
        clock: Clock,
        options: Options,
        settings: Mapping[str, str],
        credentials: Callable[[int], Credentials],
        make_mind: "Callable[[Bot], Mind]",
        dial: wire.Dial = wire.dial,
    ) -> None:
        self.number, self.row = number, row
        self.columns, self.measures, self.clock = columns, measures, clock
        self.options = settings
        self.random = random.Random(options.seed * 1_000_003 + number)
        self.inside = self.used = False
        self.stamps_due = number % 2 == 1
        self.state = STATE_BOT | STATE_RUNNING | (STATE_DUE if self.stamps_due else 0)
        self._open = dial
        self.player = Player(
            dial=self._dial,
            clock=clock,
            on_event=self._hear,
            on_updates=self._hear_updates,
            on_closed=self._closed,
            program="zonemesh-bots",
        )
        self.mind = make_mind(self)
        self.leaving = False
        self.cut = False  # its connection was broken on purpose
        self._begun = self._joining = self._coming_back = self._queued = False
        self._moves_per_s = options.moves_per_s
        self._gates, self._returning, self._credentials = options.gates, options.returning, credentials
        self._sent_at = self._lost_at = 0.0
        self._due = 0.0
        self._followed = 0
        self._seen: tuple[int, int] | None = None
        self._work: set[asyncio.Task[None]] = set()

    # --- in and out ---

    async def start(self, how: Credentials, due: float) -> None:
        """Log in. Failures are counted, not raised."""
        self.used = self._joining = True
        self._due = due
        self.measures.starting += 1
        self.measures.started += 1
        try:
            await self._join(how, LOGIN_TIMEOUT_S)
        except MeshError as error:
            self.measures.fail("login")
            self.measures.error(f"login: {code_of(error)}")
        finally:
            self.measures.starting -= 1
            self._joining = False
        if self.leaving and self.player.connected:
            await self.player.logout()

    async def _join(self, how: Credentials, timeout_s: float) -> None:
        """At its gate, or, when that one lets nobody in, at the next one. Raises what the last gate said."""
        others = [gate for gate in self._gates if gate != how.url]
        for gate in [how.url, *others]:
            try:
                await self.player.join(gate, how.account, how.secret, method=how.method, timeout_s=timeout_s)
            except (PeerLost, RefusedError) as error:
                if gate == [how.url, *others][-1] or self.leaving or code_of(error) not in ELSEWHERE:
                    raise
                self.measures.count(f"went to another gate: {code_of(error)}")
            else:
                return

    async def leave(self, timeout_s: float) -> None:
        """Log out, or at least close."""
        self.leaving = True
        if self._coming_back and not self.cut and self.clock.now() - self._lost_at > LATE_BACK_S:
            self._give_up("return", "not back at the end")
        for task in list(self._work):
            task.cancel()
        await self._arrive(timeout_s)
        if not self.player.connected or self._joining:
            return
        asked = self.clock.now()
        try:
            await self.player.logout(timeout_s)
            self.measures.record("logout", self.clock.now() - asked)
        except MeshError as error:
            self.measures.fail("logout")
            self.measures.error(f"logout: {code_of(error)}")
            self.player.close()

    async def _arrive(self, timeout_s: float) -> None:
        """Who is on the way to another place gets there first."""
        until = self.clock.now() + timeout_s / 2
        while self.player.connected and not self.player.playing and not self._joining:
            if self.clock.now() >= until:
                return
            await asyncio.sleep(ARRIVE_LOOK_S)

    def begin(self, now: float) -> None:
        """The measuring begins, for this bot perhaps later than for the others, but only once."""
        if not self._begun:
            self._begun = True
            self.mind.begin(now)

    def drop(self) -> None:
        """Break the connection as a bad network would, on purpose: whoever does that resumes the player."""
        self.cut = True
        self.player.drop()

    async def drop_for(self, seconds: float) -> None:
        """Break the connection, and come back after a while."""
        if self.player.playing and not self.leaving and not self._joining:
            self.measures.count("connections broken")
            self.drop()
            await asyncio.sleep(seconds)
            await self._come_back()

    async def _dial(self, url: str, on_frame: wire.OnFrame, on_closed: wire.OnClosed) -> wire.Wire:
        asked = self.clock.now()
        opened = await self._open(url, on_frame, on_closed)
        self._sent_at = self.clock.now()
        self.measures.record("connect", self._sent_at - asked)
        return opened

    async def _come_back(self) -> None:
        """Once at a time: a connection that breaks again meanwhile is a matter of the tries that go on."""
        if self._coming_back:
            return
        self._coming_back = True
        try:
            await self._try_to_return()
        finally:
            self._coming_back = False

    async def _try_to_return(self) -> None:
        """By a resume, on this gate or another one, or by a new login when the session is over."""
        began = self._lost_at = self.clock.now()
        within_s = max(RETURN_S, self.player.session.linkdead_s)
        while not self.leaving:
            try:
                await self.player.resume()
            except RefusedError as error:
                is_over = error.code not in RESUMABLE
                if is_over and await self._log_in_again(began) and self.player.connected:
                    return
            except MeshError:
                pass  # no gate is there yet
            else:
                self.measures.record("resume", self.clock.now() - began)
                self.measures.count("resumed")
                if self.player.connected:
                    return
            if self.clock.now() - began > within_s:
                self._give_up("return", "no way back")
                return
            await asyncio.sleep(RESUME_PAUSE_S * self.random.uniform(0.5, 1.5))

    async def _log_in_again(self, began: float) -> bool:
        """The session is over: a new one."""
        how = self._credentials(self.number)
        try:
            await self._join(how._replace(url=self.random.choice(self._gates)), RETURN_LOGIN_S)
        except MeshError as error:
            self.measures.count(f"refused on return: {code_of(error)}")
            return False
        self.measures.record("return", self.clock.now() - began)
        return True

    def _give_up(self, series: str, code: str) -> None:
        self.measures.fail(series)
        self.measures.error(f"{series}: {code}")

    # --- what the player hears ---

    def _hear(self, said: Message) -> None:
        now = self.clock.now()
        match said:
            case play.Entered():
                self._enter(said, now)
            case client.Waiting() if not self._queued:
                self._queued = True
                self.measures.count(QUEUED)
            case client.TransferBegun() | client.MoveZone():
                self.columns.leave(self.row)  # until it has arrived, what it does is heard by nobody
            case play.Corrected(x=x, y=y):
                self.columns.put(self.row, x, y)
                self.measures.fail("move")
            case play.Quality(dilation=dilation, moves_hz=moves_hz):
                every = max(1, math.ceil(self._moves_per_s / moves_hz - 0.01)) if moves_hz > 0 else 1
                self.columns.degrade(self.row, dilation, every)
            case play.Died(id=dead) if dead == self.entity:
                self.columns.walking[self.row] = False
            case play.Respawned(id=back, x=x, y=y) if back == self.entity:
                self.columns.put(self.row, x, y)
                self.columns.walking[self.row] = True
            case client.Denied(code=code) if self.inside:
                self.measures.error(f"denied: {code}")
        if self.mind.hears_always or self.player.playing:
            self.mind.hear(said, now)

    def _hear_updates(self, tick: int, records: memoryview) -> None:
        del tick
        now = self.clock.now()
        piece = bytes(records)
        self.measures.hear_updates(int(now * 1000), piece)
        if self.mind.hears_updates:
            self.mind.updated(now)
        if self._followed:
            rows = np.frombuffer(piece, UPDATE)
            found = np.flatnonzero(rows["id"] == self._followed)
            if len(found):
                self._seen = int(rows["x"][found[-1]]), int(rows["y"][found[-1]])

    def _enter(self, said: play.Entered, now: float) -> None:
        if not said.resumed and self._due:
            self.measures.logged_in(now - self._sent_at, self._sent_at - self._due, now)
            self._due = 0.0  # a later login of this bot was not planned: how late it is means nothing
        if self._queued:
            self._queued = False
            self.measures.count(UNQUEUED)
        self.cut = False
        if not self.inside:
            self.inside = True
            self.measures.players += 1
        if self.measures.phase == "window":
            self.begin(now)
        self.columns.enter(self.row, said)

    def _closed(self) -> None:
        self.columns.leave(self.row)
        if not self.inside:
            return
        self.inside = False
        self.measures.players -= 1
        if self.leaving or self.cut:
            return
        ended = self.player.session.ended
        if ended is None:
            self.measures.count("connection lost")
        elif self._returning or ended.code in RESUMABLE:
            self.measures.count(f"sent away: {ended.code}")
        else:
            self.measures.error(f"disconnected: {ended.code}")
            return
        self._spawn(self._come_back())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(self.look_at)

    def look_at(self, task: asyncio.Task[None]) -> None:
        """How something that was done for this bot has ended."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.go_wrong(error)

    def go_wrong(self, error: BaseException) -> None:
        """What nobody expected is the bot's own mistake: counted with its place, and it makes the run INVALID."""
        self.measures.mistake(*describe_own(error))

    # --- the mind's body ---

    @property
    def entity(self) -> int:
        entered = self.player.session.entered
        return entered.you.entity if entered else 0

    def place(self) -> tuple[int, int]:
        return self.player.session.x, self.player.session.y

    def centre(self) -> tuple[int, int]:
        half = round(float(self.columns.size[self.row] / self.columns.unit[self.row]) / 2)
        return half, half

    def metres(self, units: float) -> float:
        return units * float(self.columns.unit[self.row])

    def seek(self, x: int, y: int) -> None:
        self.columns.seek(self.row, self.metres(x), self.metres(y))

    def wander(self) -> None:
        self.columns.wander(self.row)

    def watch(self, x: int, y: int, radius_m: float) -> None:
        self.columns.watch(self.row, self.metres(x), self.metres(y), radius_m)

    def follow(self, entity: int) -> None:
        self._followed = entity
        seen = self.player.session.view.get(entity)
        self._seen = (seen.x, seen.y) if seen else None

    def seen_at(self) -> tuple[int, int] | None:
        return self._seen

    def record(self, series: str, seconds: float) -> None:
        self.measures.record(series, seconds)

    def fail(self, series: str, code: str) -> None:
        self.measures.fail(series)
        if code in GAME_ANSWERS or (self._returning and code == LOST):
            self.measures.count(f"{series} refused: {code}")
        else:
            self.measures.error(f"{series}: {code}")

    def count(self, name: str, by: int = 1) -> None:
        self.measures.count(name, by)


def code_of(error: MeshError) -> str:
    """One word for what went wrong."""
    if isinstance(error, RefusedError):
        return error.code
    if isinstance(error, DeadlineExceeded):
        return "no answer in time"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.errno in OUT_OF:
        return OUT_OF[cause.errno]
    return "no connection" if isinstance(error, PeerLost) else type(error).__name__
