"""Who comes and who goes: Enter, Attach, Detach, Release, ListHosted.

Owns the sessions and the removals under way. A character is in the world from Enter to Release; in between gates come
(Attach) and go (Detach). It leaves only when the DC has its state, or the DC did not take it for RELEASE_S.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import numpy as np

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.cluster import (
    Attach,
    Attached,
    Detach,
    Enter,
    Hosted,
    HostedList,
    ListHosted,
    Release,
    Status,
    account_of,
)
from mesh.protocol.control import Done
from nodes.scene.line import Line
from nodes.scene.play import Play
from nodes.scene.saves import Saves
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import SceneSettings

BUSY_S = 3.0  # how long a leaving player's durable operations may still take
RELEASE_S = 60.0  # how long a leaving player is kept while the DC does not take its state
AGAIN_S = 0.3  # between two looks at whether that is so


class Residents:
    """`arrived` is called when somebody may have to be shown the world."""

    def __init__(
        self,
        settings: SceneSettings,
        lines: list[Line],
        sessions: Sessions,
        play: Play,
        saves: Saves,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"],
        arrived: Callable[[], None],
    ) -> None:
        self.settings, self.lines, self.sessions, self.play, self.saves = settings, lines, sessions, play, saves
        self.clock, self._spawn, self._arrived = clock, spawn, arrived
        self.closed = False  # the scene is stopping: nobody gets in any more
        self.incomplete = 0  # resumes after which something that had to be kept was gone
        self._removals: dict[int, asyncio.Task[None]] = {}

    @on(Enter)
    def on_enter(self, said: Enter, _caller: Caller) -> Hosted:
        session = self.sessions.find(said.session)
        if session is None:
            session = self._enter(said)
        elif session.number in self._removals:
            raise RefusedError(Code.UNAVAILABLE, "this session is being released")
        line = self.lines[session.line]
        return Hosted(line.name, line.number)

    @on(Attach)
    def on_attach(self, said: Attach, caller: Caller) -> Attached:
        session = self.sessions.find(said.session)
        if session is None or session.number in self._removals:
            raise RefusedError(Code.NOT_FOUND, "this session is not here")
        if said.resumed and said.received < session.forgotten:
            self.incomplete += 1
        session.acknowledge(min(said.received, session.sent))
        session.attach(caller.peer, said.connection, said.received, said.resumed)
        self.lines[session.line].attach(session)
        self._arrived()
        return Attached(session.handle)

    @on(Detach)
    def on_detach(self, said: Detach, caller: Caller) -> None:
        session = self.sessions.find(said.session)
        if session is not None and (session.gate, session.connection) == (caller.peer, said.connection):
            self.lines[session.line].detach(session)

    @on(Release)
    async def on_release(self, said: Release, _caller: Caller) -> Done:
        """The work goes on when the asker's patience ends: asked again, the session is unknown and that is fine."""
        session = self.sessions.find(said.session)
        if session is not None and said.discard:
            self._end(session)
        elif session is not None:
            removal = self._removals.get(session.number)
            if removal is None:
                removal = self._removals[session.number] = self._spawn(self._release(session))
            await asyncio.shield(removal)
        return Done()

    @on(ListHosted)
    def on_list_hosted(self, _said: ListHosted, _caller: Caller) -> HostedList:
        return HostedList([self.lines[session.line].hosted(session) for session in self.sessions])

    def gate_lost(self, gate: str) -> None:
        """Its players stay, and nobody sees through their eyes until they attach again."""
        for session in self.sessions:
            if session.gate == gate:
                self.lines[session.line].detach(session)

    def _enter(self, said: Enter) -> Session:
        account, status = account_of(said.session), said.status
        if status.account != account:
            raise RefusedError(Code.BAD_MESSAGE, "the session is not of this character")
        if self.closed:
            raise RefusedError(Code.SHUTDOWN, "this scene is stopping")
        older = self.sessions.of_account(account)
        if older is not None and older.number > said.session:
            raise RefusedError(Code.STALE_EPOCH, "a newer session of this account is here")
        line = self._choose(status.map, said.line)
        if older is not None:
            status = self._taken_over(older, status)
            self._end(older)
        operation = int(self.clock.wall() * 1000)  # above all that this session did on other scenes
        session = line.enter(said.session, status, self.clock.now(), operation)
        self.sessions.add(session)
        self._arrived()
        return session

    def _choose(self, name: str, number: int) -> Line:
        """The line with the fewest players, of those that may be meant."""
        if name not in self.settings.maps:
            name = self.lines[0].name if self.lines else ""
        meant = [line for line in self.lines if line.name == name and number in (0, line.number)]
        if not meant:
            raise RefusedError(Code.NOT_FOUND, f"this scene has no such line of {name or 'any map'}")
        free = [line for line in meant if not line.full]
        if not free:
            raise RefusedError(Code.ZONE_FULL, f"all lines of {name} are full here")
        return min(free, key=lambda line: len(line.players))

    def _taken_over(self, older: Session, status: Status) -> Status:
        """What the older session did here since the last save is kept; gold, items and level are the DC's."""
        live = self.lines[older.line].status_of(older)
        return msgspec.structs.replace(
            status, map=live.map, x=live.x, y=live.y, heading=live.heading, hp=live.hp, xp=max(live.xp, status.xp)
        )

    async def _release(self, session: Session) -> None:
        try:
            line = self.lines[session.line]
            line.detach(session)
            self.play.gone(session)
            await self._wait_idle(session)
            until = self.clock.now() + RELEASE_S
            while line.players.get(session.slot) is session:
                if await self.saves.save(line, np.array([session.slot])) or self.clock.now() > until:
                    break
                await asyncio.sleep(AGAIN_S)
            if self.sessions.find(session.number) is session:
                self._end(session)
        finally:
            self._removals.pop(session.number, None)

    async def _wait_idle(self, session: Session) -> None:
        until = self.clock.now() + BUSY_S
        while session.busy and self.clock.now() < until:  # noqa: ASYNC110 - it may be several operations in a row
            await asyncio.sleep(AGAIN_S)

    def _end(self, session: Session) -> None:
        self.play.gone(session)
        self.sessions.remove(session)
        self.lines[session.line].leave(session)
