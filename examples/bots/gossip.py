"""A gossip: talks on every channel, and measures how long its own words take to come back.

    mesh bots -u 100 -t 60s --scenario examples/bots/gossip.py -o every=3

`-o KEY=VALUE` of the command line is in `body.options`, always as text.
"""

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind

EVERY_S = 5.0
EVERY_MIN_S = 0.5  # more often than it is asked to think makes no sense
CHANNELS: tuple[social.Channel, ...] = ("line", "map")


class Gossip(Mind):
    """One sentence at a time, on one channel after the other."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.every_s = max(float(body.options.get("every", EVERY_S)), EVERY_MIN_S)
        self.due = 0.0
        self.turn = body.random.randrange(len(CHANNELS) + 1)
        self.waiting: dict[str, tuple[str, float]] = {}  # the text -> series, when it was said
        self.number = 0

    def begin(self, now: float) -> None:
        """The measuring begins. Not all at once: each bot has its own moment."""
        self.due = now + self.every_s * self.body.random.random()

    def think(self, now: float) -> None:
        if not self.due or now < self.due:
            return
        self.due += self.every_s
        self.number += 1
        text = f"have you heard? {self.number}"
        self.turn = (self.turn + 1) % (len(CHANNELS) + 1)
        if self.turn == len(CHANNELS):
            self.waiting[text] = ("say", now)
            self.body.player.say(text)  # to those who are near: goes to the scene
        else:
            channel = CHANNELS[self.turn]
            self.waiting[text] = (f"speak {channel}", now)
            self.body.player.social(social.Speak(channel, text))  # goes to the center

    def hear(self, said: Message, now: float) -> None:
        me = self.body.player.session.character
        match said:
            case play.Said(name=speaker, text=text) if speaker == me:
                self.came_back(text, now)
            case social.Spoken(speaker=speaker, text=text) if speaker == me:
                self.came_back(text, now)
            case play.Said() | social.Spoken():
                self.body.count("heard of others")
            case social.SocialDenied(code=code):
                self.body.fail("speak", code)

    def came_back(self, text: str, now: float) -> None:
        series, since = self.waiting.pop(text, ("", 0.0))
        if series:
            self.body.record(series, now - since)

    def finish(self, now: float) -> None:
        """The measuring is over: what is missing now has been lost (chat may be, under load)."""
        del now
        self.body.count("never came back", len(self.waiting))
