"""What a player can do: one short method for each thing that a client may say. Answers come as messages."""

import asyncio
import math

from mesh.client.contact import Contact
from mesh.client.session import Phase
from mesh.errors import PeerLost
from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from mesh.protocol.social import Channel

__all__ = ["Verbs"]

EARLY = 0.1
"""Of the time between two moves under pressure that one may be too early: what calls `move` is not that exact."""


class Verbs(Contact):
    """See the module."""

    _moved_at = -math.inf
    _last_move: tuple[int, int, int, int, int | None] = (0, 0, 0, 0, None)
    _move_due: asyncio.TimerHandle | None = None

    def move(self, x: int, y: int, heading: int = 0, state: int = 0, stamp: int | None = None) -> None:
        """Be there now, in map units. Nothing happens without a connection or on the way to another place: the next
        position counts anyway. When the servers want to hear less often (`session.quality`), the last one of those
        that came too early is sent when it is time."""
        self._last_move = x, y, heading, state, stamp
        if self._move_due is None:
            quality = self.session.quality
            between_s = 1 / quality.moves_hz if quality is not None and quality.moves_hz > 0 else 0.0
            wait_s = self._moved_at + between_s - self._clock.now()
            if wait_s > EARLY * between_s:
                self._move_due = asyncio.get_running_loop().call_later(wait_s, self._send_move)
            else:
                self._send_move()

    def _send_move(self) -> None:
        self._move_due = None
        if self._connection is not None and self.session.phase is Phase.PLAYING:
            self._moved_at = self._clock.now()
            x, y, heading, state, stamp = self._last_move
            if stamp is None:
                stamp = int(self._moved_at * 1000)
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

    def emote(self, kind: str) -> int:
        return self.play(play.Emote(kind))

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

    def write_mail(self, to: str, text: str = "", gold: int = 0, items: list[int] | None = None) -> int:
        return self.play(play.WriteMail(to, text, gold, items or []))

    def read_mails(self, above: int = 0) -> int:
        return self.play(play.ReadMails(above))

    def take_mail(self, mail: int) -> int:
        return self.play(play.TakeMail(mail))

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
