"""What the centers of a cluster tell each other about their players: who is where, and what crosses the border.

    ZoneState                once a second; whole when a link comes up and after a start
    Came, Went               at once: friends in other zones see it
    Relay, FriendsNow        chat and changed friendships for somebody over there
    MuteNow                  who may not speak, wherever it is

A watcher (`watchers.py`) for its own zone. It owns no presence and decides nothing about them, except that a session
which turns out to be older than one in another zone is given up (`claims.py`). When another center dies, nothing
changes here: its players count as there for a while, and what is said to them is lost.
"""

import asyncio
from typing import Protocol

import msgspec

from mesh.errors import MeshError
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import Message
from mesh.protocol.sessions import Friendship, Mute, account_of
from mesh.protocol.social import FriendOffline, FriendOnline
from mesh.protocol.zones import Came, FriendsNow, MuteNow, Present, Relay, Went, ZoneState
from nodes.center.claims import Claims
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.neighbours import Neighbours
from nodes.center.settings import CenterSettings

STATE_S = 1.0  # how often the other zones hear how full this one is


class Ears(Protocol):
    """Who passes on what was said in another zone."""

    def relayed(self, said: Relay) -> None: ...
    def befriended(self, said: FriendsNow) -> None: ...
    def seen_elsewhere(self, account: int) -> None: ...
    def muted(self, said: MuteNow) -> None: ...


