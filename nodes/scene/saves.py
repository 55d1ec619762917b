"""Sends the DC what it keeps as class C: where characters are and how they feel.

Owns the requests under way. A character is marked unsaved when something changed; the mark goes when the state is
sent, and comes back when the DC did not take it, so nothing is forgotten while the DC is away. Bounded: at most
`in_flight_max` requests; what does not fit stays marked. A session counts the saves of it that are under way: one that
goes to another scene waits for them, so that none of them can overtake the first save of that scene.

A DC that refuses a save with `stale_epoch` means the scene as a whole: it was given up, and has to end.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.lanes import STATE
from mesh.protocol.records import SaveStates
from nodes.scene.ledger import DC, Ask
from nodes.scene.line import Line
from nodes.scene.sessions import Session
from nodes.scene.world import Array

SAVE_TIMEOUT_S = 2.0  # after that the state on its way is too old to matter
BATCH_MAX = 4_096  # characters in one request: 100 KB


class Saves:
    """`replaced` is called when the scene was given up."""

    def __init__(
        self,
        ask: Ask,
        spawn: Callable[[Coroutine[Any, Any, Any]], Any],
        in_flight_max: int,
        replaced: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._ask, self._spawn, self._in_flight_max, self._replaced = ask, spawn, in_flight_max, replaced
        self._in_flight = 0
        self.saved = 0
        self.failed = 0

    @property
    def under_way(self) -> int:
        """Requests in the background."""
        return self._in_flight

    def send(self, line: Line, slots: Array) -> None:
        """Save these players in the background."""
        for begin in range(0, len(slots), BATCH_MAX):
            if self._in_flight >= self._in_flight_max:
                return
            self._in_flight += 1
            self._spawn(self._in_background(line, slots[begin : begin + BATCH_MAX]))

    async def save(self, line: Line, slots: Array) -> bool:
        """Save these players now. True when the DC has them; otherwise they are marked again."""
        world = line.world
        sessions = [line.players[slot] for slot in slots.tolist()]
        world.unsaved[slots] = False
        said = SaveStates(line.name, _numbers(sessions), _states(line, slots))
        for session in sessions:
            session.saving += 1
        taken = False
        try:
            taken = await self._say(said)
        finally:
            self._ended(line, sessions, taken)
        return taken

    def check(self) -> None:
        """Is this scene still heard? A save of nobody tells."""
        self._spawn(self._say(SaveStates("", b"", b"")))

    async def _say(self, said: SaveStates) -> bool:
        """True when the DC has it."""
        try:
            await self._ask(DC, said, SAVE_TIMEOUT_S)
        except RefusedError as error:
            if error.code == Code.STALE_EPOCH:
                self._replaced(error.text)
        except (PeerLost, DeadlineExceeded):
            pass
        else:
            return True
        return False

    def _ended(self, line: Line, sessions: list[Session], taken: bool) -> None:
        """Also when whoever waited for it gave up."""
        for session in sessions:
            session.saving -= 1
            if not taken and line.players.get(session.slot) is session:
                line.world.unsaved[session.slot] = True
        if taken:
            self.saved += len(sessions)
        else:
            self.failed += len(sessions)

    async def _in_background(self, line: Line, slots: Array) -> None:
        try:
            here = np.array([slot for slot in slots.tolist() if slot in line.players], np.int64)
            await self.save(line, here)
        finally:
            self._in_flight -= 1


def _numbers(sessions: list[Session]) -> bytes:
    return np.array([session.number for session in sessions], "<u8").tobytes()


def _states(line: Line, slots: Array) -> bytes:
    world, unit = line.world, line.map.unit_m
    states = np.zeros(len(slots), STATE)
    states["x"], states["y"] = world.x[slots] * unit, world.y[slots] * unit
    for name in ("hp", "heading", "state", "xp"):
        states[name] = getattr(world, name)[slots]
    return states.tobytes()
