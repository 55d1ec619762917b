"""How a character leaves the world: Release (for good, or for a while) and Depart (to another line or scene).

Owns the removals under way. Both save the character and wait for the DC, so that nothing of it is lost, and so that no
save of this scene can overtake the first one of the next scene.

A departure has no half-way state: until the DC has answered the character plays on, and then, within one turn of the
loop, it is out of the world and its keepsake is there. So what refuses a departure has nothing to undo, and when the
asker's patience ends before, nothing has happened. What its client says afterwards is not carried out here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.failpoints import Failpoints
from mesh.node import Caller, on
from mesh.protocol.cluster import Release
from mesh.protocol.control import Done
from mesh.protocol.placement import Depart, Departed, Why
from mesh.protocol.sessions import account_of
from nodes.scene.keepsakes import Keepsake, Keepsakes
from nodes.scene.line import Line
from nodes.scene.residents import Residents
from nodes.scene.saves import Saves
from nodes.scene.sessions import Session

BUSY_S = 3.0  # how long a leaving player's durable operations may still take
BUSY_LOOK_S = 0.02  # between two looks at whether they are over: somebody stands in a portal and waits
RELEASE_S = 60.0  # how long a leaving player is kept while the DC does not take its state
AGAIN_S = 0.3  # between two looks at whether that is so


class Departures:
    """See the module."""

    def __init__(
        self,
        residents: Residents,
        keepsakes: Keepsakes,
        saves: Saves,
        clock: Clock,
        game: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"],
        combat_s: float,
        failpoints: Failpoints,
    ) -> None:
        self._hit = failpoints.hit
        self._residents, self._keepsakes, self._saves = residents, keepsakes, saves
        self._clock, self._game, self._spawn, self._combat_s = clock, game, spawn, combat_s
        self._removals: dict[int, asyncio.Task[None]] = {}
        self.departed = 0
        self.refused = 0

    @property
    def under_way(self) -> int:
        """Characters that are being taken out for good."""
        return len(self._removals)

    # --- to another line ---

    @on(Depart)
    async def on_depart(self, said: Depart, _caller: Caller) -> Departed:
        try:
            return await self._depart(said)
        except RefusedError:
            self.refused += 1
            raise

    async def _depart(self, said: Depart) -> Departed:
        """Two of these at once get the same answer: whoever comes second finds the keepsake. One that the center does
        not wait for any more must not take away what it has put back since."""
        until, meant = self._clock.now() + BUSY_S, None
        while (keepsake := self._keepsakes.find(said.session)) is None:
            session = self._here(said.session)
            meant = meant or (session, session.recalls)
            if meant != (session, session.recalls):
                raise RefusedError(Code.UNAVAILABLE, "it was put back meanwhile")
            line = self._residents.lines.of(session)
            self._check(line, session, said.why)
            if session.busy or session.saving:
                if self._clock.now() >= until and said.why != "drain":
                    code = Code.OUT_OF_ORDER if session.busy else Code.UNAVAILABLE
                    raise RefusedError(code, "something is still being carried out")
                await asyncio.sleep(BUSY_LOOK_S)
            elif not await self._saves.save(line, np.array([session.slot])):
                if said.why != "drain":
                    raise RefusedError(Code.UNAVAILABLE, "the state cannot be saved at the moment")
                await asyncio.sleep(AGAIN_S)
            elif self._may_go(session) and meant == (session, session.recalls):
                self._check(line, session, said.why)
                self._hit("scene.departing")
                departed = self._hand_over(line, session)
                self._hit("scene.departed")
                return departed
        return keepsake.departed

    def _here(self, number: int) -> Session:
        session = self._residents.sessions.find(number)
        if session is None:
            raise RefusedError(Code.NOT_FOUND, "this session is not here")
        if session.leaving:
            raise RefusedError(Code.UNAVAILABLE, "this session is being released")
        return session

    def _may_go(self, session: Session) -> bool:
        """Still, after the DC was waited for."""
        here = self._residents.sessions.find(session.number) is session
        return here and not (session.leaving or session.busy or session.saving)

    def _check(self, line: Line, session: Session, why: Why) -> None:
        """What the rules of the game say. A drain asks nobody."""
        if why != "drain" and line.world.dead(session.slot):
            raise RefusedError(Code.OUT_OF_ORDER, "the dead do not travel")
        if why == "line" and self._game() - session.fought_at < self._combat_s:
            raise RefusedError(Code.OUT_OF_ORDER, "not in a fight")

    def _hand_over(self, line: Line, session: Session) -> Departed:
        self._residents.trading.gone(session)  # the other one is told, and so is this one, wherever it is then
        departed = Departed(line.status_of(session), line.carried_of(session, self._game()))
        party = session.party
        self._residents.end(session)
        self._keepsakes.keep(Keepsake(session.number, departed, line.number, party))
        self.departed += 1
        return departed

    # --- for good ---

    @on(Release)
    async def on_release(self, said: Release, _caller: Caller) -> Done:
        """The work goes on when the asker's patience ends: asked again, the session is unknown and that is fine."""
        if self._keepsakes.find(said.session) is not None:
            self._keepsakes.drop(account_of(said.session))  # it was saved before it departed
        session = self._residents.sessions.find(said.session)
        if session is not None and said.discard:
            self._residents.end(session)
        elif session is not None:
            removal = self._removals.get(session.number)
            if removal is None:
                session.leaving = True
                removal = self._removals[session.number] = self._spawn(self._release(session))
            await asyncio.shield(removal)
        return Done()

    async def _release(self, session: Session) -> None:
        try:
            line = self._residents.lines.of(session)
            line.detach(session)
            self._residents.trading.gone(session)
            await self._wait_idle(session)
            until = self._clock.now() + RELEASE_S
            while line.players.get(session.slot) is session:
                if await self._saves.save(line, np.array([session.slot])) or self._clock.now() > until:
                    break
                await asyncio.sleep(AGAIN_S)
            if self._residents.sessions.find(session.number) is session:
                self._residents.end(session)
        finally:
            self._removals.pop(session.number, None)

    async def _wait_idle(self, session: Session) -> None:
        until = self._clock.now() + BUSY_S
        while session.busy and self._clock.now() < until:  # noqa: ASYNC110 - it may be several operations in a row
            await asyncio.sleep(AGAIN_S)
