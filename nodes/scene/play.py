"""What players ask for: attack, loot, say, trade. One function per message of the client.

Owns the trades of the scene. A request that is not possible is answered with PlayDenied and play goes on; what takes
the DC is carried out beside, and told when it is on disk. A handler takes (line, session, message, its sequence, now).
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mesh.core.bucket import Bucket
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError
from mesh.handlers import Handlers, on
from mesh.protocol import play
from mesh.protocol.catalogue import number_in, number_of
from mesh.protocol.codec import decoder_for
from mesh.protocol.records import GoldMove, ItemMove
from nodes.scene.ledger import Ledger
from nodes.scene.line import Line, Record
from nodes.scene.loot import Corpse
from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import SceneSettings
from nodes.scene.trade import Side, Trade, Trades

TEXT_MAX = 200  # of what a client is told about its bad message

Spawn = Callable[[Coroutine[Any, Any, Any]], Any]
Expel = Callable[[Session], None]  # have its connection ended


class Play:
    """Parts of the scene that play messages work on."""

    def __init__(
        self,
        lines: list[Line],
        sessions: Sessions,
        out: Outbound,
        ledger: Ledger,
        spawn: Spawn,
        record: Record,
        now: Callable[[], float],
        settings: SceneSettings,
        expel: Expel,
    ) -> None:
        self._lines, self._sessions, self._out, self._ledger = lines, sessions, out, ledger
        self._spawn, self._record, self._now, self._expel = spawn, record, now, expel
        self._settings, self._inventory_max = settings, settings.inventory_max
        self.trades = Trades()
        self.denied = 0
        self.heard = 0
        self._decode = decoder_for("scene", "client")
        self._handlers = Handlers()
        self._handlers.collect(self)
        self._numbers = {number_of(known) for known in self._handlers.messages}

    def hear(self, session: Session, sequence: int, body: bytes) -> None:
        """One encoded message."""
        now = self._now()
        self.heard += 1
        try:
            if number_in(body) not in self._numbers:
                self.bad(session, sequence, Code.UNKNOWN_MESSAGE, "no such message for a scene")
                return
            said = self._decode(body)
            self._handlers.messages[type(said)](self._lines[session.line], session, said, sequence, now)
        except RemoteProtocolError as error:
            self.bad(session, sequence, Code.BAD_MESSAGE, str(error)[:TEXT_MAX])
        except RefusedError as error:
            self.deny(session, sequence, error.code, error.text)

    def deny(self, session: Session, sequence: int, code: str, text: str) -> None:
        self.denied += 1
        self._out.event(session, play.PlayDenied(sequence, str(code), text), self._now())

    def bad(self, session: Session, sequence: int, code: Code, text: str) -> None:
        """No right client says this. Who goes on has no connection any more; its character stays until the center
        lets it go."""
        self.deny(session, sequence, code, text)
        now, told = self._now(), self._settings
        if session.offences is None:
            session.offences = Bucket(told.bad_messages_per_s, told.bad_messages_burst, now)
        if not session.offences.take(now) and session.gate:
            self._expel(session)

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

    def advance(self, session: Session, level: int) -> None:
        """Experience was enough for a level."""
        session.advancing = True
        self._spawn(self._advance(session, level))

    # --- fights and loot ---

    @on(play.Attack)
    def on_attack(self, line: Line, session: Session, said: play.Attack, _sequence: int, now: float) -> None:
        line.attack(session, said.target, now)

    @on(play.Say)
    def on_say(self, line: Line, session: Session, said: play.Say, _sequence: int, now: float) -> None:
        line.say(session, said.text, now)

    @on(play.Loot)
    def on_loot(self, line: Line, session: Session, said: play.Loot, sequence: int, now: float) -> None:
        if len(session.items) >= self._inventory_max:
            raise RefusedError(Code.INSUFFICIENT, "no room for more items")
        corpse = line.reserve(session, said.corpse, now)
        self._spawn(self._loot(line, session, corpse, sequence))

    async def _loot(self, line: Line, session: Session, corpse: Corpse, sequence: int) -> None:
        account = session.account
        items = [ItemMove(0, 0, account, corpse.item)] if corpse.item else []
        try:
            operated = await self._ledger.carry_out([session], "loot", [GoldMove(0, account, corpse.gold)], items)
        except RefusedError as error:
            line.corpses.give_back(corpse)
            self.deny(session, sequence, error.code, error.text)
            return
        except (PeerLost, DeadlineExceeded):
            line.remove_corpse(corpse)  # it may be theirs already: never give it twice
            self.deny(session, sequence, Code.UNAVAILABLE, "the outcome is not known; look again after the next login")
            return
        line.remove_corpse(corpse)
        self._out.event(session, play.Looted(corpse.number, corpse.gold, operated.made, session.gold), self._now())
        self._record("loot", account, gold=corpse.gold, items=[item.id for item in operated.made])

    async def _advance(self, session: Session, level: int) -> None:
        try:
            await self._ledger.carry_out([session], "advance", level=level)
        except (RefusedError, PeerLost, DeadlineExceeded):
            return  # the next experience tries again
        finally:
            session.advancing = False
        if self._sessions.find(session.number) is session:
            self._lines[session.line].advance(session, level, self._now())

    # --- trades ---

    @on(play.InviteTrade)
    def on_invite(self, line: Line, session: Session, said: play.InviteTrade, _sequence: int, now: float) -> None:
        other = self._sessions.of_handle(said.to)
        if other is None or not other.gate or not line.near(session, other):
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
            self._spawn(self._carry_out(trade, one, other))

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
        return one.line == other.line and self._lines[one.line].near(one, other)

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
