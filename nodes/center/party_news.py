"""Who hears of parties, and what scenes say about them: `parties.py` knows, this tells. A watcher.

Members hear `Party` after every change, their scenes `PartyChanged`; who comes back hears it, too. Where members are
(`PartySpots`) comes from the scenes about once a second and goes to those who cannot see it: members on other lines.
"""

from collections.abc import Iterable

from mesh.node import Caller, Node, on
from mesh.protocol.cluster import HostedAt
from mesh.protocol.placement import MembersSeen, PartyChanged
from mesh.protocol.sessions import PartyAt, account_of
from mesh.protocol.social import MemberSpot, PartyMember, PartyRefused, PartySpots
from mesh.protocol.social import Party as PartyShown
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.friends import is_shown
from nodes.center.parties import Change, Invitation, Parties, Party

TICK_S = 0.125  # how exactly invitations end
TICKS = 8  # so many ticks, a second, until it is a party's turn again to hear where its members are
NONE = PartyShown(0)

Where = tuple[str, str, int]
"""Scene, map, line."""
ON_THE_WAY: Where = ("", "", 0)


class PartyNews:
    """See the module."""

    def __init__(self, node: Node, directory: Directory, courier: Courier, parties: Parties) -> None:
        self._node, self._directory, self._courier, self._parties = node, directory, courier, parties
        self._shown: dict[int, PartyShown] = {}  # by party: what its members heard last
        self._told: dict[int, tuple[Where, int]] = {}  # by account: the party that its scene was told of, and where
        self._spots: dict[int, MemberSpot] = {}
        self._moving: set[int] = set()  # parties with fresh spots
        self._ticks = 0

    def names_of(self, account: int) -> list[str]:
        """Of all members, the leader first; none when it is in no party."""
        party = self._parties.of(account)
        if party is None:
            return []
        return sorted(party.members.values(), key=lambda name: name != party.members[party.leader])

    # --- what scenes say ---

    @on(MembersSeen)
    def on_members_seen(self, said: MembersSeen, caller: Caller) -> None:
        for at in said.members:
            presence = self._directory.of_session(at.session)
            if presence is None or presence.scene != caller.peer:
                continue  # it went on before this came
            party = self._parties.of(presence.account)
            if party is not None:
                self._spots[presence.account] = MemberSpot(
                    presence.name, presence.map, presence.line, at.x, at.y, at.hp, at.hp_max
                )
                self._moving.add(party.number)

    def hosted(self, scene: str, hosted: Iterable[HostedAt]) -> None:
        """A scene said whom it has: after a restart parties are known from that, and later it is told what it missed.
        After the directory was brought up to date with the list."""
        now = self._node.clock.now()
        for at in hosted:
            if at.departed and at.party is not None:  # where it comes to, and that may be here, is told if it is not so
                self._told.setdefault(account_of(at.session), (ON_THE_WAY, at.party.party))
            presence = self._directory.of_session(at.session)
            if presence is None or presence.scene != scene or presence.stage == "entering":
                continue
            if not at.departed:  # what is kept of one that went on may be of any age
                self.tell_all([self._parties.heard(presence.account, presence.name, at.party, now)])

    # --- as a watcher ---

    def came(self, presence: Presence) -> None:
        self._is_there(presence)

    def moved(self, presence: Presence) -> None:
        spot = self._spots.get(presence.account)
        if spot is not None and (spot.map, spot.line) != (presence.map, presence.line):
            del self._spots[presence.account]
        if not self._is_there(presence) and presence.gate:  # its party may have ended while it could not hear of it
            self._courier.say(NONE, [presence])

    def gate_up(self, gate: str) -> None:
        """Its link was not there: who came meanwhile, by logins that had theirs, has not heard of its party."""
        for presence in self._directory.at_gate(gate):
            self.moved(presence)

    def went(self, presence: Presence, why: str) -> None:
        account = presence.account
        self._spots.pop(account, None)
        self._told.pop(account, None)
        if why == "travel" and self._parties.of(account) is not None:
            self.tell(self._parties.leave(account))
        else:
            self.tell_all([self._parties.away(account, self._node.clock.now())])

    # --- as time goes by ---

    def tick(self) -> None:
        over, changes = self._parties.expire(self._node.clock.now())
        for invitation in over:
            self.came_to_nothing(invitation)
        self.tell_all(changes)
        self._ticks += 1
        turn = [number for number in self._moving if (number + self._ticks) % TICKS == 0]
        self._moving.difference_update(turn)
        for number in turn:
            party = self._parties.numbered(number)
            if party is not None:
                self._tell_spots(party)

    def _tell_spots(self, party: Party) -> None:
        """Everybody hears of those whom its own scene does not show it."""
        spots = [(account, self._spots[account]) for account in party.members if account in self._spots]
        for receiver in self._there(party.members):
            here = (receiver.map, receiver.line)
            others = [s for account, s in spots if account != receiver.account and (s.map, s.line) != here]
            if others:
                self._courier.say(PartySpots(others), [receiver], bulk=True)

    # --- telling ---

    def _is_there(self, presence: Presence) -> bool:
        """It came, or is somewhere else: its scene and the members are told what they do not know. Is it in a party?"""
        party = self._parties.back(presence.account, presence.name)
        self._tell_new_scene(presence)
        if party is None:
            return False
        if self._show(party) != self._shown.get(party.number):
            self._tell_members(party)
        elif presence.gate:
            self._courier.say(self._shown[party.number], [presence])
        return True

    def _tell_new_scene(self, presence: Presence) -> None:
        """What was told while it was on its way may have missed it."""
        at = self._parties.at(presence.account)
        now = (_where(presence), at.party) if at is not None else None
        before = self._told.pop(presence.account, None)
        if now is not None:
            self._told[presence.account] = now
        if before != now:
            for number in {told[1] for told in (before, now) if told is not None}:
                self._tell_scene(presence.scene, number)

    def _tell_scene(self, scene: str, number: int) -> None:
        party = self._parties.numbered(number)
        self._node.tell(scene, PartyChanged(party.at() if party is not None else PartyAt(number, 0, False, [])))

    def tell_all(self, changes: Iterable[Change | None]) -> None:
        for change in changes:
            if change is not None:
                self.tell(change)

    def tell(self, change: Change) -> None:
        """Whoever is or was in it, and their scenes."""
        party = change.party
        gone = self._there(change.gone)
        if not party.founding:
            all_of_them = (*self._there(party.members), *gone)
            self._told |= {
                presence.account: (ON_THE_WAY if _is_on_the_way(presence) else _where(presence), party.number)
                for presence in all_of_them
            }
            for scene in sorted({presence.scene for presence in all_of_them}):
                self._tell_scene(scene, party.number)
        self._courier.say(NONE, [presence for presence in gone if self._parties.of(presence.account) is None])
        if party.members:
            self._tell_members(party)
        else:
            self._shown.pop(party.number, None)

    def _tell_members(self, party: Party) -> None:
        shown = self._shown[party.number] = self._show(party)
        self._courier.say(shown, self._there(party.members))
        self._moving.add(party.number)  # who is new, or somewhere else, has to learn where the others are

    def _show(self, party: Party) -> PartyShown:
        """As its members see it. Nobody can be shown of whom not even the name is known (after a restart)."""
        rows = []
        for account, name in party.members.items():
            presence = self._directory.of_account(account)
            if presence is None or not is_shown(presence):
                rows.append(PartyMember(name, False, "", 0))
            else:
                rows.append(PartyMember(name, bool(presence.gate), presence.map, presence.line))
        leader = party.members.get(party.leader, "")
        return PartyShown(party.number, leader, party.shared, [row for row in rows if row.name])

    def _there(self, accounts: Iterable[int]) -> list[Presence]:
        found = [self._directory.of_account(account) for account in accounts]
        return [presence for presence in found if presence is not None]

    def came_to_nothing(self, invitation: Invitation) -> None:
        by = self._directory.of_account(invitation.by)
        if by is not None:
            self._courier.say(PartyRefused(invitation.name), [by])


def _is_on_the_way(presence: Presence) -> bool:
    """Is it unknown which scene will have it, and since when?"""
    return presence.moving or presence.stage == "entering"


def _where(presence: Presence) -> Where:
    return presence.scene, presence.map, presence.line
