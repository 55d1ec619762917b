"""Parties as they are known: who may what, what ends them, and how they come back after a restart."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mesh.errors import Code, RefusedError
from mesh.protocol.sessions import PartyAt
from nodes.center.parties import NUMBER_BITS, OPEN_MAX, Change, Parties, Party

INVITE_S = 60.0
KEEP_S = 120.0


def parties(epoch: int = 1, size_max: int = 5) -> Parties:
    made = Parties(size_max, INVITE_S, KEEP_S)
    made.begin(epoch)
    return made


def invite(known: Parties, by: int, account: int, now: float = 0.0) -> Party:
    return known.invite(by, f"P{by}", account, f"P{account}", now)


def joined(known: Parties, leader: int, *others: int) -> Party:
    for account in others:
        party = invite(known, leader, account)
        known.accept(account, party.number, 0.0)
    return party


def refused(code: Code) -> "pytest.RaisesExc[RefusedError]":
    return pytest.raises(RefusedError, match=f"^{code}: ")


def test_a_party_begins_with_an_invitation_and_is_one_when_somebody_came() -> None:
    known = parties()
    party = invite(known, 1, 2)
    assert (party.leader, list(party.members), party.founding) == (1, [1], True)
    assert known.at(1) is None, "scenes do not hear of a party of one"
    assert known.of(2) is None
    assert known.accept(2, party.number, 59.9) == Change(party)
    assert known.at(1) == known.at(2) == PartyAt(party.number, 1, False, [1, 2])
    assert party.members == {1: "P1", 2: "P2"}


def test_numbers_differ_also_between_two_lives_of_the_center() -> None:
    numbers = [joined(known, 1, 2).number for known in (parties(1), parties(2))]
    first = parties(1)
    numbers.append(invite(first, 3, 4).number)
    first.leave(3)
    numbers.append(invite(first, 3, 4).number)
    assert numbers == [1 << 32 | 1, 2 << 32 | 1, 1 << 32 | 1, 1 << 32 | 2]


def test_an_invitation_is_good_for_a_minute_and_for_whom_it_was() -> None:
    known = parties()
    party = invite(known, 1, 2)
    with refused(Code.NOT_FOUND):
        known.accept(3, party.number, 1.0)
    with refused(Code.NOT_FOUND):
        known.accept(2, party.number + 1, 1.0)
    with refused(Code.NOT_FOUND):
        known.accept(2, party.number, INVITE_S)
    assert known.expire(INVITE_S - 0.1) == ([], [])
    [over], [change] = known.expire(INVITE_S)
    assert (over.account, over.name, over.by) == (2, "P2", 1)
    assert change == Change(party, (1,)), "nobody came and nobody is asked any more"
    assert known.of(1) is None
    assert len(known) == 0


def test_a_party_of_one_lives_as_long_as_somebody_is_asked() -> None:
    known = parties()
    party = invite(known, 1, 2)
    invite(known, 1, 3, 10.0)
    invitation, change = known.refuse(2, party.number)
    assert (invitation.name, change) == ("P2", None)
    with refused(Code.NOT_FOUND):
        known.refuse(2, party.number)
    assert known.refuse(3, party.number)[1] == Change(party, (1,))


def test_who_may_ask_whom() -> None:
    known = parties(size_max=3)
    party = joined(known, 1, 2)
    joined(known, 7, 8)
    with refused(Code.NOT_ALLOWED):
        invite(known, 2, 3)  # not the leader
    for account in (2, 7, 8):
        with refused(Code.NOT_ALLOWED):
            invite(known, 1, account)  # in a party
    invite(known, 1, 3)
    with refused(Code.EXISTS):
        invite(known, 1, 3)
    invite(known, 1, 4)
    known.accept(3, party.number, 0.0)
    with refused(Code.OUT_OF_RANGE):
        invite(known, 1, 5)
    with refused(Code.OUT_OF_RANGE):
        known.accept(4, party.number, 0.0)
    known.leave(3)
    known.accept(4, party.number, 0.0)


def test_invitations_are_limited_on_both_sides() -> None:
    known = parties()
    for account in range(2, 2 + OPEN_MAX):
        invite(known, 1, account)
    with refused(Code.TOO_MANY):
        invite(known, 1, 50)
    for by in range(100, 100 + OPEN_MAX - 1):
        invite(known, by, 2)
    with refused(Code.TOO_MANY):
        invite(known, 200, 2)
    assert known.of(200) is None, "what was refused founded nothing"
    known.expire(INVITE_S)
    invite(known, 200, 2, INVITE_S)
    invite(known, 1, 50, INVITE_S)


def test_two_who_ask_each_other_are_together_with_the_first_yes() -> None:
    known = parties()
    mine, theirs = invite(known, 1, 2), invite(known, 2, 1)
    known.accept(2, mine.number, 0.0)
    assert known.of(2) is known.of(1) is mine
    with refused(Code.NOT_FOUND):
        known.accept(1, theirs.number, 0.0)
    assert known.expire(INVITE_S) == ([], [])


def test_who_is_in_a_party_joins_no_other() -> None:
    known = parties()
    first, second = invite(known, 1, 3), invite(known, 2, 3)
    known.accept(3, first.number, 0.0)
    with refused(Code.NOT_ALLOWED):
        known.accept(3, second.number, 0.0)
    known.leave(3)
    known.accept(3, second.number, 0.0)


def test_the_longest_member_leads_when_the_leader_leaves_and_a_party_of_one_is_over() -> None:
    known = parties()
    party = joined(known, 1, 3, 2)
    assert known.leave(1) == Change(party, (1,))
    assert party.leader == 3
    assert set(known.leave(3).gone) == {3, 2}
    assert party.at() == PartyAt(party.number, 0, False, [])
    assert known.of(2) is None
    with refused(Code.NOT_FOUND):
        known.leave(2)


def test_whoever_was_asked_by_a_party_that_is_over_cannot_join_it() -> None:
    known = parties()
    party = joined(known, 1, 2)
    invite(known, 1, 3)
    known.leave(2)
    with refused(Code.NOT_FOUND):
        known.accept(3, party.number, 0.0)
    assert known.expire(1000.0) == ([], [])


def test_what_the_leader_alone_may() -> None:
    known = parties()
    party = joined(known, 1, 2, 3)
    for order in (lambda: known.kick(2, "P3"), lambda: known.lead(2, "P3"), lambda: known.share(2, True)):
        with refused(Code.NOT_ALLOWED):
            order()
    with refused(Code.NOT_FOUND):
        known.share(9, True)
    with refused(Code.NOT_FOUND):
        known.kick(1, "P9")
    with refused(Code.NOT_ALLOWED):
        known.kick(1, "p1")
    assert known.share(1, True).party.at() == PartyAt(party.number, 1, True, [1, 2, 3])
    assert known.lead(1, "p2").party.leader == 2
    assert known.kick(2, "p1") == Change(party, (1,))
    assert list(party.members) == [2, 3]


def test_who_is_away_is_kept_for_a_while() -> None:
    known = parties()
    party = joined(known, 1, 2, 3)
    assert known.away(1, 0.0) == Change(party)
    known.away(2, 10.0)
    known.away(1, 20.0)  # came and went again
    assert known.back(2, "P2") is party
    assert known.expire(20.0 + KEEP_S - 0.1) == ([], [])
    assert known.expire(20.0 + KEEP_S) == ([], [Change(party, (1,))])
    assert party.leader == 2
    assert known.away(9, 0.0) is None


def test_who_leaves_a_party_while_it_is_away_is_forgotten() -> None:
    known = parties()
    joined(known, 1, 2, 3)
    known.away(2, 0.0)
    known.kick(1, "P2")
    party = joined(known, 5, 2)
    assert known.expire(KEEP_S) == ([], [])
    assert known.of(2) is party


def test_a_founder_who_goes_gives_up() -> None:
    known = parties()
    party = invite(known, 1, 2)
    assert known.away(1, 0.0) == Change(party, (1,))
    with refused(Code.NOT_FOUND):
        known.accept(2, party.number, 0.0)


# --- after a restart ---

OLD = 1 << NUMBER_BITS | 7
AT = PartyAt(OLD, 2, True, [1, 2, 3])


def test_a_party_comes_back_from_what_scenes_say() -> None:
    known = parties(epoch=2)
    assert known.heard(2, "P2", AT, 0.0) is None, "the scene knows it as it is"
    party = known.of(1)
    assert party is not None
    assert (party.number, party.leader, party.shared, list(party.members)) == (OLD, 2, True, [1, 2, 3])
    assert party.members == {1: "", 2: "P2", 3: ""}, "names come with their players"
    assert known.heard(1, "P1", AT, 0.0) is None
    assert known.expire(KEEP_S) == ([], [Change(party, (3,))]), "nobody has seen it"
    assert known.at(1) == PartyAt(OLD, 2, True, [1, 2])
    assert invite(known, 5, 6).number == 2 << NUMBER_BITS | 1


def test_a_scene_is_right_about_its_own_players() -> None:
    known = parties(epoch=2)
    known.heard(1, "P1", AT, 0.0)
    party = known.of(1)
    assert known.heard(3, "P3", None, 0.0) == Change(party, (3,)), "it left, and the scene of 1 did not hear of it"
    assert known.at(1) == PartyAt(OLD, 2, True, [1, 2])
    change = known.heard(4, "P4", PartyAt(OLD, 2, True, [1, 2, 4]), 0.0)
    assert change == Change(party), "it joined, and the scene of 1 did not hear of it: now it does"
    assert known.at(4) == PartyAt(OLD, 2, True, [1, 2, 4])


def test_who_was_alone_before_a_list_names_it_stays_alone() -> None:
    known = parties(epoch=2)
    assert known.heard(3, "P3", None, 0.0) is None
    change = known.heard(1, "P1", AT, 0.0)
    assert change is not None
    assert known.at(1) == PartyAt(OLD, 2, True, [1, 2])
    assert known.of(3) is None


def test_what_the_center_has_changed_counts_more_than_a_list() -> None:
    known = parties(epoch=2)
    for account in (1, 2, 3):
        known.heard(account, f"P{account}", AT, 0.0)
    party = known.of(1)
    known.kick(2, "P3")
    change = known.heard(3, "P3", AT, 5.0)
    assert change is not None, "its scene is told"
    assert change.gone == (3,)
    assert known.of(3) is None, "and does not bring it back"
    assert known.heard(1, "P1", None, 5.0) == Change(party), "confirmed before: the scene lost what it was told"
    known.leave(1)
    assert known.of(2) is None
    over = known.heard(2, "P2", AT, 5.0)
    assert over is not None
    assert over.party.at() == PartyAt(OLD, 0, False, [])
    assert over.gone == (2,)


def test_a_party_of_this_life_that_is_over_does_not_come_back() -> None:
    known = parties(epoch=1)
    party = joined(known, 1, 2)
    known.leave(1)
    change = known.heard(2, "P2", PartyAt(party.number, 1, False, [1, 2]), 0.0)
    assert change is not None
    assert change.party.at() == PartyAt(party.number, 0, False, [])
    assert known.of(2) is None


def test_a_member_of_another_party_is_not_taken_out_of_it() -> None:
    known = parties(epoch=2)
    new = joined(known, 8, 3)
    known.heard(1, "P1", AT, 0.0)
    assert known.of(3) is new
    assert known.at(1) == PartyAt(OLD, 2, True, [1, 2])
    assert known.heard(3, "P3", AT, 0.0) == Change(new), "its scene is told which one it is in"


def test_a_list_without_its_leader_gets_another_one_and_too_long_ones_are_cut() -> None:
    known = parties(epoch=2, size_max=2)
    known.heard(1, "P1", PartyAt(OLD, 9, False, [1, 2, 3]), 0.0)
    assert known.at(1) == PartyAt(OLD, 1, False, [1, 2])


def test_a_founder_is_not_told_that_its_scene_knows_of_no_party() -> None:
    known = parties()
    invite(known, 1, 2)
    assert known.heard(1, "P1", None, 0.0) is None
    assert known.of(1) is not None


class Anything(RuleBasedStateMachine):
    """Whatever players do, the tables agree."""

    accounts = st.integers(1, 9)

    def __init__(self) -> None:
        super().__init__()
        self.known = parties(epoch=2, size_max=3)
        self.now = 0.0

    @rule(by=accounts, account=accounts)
    def invite(self, by: int, account: int) -> None:
        if by != account:
            with suppress(RefusedError):
                invite(self.known, by, account, self.now)

    @rule(account=accounts, n=st.integers(0, 20))
    def accept(self, account: int, n: int) -> None:
        with suppress(RefusedError):
            self.known.accept(account, 2 << NUMBER_BITS | n, self.now)

    @rule(account=accounts, n=st.integers(0, 20))
    def refuse(self, account: int, n: int) -> None:
        with suppress(RefusedError):
            self.known.refuse(account, 2 << NUMBER_BITS | n)

    @rule(account=accounts, other=accounts)
    def lead(self, account: int, other: int) -> None:
        with suppress(RefusedError):
            self.known.lead(account, f"P{other}")

    @rule(account=accounts, other=accounts)
    def kick(self, account: int, other: int) -> None:
        with suppress(RefusedError):
            self.known.kick(account, f"P{other}")

    @rule(account=accounts)
    def leave(self, account: int) -> None:
        with suppress(RefusedError):
            self.known.leave(account)

    @rule(account=accounts)
    def away(self, account: int) -> None:
        self.known.away(account, self.now)

    @rule(account=accounts)
    def back(self, account: int) -> None:
        self.known.back(account, f"P{account}")

    @rule(account=accounts, members=st.lists(accounts, max_size=4, unique=True), n=st.integers(1, 3))
    def heard(self, account: int, members: list[int], n: int) -> None:
        at = PartyAt(1 << NUMBER_BITS | n, members[0], False, members) if account in members else None
        self.known.heard(account, f"P{account}", at, self.now)
        assert self.known.heard(account, f"P{account}", self.known.at(account), self.now) is None

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.known.expire(self.now)

    @invariant()
    def agree(self) -> None:
        known = self.known
        assert known._of == {account: p for p in known._parties.values() for account in p.members}
        for number, party in known._parties.items():
            assert party.number == number
            assert party.leader in party.members
            assert 1 <= len(party.members) <= 3
            assert len(party.members) > 1 or party.asked, "a party of one has asked somebody"
            assert party.asked == {account for of, account in known._asked if of == number}
            assert party.unheard <= party.members.keys()
        assert {number for number, _ in known._asked} <= known._parties.keys()
        assert known._open == Counter(account for _, account in known._asked)
        assert known._away.keys() <= known._of.keys()
        assert known._alone.isdisjoint(known._of)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
