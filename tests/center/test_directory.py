"""Who is where: the state machine, and that its indexes never disagree."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mesh.errors import RefusedError
from mesh.protocol.cluster import Resume
from mesh.protocol.sessions import account_of, session_of
from nodes.center.directory import REPEAT_S, Directory, Presence

LINKDEAD_S = 60.0


def came(
    directory: Directory, account: int = 1, epoch: int = 1, scene: str = "s1", gate: str = "g1", now: float = 0.0
) -> Presence:
    presence = directory.enter(session_of(account, epoch), f"P{account}", [], scene, gate, account, now)
    directory.hosted(presence, "meadow", 1, nonce=7, now=now, linkdead_s=LINKDEAD_S)
    return presence


def test_a_life() -> None:
    directory = Directory()
    presence = directory.enter(session_of(1, 1), "Anna", [], "s1", "g1", 1, 0.0)
    assert presence.stage == "entering"
    assert directory.count_at("s1") == 1, "on its way there already"
    directory.hosted(presence, "meadow", 2, 7, 0.5, LINKDEAD_S)
    assert (presence.stage, presence.map, presence.line) == ("online", "meadow", 2)
    assert directory.drop(presence.session, "g1", 1, 10.0, LINKDEAD_S) is presence
    assert directory.due(69.9, 10) == []
    assert directory.due(70.0, 10) == [presence]
    assert directory.due(99.0, 10) == [], "once"
    directory.leave(presence)
    assert directory.gone(presence)
    assert not directory.gone(presence)
    assert len(directory) == 0
    assert directory.is_over(presence.session)
    assert not directory.is_over(session_of(1, 2))


def test_a_late_drop_of_an_older_connection_changes_nothing() -> None:
    """The trap of a quick reconnect: the old connection's end must not remove the new one."""
    directory = Directory()
    presence = came(directory)
    directory.resume(presence.session, 7, "g2", 33, 8, 1.0)
    for gate, connection in (("g1", 1), ("g2", 1), ("g1", 33)):
        assert directory.drop(presence.session, gate, connection, 2.0, LINKDEAD_S) is None
    assert presence.stage == "online"
    assert directory.at_gate("g1") == []
    assert directory.at_gate("g2") == [presence]


def test_a_nonce_is_good_once() -> None:
    directory = Directory()
    presence = came(directory)
    directory.drop(presence.session, "g1", 1, 1.0, LINKDEAD_S)
    found, gate, connection = directory.resume(presence.session, 7, "g1", 2, 8, 2.0)
    assert (found, gate, connection) == (presence, "", 0)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g1", 3, 9, 3.0)
    _, gate, connection = directory.resume(presence.session, 8, "g1", 4, 9, 3.0)
    assert (gate, connection) == ("g1", 2), "the connection that the gate has not yet seen break"


def test_a_token_whose_connection_came_to_nothing_may_be_used_again_for_a_moment() -> None:
    directory = Directory()
    presence = came(directory)
    directory.resume(presence.session, 7, "g2", 2, 8, 2.0)
    assert directory.may_repeat(Resume(presence.session, 7, "g1", 3), 2.0), "its gate may be about to break"
    assert not directory.may_repeat(Resume(presence.session, 8, "g1", 3), 2.0)
    assert not directory.may_repeat(Resume(presence.session, 7, "g2", 2), 2.0), "nothing is to break: it asks again"
    directory.lose_gate("g2", 2.1, LINKDEAD_S)
    assert not directory.may_repeat(Resume(presence.session, 7, "g1", 3), 2.1)
    directory.resume(presence.session, 7, "g1", 3, 9, 3.0)
    directory.drop(presence.session, "g1", 3, 4.0, LINKDEAD_S)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g1", 4, 10, 2.0 + REPEAT_S + 0.1)
    directory.resume(presence.session, 9, "g1", 4, 10, 2.0 + REPEAT_S + 0.1)
    directory.drop(presence.session, "g1", 4, 14.0, LINKDEAD_S)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g1", 5, 11, 14.0)
    directory.resume(presence.session, 9, "g1", 5, 11, 14.0)


def test_a_resume_that_is_said_again_for_the_same_connection_is_carried_out_again() -> None:
    """Its login node has heard no answer: the link to it broke behind the center's."""
    directory = Directory()
    presence = came(directory)
    directory.resume(presence.session, 7, "g2", 2, 8, 2.0)
    _, gate, connection = directory.resume(presence.session, 7, "g2", 2, 9, 3.0)
    assert (gate, connection, presence.nonce) == ("g2", 2, 9)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g2", 3, 10, 3.0)


