"""Trades between two players, up to the moment when both agree.

Owns the trades of a scene and the state of each: invited -> open -> committing, then gone. Pure: players are session
numbers, what they own is an argument. What is offered is reserved by being in a trade: a player is in one open trade
at a time. A confirmation names the version of the offers that the player was shown; every change of an offer is a
new version and takes back both confirmations. While a trade is carried out (one operation of the DC) nothing about
it changes any more; `close` ends it, whatever the DC said.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

from mesh.errors import Code, RefusedError
from mesh.protocol.play import Offer, TradeState

INVITATION_S = 30.0
INVITATIONS_MAX = 8  # that wait for one player's answer; more are refused
VERSIONS_MAX = 0xFFFF


@dataclass(slots=True)
class Side:
    session: int
    name: str
    gold: int = 0
    items: tuple[int, ...] = ()
    confirmed: bool = False


@dataclass(slots=True)
class Trade:
    number: int
    sides: tuple[Side, Side]  # who invited, who was invited
    since: float
    state: Literal["invited", "open", "committing"] = "invited"
    version: int = 0

    def mine(self, session: int) -> Side:
        return self.sides[0] if self.sides[0].session == session else self.sides[1]

    def theirs(self, session: int) -> Side:
        return self.sides[1] if self.sides[0].session == session else self.sides[0]

    def shown_to(self, session: int) -> TradeState:
        """How it stands, from one side."""
        mine, theirs = self.mine(session), self.theirs(session)
        yours, other = Offer(mine.gold, list(mine.items)), Offer(theirs.gold, list(theirs.items))
        return TradeState(self.number, self.version, theirs.name, yours, other, mine.confirmed, theirs.confirmed)


@dataclass(slots=True)
class Trades:
    """All trades of one scene."""

    _by_number: dict[int, Trade] = field(default_factory=dict)
    _of: dict[int, dict[int, Trade]] = field(default_factory=dict)  # session -> its trades and invitations
    _last: int = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Trade]:
        return iter(list(self._by_number.values()))

    def of(self, session: int) -> list[Trade]:
        return list(self._of.get(session, {}).values())

    def invite(self, by: tuple[int, str], to: tuple[int, str], now: float) -> Trade:
        """(session, name) of both. One open trade or invitation of one's own at a time."""
        if by[0] == to[0]:
            raise RefusedError(Code.NOT_ALLOWED, "a trade takes two")
        for trade in self.of(by[0]):
            if trade.state != "invited" or trade.sides[0].session == by[0]:
                raise RefusedError(Code.OUT_OF_ORDER, "another trade or invitation is open")
        if len(self.of(to[0])) >= INVITATIONS_MAX:
            raise RefusedError(Code.TOO_MANY, "too many invitations wait for an answer")
        self._last = self._last % 0xFFFF_FFFF + 1
        trade = Trade(self._last, (Side(*by), Side(*to)), now)
        self._by_number[trade.number] = trade
        for session in (by[0], to[0]):
            self._of.setdefault(session, {})[trade.number] = trade
        return trade

    def accept(self, number: int, who: int) -> Trade:
        trade = self.find(number, who)
        if trade.state != "invited" or trade.sides[1].session != who:
            raise RefusedError(Code.OUT_OF_ORDER, "there is no invitation to accept")
        for side in trade.sides:
            if any(other.state != "invited" for other in self.of(side.session)):
                raise RefusedError(Code.OUT_OF_ORDER, f"{side.name} has another open trade")
        trade.state = "open"
        trade.version = 1
        return trade

    def offer(self, number: int, who: int, offer: Offer, wallet: int, owned: Collection[int]) -> Trade:
        """`wallet` and `owned` are what the player has."""
        trade = self.find(number, who)
        if trade.state != "open":
            raise RefusedError(Code.OUT_OF_ORDER, "the trade is not open")
        if offer.gold > wallet:
            raise RefusedError(Code.INSUFFICIENT, "not enough gold")
        if len(set(offer.items)) != len(offer.items) or any(item not in owned for item in offer.items):
            raise RefusedError(Code.INSUFFICIENT, "an item that is not there, or twice")
        if trade.version >= VERSIONS_MAX:
            raise RefusedError(Code.TOO_MANY, "too many changes of one trade")
        side = trade.mine(who)
        side.gold, side.items = offer.gold, tuple(offer.items)
        trade.version += 1
        for one in trade.sides:
            one.confirmed = False
        return trade

    def confirm(self, number: int, who: int, version: int) -> Trade:
        """The trade is `committing` afterwards when both have confirmed. Confirming twice is the same as once."""
        trade = self.find(number, who)
        if trade.state == "invited" or version != trade.version:
            raise RefusedError(Code.OUT_OF_ORDER, "the trade has changed, or is not open")
        if not any(side.gold or side.items for side in trade.sides):
            raise RefusedError(Code.OUT_OF_ORDER, "nothing is offered")
        trade.mine(who).confirmed = True
        if all(side.confirmed for side in trade.sides):
            trade.state = "committing"
        return trade

    def cancel(self, number: int, who: int) -> Trade:
        """Over; too late while it is carried out."""
        trade = self.find(number, who)
        if trade.state == "committing":
            raise RefusedError(Code.OUT_OF_ORDER, "the trade is being carried out")
        self.close(trade)
        return trade

    def index(self) -> None:
        """All trades were put here at once: who is in which."""
        self._of = {}
        for trade in self._by_number.values():
            for side in trade.sides:
                self._of.setdefault(side.session, {})[trade.number] = trade

    def close(self, trade: Trade) -> None:
        """It is over."""
        self._by_number.pop(trade.number, None)
        for side in trade.sides:
            mine = self._of.get(side.session, {})
            mine.pop(trade.number, None)
            if not mine:
                self._of.pop(side.session, None)

    def overdue(self, now: float) -> list[Trade]:
        """Invitations that nobody answered."""
        return [one for one in self._by_number.values() if one.state == "invited" and now - one.since > INVITATION_S]

    def find(self, number: int, who: int) -> Trade:
        """The trade, if this session is in it; RefusedError otherwise."""
        trade = self._by_number.get(number)
        if trade is None or who not in (trade.sides[0].session, trade.sides[1].session):
            raise RefusedError(Code.NOT_FOUND, "there is no such trade")
        return trade
