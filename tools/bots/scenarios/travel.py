"""Scenario travel: everybody walks, and now and then goes to another zone of the cluster and plays on there.

Measured: `travel` (Travel until Entered in the other zone: saved and released here, a ticket, a new session there).
Counted: travels, and what probing.py counts; a player asks nothing more before it leaves, since its session ends.
Option `every`: how many seconds a player stays in a zone, on average (5 without it).
"""

import math

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message, number_of
from tools.bots.mind import Body
from tools.bots.scenarios.probing import Probing

EVERY_S = 5.0
LIST_S = 1.0  # between two questions for the zones while none is open
PATIENCE_S = 20.0
TRAVEL = number_of(social.Travel)


class Travel(Probing):
    """Stays, becomes silent, leaves, arrives."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._every_s = float(body.options.get("every", EVERY_S))
        self._due = 0.0
        self._asked_at = 0.0  # on the way since then
        self._listed_at = -math.inf
        self._left = 0  # the session that is left

    def begin(self, now: float) -> None:
        super().begin(now)
        self._due = now + self._every_s * self.body.random.uniform(0, 1)

    def think(self, now: float) -> None:
        if self._asked_at:
            if now - self._asked_at > PATIENCE_S:
                self._end("no answer", now)
        elif not self._due or now < self._due:
            super().think(now)
        elif not self.open_questions and now - self._listed_at > LIST_S:
            self._listed_at = now
            self.body.player.social(social.ListZones())

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        match said:
            case social.Zones(zones=zones, yours=yours) if self._due and now >= self._due and not self._asked_at:
                self._leave([zone.name for zone in zones if zone.open and zone.name != yours], now)
            case play.Entered() if self._asked_at and self.body.player.session.session != self._left:
                self.body.record("travel", now - self._asked_at)
                self.body.count("travels")
                self._stay(now)
            case social.SocialDenied(code=code, number=number) if self._asked_at and number == TRAVEL:
                self._end(code, now)

    def _leave(self, others: list[str], now: float) -> None:
        if others:
            self._asked_at, self._left = now, self.body.player.session.session
            self.body.player.social(social.Travel(self.body.random.choice(others)))

    def _end(self, code: str, now: float) -> None:
        self.body.fail("travel", code)
        self._stay(now)

    def _stay(self, now: float) -> None:
        self._asked_at = 0.0
        self._due = now + self._every_s * self.body.random.uniform(0.5, 1.5)