class Zones:
    """See the module. `whole` is set when the directory knows whom the scenes have."""

    def __init__(
        self,
        node: Node,
        told: CenterSettings,
        directory: Directory,
        courier: Courier,
        neighbours: Neighbours,
        claims: Claims,
        whole: asyncio.Event,
        ears: Ears,
    ) -> None:
        self.relayed = 0
        self._ears = ears
        self._node, self._told, self._directory, self._courier = node, told, directory, courier
        self._neighbours, self._claims, self._whole = neighbours, claims, whole
        self._zone = node.seat.spec.zone

    # --- for the other parts of the center ---

    def zone_of(self, account: int) -> str:
        """The other zone where this account is; "" for none."""
        return self._neighbours.zone_of(account)

    def relay(self, said: Relay) -> int:
        """Have it heard in the other zones, too: on the world channel by everybody, else by the accounts of `to`,
        wherever they are. Returns how many accounts (zones, on the world channel) it is on its way to."""
        if said.channel == "world":
            parts: dict[str, list[int]] = {zone.center: [] for zone in self._neighbours.linked()}
        else:
            parts = self._neighbours.split(said.to)
        reached = 0
        for center, accounts in parts.items():
            if self._node.tell(center, msgspec.structs.replace(said, to=accounts)):
                reached += len(accounts) or 1
        self.relayed += reached
        return reached

    def friends_changed(self, account: int, friends: list[Friendship], asked_by: str = "") -> None:
        """The list of an account has changed: of one in this zone, then the others see it as one of other friends now;
        of one in another zone, then its center tells it."""
        present = self._directory.of_account(account)
        if present is not None:
            self._tell_all(Came(_present(present)))
            return
        at = self._neighbours.of_account(account)
        if at is not None:
            self._node.tell(at[0].center, FriendsNow(account, friends, asked_by))

    def muted(self, account: int, mute: Mute) -> None:
        """It may be in any of the other zones, or be on its way there. One that cannot be reached hears of it later."""
        self._tell_all(MuteNow(account, mute))

    # --- as a watcher ---

    def came(self, presence: Presence) -> None:
        self._tell_all(Came(_present(presence)))
        there = self._neighbours.of_account(presence.account)
        if there is not None and there[1].session > presence.session:
            self._give_up(there[1].session)  # found on a scene after a restart; it went on there meanwhile

    def moved(self, presence: Presence) -> None:
        """Within the zone: nothing that the others have to know."""

    def went(self, presence: Presence, _why: str) -> None:
        self._tell_all(Went(presence.account))

    # --- links ---

    def peer_up(self, center: str) -> None:
        """Another center can be reached."""
        self._neighbours.linked_to(center)
        self._node.spawn(self._tell_whole(center))
        self._node.spawn(self._claims.settle(center))

    def peer_lost(self, center: str) -> None:
        self._neighbours.unlinked_from(center, self._node.clock.now())

    def tend(self) -> None:
        """Once a second: how full we are; and zones that have been away for too long are empty."""
        self._tell_all(self._state())
        for who in self._neighbours.forget(self._node.clock.now()):
            self._gone(who)

    # --- from the other centers ---

    @on(ZoneState)
    def on_zone_state(self, said: ZoneState, caller: Caller) -> None:
        """How full that zone is; and, when the link is new, who is in it."""
        zone = self._neighbours.of_center(caller.peer)
        zone.players, zone.capacity = said.players, said.capacity
        if said.present is not None:
            new, gone = self._neighbours.whole(caller.peer, said.present)
            for who in new:
                self._seen(who, zone.zone)
            for who in gone:
                self._gone(who)
            for who in said.present:
                self._know(who)

    @on(Came)
    def on_came(self, said: Came, caller: Caller) -> None:
        """Somebody is in that zone."""
        if self._neighbours.came(caller.peer, said.who):
            self._seen(said.who, self._neighbours.of_center(caller.peer).zone)
        self._know(said.who)

    @on(Went)
    def on_went(self, said: Went, caller: Caller) -> None:
        """Somebody left it."""
        who = self._neighbours.went(caller.peer, said.account)
        if who is not None:
            self._gone(who)

    @on(Relay)
    def on_relay(self, said: Relay, _caller: Caller) -> None:
        """Something was said over there that is to be heard here, too."""
        self._ears.relayed(said)

    @on(FriendsNow)
    def on_friends_now(self, said: FriendsNow, _caller: Caller) -> None:
        """Somebody over there changed a friendship with somebody here."""
        self._ears.befriended(said)

    @on(MuteNow)
    def on_mute_now(self, said: MuteNow, _caller: Caller) -> None:
        """An operator has said over there that somebody may not speak, or may again."""
        self._ears.muted(said)

    # --- inside ---

    def _seen(self, who: Present, zone: str) -> None:
        self._tell_friends(who, FriendOnline(who.name, zone))

    def _gone(self, who: Present) -> None:
        """Out of one zone; it may be in another one by now."""
        if self._directory.of_account(who.account) is None and self._neighbours.of_account(who.account) is None:
            self._tell_friends(who, FriendOffline(who.name))

    def _tell_friends(self, who: Present, notice: Message) -> None:
        here = (self._directory.of_account(account) for account in who.friends)
        self._courier.friend_notices += self._courier.say(notice, [p for p in here if p is not None and p.gate])

    def _know(self, who: Present) -> None:
        """It is in another zone: what is here of it, and older, is over."""
        self._ears.seen_elsewhere(who.account)
        present = self._directory.of_account(who.account)
        if present is not None and present.session < who.session:
            self._give_up(who.session)

    def _give_up(self, session: int) -> None:
        """A session is in another zone, and an older one here: from a time when the two centers had no link."""

        async def end() -> None:
            try:
                await self._claims.end_older(session)
            except MeshError as error:
                account = account_of(session)
                self._node.log.warning("an older session is not out of the world yet", account=account, why=str(error))

        self._node.spawn(end())

    async def _tell_whole(self, center: str) -> None:
        await self._whole.wait()
        state = self._state([_present(presence) for presence in self._directory.all() if presence.stage != "entering"])
        self._node.tell(center, state)

    def _state(self, present: list[Present] | None = None) -> ZoneState:
        return ZoneState(self._zone, len(self._directory), self._told.capacity, present)

    def _tell_all(self, message: Message) -> None:
        for zone in self._neighbours.linked():
            self._node.tell(zone.center, message)


def _present(presence: Presence) -> Present:
    friends = [f.account for f in presence.friends if f.state == "friend"]
    return Present(presence.account, presence.name, friends, presence.session)
