"""Leaving for another zone, and being expected in this one.

    client -> center   Travel
    center -> center   Expect            is there room? it keeps a place for half a minute    -> Expected (its gates)
    center -> scene    Depart, Release                                                        saved, out of the world
    center -> gate     SendAway          has a ticket signed, tells the client where to go

In the middle the account is nowhere and its character safe in the DC: whatever dies then, the player logs in where it
likes. Rejected: to build the character over there before it is taken out here, because for a moment it would be in two
zones, and two zones have no lock together.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.social import ListZones, Travel, Zone
from mesh.protocol.social import Zones as ZoneList
from mesh.protocol.zones import Expect, Expected, SendAway
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.finish import finish
from nodes.center.neighbours import Neighbours
from nodes.center.settings import CenterSettings

EXPECT_S = 2.0  # for the other center to keep a place


class Travels:
    """What clients say about zones: (message, who) -> None, refusals raised. `depart` saves a character and takes it
    out of the world; it refuses while the rules forbid that."""

    def __init__(
        self,
        node: Node,
        told: CenterSettings,
        directory: Directory,
        courier: Courier,
        neighbours: Neighbours,
        depart: Callable[[Presence], Awaitable[None]],
    ) -> None:
        self.begun = 0
        self._node, self._told, self._directory, self._courier = node, told, directory, courier
        self._neighbours, self._depart = neighbours, depart
        self._zone = node.seat.spec.zone
        self._leaving: set[int] = set()  # sessions
        self._asked: OrderedDict[int, float] = OrderedDict()  # accounts that asked lately, and when; longest ago first

    @on(ListZones)
    def on_list_zones(self, _said: ListZones, who: Presence) -> None:
        here = len(self._directory)
        zones = [Zone(self._zone, here, self._told.capacity, here < self._told.capacity)]
        zones += [Zone(zone.zone, zone.players, zone.capacity, zone.has_room) for zone in self._neighbours.all()]
        self._courier.say(ZoneList(sorted(zones, key=lambda zone: zone.name), self._zone), [who])

    @on(Travel)
    async def on_travel(self, said: Travel, who: Presence) -> None:
        zone = self._neighbours.of_zone(said.zone)
        if zone is None:
            known = said.zone == self._zone
            raise (
                RefusedError(Code.NOT_ALLOWED, "you are there")
                if known
                else RefusedError(Code.NOT_FOUND, "no such zone")
            )
        if not zone.is_linked:
            raise RefusedError(Code.UNAVAILABLE, "that zone cannot be reached at the moment")
        if who.session in self._leaving:
            raise RefusedError(Code.OUT_OF_ORDER, "you are on your way")
        self._pace(who.account)
        self._leaving.add(who.session)
        try:
            await finish(self._node, self._travel(zone.center, zone.zone, who))
        finally:
            self._leaving.discard(who.session)

    def _pace(self, account: int) -> None:
        """Every journey keeps a place in another zone for a while: not too many of them."""
        now = self._node.clock.now()
        while self._asked and next(iter(self._asked.values())) + self._told.travel_s <= now:
            self._asked.popitem(last=False)
        if account in self._asked:
            raise RefusedError(Code.TOO_MANY, "wait a moment before you travel again")
        self._asked[account] = now

    async def _travel(self, center: str, zone: str, who: Presence) -> None:
        expected = await self._node.ask(center, Expect(who.account, who.map), EXPECT_S)
        assert isinstance(expected, Expected), "the catalogue allows nothing else"
        await self._depart(who)
        self.begun += 1
        self._node.journal.record("travel", who.account, session=who.session, to=zone)
        # It may have lost its connection meanwhile, or have another one: what it had last counts. Who has none logs in.
        if who.gate:
            self._node.tell(who.gate, SendAway(who.session, who.connection, zone, expected.gates))


class Reception:
    """What other centers ask for their travellers. `expect` keeps a place for an account on a map for half a
    minute, or refuses."""

    def __init__(self, node: Node, expect: Callable[[int, str], None]) -> None:
        self._node, self._expect = node, expect

    @on(Expect)
    def on_expect(self, said: Expect, _caller: Caller) -> Expected:
        """Somebody wants to come here."""
        gates = [url for gate in self._node.peers("gate") if (url := gate.facts.get("ws"))]
        if not gates:
            raise RefusedError(Code.UNAVAILABLE, "no gate of that zone is open")
        self._expect(said.account, said.map)
        return Expected(gates)
