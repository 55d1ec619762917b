"""Scenario lines: everybody walks, and at fixed times changes to another line of the map.

Measured: `switch` (SwitchLine until Entered on that line). Counted: switches, and what probing.py counts. Option
`rate`: how many switches are wanted in a second, of all bots together (20 without it).
"""

import math

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message, number_of
from tools.bots.mind import Body
from tools.bots.scenarios.probing import Probing

RATE = 20.0  # per second, of all bots
LIST_S = 10.0  # how old the list of lines may be
PATIENCE_S = 10.0
SWITCH = number_of(social.SwitchLine)


class Lines(Probing):
    """One switch under way at most."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        users, rate = int(body.options.get("users", "1")), float(body.options.get("rate", RATE))
        self._every_s = max(users, 1) / rate
        self._due = 0.0
        self._others: list[int] = []
        self._listed_at = -math.inf
        self._asked_at = 0.0
        self._wanted = 0

    def begin(self, now: float) -> None:
        super().begin(now)
        self._due = now + self._every_s * self.body.random.random()

    def think(self, now: float) -> None:
        super().think(now)
        if self._wanted:
            if now - self._asked_at > PATIENCE_S:
                self._end("no answer")
        elif now - self._listed_at > LIST_S:
            self._listed_at = now
            self.body.player.social(social.ListLines())
        elif self._due and now >= self._due and self._others:
            self._due += self._every_s
            self._wanted, self._asked_at = self.body.random.choice(self._others), now
            self.body.player.social(social.SwitchLine(self._wanted))

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        match said:
            case social.Lines(lines=lines):
                self._choose_from(lines)
            case play.Entered(line=line) if self._wanted and line == self._wanted:
                self.body.record("switch", now - self._asked_at)
                self.body.count("switches")
                self._wanted = 0
                self._listed_at = -math.inf  # which lines are the others has changed
            case social.SocialDenied(code=code, number=number) if self._wanted and number == SWITCH:
                self._end(code)

    def _choose_from(self, lines: list[social.Line]) -> None:
        entered = self.body.player.session.entered
        if entered is not None:
            self._others = [
                line.number
                for line in lines
                if line.map == entered.map and line.number != entered.line and line.state != "full"
            ]

    def _end(self, code: str) -> None:
        self.body.fail("switch", code)
        self._wanted = 0
        self._listed_at = -math.inf
