"""One Python client: a player on the real client library, and what it counts of what it hears.

It comes when it is told to, again when it was told to come later, and goes when it is told to. It never moves by
itself: all that is done at a time is the crowd's business.
"""

import asyncio
import errno
import random
from collections.abc import Callable
from typing import Protocol

import numpy as np

from mesh.client import wire
from mesh.client.player import Player
from mesh.clock import Clock
from mesh.errors import Code, DeadlineExceeded, MeshError, RefusedError
from mesh.protocol import client, play, social
from mesh.protocol.catalogue import Message
from mesh.protocol.lanes import PIECE_SIZE, TICK_HEAD, UPDATE, UPDATE_SIZE
from tools.bench.pythonclients.counting import Measures, Movement, frame_head
from tools.bench.pythonclients.fighting import ATTACKER, TARGET, Fights
from tools.bench.pythonclients.looking import Sights
from tools.bench.pythonclients.walking import Walkers

TRIES_MAX = 20
AGAIN_S = (0.3, 1.3)
LATER = frozenset({Code.UNAVAILABLE, Code.SHUTDOWN, Code.TOO_MANY, Code.ZONE_FULL})
OF_THE_SYSTEM = {errno.EMFILE: "no_descriptor", errno.ENFILE: "no_descriptor", errno.EADDRNOTAVAIL: "no_port"}
MASK_BYTES = 4
LOGOUT_S = 10.0


class Steps(Protocol):
    """Who wants to know how a login went."""

    def stepped(self, step: str, seconds: float) -> None: ...

    def tried_again(self) -> None: ...


class Shared:
    """What all clients of this process write into."""

    def __init__(self, count: int, pace: float, seed: int, clock: Clock) -> None:
        self.clock = clock
        self.chance = random.Random(seed)
        self.measures = Measures(count)
        self.movement = Movement(self.measures)
        self.walkers = Walkers(count, pace, seed)
        self.fights = Fights(self.measures)
        self.sights = Sights()
        self.level = np.zeros(count, np.int64)  # of quality, as the servers said it; 0: full

    def count_movement(self) -> None:
        """Everything that was heard of movement and waits."""
        records, rows, is_checked = self.movement.take()
        if is_checked and len(records):
            counts, walkers = self.measures.now, self.walkers
            counts.checked += len(records)
            x, y = (records[name].astype(np.int64) for name in ("x", "y"))
            counts.wrong += walkers.out_of_sight(records["id"].astype(np.int64), x, y, rows)


