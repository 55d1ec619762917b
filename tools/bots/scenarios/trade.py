"""Scenario trade: bots that meet exchange a coin for a coin or an item.

A trader invites another one whom it sees and whose number is greater, so that two do not invite each other; who is
invited accepts, or declines while it trades already. A trader who sees none goes to the market place, the middle of
the map. Both offer one coin when they have one, otherwise their first item, otherwise nothing. Measured: `trade` (own
ConfirmTrade until TradeDone: both sides' goods were on disk by then).

Trading mints nothing, so whoever has nothing fights until it has; between two trades all of them fight.
"""

from collections.abc import Callable

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body
from tools.bots.scenarios.fight import Fight

PAUSE_S = 4.0  # between two trades of one bot
PATIENCE_S = 5.0  # for one trade from the invitation on


def everybody(_number: int) -> bool:
    """In scenario trade all bots are traders."""
    return True


class Trade(Fight):
    """Fights while poor, trades while rich."""

    def __init__(self, body: Body, is_trader: Callable[[int], bool] = everybody) -> None:
        """`is_trader` tells which bots, by number, take part."""
        super().__init__(body)
        self.is_trader = is_trader
        self.gold = 0
        self.items: list[int] = []
        self.traded = 0
        self._trade = 0
        self._trade_since = 0.0
        self._next_at = 0.0
        self._confirmed_at = 0.0
        self._confirmed = (0, 0)  # trade, version
        self._offered = 0
        self._declined = 0
        self._trade_asked: set[int] = set()

    @property
    def rich(self) -> bool:
        return self.gold > 0 or bool(self.items)

    def think(self, now: float) -> None:
        if self._trade_since:
            if now - self._trade_since > PATIENCE_S:
                self._give_up(now)
            return
        if not self.rich or now < self._next_at:
            super().think(now)
            return
        traders = self._traders()
        if traders:
            super().think(now)
            self._invite(traders, now)
        else:
            self.body.seek(*self.body.centre())

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        match said:
            case play.Entered():
                self.gold, self.items = said.you.gold, [item.id for item in said.you.items]
            case play.Looted():
                self.gold = said.wallet
                self.items.extend(item.id for item in said.items)
            case play.TradeInvited(trade=trade) if self._trade_since:
                self._declined = trade
                self._ask(self.body.player.cancel_trade(trade))
            case play.TradeInvited(trade=trade):
                self._begin(trade, now)
                self._ask(self.body.player.accept_trade(trade))
            case play.TradeState():
                self._answer(said, now)
            case play.TradeDone(trade=trade) if trade == self._trade:
                self._done(said, now)
            case play.TradeClosed(trade=trade, code=code) if self._trade_since and self._is_mine(trade):
                self.body.fail("trade", code)
                self._end(now)
            case play.PlayDenied(sequence=sequence, code=code) if sequence in self._trade_asked:
                self._trade_asked.discard(sequence)
                self.body.fail("trade", code)
                self._give_up(now)

    def _invite(self, traders: list[tuple[int, int]], now: float) -> None:
        greater = [entity for number, entity in traders if number > self.body.number]
        self._next_at = now + PAUSE_S * self.body.random.uniform(0.5, 1.5)
        if greater:
            self._trade_since, self._trade, self._offered = now, 0, 0
            self._ask(self.body.player.invite_trade(self.body.random.choice(greater)))

    def _begin(self, trade: int, now: float) -> None:
        self._trade, self._trade_since, self._offered = trade, now, 0

    def _answer(self, said: play.TradeState, now: float) -> None:
        """First the own offer, then the confirmation of what both have offered."""
        if self._trade_since and not self._trade:
            self._trade = said.trade
        if said.trade != self._trade:
            return
        if self._offered != said.trade:
            self._offered = said.trade
            gold = 1 if self.gold else 0
            self._ask(self.body.player.offer_trade(said.trade, gold, [] if gold else self.items[:1]))
        elif self._worth_it(said) and not said.you_confirmed and self._confirmed != (said.trade, said.version):
            self._confirmed, self._confirmed_at = (said.trade, said.version), now
            self._ask(self.body.player.confirm_trade(said.trade, said.version))

    def _worth_it(self, said: play.TradeState) -> bool:
        """Both sides have offered: the trade opens with version 1 and each offer makes it one more."""
        return said.version >= 3 and any(o.gold or o.items for o in (said.yours, said.theirs))

    def _done(self, said: play.TradeDone, now: float) -> None:
        self.traded += 1
        self.gold, self.items = said.wallet, [item.id for item in said.items]
        if self._confirmed_at:
            self.body.record("trade", now - self._confirmed_at)
        self._end(now)

    def _give_up(self, now: float) -> None:
        if self._trade and self.body.player.playing:
            self.body.player.cancel_trade(self._trade)
        self._end(now)

    def _end(self, now: float) -> None:
        self._trade = self._offered = 0
        self._trade_since = self._confirmed_at = 0.0
        self._next_at = now + PAUSE_S * self.body.random.uniform(0.5, 1.5)

    def _ask(self, sequence: int) -> None:
        self._trade_asked.add(sequence)
        if len(self._trade_asked) > 16:
            self._trade_asked.discard(min(self._trade_asked))

    def _is_mine(self, trade: int) -> bool:
        """An invitation of one's own has no number until it is accepted; what was declined is another one."""
        return trade == self._trade or (not self._trade and trade != self._declined)

    def _traders(self) -> list[tuple[int, int]]:
        """Other traders in view: (number of the bot, its entity). Names count from 1, numbers from 0."""
        found = []
        for entity in self.body.player.session.view.values():
            digits = entity.name.rpartition("-")[2]
            if entity.kind == "player" and digits.isdigit() and self.is_trader(int(digits) - 1):
                found.append((int(digits) - 1, entity.id))
        return found
