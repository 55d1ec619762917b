"""Parties and block lists, as the center tells the scene of them: who of a party is here, and whose turn an item is.

Owns which sessions here are in which party, and whose turn it is in each. Parties themselves are the center's; a scene
is told of every change, and a session brings its party along with Enter.
"""

import msgspec

from mesh.node import Caller, on
from mesh.protocol.placement import FriendsChanged, PartyChanged
from nodes.scene.keepsakes import Keepsakes
from nodes.scene.lines import Lines
from nodes.scene.sessions import Session, Sessions


class Parties:
    """See the module."""

    def __init__(self, sessions: Sessions, lines: Lines, keepsakes: Keepsakes) -> None:
        self._sessions, self._lines, self._keepsakes = sessions, lines, keepsakes
        self._here: dict[int, set[int]] = {}  # party -> accounts
        self._last: dict[int, int] = {}  # party -> whose turn it was last
        self._owed: dict[int, list[int]] = {}  # party -> those who did not get their item then

    def stands(self, session: Session) -> None:
        """It is in the world here, with the party that it has, as it was on the process before."""
        if session.party is not None:
            self._here.setdefault(session.party.party, set()).add(session.account)

    def came(self, session: Session) -> None:
        """It is in the world here, with the party that it has."""
        if session.party is not None:
            self.stands(session)
            self._lines.of(session).whereabouts.join(session.slot)

    def went(self, session: Session) -> None:
        """It leaves the world, or its party."""
        if session.party is None:
            return
        number = session.party.party
        here = self._here.get(number, set())
        here.discard(session.account)
        if not here:
            self._here.pop(number, None)
            self._last.pop(number, None)
            self._owed.pop(number, None)
        self._lines.of(session).whereabouts.leave(session.slot)

    def here(self, session: Session) -> list[Session]:
        """The members of its party who are on this scene, itself among them, by account."""
        if session.party is None:
            return [session]
        found = (self._sessions.of_account(account) for account in sorted(self._here.get(session.party.party, ())))
        return [one for one in found if one is not None]

    def in_turn(self, party: int, members: list[Session]) -> Session:
        """Which of these, who are ordered by account, gets the next item."""
        owed = self._owed.get(party, [])
        for one in members:
            if one.account in owed:
                owed.remove(one.account)
                return one
        last = self._last.get(party, 0)
        chosen = next((one for one in members if one.account > last), members[0])
        if party in self._here:  # else nobody would ever forget it
            self._last[party] = chosen.account
        return chosen

    def owe(self, party: int, account: int) -> None:
        """It was its turn, but it got nothing: the next item is its. Not simply one turn back: others may have had
        theirs meanwhile."""
        owed = self._owed.setdefault(party, []) if party in self._here else []
        if account not in owed:
            owed.append(account)

    @on(PartyChanged)
    def on_party_changed(self, said: PartyChanged, _caller: Caller) -> None:
        party = said.party
        for account in {*party.members, *self._here.get(party.party, ())}:
            session = self._sessions.of_account(account)
            if session is not None:
                self.went(session)
                session.party = party if account in party.members else None
                self.came(session)
        if party.party in self._owed:
            self._owed[party.party] = [one for one in self._owed[party.party] if one in party.members]
        for keepsake in self._keepsakes:
            if keepsake.account in party.members:
                keepsake.party = party
            elif keepsake.party is not None and keepsake.party.party == party.party:
                keepsake.party = None

    @on(FriendsChanged)
    def on_friends_changed(self, said: FriendsChanged, _caller: Caller) -> None:
        session, keepsake = self._sessions.find(said.session), self._keepsakes.find(said.session)
        if session is not None:
            session.befriend(said.friends)
        elif keepsake is not None:
            status = msgspec.structs.replace(keepsake.departed.status, friends=said.friends)
            keepsake.departed = msgspec.structs.replace(keepsake.departed, status=status)
