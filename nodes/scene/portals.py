"""Portals: who walks into one, and what becomes of that.

`Portals` owns, for one line, which circle each player stands in; it is pure. A portal opens for who walks in from
outside: whoever arrives or comes back to life inside a circle must leave it first, otherwise two portals that lead to
each other would play ball with a player. `Crossings` owns the requests to the center, which leads the way to the other
map; one at a time per session. What is refused is told to the client, and stepping out and in again asks again.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol import play
from mesh.protocol.placement import Cross
from nodes.scene.ledger import Ask
from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import PortalSettings
from nodes.scene.world import Array

CENTER = "center"
CROSS_S = 20.0  # how long a way to another map may take; it is known to be over when the session is not here any more
OUTSIDE = -1


class Portals:
    """The circles of one line. `inside` names the circle by slot, OUTSIDE for none."""

    def __init__(self, portals: Sequence[PortalSettings], unit_m: float, capacity: int) -> None:
        self.portals = portals
        self.x = np.array([one.x / unit_m for one in portals], np.float32)
        self.y = np.array([one.y / unit_m for one in portals], np.float32)
        self.radius2 = np.array([one.radius_m / unit_m for one in portals], np.float32) ** 2
        self.inside = np.full(capacity, OUTSIDE, np.int8)

    def settle(self, slot: int, x: int, y: int) -> None:
        """It was put there: no portal opens for it until it has left."""
        if self.portals:
            self.inside[slot] = self._circles(np.array([x]), np.array([y]))[0]

    def entered(self, slots: Array, x: Array, y: Array) -> list[tuple[int, PortalSettings]]:
        """These slots (each once) are now there: those who walked into a circle, and into which."""
        if not self.portals:
            return []
        now = self._circles(x, y)
        came = np.flatnonzero((now != self.inside[slots]) & (now != OUTSIDE))
        self.inside[slots] = now
        return [(slot, self.portals[at]) for slot, at in zip(slots[came].tolist(), now[came].tolist(), strict=True)]

    def _circles(self, x: Array, y: Array) -> Array:
        """Which circle each place is in; the first, where several overlap."""
        found = np.full(len(x), OUTSIDE, np.int8)
        for at in range(len(self.portals) - 1, -1, -1):
            dx, dy = x - self.x[at], y - self.y[at]
            found[dx * dx + dy * dy <= self.radius2[at]] = at
        return found


class Crossings:
    """See the module."""

    def __init__(
        self,
        ask: Ask,
        spawn: Callable[[Coroutine[Any, Any, Any]], Any],
        sessions: Sessions,
        out: Outbound,
        now: Callable[[], float],
    ) -> None:
        self._ask, self._spawn, self._sessions, self._out, self._now = ask, spawn, sessions, out, now
        self._under_way: set[int] = set()
        self.asked = 0
        self.denied = 0

    def begin(self, session: Session, portal: PortalSettings) -> None:
        """It stands in that portal."""
        if session.number not in self._under_way:
            self._under_way.add(session.number)
            self.asked += 1
            self._spawn(self._cross(session.number, portal))

    def again(self) -> list[int]:
        """Those for whom a predecessor has asked: nobody waits for the answer any more."""
        numbers = sorted(self._under_way)
        self._under_way.clear()
        return numbers

    async def _cross(self, number: int, portal: PortalSettings) -> None:
        try:
            await self._ask(CENTER, Cross(number, portal.to, portal.to_x, portal.to_y), CROSS_S)
        except RefusedError as error:
            self._deny(number, portal, error.code, error.text)
        except (PeerLost, DeadlineExceeded):
            self._deny(number, portal, Code.UNAVAILABLE, "the way is closed at the moment")
        finally:
            self._under_way.discard(number)

    def _deny(self, number: int, portal: PortalSettings, code: str, text: str) -> None:
        """Told to who is here, perhaps again; who has departed hears of its new place instead."""
        session = self._sessions.find(number)
        if session is not None:
            self.denied += 1
            self._out.event(session, play.TransferDenied(portal.to, str(code), text), self._now())
