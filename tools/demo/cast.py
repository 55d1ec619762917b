"""The players of a demonstration: bots of the mixed scenario, with a witness in each who notes what the story needs.

Owns what was witnessed. The story asks for it; nothing here decides anything.
"""

from collections import Counter

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind
from tools.bots.scenarios.mixed import choose

ANNOUNCEMENT = "announcement"
"""Shouts of the story begin with this word; bots that chat shout other things."""


class Witnessed:
    """What all players together have heard."""

    def __init__(self) -> None:
        self.announcements: Counter[str] = Counter()  # by text
        self.online: Counter[tuple[int, str]] = Counter()  # (bot, friend's name)
        self.offline: Counter[tuple[int, str]] = Counter()
        self.friends: dict[int, dict[str, str]] = {}  # bot -> name -> state
        self.asked: dict[int, set[str]] = {}  # bot -> who asked
        self.trades_done = 0  # heard by both sides of a trade
        self.looted = 0
        self.said = 0
        self.entered: dict[int, play.Entered] = {}  # the last one of each bot
        self.maps: dict[int, set[str]] = {}  # where each bot has been
        self.invited: dict[int, int] = {}  # bot -> party that it is asked into
        self.parties: dict[int, social.Party] = {}  # the last word on it that each bot heard
        self.party_words: set[int] = set()  # who heard a word in its party


class Witness(Mind):
    """Notes what is heard, and leaves playing to the mind of the scenario."""

    hears_always = True  # also who is just walking through a portal hears what is said to everybody

    def __init__(self, body: Body, seen: Witnessed) -> None:
        super().__init__(body)
        self.playing = choose(body)
        self.busy = False  # the story has plans with this player: it decides nothing itself
        self._seen = seen

    def think(self, now: float) -> None:
        if not self.busy:
            self.playing.think(now)

    def hear(self, said: Message, now: float) -> None:
        seen, number = self._seen, self.body.number
        match said:
            case social.Shouted(text=text) if text.startswith(ANNOUNCEMENT):
                seen.announcements[text] += 1
            case social.FriendOnline(name=name):
                seen.online[number, name] += 1
            case social.FriendOffline(name=name):
                seen.offline[number, name] += 1
            case social.FriendAsked(name=name):
                seen.asked.setdefault(number, set()).add(name)
            case social.Friends(friends=friends):
                seen.friends[number] = {friend.name: friend.state for friend in friends}
            case play.TradeDone():
                seen.trades_done += 1
            case play.Looted():
                seen.looted += 1
            case play.Said():
                seen.said += 1
            case play.Entered():
                seen.entered[number] = said
                seen.maps.setdefault(number, set()).add(said.map)
            case _:
                self._hear_party(said)
        if self.body.player.playing:
            self.playing.hear(said, now)

    def _hear_party(self, said: Message) -> None:
        seen, number = self._seen, self.body.number
        match said:
            case social.PartyInvited(party=party):
                seen.invited[number] = party
            case social.Party():
                seen.parties[number] = said
            case social.Spoken(channel="party"):
                seen.party_words.add(number)


def is_walker(number: int) -> bool:
    """In the mixed scenario, the ones that only walk: the story may stop or drop them without breaking a trade."""
    return number % 20 >= 8