def test_a_token_is_as_good_as_before_when_nobody_has_heard_of_its_use() -> None:
    directory = Directory()
    presence = came(directory)
    directory.resume(presence.session, 7, "g2", 2, 8, 2.0)
    assert directory.forgo("g2", 3) is directory.forgo("g1", 2) is None
    assert directory.forgo("g2", 2) is presence
    directory.drop(presence.session, "g2", 2, 2.1, LINKDEAD_S)
    directory.resume(presence.session, 7, "g1", 4, 9, 2.1 + REPEAT_S + 20.0)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g1", 5, 10, 33.0)


@pytest.mark.parametrize("session", [session_of(1, 2), session_of(2, 1)])
def test_a_session_that_is_not_here_cannot_resume(session: int) -> None:
    directory = Directory()
    came(directory)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(session, 7, "g1", 2, 8, 1.0)


def test_who_is_leaving_cannot_resume() -> None:
    directory = Directory()
    presence = came(directory)
    directory.leave(presence)
    with pytest.raises(RefusedError, match="resume_gone"):
        directory.resume(presence.session, 7, "g1", 2, 8, 1.0)


def test_a_gate_that_dies_while_a_scene_builds_the_character_leaves_it_linkdead() -> None:
    directory = Directory()
    presence = directory.enter(session_of(1, 1), "Anna", [], "s1", "g1", 1, 0.0)
    assert directory.lose_gate("g1", 0.5, LINKDEAD_S) == []
    directory.hosted(presence, "meadow", 1, 7, 1.0, LINKDEAD_S)
    assert presence.stage == "linkdead"
    assert directory.due(61.0, 10) == [presence]


def test_a_release_that_failed_is_tried_again() -> None:
    directory = Directory()
    presence = came(directory)
    directory.leave(presence)
    assert directory.due(1e9, 10) == []
    directory.retry(presence, 5.0)
    assert directory.due(4.9, 10) == []
    assert directory.due(5.0, 10) == [presence]


def test_only_so_many_are_due_at_once() -> None:
    directory = Directory()
    for account in range(1, 11):
        came(directory, account)
    assert len(directory.lose_gate("g1", 0.0, LINKDEAD_S)) == 10
    assert [len(directory.due(60.0, 4)) for _ in range(4)] == [4, 4, 2, 0]


