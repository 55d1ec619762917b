"""Scenario portals: walk into the nearest portal, and on the other side back again, with questions and words.

Measured: `crossing` (from the step into the circle to Entered on the other map) and `gap` (how long the player saw
nothing new because of it: from the last movement that it heard to Entered, which has the full view). Counted:
crossings, and what probing.py counts; `belongings changed` when gold, experience or level are less after an Entered
than before it. Somebody who is sent away in between, because a scene was killed, goes on when it is back.
"""

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body
from tools.bots.scenarios.probing import Probing

BEYOND_M = 4.0  # outside a circle, before stepping in: whoever arrives inside must leave it first
SEEING_S = 0.15  # movement was heard so recently, a tick or so: without company there is nothing to miss
PATIENCE_S = 15.0  # inside, without anything happening: step out and try again


class Portals(Probing):
    """Out of the circle, into the circle."""

    hears_updates = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._portal: play.Portal | None = None
        self._place: tuple[str, str, int] | None = None
        self._outward = True
        self._stepped_at = 0.0
        self._updated_at = 0.0
        self._owns: tuple[int, int, int] | None = None

    def think(self, now: float) -> None:
        super().think(now)
        if self._portal is None:
            return
        if self._outward and self._distance(self._portal) > self._portal.radius_m + BEYOND_M / 2:
            self._turn_in()
        elif self._stepped_at and now - self._stepped_at > PATIENCE_S:
            self.body.fail("crossing", "no answer")
            self._turn_out()

    def reached(self, now: float) -> None:
        if not self._outward and not self._stepped_at:
            self._stepped_at = now

    def updated(self, now: float) -> None:
        self._updated_at = now

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        match said:
            case play.Entered():
                self._arrive(said, now)
            case play.TransferDenied(code=code):
                self.body.fail("crossing", code)
                self._turn_out()

    def _arrive(self, said: play.Entered, now: float) -> None:
        place = (said.scene, said.map, said.line)
        crossed = self._stepped_at or (self._place is not None and place[1] != self._place[1])
        if crossed and said.resumed:
            self.body.count("crossings")
            if self._stepped_at:
                self.body.record("crossing", now - self._stepped_at)
                if self._stepped_at - self._updated_at < SEEING_S:
                    self.body.record("gap", now - self._updated_at)
        self._place, self._updated_at = place, now
        self._check_belongings(said.you)
        self._portal = min(said.portals, key=lambda portal: self._distance(portal), default=None)
        self._turn_out()

    def _check_belongings(self, you: play.Character) -> None:
        owns = (you.gold, you.level, you.xp)
        if self._owns is not None and any(now < before for now, before in zip(owns, self._owns, strict=True)):
            self.body.count("belongings changed")
        self._owns = owns

    def _turn_in(self) -> None:
        portal = self._portal
        assert portal is not None
        self._outward = False
        self.body.watch(portal.x, portal.y, portal.radius_m)
        self.body.seek(portal.x, portal.y)

    def _turn_out(self) -> None:
        """To a point outside, away from the border, in a direction of one's own: not everybody on one heap."""
        self._outward, self._stepped_at = True, 0.0
        portal = self._portal
        if portal is None:
            self.body.watch(0, 0, 0.0)
            self.body.wander()
            return
        unit = self.body.metres(1)
        reach = (portal.radius_m + BEYOND_M) / unit
        centre_x, centre_y = self.body.centre()
        sign_x = 1 if centre_x >= portal.x else -1
        sign_y = 1 if centre_y >= portal.y else -1
        part = self.body.random.uniform(0.2, 0.98)
        across = (1 - part * part) ** 0.5
        self.body.seek(round(portal.x + sign_x * reach * part), round(portal.y + sign_y * reach * across))

    def _distance(self, portal: play.Portal) -> float:
        x, y = self.body.place()
        return self.body.metres(((x - portal.x) ** 2 + (y - portal.y) ** 2) ** 0.5)
