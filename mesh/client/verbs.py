"""What a player can do: one short method for each thing that a client may say. Answers come as messages."""

from mesh.client.contact import Contact
from mesh.client.session import Phase
from mesh.errors import PeerLost
from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from mesh.protocol.social import Channel

__all__ = ["Verbs"]


class Verbs(Contact):
    """See the module."""

    def move(self, x: int, y: int, heading: int = 0, state: int = 0, stamp: int | None = None) -> None:
        """Be there now, in map units. Nothing happens without a connection or on the way to another place: the next
        position counts anyway."""
        if self._connection is not None and self.session.phase is Phase.PLAYING:
            if stamp is None:
                stamp = int(self._clock.now() * 1000)
            self._connection.send(self.session.move(x, y, heading, stamp, state))

    def play(self, said: Message) -> int:
        """Say something of play.py to the scene; its sequence, which a PlayDenied would name. On the way to another
        place it is kept until the player is there."""
        if not self.connected:
            raise PeerLost("not connected")
        frame = self.session.play(said)
        if frame:
            self.send_raw(frame)
        return self.session.sent

    def social(self, said: Message) -> None:
        """Say something of social.py to the center."""
        if not self.connected:
            raise PeerLost("not connected")
        frame = self.session.social(said)
        if frame:
            self.send_raw(frame)

    # --- in the world ---

    def attack(self, target: int) -> int:
        return self.play(play.Attack(target))

    def loot(self, corpse: int) -> int:
        return self.play(play.Loot(corpse))

    def say(self, text: str) -> int:
        return self.play(play.Say(text))

    def invite_trade(self, to: int) -> int:
        return self.play(play.InviteTrade(to))

    def accept_trade(self, trade: int) -> int:
        return self.play(play.AcceptTrade(trade))

    def offer_trade(self, trade: int, gold: int = 0, items: list[int] | None = None) -> int:
        return self.play(play.OfferTrade(trade, play.Offer(gold, items or [])))

    def confirm_trade(self, trade: int, version: int) -> int:
        return self.play(play.ConfirmTrade(trade, version))

    def cancel_trade(self, trade: int) -> int:
        return self.play(play.CancelTrade(trade))

    # --- talking ---

    def shout(self, text: str) -> None:
        self.social(social.Shout(text))

    def whisper(self, to: str, text: str) -> None:
        self.social(social.Whisper(to, text))

    def speak(self, channel: Channel, text: str) -> None:
        self.social(social.Speak(channel, text))

    # --- friends and others ---

    def add_friend(self, name: str) -> None:
        self.social(social.AddFriend(name))

    def accept_friend(self, name: str) -> None:
        self.social(social.AcceptFriend(name))

    def remove_friend(self, name: str) -> None:
        self.social(social.RemoveFriend(name))

    def list_friends(self) -> None:
        self.social(social.ListFriends())

    def block(self, name: str) -> None:
        self.social(social.Block(name))

    def unblock(self, name: str) -> None:
        self.social(social.Unblock(name))

    def list_blocked(self) -> None:
        self.social(social.ListBlocked())

    # --- parties ---

    def invite_party(self, name: str) -> None:
        self.social(social.InviteParty(name))

    def accept_party(self, party: int) -> None:
        self.social(social.AcceptParty(party))

    def refuse_party(self, party: int) -> None:
        self.social(social.RefuseParty(party))

    def leave_party(self) -> None:
        self.social(social.LeaveParty())

    def kick_from_party(self, name: str) -> None:
        self.social(social.KickFromParty(name))

    def lead_party(self, name: str) -> None:
        self.social(social.LeadParty(name))

    def share_loot(self, shared: bool = True) -> None:
        self.social(social.ShareLoot(shared))

    # --- lines and zones; to go there: `Player.switch_line`, `Player.travel` ---

    def list_lines(self) -> None:
        self.social(social.ListLines())

    def list_zones(self) -> None:
        self.social(social.ListZones())