class DirectoryMachine(RuleBasedStateMachine):
    """Anything may happen in any order: one presence per account, and every index says the same."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory()
        self.now = 0.0
        self.nonce = 100
        self.epochs: dict[int, int] = {}
        self.highest: dict[int, int] = {}

    accounts = st.integers(1, 4)
    places = st.sampled_from(["1", "2"])

    @rule(account=accounts, scene=places, gate=places, connection=st.integers(1, 3))
    def log_in(self, account: int, scene: str, gate: str, connection: int) -> None:
        epoch = self.epochs[account] = self.epochs.get(account, 0) + 1
        presence = self.directory.enter(
            session_of(account, epoch), f"P{account}", [], "s" + scene, "g" + gate, connection, self.now
        )
        assert presence.stage == "entering"

    @rule(account=accounts)
    def be_hosted(self, account: int) -> None:
        presence = self.directory.of_account(account)
        if presence is not None and presence.stage == "entering":
            self.nonce += 1
            self.directory.hosted(presence, "meadow", 1, self.nonce, self.now, LINKDEAD_S)

    @rule(account=accounts, gate=places, connection=st.integers(1, 3), back=st.integers(0, 2))
    def drop(self, account: int, gate: str, connection: int, back: int) -> None:
        session = session_of(account, max(0, self.epochs.get(account, 0) - back))
        before = self.directory.of_session(session)
        mine = before is not None and (before.gate, before.connection) == ("g" + gate, connection)
        was_online = before is not None and before.stage == "online"
        dropped = self.directory.drop(session, "g" + gate, connection, self.now, LINKDEAD_S)
        assert (dropped is not None) == (mine and was_online)

    @rule(account=accounts, gate=places, right=st.booleans())
    def resume(self, account: int, gate: str, right: bool) -> None:
        presence = self.directory.of_account(account)
        session = session_of(account, self.epochs.get(account, 0))
        allowed = presence is not None and presence.stage in ("online", "linkdead") and right
        nonce = presence.nonce if presence is not None and presence.nonce is not None and right else 1
        self.nonce += 1
        try:
            self.directory.resume(session, nonce, "g" + gate, 9, self.nonce, self.now)
        except RefusedError:
            assert not allowed
        else:
            assert allowed
            assert presence is not None
            assert presence.stage == "online"

    @rule(gate=places)
    def lose_gate(self, gate: str) -> None:
        self.directory.lose_gate("g" + gate, self.now, LINKDEAD_S)
        assert self.directory.at_gate("g" + gate) == []

    @rule(account=accounts)
    def go(self, account: int) -> None:
        presence = self.directory.of_account(account)
        if presence is not None:
            self.directory.leave(presence)
            assert self.directory.gone(presence)
            assert self.directory.is_over(presence.session)

    @precondition(lambda self: self.now < 1000)
    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for presence in self.directory.due(self.now, 2):
            assert presence.stage in ("linkdead", "leaving")
            self.directory.leave(presence)
            self.directory.retry(presence, self.now + 2)

    @invariant()
    def the_indexes_agree(self) -> None:
        everybody = self.directory.all()
        assert len(everybody) == len(self.directory) == len({p.account for p in everybody})
        for presence in everybody:
            assert self.directory.of_session(presence.session) is presence
            assert presence in self.directory.at_scene(presence.scene)
            assert self.directory.of_name(presence.name.upper()) is presence
            entering = presence.stage == "entering"
            assert entering or presence in self.directory.at_line(presence.map, presence.line)
            assert not presence.gate or presence in self.directory.at_gate(presence.gate)
            if presence.stage == "online":
                assert presence.gate, "nobody is online without a connection"
        in_world = [p for m in self.directory._lines for p in self.directory.at_map(m)]
        assert len(in_world) == len({p.account for p in in_world}), "each on one line"
        assert all(p in everybody for p in in_world)
        assert sum(self.directory.count_at(s) for s in ("s1", "s2")) == len(everybody)
        assert sum(len(self.directory.at_gate(g)) for g in ("g1", "g2")) == sum(bool(p.gate) for p in everybody)
        counts = self.directory.count()
        assert counts["linkdead"] == sum(p.stage == "linkdead" for p in everybody)
        assert sum(counts.values()) == len(everybody)

    @invariant()
    def sessions_only_grow(self) -> None:
        for presence in self.directory.all():
            account = account_of(presence.session)
            assert presence.session >= self.highest.get(account, 0)
            self.highest[account] = presence.session


DirectoryMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDirectory = DirectoryMachine.TestCase


def test_places_are_counted_by_line_from_the_question_to_the_end() -> None:
    directory = Directory()
    presence = directory.enter(session_of(1, 1), "P1", [], "s1", "g1", 1, 0.0, "meadow", 2)
    assert directory.count_on("s1", "meadow", 2) == 1
    assert directory.at_line("meadow", 2) == [], "not in the world yet"
    directory.hosted(presence, "meadow", 3, 7, 1.0, 60.0)
    assert [directory.count_on("s1", "meadow", n) for n in (2, 3)] == [0, 1]
    with directory.coming("s2", "forest", 1):
        assert (directory.count_on("s2", "forest", 1), directory.count_at("s2")) == (1, 1)
        directory.move(presence, "s2", "forest", 1, 2.0)
    assert (directory.count_on("s2", "forest", 1), directory.count_at("s2")) == (1, 1)
    assert (directory.count_on("s1", "meadow", 3), directory.count_at("s1")) == (0, 0)
    assert directory.at_scene("s2") == directory.at_line("forest", 1) == [presence]
    assert directory.at_map("meadow") == []
    directory.gone(presence)
    assert (directory.count_on("s2", "forest", 1), directory.count_at("s2")) == (0, 0)


def test_a_move_changes_neither_stage_nor_deadline() -> None:
    directory = Directory()
    presence = directory.enter(session_of(1, 1), "P1", [], "s1", "g1", 1, 0.0, "meadow", 1)
    directory.hosted(presence, "meadow", 1, 7, 0.0, 60.0)
    directory.drop(presence.session, "g1", 1, 5.0, 60.0)
    directory.move(presence, "s2", "meadow", 2, 6.0)
    assert (presence.stage, presence.deadline, presence.since) == ("linkdead", 65.0, 5.0)
    assert directory.due(65.0, 10) == [presence]


def test_a_session_elsewhere_ends_the_older_ones_here() -> None:
    directory = Directory()
    directory.supersede(session_of(1, 5))
    assert [directory.is_over(session_of(1, n)) for n in (4, 5, 6)] == [True, False, False]
    directory.supersede(session_of(1, 3))
    assert directory.is_over(session_of(1, 4)), "what was known stays known"
