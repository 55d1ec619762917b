"""Scenario chat: walk about and talk. Mostly to those who are near, now and then to everybody.

Measured: `say` (Say until one hears oneself) and `shout` (Shout until Shouted comes back through the center, its PUB
and the gate). Shouts go to every player of the zone, so one bot shouts seldom.
"""

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind

SAY_S = 5.0
SHOUT_S = 120.0


class Chat(Mind):
    """At most one Say and one Shout under way."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._say_due = body.random.uniform(0, SAY_S)
        self._shout_due = body.random.uniform(0, SHOUT_S)
        self._started = 0.0
        self._said_at = 0.0
        self._shouted_at = 0.0
        self._sequence = 0

    def think(self, now: float) -> None:
        self._started = self._started or now
        age = now - self._started
        if age >= self._say_due:
            self._say_due = age + SAY_S * self.body.random.uniform(0.8, 1.2)
            self._said_at = now
            self._sequence = self.body.player.say(f"hello from {self.body.number}")
        if age >= self._shout_due:
            self._shout_due = age + SHOUT_S * self.body.random.uniform(0.8, 1.2)
            self._shouted_at = now
            self.body.player.shout(f"hear me, {self.body.number}")

    def hear(self, said: Message, now: float) -> None:
        match said:
            case play.Said(speaker=speaker) if speaker == self.body.entity and self._said_at:
                self.body.record("say", now - self._said_at)
                self._said_at = 0.0
            case social.Shouted(speaker=speaker) if speaker == self.body.player.session.character and self._shouted_at:
                self.body.record("shout", now - self._shouted_at)
                self._shouted_at = 0.0
            case play.PlayDenied(sequence=sequence, code=code) if sequence == self._sequence:
                self.body.fail("say", code)
                self._said_at = 0.0
            case social.SocialDenied(code=code):
                self.body.fail("shout", code)
                self._shouted_at = 0.0
