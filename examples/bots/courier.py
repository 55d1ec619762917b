"""A courier: carries letters from map to map, through every portal that it finds.

    mesh up --detach
    mesh bots -u 50 -t 60s --scenario examples/bots/courier.py

What a scenario is: one class derived from `Mind`. Every bot has one, with a `body` that walks and talks for it:

    think(now)      about twice a second: decide
    hear(said, now) every message that the player hears (mesh/protocol/play.py and social.py have them all)
    reached(now)    the bot has just stepped into the circle that its body watches

A mind never waits and never sleeps: hundreds of bots share one loop, and a bot that blocks it makes the run INVALID.
`now` is in seconds and only good for differences; positions are in map units (`body.metres` turns them into metres).
"""

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind

OUTSIDE_M = 5.0  # whoever arrives inside a portal has to leave it before it opens again
PATIENCE_S = 20.0


class Courier(Mind):
    """Walks to a portal, steps in, and counts how many letters came to another map and how long each took."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.portal: play.Portal | None = None
        self.map = ""
        self.set_out = 0.0  # when it stepped into the portal; 0: not yet
        self.inside = False  # heading for the middle of the portal

    def think(self, now: float) -> None:
        if self.portal is None:
            return  # this map has none: the body walks about by itself
        if not self.inside and self.distance() > self.portal.radius_m + OUTSIDE_M / 2:
            self.inside = True
            self.body.watch(self.portal.x, self.portal.y, self.portal.radius_m)  # tell me when I am in
            self.body.seek(self.portal.x, self.portal.y)
        if self.set_out and now - self.set_out > PATIENCE_S:
            self.body.fail("letter", "no answer")  # not one of the game's own refusals: an error of the run
            self.step_back()

    def reached(self, now: float) -> None:
        self.set_out = now

    def hear(self, said: Message, now: float) -> None:
        match said:
            case play.Entered():  # after the login, and on every new map
                if self.set_out and said.map != self.map:
                    self.body.record("letter", now - self.set_out)  # a row "letter" in the report, in milliseconds
                    self.body.count(f"letters to {said.map}")  # a line in the table of what was counted
                    self.body.player.say(f"a letter from {self.map}")
                self.map = said.map
                self.portal = self.body.random.choice(said.portals) if said.portals else None
                self.step_back()
            case play.TransferDenied(code=code):
                self.body.fail("letter", code)
                self.step_back()

    def step_back(self) -> None:
        """Out of the circle, towards the middle of the map."""
        self.inside, self.set_out = False, 0.0
        if self.portal is None:
            self.body.wander()
            return
        x, y = self.body.centre()
        reach = self.portal.radius_m + OUTSIDE_M
        away = max(self.body.metres(((x - self.portal.x) ** 2 + (y - self.portal.y) ** 2) ** 0.5), 1.0)
        part = min(reach / away, 1.0)
        self.body.seek(
            round(self.portal.x + (x - self.portal.x) * part), round(self.portal.y + (y - self.portal.y) * part)
        )

    def distance(self) -> float:
        """Metres to the portal."""
        assert self.portal is not None
        x, y = self.body.place()
        return self.body.metres(((x - self.portal.x) ** 2 + (y - self.portal.y) ** 2) ** 0.5)
