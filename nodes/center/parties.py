"""Parties: who is with whom, who leads, who is asked in. Pure.

A party is a number, a leader, and members in the order in which they came. It begins with the first invitation: until
somebody accepts, it has its founder alone, scenes do not hear of it, and the founder may still join another one.
Whoever is out of the zone stays a member for `keep_s`. Numbers are never used twice: the center's epoch is in them.

A center that starts anew learns parties from the scenes: each of them says for each of its players which party that is
and who is in it. The first list counts; a scene's word about its own players counts more than another scene's; and
what this center has changed itself counts more than both.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from mesh.errors import Code, RefusedError
from mesh.protocol.sessions import PartyAt

NUMBER_BITS = 32  # of a party's number below the epoch
OPEN_MAX = 8  # invitations of one party, and of one player; more are refused
OVER_MAX = 10_000  # parties of earlier epochs that ended here: scenes that still name them are told so


@dataclass(slots=True, eq=False)
class Party:
    """One party."""

    number: int
    leader: int  # an account
    shared: bool = False
    members: dict[int, str] = field(default_factory=dict)  # account -> name ("": not known yet), longest first
    asked: set[int] = field(default_factory=set)  # who may come in
    unheard: set[int] = field(default_factory=set)  # after a restart: whose own scene has not spoken yet

    @property
    def founding(self) -> bool:
        """Has nobody joined the founder yet?"""
        return len(self.members) == 1

    def at(self) -> PartyAt:
        """As scenes know it."""
        if len(self.members) < 2:
            return PartyAt(self.number, 0, False, [])
        return PartyAt(self.number, self.leader, self.shared, list(self.members))


@dataclass(slots=True, frozen=True)
class Invitation:
    """Somebody is asked in."""

    party: int
    account: int
    name: str
    by: int  # who asks
    until: float


@dataclass(slots=True, frozen=True)
class Change:
    """A party as it is after something happened, and who is in it no more."""

    party: Party
    gone: tuple[int, ...] = ()


class Parties:
    """See the module."""

    def __init__(self, size_max: int, invite_s: float, keep_s: float) -> None:
        self._size_max, self._invite_s, self._keep_s = size_max, invite_s, keep_s
        self._epoch = self._last = 0
        self._parties: dict[int, Party] = {}
        self._of: dict[int, Party] = {}  # by member
        self._asked: OrderedDict[tuple[int, int], Invitation] = OrderedDict()  # by party and account, oldest first
        self._open: Counter[int] = Counter()  # invitations by account
        self._away: OrderedDict[int, float] = OrderedDict()  # members out of the zone, until when they are kept
        self._over: OrderedDict[int, None] = OrderedDict()
        self._alone: set[int] = set()  # whose own scene said that they are in no party

    def __len__(self) -> int:
        return len(self._parties)

    def begin(self, epoch: int) -> None:
        """Number from here on."""
        self._epoch = epoch

    # --- looking ---

    def of(self, account: int) -> Party | None:
        return self._of.get(account)

    def numbered(self, number: int) -> Party | None:
        return self._parties.get(number)

    def members_of(self, account: int) -> list[int]:
        """All members of this account's party, itself included; none when it is in no party."""
        party = self._of.get(account)
        return list(party.members) if party is not None else []

    def at(self, account: int) -> PartyAt | None:
        """This account's party as scenes know it."""
        party = self._of.get(account)
        return party.at() if party is not None and not party.founding else None

    # --- what players want ---

    def invite(self, by: int, by_name: str, account: int, name: str, now: float) -> Party:
        """Ask somebody in; founds a party for one who has none. The invitation is open for `invite_s`."""
        party = self._of.get(by)
        if party is not None and party.leader != by:
            raise RefusedError(Code.NOT_ALLOWED, "the leader alone may invite")
        if party is not None and len(party.members) >= self._size_max:
            raise RefusedError(Code.OUT_OF_RANGE, f"a party has at most {self._size_max} members")
        theirs = self._of.get(account)
        if theirs is not None and not theirs.founding:
            raise RefusedError(Code.NOT_ALLOWED, f"{name} is in a party")
        if party is not None and account in party.asked:
            raise RefusedError(Code.EXISTS, f"{name} is asked already")
        if self._open[account] >= OPEN_MAX or (party is not None and len(party.asked) >= OPEN_MAX):
            raise RefusedError(Code.TOO_MANY, f"too many invitations, or too many for {name}: wait for the answers")
        if party is None:
            party = self._found(by, by_name)
        self._asked[party.number, account] = Invitation(party.number, account, name, by, now + self._invite_s)
        self._open[account] += 1
        party.asked.add(account)
        return party

    def accept(self, account: int, number: int, now: float) -> Change:
        """Join."""
        invitation, party = self._asked.get((number, account)), self._parties.get(number)
        if invitation is None or party is None or invitation.until <= now:
            raise RefusedError(Code.NOT_FOUND, "the invitation is over")
        own = self._of.get(account)
        if own is not None and not own.founding:
            raise RefusedError(Code.NOT_ALLOWED, "leave your party first")
        if len(party.members) >= self._size_max:
            raise RefusedError(Code.OUT_OF_RANGE, f"a party has at most {self._size_max} members")
        if own is not None:
            self._end(own)
        self._answered(invitation)
        self._join(party, account, invitation.name)
        return Change(party)

    def refuse(self, account: int, number: int) -> tuple[Invitation, Change | None]:
        """Do not join. The founder of a party that nobody is asked into any more is in none."""
        invitation = self._asked.get((number, account))
        if invitation is None:
            raise RefusedError(Code.NOT_FOUND, "the invitation is over")
        self._answered(invitation)
        return invitation, self._end_lonely(number)

    def leave(self, account: int) -> Change:
        """The next one leads when the leader goes; a party of one is over."""
        party = self._of.get(account)
        if party is None:
            raise RefusedError(Code.NOT_FOUND, "you are in no party")
        return self._remove(party, account)

    def kick(self, by: int, name: str) -> Change:
        party = self._led(by)
        account = _named(party, name)
        if account == by:
            raise RefusedError(Code.NOT_ALLOWED, "leave the party, if you want to go")
        return self._remove(party, account)

    def lead(self, by: int, name: str) -> Change:
        party = self._led(by)
        party.leader = _named(party, name)
        return Change(party)

    def share(self, by: int, shared: bool) -> Change:
        party = self._led(by)
        party.shared = shared
        return Change(party)

    # --- coming and going ---

    def away(self, account: int, now: float) -> Change | None:
        """It is out of the zone. A party that it founded and that nobody joined yet is over."""
        self._alone.discard(account)
        party = self._of.get(account)
        if party is None:
            return None
        if party.founding:
            return self._end(party)
        self._away.pop(account, None)
        self._away[account] = now + self._keep_s
        return Change(party)

    def back(self, account: int, name: str) -> Party | None:
        """It is in the zone."""
        party = self._of.get(account)
        self._away.pop(account, None)
        if party is not None:
            party.members[account] = name
        return party

    def expire(self, now: float) -> tuple[list[Invitation], list[Change]]:
        """Invitations that nobody answered; parties that lost who stayed away."""
        over: list[Invitation] = []
        changes: list[Change | None] = []
        while self._asked and (invitation := next(iter(self._asked.values()))).until <= now:
            self._answered(invitation)
            over.append(invitation)
            changes.append(self._end_lonely(invitation.party))
        while self._away and next(iter(self._away.values())) <= now:
            account, _ = self._away.popitem(last=False)
            changes.append(self._remove(self._of[account], account))
        return over, [change for change in changes if change is not None]

    def heard(self, account: int, name: str, at: PartyAt | None, now: float) -> Change | None:
        """What a scene says about one of its players. Returns what it has to hear when that is not so (any more)."""
        known, party = self._of.get(account), None
        if at is not None:
            self._alone.discard(account)
            party = self._parties.get(at.party) or self._restore(at, now)
        if known is None and party is not None and account not in party.members and self._takes_more(party):
            self._join(party, account, name)
            return Change(party)
        if party is not None and self._of.get(account) is party:
            party.unheard.discard(account)
            self.back(account, name)
            return Change(party) if party.at() != at else None
        if known is not None and account in known.unheard:
            return self._remove(known, account)
        if known is not None:
            return None if known.founding and at is None else Change(known)
        if at is not None:
            return Change(Party(at.party, 0), (account,))
        self._alone.add(account)
        return None

    # --- inside ---

    def _restore(self, at: PartyAt, now: float) -> Party | None:
        """A party of an earlier center, as a scene names it."""
        if at.party >> NUMBER_BITS >= self._epoch or at.party in self._over:
            return None
        free = (account for account in at.members if account not in self._of and account not in self._alone)
        members = list(free)[: self._size_max]
        if len(members) < 2:
            return None
        leader = at.leader if at.leader in members else members[0]
        party = Party(at.party, leader, at.shared, dict.fromkeys(members, ""), unheard=set(members))
        self._parties[party.number] = party
        for account in members:
            self._of[account] = party
            self._away[account] = now + self._keep_s
        return party

    def _takes_more(self, party: Party) -> bool:
        """May a scene still name members of whom the first list did not know?"""
        return bool(party.unheard) and len(party.members) < self._size_max

    def _led(self, by: int) -> Party:
        party = self._of.get(by)
        if party is None:
            raise RefusedError(Code.NOT_FOUND, "you are in no party")
        if party.leader != by:
            raise RefusedError(Code.NOT_ALLOWED, "the leader alone may do that")
        return party

    def _found(self, account: int, name: str) -> Party:
        self._last += 1
        party = Party(self._epoch << NUMBER_BITS | self._last, account)
        self._parties[party.number] = party
        self._join(party, account, name)
        return party

    def _join(self, party: Party, account: int, name: str) -> None:
        party.members[account] = name
        self._of[account] = party
        self._alone.discard(account)

    def _answered(self, invitation: Invitation) -> None:
        del self._asked[invitation.party, invitation.account]
        self._parties[invitation.party].asked.discard(invitation.account)
        self._open[invitation.account] -= 1
        if not self._open[invitation.account]:
            del self._open[invitation.account]

    def _remove(self, party: Party, account: int) -> Change:
        del party.members[account], self._of[account]
        self._away.pop(account, None)
        party.unheard.discard(account)
        if len(party.members) < 2:
            return Change(party, (account, *self._end(party).gone))
        if party.leader == account:
            party.leader = next(iter(party.members))
        return Change(party, (account,))

    def _end(self, party: Party) -> Change:
        gone = tuple(party.members)
        for account in gone:
            del self._of[account]
            self._away.pop(account, None)
        party.members.clear()
        for account in list(party.asked):
            self._answered(self._asked[party.number, account])
        del self._parties[party.number]
        if party.number >> NUMBER_BITS < self._epoch:
            self._over[party.number] = None
            if len(self._over) > OVER_MAX:
                self._over.popitem(last=False)
        return Change(party, gone)

    def _end_lonely(self, number: int) -> Change | None:
        party = self._parties.get(number)
        if party is None or not party.founding or party.asked:
            return None
        return self._end(party)


def _named(party: Party, name: str) -> int:
    for account, known in party.members.items():
        if known.lower() == name.lower():
            return account
    raise RefusedError(Code.NOT_FOUND, f"{name} is not in your party")
