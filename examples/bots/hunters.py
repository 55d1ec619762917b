"""A party that hunts: every fourth bot leads, asks the next three into its party, and all fight as `fight` does.

    mesh bots -u 40 -t 60s --scenario examples/bots/hunters.py

A scenario may build on those that come along (tools/bots/scenarios): here fighting and looting are theirs, and only
the party is ours. Bots have numbers from 0; their characters are called bot-000001, bot-000002 and so on.
"""

from mesh.protocol import play, social
from mesh.protocol.catalogue import Message, number_of
from tools.bots.mind import Body
from tools.bots.options import account_name
from tools.bots.scenarios.fight import Fight

SIZE = 4
ASK_AGAIN_S = 10.0  # who is not in the world yet cannot be asked
TALK_S = 8.0
INVITE = number_of(social.InviteParty)
HARMLESS = ("not_found", "exists")  # not in the world yet; in the party already: it joined while we asked


class Hunter(Fight):
    """Leads, or follows."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.leads = body.number % SIZE == 0
        self.members: set[str] = set()
        self.invited_at: dict[str, float] = {}
        self.talk_due = 0.0

    def think(self, now: float) -> None:
        super().think(now)  # hunting goes on meanwhile
        if self.leads:
            self.gather(now)
        if len(self.members) > 1 and now >= self.talk_due:
            self.talk_due = now + TALK_S * self.body.random.uniform(0.5, 1.5)
            self.body.player.social(social.Speak("party", "over here!"))

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        match said:
            case social.PartyInvited(party=party):
                self.body.player.social(social.AcceptParty(party))
            case social.Party(party=party, leader=leader, members=members):
                self.changed(party, leader, {member.name for member in members}, now)
            case social.Spoken(channel="party", speaker=speaker) if speaker != self.body.player.session.character:
                self.body.count("heard from the party")
            case play.LootShared(gold=gold):
                self.body.count("shares of loot")
                self.body.count("gold from shares", gold)
            case social.SocialDenied(code=code, number=number) if number == INVITE and code not in HARMLESS:
                self.body.fail("invite", code)

    def gather(self, now: float) -> None:
        """Ask those who should be in the party and are not."""
        last = min(self.body.number + SIZE, int(self.body.options["users"]))
        for number in range(self.body.number + 1, last):
            name = account_name(number, "ticket")
            if name not in self.members and now - self.invited_at.get(name, -ASK_AGAIN_S) >= ASK_AGAIN_S:
                self.invited_at[name] = now
                self.body.player.social(social.InviteParty(name))
                return  # one at a time

    def changed(self, party: int, leader: str, members: set[str], now: float) -> None:
        for name in members - self.members:
            if self.leads and name in self.invited_at:
                self.body.record("invite", now - self.invited_at[name])
        if party and not self.members:
            self.body.count("in a party")
        if self.leads and leader == self.body.player.session.character and not self.members:
            self.body.player.social(social.ShareLoot(True))
        self.members = members if party else set()
