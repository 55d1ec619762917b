"""Two heroes who meet, open a trade and put something on the table: the beginning of nearly every exploit.

Owns the two and the trade that they have open. Everything here is what honest players may do, or their programs; what
cheats do with it is in exploits.py and mail_exploits.py.
"""

import asyncio
import contextlib

from mesh.errors import MeshError
from mesh.protocol import play
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.lanes import CLIENT_PLAY, PLAY_HEAD
from tools.chaos.players import Hero
from tools.chaos.recorded import RecordedPlayer

MEET_M = 1.0
STEP_S = 0.1
MEET_S = 10.0
ANSWER_S = 4.0
LINE_S = 6.0
LOGIN_S = 10.0
SOON_S = 0.03  # within which what races is said
GOLD = 3  # that is offered, when there is so much


class Pair:
    """`rich` gives, `poor` takes."""

    def __init__(self, rich: Hero, poor: Hero) -> None:
        self.rich, self.poor = rich, poor
        self.trade = 0
        self.version = 0
        self.gold, self.items = 0, list[int]()  # that were offered

    @property
    def players(self) -> tuple[RecordedPlayer, RecordedPlayer]:
        return self.rich.player, self.poor.player

    @property
    def heroes(self) -> tuple[Hero, Hero]:
        return self.rich, self.poor

    async def prepare(self) -> bool:
        """Side by side, with an open trade and an offer; False when that did not come about."""
        self.trade = self.version = 0
        if worth(self.poor) > worth(self.rich):
            self.rich, self.poor = self.poor, self.rich
        try:
            await self._same_line()
            await self._meet()
            await self._open()
            return await self._offer()
        except (MeshError, TimeoutError):
            return False

    async def settle(self) -> None:
        """Whatever is still open is ended, as far as there is anybody to tell."""
        for player in self.players:
            if self.trade and player.playing:
                player.cancel_trade(self.trade)

    async def empty_boxes(self) -> None:
        """Both take whatever waits for them, as far as there is room."""
        for player in self.players:
            with contextlib.suppress(MeshError):
                for mail in await box_of(player):
                    player.take_mail(mail)

    def confirm(self) -> None:
        """Both agree to what they were shown."""
        for player in self.players:
            confirm(player, self.trade, self.version)

    async def _same_line(self) -> None:
        one, other = (player.session.entered for player in self.players)
        if one is not None and other is not None and one.line != other.line:
            await self.poor.player.switch_line(one.line, LINE_S)

    async def _meet(self) -> None:
        """Both walk to the middle of the map."""
        async with asyncio.timeout(MEET_S):
            for hero in self.heroes:
                entered = hero.player.session.entered
                assert entered is not None
                middle = entered.size_m / entered.unit_m / 2
                while hero.walk_to(middle, middle, hero.realm.clock.now(), STEP_S) > MEET_M:  # noqa: ASYNC110 - steps
                    await asyncio.sleep(STEP_S)

    async def _open(self) -> None:
        rich, poor = self.players
        for stale in (rich, poor):
            stale.forget_events()
        rich.invite_trade(poor.entity)
        invited = await poor.wait(play.TradeInvited, ANSWER_S, lambda said: said.by == rich.entity)
        self.trade = invited.trade
        poor.accept_trade(self.trade)
        await rich.wait(play.TradeState, ANSWER_S, lambda said: said.trade == self.trade)

    async def _offer(self) -> bool:
        rich = self.rich.player
        gold, items = min(GOLD, rich.wallet), sorted(rich.owned)[:1]
        self.gold, self.items = gold, items
        if not gold and not items:
            return False
        rich.offer_trade(self.trade, gold, items)
        for player in self.players:
            said = await player.wait(play.TradeState, ANSWER_S, lambda said: has_offer(said, gold, items))
            self.version = said.version
        return True


def worth(hero: Hero) -> tuple[int, int]:
    """Who has more of it gives: whoever has given all away could offer nothing any more."""
    return hero.player.wallet, len(hero.player.owned)


def has_offer(said: play.TradeState, gold: int, items: list[int]) -> bool:
    """Is this what was offered, by whichever side?"""
    return any(offer.gold == gold and offer.items == items for offer in (said.yours, said.theirs))


def confirm(player: RecordedPlayer, trade: int, version: int) -> int:
    """As long as there is a connection; the number of the message, 0 for none."""
    return player.confirm_trade(trade, version) if player.connected else 0


async def box_of(player: RecordedPlayer) -> list[int]:
    """The first mails that wait for it, by their numbers."""
    player.forget_events()
    player.read_mails()
    found = await player.wait(play.Mailbox, ANSWER_S)
    return [mail.number for mail in found.mails]


def repeat(player: RecordedPlayer, number: int, said: Message) -> None:
    """The same message with the same number once more, as a client that was tampered with can."""
    frame = bytes([CLIENT_PLAY]) + PLAY_HEAD.pack(number, player.session.received) + encode(said)
    player.send_raw(frame)


async def log_in_again(hero: Hero) -> None:
    """A new login over the running session: the connection that there was is told to go."""
    since = hero.realm.clock.now()
    hero.player.drop()
    hero.player.session.token = ""  # so that it comes back by a login, not by a resume
    await arrived(hero, since)


async def arrived(hero: Hero, since: float) -> None:
    """Until it is in the world again, or the time is over."""
    end = since + LOGIN_S
    while not hero.arrived_since(since) and hero.realm.clock.now() < end:  # noqa: ASYNC110 - it has an end
        await asyncio.sleep(SOON_S)


async def stranger(hero: Hero) -> None:
    """Another client of the same account, for a moment."""
    realm = hero.realm
    other = RecordedPlayer(realm.book, realm.clock, dial=realm.dial)
    other.leaving = True
    with contextlib.suppress(MeshError):
        await other.join(realm.gates[-1], "", realm.ticket(hero.name), method="ticket", timeout_s=LOGIN_S)
        await other.logout(LOGIN_S)
    other.close()
