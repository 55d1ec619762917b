"""Where players speak about parties: one handler per message, (message, who) -> None, refusals raised.

Whoever blocks the one who asks is answered for as if it were not connected.
"""

from mesh.errors import Code, RefusedError
from mesh.node import Node, on
from mesh.protocol.social import (
    AcceptParty,
    InviteParty,
    KickFromParty,
    LeadParty,
    LeaveParty,
    PartyInvited,
    RefuseParty,
    ShareLoot,
)
from nodes.center.blocks import Blocks
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.parties import Change, Parties
from nodes.center.party_news import PartyNews
from nodes.center.rates import Meter


class PartyDesk:
    """See the module."""

    def __init__(
        self,
        node: Node,
        directory: Directory,
        courier: Courier,
        parties: Parties,
        news: PartyNews,
        blocks: Blocks,
        meter: Meter,
    ) -> None:
        self._node, self._directory, self._courier = node, directory, courier
        self._parties, self._news, self._blocks, self._meter = parties, news, blocks, meter

    @on(InviteParty)
    def on_invite(self, said: InviteParty, who: Presence) -> None:
        other = self._directory.of_name(said.name)
        if other is who:
            raise RefusedError(Code.NOT_ALLOWED, "that is you")
        if other is not None and self._blocks.are_between(who.account, other.account):
            raise RefusedError(Code.NOT_ALLOWED, f"you block {other.name}")
        self._meter.pay("invite", who, self._node.clock.now())
        if other is None or not other.gate or self._blocks.are_between(other.account, who.account):
            raise RefusedError(Code.NOT_FOUND, f"{said.name} is not connected")
        before = self._parties.of(who.account)
        party = self._parties.invite(who.account, who.name, other.account, other.name, self._node.clock.now())
        if before is not party:
            self._news.tell(Change(party))
        self._courier.say(PartyInvited(party.number, who.name), [other])
        self._node.journal.record("party_invite", who.account, party=party.number, other=other.account)

    @on(AcceptParty)
    def on_accept(self, said: AcceptParty, who: Presence) -> None:
        self._news.tell(self._parties.accept(who.account, said.party, self._node.clock.now()))
        self._node.journal.record("party_join", who.account, party=said.party)

    @on(RefuseParty)
    def on_refuse(self, said: RefuseParty, who: Presence) -> None:
        invitation, change = self._parties.refuse(who.account, said.party)
        self._news.came_to_nothing(invitation)
        self._news.tell_all([change])

    @on(LeaveParty)
    def on_leave(self, _said: LeaveParty, who: Presence) -> None:
        self._part("party_leave", who, self._parties.leave(who.account))

    @on(KickFromParty)
    def on_kick(self, said: KickFromParty, who: Presence) -> None:
        self._part("party_kick", who, self._parties.kick(who.account, said.name))

    @on(LeadParty)
    def on_lead(self, said: LeadParty, who: Presence) -> None:
        self._news.tell(self._parties.lead(who.account, said.name))

    @on(ShareLoot)
    def on_share(self, said: ShareLoot, who: Presence) -> None:
        self._news.tell(self._parties.share(who.account, said.shared))

    def _part(self, kind: str, who: Presence, change: Change) -> None:
        self._news.tell(change)
        self._node.journal.record(kind, who.account, party=change.party.number, gone=list(change.gone))
