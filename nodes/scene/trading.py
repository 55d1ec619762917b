"""Trades between two players, as they and the DC are told of them.

Owns the trades of the scene (their states are in trade.py). Both sides are told every change; a trade that both have
confirmed is one operation of the DC. Whoever blocks a player is not there for its invitations, and does not learn of
them.
"""

from collections.abc import Callable

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.handlers import on
from mesh.protocol import play
from mesh.protocol.records import GoldMove, ItemMove
from nodes.scene.ledger import Ledger
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session, Sessions
from nodes.scene.shared import Record
from nodes.scene.trade import Side, Trade, Trades


class Trading:
    """Handlers of play messages, `gone` and `watch`."""

    def __init__(
        self,
        lines: Lines,
        sessions: Sessions,
        out: Outbound,
        ledger: Ledger,
        record: Record,
        now: Callable[[], float],
        inventory_max: int,
    ) -> None:
        self._lines, self._sessions, self._out = lines, sessions, out
        self._ledger, self._record, self._now, self._inventory_max = ledger, record, now, inventory_max
        self.trades = Trades()

    def gone(self, session: Session) -> None:
        """It leaves the world: its trades end, except one that is being carried out."""
        for trade in self.trades.of(session.number):
            if trade.state != "committing":
                self._close(trade, Code.CANCELLED, f"{session.name} has left")

    def watch(self, now: float) -> None:
        """About once a second: who walked away from a trade, or never answered, ends it."""
        for trade in self.trades.overdue(now):
            self._close(trade, Code.CANCELLED, "no answer")
        for trade in self.trades:
            one, other = (self._sessions.find(side.session) for side in trade.sides)
            apart = one is None or other is None or not self._near(one, other)
            if apart and trade.state != "committing":
                self._close(trade, Code.OUT_OF_RANGE, "too far away")

    @on(play.InviteTrade)
    def on_invite(self, line: Line, session: Session, said: play.InviteTrade, _sequence: int, _now: float) -> None:
        now = self._now()
        other = self._sessions.of_handle(said.to)
        if other is None or not other.gate or not line.near(session, other) or session.account in other.blocked:
            raise RefusedError(Code.NOT_FOUND, "there is no such player in view")
        trade = self.trades.invite((session.number, session.name), (other.number, other.name), now)
        self._out.event(other, play.TradeInvited(trade.number, session.handle, session.name), now)
        self._out.event(session, play.TradeAsked(trade.number, other.handle, other.name), now)

    @on(play.AcceptTrade)
    def on_accept(self, _line: Line, session: Session, said: play.AcceptTrade, _sequence: int, _now: float) -> None:
        self._show(self.trades.accept(said.trade, session.number))

    @on(play.OfferTrade)
    def on_offer(self, _line: Line, session: Session, said: play.OfferTrade, _sequence: int, _now: float) -> None:
        self._show(self.trades.offer(said.trade, session.number, said.offer, session.gold, session.items))

    @on(play.ConfirmTrade)
    def on_confirm(self, _line: Line, session: Session, said: play.ConfirmTrade, _sequence: int, _now: float) -> None:
        before = self.trades.find(said.trade, session.number)
        parties = [self._sessions.find(side.session) for side in before.sides]
        one, other = parties
        if one is None or other is None or not self._near(one, other):
            raise RefusedError(Code.OUT_OF_RANGE, "too far away")
        self._check_room(before, one, other)
        under_way = before.state == "committing"
        trade = self.trades.confirm(said.trade, session.number, said.version)
        if under_way:
            return
        self._show(trade)
        if trade.state == "committing":
            self._ledger.begin([one, other], self._carry_out, trade, one, other)

    @on(play.CancelTrade)
    def on_cancel(self, _line: Line, session: Session, said: play.CancelTrade, _sequence: int, _now: float) -> None:
        trade = self.trades.cancel(said.trade, session.number)
        self._tell_closed(trade, Code.CANCELLED, f"{session.name} does not want to")

    async def _carry_out(self, trade: Trade, one: Session, other: Session) -> None:
        gives = [(trade.sides[0], one, other), (trade.sides[1], other, one)]
        gold = [GoldMove(giver.account, taker.account, side.gold) for side, giver, taker in gives if side.gold]
        items = [ItemMove(item, giver.account, taker.account) for side, giver, taker in gives for item in side.items]
        try:
            await self._ledger.carry_out([one, other], "trade", gold, items)
        except RefusedError as error:
            self._close(trade, error.code, error.text)
            return
        except (PeerLost, DeadlineExceeded):
            self._close(trade, Code.UNAVAILABLE, "the outcome is not known; look again after the next login")
            return
        self.trades.close(trade)
        for side, giver, taker in gives:
            self._out.event(giver, play.TradeDone(trade.number, giver.gold, list(giver.items.values())), self._now())
            self._record("trade", giver.account, other=taker.account, gold=side.gold, items=list(side.items))

    def _check_room(self, trade: Trade, one: Session, other: Session) -> None:
        first, second = trade.sides
        for session, gives, takes in ((one, first, second), (other, second, first)):
            if _left(session, gives, takes) > self._inventory_max:
                raise RefusedError(Code.INSUFFICIENT, f"{session.name} has no room for more items")

    def _near(self, one: Session, other: Session) -> bool:
        return one.line == other.line and self._lines.of(one).near(one, other)

    def _show(self, trade: Trade) -> None:
        for side in trade.sides:
            session = self._sessions.find(side.session)
            if session is not None:
                self._out.event(session, trade.shown_to(side.session), self._now())

    def _close(self, trade: Trade, code: str, text: str) -> None:
        self.trades.close(trade)
        self._tell_closed(trade, code, text)

    def _tell_closed(self, trade: Trade, code: str, text: str) -> None:
        for side in trade.sides:
            session = self._sessions.find(side.session)
            if session is not None:
                self._out.event(session, play.TradeClosed(trade.number, str(code), text), self._now())


def _left(session: Session, gives: Side, takes: Side) -> int:
    return len(session.items) - len(gives.items) + len(takes.items)
