"""One bot: a player on the real client, the mind that plays it, and its row in the columns of its worker.

Owns the connection of one player. Must never: wait inside a callback, or move by itself (its worker moves all bots
of a slot together). A connection that breaks is an error of the run; the bot then resumes, as a player would.
"""

import asyncio
import errno
import random
from collections.abc import Callable

import numpy as np

from mesh.client import wire
from mesh.client.player import Player
from mesh.clock import Clock
from mesh.errors import DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.protocol import client, play
from mesh.protocol.catalogue import Message
from mesh.protocol.lanes import UPDATE
from tools.bots.columns import Columns
from tools.bots.measures import STATE_BOT, STATE_DUE, STATE_RUNNING, Measures
from tools.bots.mind import GAME_ANSWERS, Mind
from tools.bots.options import Credentials

LOGIN_TIMEOUT_S = 60.0  # connecting, and then again for getting in: long enough to measure a server that is late
RESUME_TRIES = 5
RESUME_PAUSE_S = 0.5
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
        seed: int,
        make_mind: "Callable[[Bot], Mind]",
    ) -> None:
        self.number, self.row = number, row
        self.columns, self.measures, self.clock = columns, measures, clock
        self.random = random.Random(seed * 1_000_003 + number)
        self.inside = False
        self.stamps_due = number % 2 == 1
        self.state = STATE_BOT | STATE_RUNNING | (STATE_DUE if self.stamps_due else 0)
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
        self._sent_at = 0.0
        self._due = 0.0
        self._followed = 0
        self._seen: tuple[int, int] | None = None
        self._resuming: asyncio.Task[None] | None = None

    # --- in and out ---

    async def start(self, how: Credentials, due: float) -> None:
        """Log in. Failures are counted, not raised."""
        self._due = due
        self.measures.starting += 1
        try:
            await self.player.join(how.url, how.account, how.secret, method=how.method, timeout_s=LOGIN_TIMEOUT_S)
        except MeshError as error:
            self.measures.fail("login")
            self.measures.error(f"login: {code_of(error)}")
        finally:
            self.measures.starting -= 1

    async def leave(self, timeout_s: float) -> None:
        """Log out, or at least close."""
        self.leaving = True
        if self._resuming is not None:
            self._resuming.cancel()
        if not self.player.connected:
            return
        asked = self.clock.now()
        try:
            await self.player.logout(timeout_s)
            self.measures.record("logout", self.clock.now() - asked)
        except MeshError as error:
            self.measures.fail("logout")
            self.measures.error(f"logout: {code_of(error)}")
            self.player.close()

    def drop(self) -> None:
        """Break the connection as a bad network would, on purpose: whoever does that resumes the player."""
        self.cut = True
        self.player.drop()

    async def _dial(self, url: str, on_frame: wire.OnFrame, on_closed: wire.OnClosed) -> wire.Wire:
        asked = self.clock.now()
        opened = await wire.dial(url, on_frame, on_closed)
        self._sent_at = self.clock.now()
        self.measures.record("connect", self._sent_at - asked)
        return opened

    async def _resume(self) -> None:
        began = self.clock.now()
        for _ in range(RESUME_TRIES):
            await asyncio.sleep(RESUME_PAUSE_S * self.random.uniform(0.5, 1.5))
            try:
                await self.player.resume()
            except RefusedError as error:
                self.measures.fail("resume")
                self.measures.error(f"resume: {error.code}")
                return
            except MeshError:
                continue
            self.measures.record("resume", self.clock.now() - began)
            return
        self.measures.fail("resume")
        self.measures.error("resume: unavailable")

    # --- what the player hears ---

    def _hear(self, said: Message) -> None:
        now = self.clock.now()
        match said:
            case play.Entered():
                self._enter(said, now)
            case play.Corrected(x=x, y=y):
                self.columns.put(self.row, x, y)
                self.measures.fail("move")
            case play.Died(id=dead) if dead == self.entity:
                self.columns.walking[self.row] = False
            case play.Respawned(id=back, x=x, y=y) if back == self.entity:
                self.columns.put(self.row, x, y)
                self.columns.walking[self.row] = True
            case client.Denied(code=code) if self.inside:
                self.measures.error(f"denied: {code}")
        if self.player.playing:
            self.mind.hear(said, now)

    def _hear_updates(self, tick: int, records: memoryview) -> None:
        del tick
        piece = bytes(records)
        self.measures.hear_updates(int(self.clock.now() * 1000), piece)
        if self._followed:
            rows = np.frombuffer(piece, UPDATE)
            found = np.flatnonzero(rows["id"] == self._followed)
            if len(found):
                self._seen = int(rows["x"][found[-1]]), int(rows["y"][found[-1]])

    def _enter(self, said: play.Entered, now: float) -> None:
        if not said.resumed and self._due:
            self.measures.logged_in(now - self._sent_at, self._sent_at - self._due, now)
        self.cut = False
        if not self.inside:
            self.inside = True
            self.measures.players += 1
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
        self.measures.error(f"disconnected: {ended.code if ended else 'connection lost'}")
        if ended is None:
            self._resuming = asyncio.get_running_loop().create_task(self._resume())

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
        if code not in GAME_ANSWERS:
            self.measures.error(f"{series}: {code}")


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