class Client:
    """Number `row` of the run. `wanted`: it is to be in the world."""

    def __init__(self, row: int, url: str, ticket: str, shared: Shared, shouted: Callable[[int, str], None]) -> None:
        self.row, self.url, self.wanted, self.inside = row, url, False, False
        self._ticket, self._shared, self._shouted = ticket, shared, shouted
        self._clock, self._counts = shared.clock, shared.measures.now
        self._steps: Steps | None = None
        self._began = self._stepped_at = 0.0
        self.player = Player(
            dial=self._dial,
            clock=shared.clock,
            on_event=self._hear,
            on_updates=self._hear_updates,
            on_closed=self._closed,
            program="zonemesh bench",
        )

    @property
    def entity(self) -> int:
        return int(self._shared.walkers.entity[self.row])

    async def come(self, steps: Steps, patience_s: float) -> bool:
        """Log in, again and again when told to come later. False: refused for good, or not wanted any more."""
        self._steps, self._began, self.wanted = steps, self._clock.now(), True
        for _ in range(TRIES_MAX):
            if await self._try(patience_s):
                return True
            if not self.wanted:
                return False
            steps.tried_again()
            await asyncio.sleep(self._shared.chance.uniform(*AGAIN_S))
        self.wanted = False
        return False

    async def leave(self) -> None:
        """Returns when it is out."""
        self.wanted = False
        if self.inside:
            self._out()
            try:
                await self.player.logout(LOGOUT_S)
            except MeshError:
                self.player.drop()  # it is out in any case
        elif self.player.connected:
            self.player.drop()

    async def _try(self, patience_s: float) -> bool:
        """False: it may try again, or is not wanted any more."""
        try:
            await self.player.join(self.url, "", self._ticket, method="ticket", timeout_s=patience_s)
        except RefusedError as error:
            self.wanted = self.wanted and error.code in LATER
        except MeshError as error:
            self._shared.measures.codes[_code_of(error)] += 1
        else:
            return True
        return False

    # --- what is heard ---

    async def _dial(self, url: str, on_frame: wire.OnFrame, on_closed: wire.OnClosed) -> wire.Wire:
        def heard(frame: bytes) -> None:
            self._hear_frame(frame, on_frame)

        opened = await wire.dial(url, heard, on_closed)
        self._step("connect")
        return Counted(opened, self._shared.measures)

    def _hear_frame(self, frame: bytes, on_frame: wire.OnFrame) -> None:
        session, head = self.player.session, frame_head(len(frame))
        updates, received = session.updates, session.received
        on_frame(frame)
        counts = self._counts
        counts.bytes_in += head + len(frame)
        counts.events += max(0, session.received - received)
        if session.updates != updates:
            counts.frames += 1
            counts.movement_bytes += head
        else:
            counts.frames_other += 1

    def _hear_updates(self, _tick: int, records: memoryview) -> None:
        size, shared, now = PIECE_SIZE + TICK_HEAD.size + len(records), self._shared, self._clock.now()
        self._counts.updates += len(records) // UPDATE_SIZE
        self._counts.movement_bytes += size
        shared.measures.client_bytes[self.row] += size
        if shared.sights.looks_at(self.row):
            shared.sights.updated(self.row, np.frombuffer(records, UPDATE)["id"].tolist(), now)
        if shared.movement.hear(self.row, now, records):
            shared.count_movement()

    def _hear(self, said: Message) -> None:
        match said:
            case play.Entered():
                self._enter(said)
            case client.LoggedIn():
                self._step("login")
            case play.Quality():
                self._degrade(said)
            case play.Corrected(x=x, y=y):
                self._counts.corrected += 1
                self._shared.walkers.put(self.row, x, y, self._clock.now())
            case play.Appeared() | play.Vanished():
                self._look(said)
            case play.Hit() | play.Died() | play.Respawned():
                self._fight(said)
            case social.Shouted(text=text):
                self._shouted(self.row, text)
            case client.TransferBegun():
                self._counts.transfers += 1
            case _:
                self._be_refused(said)

    def _be_refused(self, said: Message) -> None:
        match said:
            case play.PlayDenied(sequence=sequence, code=code):
                self._shared.fights.refused(self.row, sequence)
                self._shared.measures.refuse(code)
            case client.Denied(code=code) | social.SocialDenied(code=code):
                self._shared.measures.refuse(code)
            case client.Goodbye(code=code) if self.wanted:
                self._shared.measures.codes[code] += 1
                asyncio.get_running_loop().call_soon(self.player.drop)

    def _enter(self, said: play.Entered) -> None:
        shared, now = self._shared, self._clock.now()
        shared.walkers.enter(self.row, said, now)
        shared.level[self.row] = 0
        if shared.sights.looks_at(self.row):
            shared.sights.entered(self.row, [entity.id for entity in said.view], now)
        if not self.inside:
            self._step("enter")
            self.inside = True
            if self._steps is not None:
                self._steps.stepped("all", now - self._began)

    def _degrade(self, said: play.Quality) -> None:
        walkers = self._shared.walkers
        self._counts.qualities += 1
        self._shared.level[self.row] = said.level
        walkers.dilation[self.row], walkers.hz_max[self.row] = said.dilation, said.moves_hz

    def _look(self, said: play.Appeared | play.Vanished) -> None:
        sights, now = self._shared.sights, self._clock.now()
        looks = sights.looks_at(self.row)
        if isinstance(said, play.Appeared):
            self._counts.appeared += len(said.entities)
            if looks:
                sights.appeared(self.row, [entity.id for entity in said.entities], now)
        else:
            self._counts.vanished += len(said.ids)
            if looks:
                sights.vanished(self.row, said.ids, now)

    def _fight(self, said: play.Hit | play.Died | play.Respawned) -> None:
        fights, walkers, own = self._shared.fights, self._shared.walkers, self.entity
        match said:
            case play.Hit(attacker=by, target=target, hp=hp) if by == own:
                fights.hit(ATTACKER, self.row, target, hp, self._clock.now())
            case play.Hit(attacker=by, target=target, hp=hp) if target == own:
                attacker = walkers.row_of(int(walkers.world[self.row]), by)
                if attacker >= 0:
                    fights.hit(TARGET, attacker, target, hp, self._clock.now())
            case play.Hit():
                fights.looked_on += 1
            case play.Died(id=dead) if dead == own:
                walkers.alive[self.row] = False
                fights.deaths += 1
            case play.Respawned(id=back, x=x, y=y) if back == own:
                walkers.put(self.row, x, y, self._clock.now())
                walkers.alive[self.row] = True

    # --- in and out ---

    def _step(self, name: str) -> None:
        now = self._clock.now()
        if self._steps is not None and not self.inside:  # else it is on its way to another gate
            self._steps.stepped(name, now - (self._began if name == "connect" else self._stepped_at))
        self._stepped_at = now

    def _closed(self) -> None:
        if self.inside:
            self._out()
            self._counts.closed += self.wanted
            self.wanted = False

    def _out(self) -> None:
        self.inside = False
        self._shared.walkers.inside[self.row] = False
        self._shared.sights.left(self.row)


class Counted:
    """A wire that counts the bytes that are sent."""

    def __init__(self, opened: wire.Wire, measures: Measures) -> None:
        self._wire, self._counts = opened, measures.now
        self.close, self.abort = opened.close, opened.abort

    def send(self, frame: bytes) -> None:
        self._counts.bytes_out += frame_head(len(frame)) + MASK_BYTES + len(frame)
        self._wire.send(frame)


def _code_of(error: MeshError) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.errno in OF_THE_SYSTEM:
        return OF_THE_SYSTEM[cause.errno]
    return "no_answer" if isinstance(error, DeadlineExceeded) else "no_connection"
