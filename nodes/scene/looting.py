"""Loot and levels: what a character gains durably.

Owns nothing. Loot is one operation of the DC, whoever gets a share of it: in a party that shares, gold is divided among
the members who see the corpse and the item goes to them in turn. While a corpse is its killer's, that is the party as
it was at the kill; afterwards the party of who takes it. When the DC refuses that (one of them may not be the newest
session of its account any more), who looted gets it alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.handlers import on
from mesh.protocol import play
from mesh.protocol.play import Item
from mesh.protocol.records import GoldMove, ItemMove, Operated
from nodes.scene.ledger import Ledger
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.loot import Corpse
from nodes.scene.outbound import Outbound
from nodes.scene.parties import Parties
from nodes.scene.sessions import Session, Sessions
from nodes.scene.shared import Record

Deny = Callable[[Session, int, str, str], None]  # (session, sequence, code, text)


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets what of one corpse; `gold` in the order of `members`, the first of whom took it."""

    members: list[Session]
    gold: list[int]
    item: str  # its kind, "" for none
    receiver: Session
    party: int = 0  # in which it is shared

    def moves(self) -> tuple[list[GoldMove], list[ItemMove]]:
        """What the DC is asked to do."""
        gold = [GoldMove(0, one.account, part) for one, part in zip(self.members, self.gold, strict=True) if part]
        return gold, [ItemMove(0, 0, self.receiver.account, self.item)] if self.item else []


class Looting:
    """Handlers of play messages, and `advance`."""

    def __init__(
        self,
        lines: Lines,
        sessions: Sessions,
        parties: Parties,
        out: Outbound,
        ledger: Ledger,
        record: Record,
        now: Callable[[], float],
        inventory_max: int,
        deny: Deny,
    ) -> None:
        self._lines, self._sessions, self._parties, self._out = lines, sessions, parties, out
        self._ledger, self._record, self._now, self._deny = ledger, record, now, deny
        self._inventory_max = inventory_max

    def advance(self, session: Session, level: int) -> None:
        """Experience was enough for a level."""
        session.advancing = True
        self._ledger.begin([session], self._advance, session, level)

    @on(play.Loot)
    def on_loot(self, line: Line, session: Session, said: play.Loot, sequence: int, now: float) -> None:
        corpse = line.reserve(session, said.corpse, now)
        try:
            shares = self._divide(line, session, corpse, now)
        except RefusedError:
            line.corpses.give_back(corpse)
            raise
        self._ledger.begin(shares.members, self._loot, line, corpse, shares, sequence)

    def _divide(self, line: Line, session: Session, corpse: Corpse, now: float) -> Shares:
        party, sharing = self._sharing(session, corpse, now)
        if not party:
            return self._alone(session, corpse)
        near = line.members_near(corpse.slot, sharing)
        members = [session, *(one for one in near if one is not session)]
        part = corpse.gold // len(members)
        gold = [corpse.gold - part * (len(members) - 1), *([part] * (len(members) - 1))]
        if not corpse.item:
            return Shares(members, gold, "", session, party)
        able = sorted((one for one in members if len(one.items) < self._inventory_max), key=lambda one: one.account)
        if not able:
            raise RefusedError(Code.INSUFFICIENT, "no room for more items")
        return Shares(members, gold, corpse.item, self._parties.in_turn(party, able), party)

    def _sharing(self, session: Session, corpse: Corpse, now: float) -> tuple[int, list[Session]]:
        """The party that shares this corpse (0 for none), and who of it is on this scene."""
        if now < corpse.free_at:
            found = (self._sessions.of_account(account) for account in sorted(corpse.heirs))
            return corpse.party, [one for one in found if one is not None]
        if session.party is None or not session.party.shared:
            return 0, []
        return session.party.party, self._parties.here(session)

    def _alone(self, session: Session, corpse: Corpse) -> Shares:
        if corpse.item and len(session.items) >= self._inventory_max:
            raise RefusedError(Code.INSUFFICIENT, "no room for more items")
        return Shares([session], [corpse.gold], corpse.item, session)

    async def _loot(self, line: Line, corpse: Corpse, shares: Shares, sequence: int) -> None:
        session, meant = shares.members[0], shares
        try:
            shares, operated = await self._operate(corpse, shares)
        except RefusedError as error:
            self._not_had(meant)
            line.corpses.give_back(corpse)
            self._deny(session, sequence, error.code, error.text)
            return
        except (PeerLost, DeadlineExceeded):
            line.remove_corpse(corpse)  # it may be theirs already: never give it twice
            self._deny(session, sequence, Code.UNAVAILABLE, "the outcome is not known; look again after the next login")
            return
        if shares.receiver is not meant.receiver:
            self._not_had(meant)
        line.remove_corpse(corpse)
        for one, gold in zip(shares.members, shares.gold, strict=True):
            items = operated.made if one is shares.receiver else []
            if one is session or gold or items:
                self._tell(one, session, corpse, gold, items)

    def _not_had(self, shares: Shares) -> None:
        """Whose turn it was did not get the item."""
        if shares.party and shares.item:
            self._parties.owe(shares.party, shares.receiver.account)

    async def _operate(self, corpse: Corpse, shares: Shares) -> tuple[Shares, Operated]:
        """How it was divided in the end, and the DC's answer."""
        try:
            return shares, await self._ledger.carry_out(shares.members, "loot", *shares.moves())
        except RefusedError:
            if len(shares.members) == 1:
                raise
            alone = self._alone(shares.members[0], corpse)
            return alone, await self._ledger.carry_out(alone.members, "loot", *alone.moves())

    def _tell(self, one: Session, by: Session, corpse: Corpse, gold: int, items: list[Item]) -> None:
        if one is by:
            self._out.event(one, play.Looted(corpse.number, gold, items, one.gold), self._now())
        else:
            self._out.event(one, play.LootShared(by.name, gold, items, one.gold), self._now())
        self._record("loot", one.account, gold=gold, items=[item.id for item in items])

    async def _advance(self, session: Session, level: int) -> None:
        try:
            await self._ledger.carry_out([session], "advance", level=level)
        except (RefusedError, PeerLost, DeadlineExceeded):
            return  # the next experience tries again
        finally:
            session.advancing = False
        if self._sessions.find(session.number) is session:
            self._lines.of(session).fights.advance(session, level)
