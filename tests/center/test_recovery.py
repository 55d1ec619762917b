"""What scenes and gates say they have, against what the directory says."""

import msgspec
import pytest

from mesh.errors import RefusedError
from mesh.protocol.cluster import HostedAt, SessionAt
from mesh.protocol.sessions import Friendship, Status, account_of, session_of
from nodes.center.directory import Directory, Presence
from nodes.center.friends import connected_friends, friend_named, is_shown, list_of
from nodes.center.recovery import SETTLE_S, compare_gate, compare_scene

LINKDEAD_S = 60.0


def hosted(account: int, epoch: int = 1, *, line: int = 1, departed: bool = False, attached: bool = True) -> HostedAt:
    status = Status(account, f"P{account}", 1, 0, 100, {}, "meadow", 0.0, 0.0, 0, "", 0, [], [])
    return HostedAt(session_of(account, epoch), status, "meadow", line, departed, attached=attached)


def at_gate(account: int, epoch: int = 1, connection: int = 0, scene: str = "s1", line: int = 1) -> SessionAt:
    return SessionAt(session_of(account, epoch), connection or account, f"P{account}", scene, "meadow", line)


def came(
    directory: Directory, account: int, epoch: int = 1, scene: str = "s1", gate: str = "g1", now: float = 0.0
) -> Presence:
    presence = directory.enter(session_of(account, epoch), f"P{account}", [], scene, gate, account, now)
    directory.hosted(presence, "meadow", 1, 7, now, LINKDEAD_S)
    return presence


def test_a_new_center_knows_everybody_after_both_have_spoken() -> None:
    directory = Directory()
    found = compare_scene(directory, "s1", [hosted(1), hosted(2)], 100.0, 100.0, LINKDEAD_S)
    assert [p.account for p in found.adopted] == [1, 2]
    assert all(p.stage == "linkdead" and p.deadline == 160.0 for p in directory.all())
    gate = compare_gate(directory, "g1", [at_gate(1)], 100.0, 100.1, LINKDEAD_S)
    assert [p.account for p in gate.found] == [1]
    online, dropped = directory.of_account(1), directory.of_account(2)
    assert online is not None
    assert dropped is not None
    assert (online.stage, online.gate, online.connection) == ("online", "g1", 1)
    assert directory.due(160.0, 10) == [dropped], "without a connection it has linkdead_s from now on"


def test_whoever_was_adopted_may_resume_once_with_what_an_earlier_center_signed() -> None:
    directory = Directory()
    compare_scene(directory, "s1", [hosted(1)], 100.0, 100.0, LINKDEAD_S)
    presence, _, _ = directory.resume(session_of(1, 1), 999, "g1", 5, 1000, 101.0)
    assert presence.nonce == 1000


def test_what_an_earlier_center_saw_used_stays_used() -> None:
    directory = Directory()
    at = msgspec.structs.replace(hosted(1), nonce=41)
    compare_scene(directory, "s1", [at, hosted(2)], 100.0, 100.0, LINKDEAD_S)
    compare_gate(directory, "g1", [msgspec.structs.replace(at_gate(2), nonce=50)], 100.0, 100.1, LINKDEAD_S)
    for session, used, fresh in ((session_of(1, 1), 40, 41), (session_of(2, 1), 49, 50)):
        with pytest.raises(RefusedError, match="resume_gone"):
            directory.resume(session, used, "g2", 5, 1000, 101.0)
        presence, _, _ = directory.resume(session, fresh, "g2", 5, 1000, 101.0)
        assert presence.nonce == 1000


def test_a_token_that_nobody_but_its_client_has_heard_of_is_good() -> None:
    """The center died after it had answered, before the gate had told the scene."""
    directory = Directory()
    compare_scene(directory, "s1", [msgspec.structs.replace(hosted(1), nonce=41)], 100.0, 100.0, LINKDEAD_S)
    presence, _, _ = directory.resume(session_of(1, 1), 42, "g2", 5, 1000, 101.0)
    assert presence.nonce == 1000


def test_of_two_sessions_of_an_account_the_newer_one_stays() -> None:
    for first, second, stale in ((("s1", 1), ("s2", 2), ("s1", 1)), (("s2", 2), ("s1", 1), ("s1", 1))):
        directory = Directory()
        stales = []
        for scene, epoch in (first, second):
            found = compare_scene(directory, scene, [hosted(1, epoch)], 100.0, 100.0, LINKDEAD_S)
            stales += found.stale
        assert stales == [(stale[0], session_of(1, stale[1]))]
        stays = directory.of_account(1)
        assert stays is not None
        assert (stays.scene, stays.session) == ("s2", session_of(1, 2))


def test_one_session_on_two_scenes_stays_where_the_directory_has_it() -> None:
    directory = Directory()
    came(directory, 1, scene="s2")
    found = compare_scene(directory, "s1", [hosted(1)], 100.0, 100.0, LINKDEAD_S)
    assert found.stale == [("s1", session_of(1, 1))]
    assert found.adopted == []


def test_what_departed_and_is_elsewhere_is_dropped() -> None:
    directory = Directory()
    came(directory, 1, scene="s2")
    found = compare_scene(directory, "s1", [hosted(1, departed=True)], 100.0, 100.0, LINKDEAD_S)
    assert found.stale == [("s1", session_of(1, 1))]
    assert (found.departed, found.unknown, found.adopted) == ([], [], [])


def test_what_departed_and_should_be_there_goes_back() -> None:
    directory = Directory()
    presence = came(directory, 1)
    found = compare_scene(directory, "s1", [hosted(1, departed=True)], 100.0, 100.0, LINKDEAD_S)
    assert found.departed == [presence]
    assert (found.stale, found.lost) == ([], [])


def test_what_is_on_another_line_of_its_scene_or_not_attached_is_found() -> None:
    directory = Directory()
    other, home, fine, coming, away = (came(directory, n) for n in (1, 2, 3, 4, 5))
    directory.drop(away.session, "g1", 5, 1.0, LINKDEAD_S)
    directory.enter(coming.session, "P4", [], "s1", "g1", 4, 99.0, "meadow", 1)
    listed = [hosted(1, line=2), *(hosted(n, attached=False) for n in (2, 4, 5)), hosted(3)]
    found = compare_scene(directory, "s1", listed, 100.0, 100.0, LINKDEAD_S)
    assert [(presence, at.line) for presence, at in found.moved] == [(other, 2), (home, 1)]
    assert fine.line == 1


def test_what_departed_and_is_nowhere_waits_for_the_other_scenes() -> None:
    directory = Directory()
    at = hosted(1, departed=True)
    found = compare_scene(directory, "s1", [at], 100.0, 100.0, LINKDEAD_S)
    assert found.unknown == [at]
    assert len(directory) == 0
    newer = Directory()
    came(newer, 1, epoch=2, scene="s2")
    assert compare_scene(newer, "s1", [at], 100.0, 100.0, LINKDEAD_S).stale == [("s1", session_of(1, 1))]


def test_the_order_in_which_scenes_speak_to_a_new_center_makes_no_difference() -> None:
    for order in (("s1", "s2"), ("s2", "s1")):
        directory, lists = Directory(), {"s1": [hosted(1, departed=True)], "s2": [hosted(1)]}
        found = [compare_scene(directory, scene, lists[scene], 100.0, 101.0, LINKDEAD_S) for scene in order]
        [stays] = directory.all()
        assert stays.scene == "s2"
        stale = [at for one in found for at in one.stale]
        unknown = [at for one in found for at in one.unknown]
        assert bool(stale) != bool(unknown), "dropped at once, or looked at again when all have spoken"


def test_who_came_since_a_list_was_asked_for_may_be_missing_or_departed_in_it() -> None:
    directory = Directory()
    for account in (1, 2):
        directory.move(came(directory, account, scene="s2", now=50.0), "s1", "meadow", 1, 100.5)
    found = compare_scene(directory, "s1", [hosted(1, departed=True)], 100.0, 101.0, LINKDEAD_S)
    assert (found.stale, found.lost, found.departed, found.adopted) == ([], [], [], [])


def test_who_went_since_a_list_was_asked_for_may_have_left_a_copy() -> None:
    """Looked at again under the lock: when it is elsewhere then, it is one too many."""
    directory = Directory()
    directory.move(came(directory, 1, now=50.0), "s2", "meadow", 1, 100.5)
    found = compare_scene(directory, "s1", [hosted(1)], 100.0, 101.0, LINKDEAD_S)
    assert found.stale == [("s1", session_of(1, 1))]


def test_what_is_being_transferred_is_judged_when_that_is_over() -> None:
    directory = Directory()
    presence = came(directory, 1)
    presence.moving = True
    found = compare_scene(directory, "s1", [], 100.0, 100.0, LINKDEAD_S)
    assert found.lost == []
    for scene, departed in (("s1", True), ("s2", False)):
        found = compare_scene(directory, scene, [hosted(1, departed=departed)], 100.0, 100.0, LINKDEAD_S)
        assert found.stale == [(scene, session_of(1, 1))], "to be dropped unless the transfer ends there"
        assert found.departed == []


def test_a_session_that_ended_is_not_brought_back() -> None:
    directory = Directory()
    directory.gone(came(directory, 1))
    found = compare_scene(directory, "s1", [hosted(1)], 100.0, 100.0, LINKDEAD_S)
    assert found.stale == [("s1", session_of(1, 1))]
    assert len(directory) == 0


def test_what_a_scene_does_not_have_is_lost_unless_it_came_after_the_question() -> None:
    directory = Directory()
    lost, late = came(directory, 1, now=50.0), came(directory, 2, now=100.5)
    directory.enter(session_of(3, 1), "P3", [], "s1", "g1", 3, 50.0)
    came(directory, 4, scene="s2", now=50.0)
    found = compare_scene(directory, "s1", [], 100.0, 101.0, LINKDEAD_S)
    assert found.lost == [lost]
    assert late.stage == "online"


def test_a_takeover_under_way_is_left_alone() -> None:
    """The scene still has the older session, the directory the newer one that it was asked to build."""
    directory = Directory()
    directory.enter(session_of(1, 2), "P1", [], "s1", "g1", 1, 99.0)
    found = compare_scene(directory, "s1", [hosted(1, 1)], 100.0, 100.0, LINKDEAD_S)
    assert (found.stale, found.adopted, found.lost) == ([], [], [])


def test_a_connection_that_a_gate_does_not_have_is_broken() -> None:
    directory = Directory()
    missing, fresh = came(directory, 1, now=0.0), came(directory, 2, now=100.0 - SETTLE_S / 2)
    found = compare_gate(directory, "g1", [], 100.0, 100.0, LINKDEAD_S)
    assert found.dropped == [missing]
    assert (missing.stage, fresh.stage) == ("linkdead", "online"), "the gate may not have heard of it yet"


def test_a_connection_that_is_attached_elsewhere_is_told() -> None:
    directory = Directory()
    wrong_scene, wrong_line, right = came(directory, 1), came(directory, 2), came(directory, 3)
    listed = [at_gate(1, scene="s2"), at_gate(2, line=2), at_gate(3)]
    for presence in (wrong_scene, wrong_line, right):
        presence.gate, presence.connection = "g1", presence.account
    found = compare_gate(directory, "g1", listed, SETTLE_S, SETTLE_S, LINKDEAD_S)
    assert found.elsewhere == [wrong_scene, wrong_line]
    assert compare_gate(directory, "g1", listed, SETTLE_S / 2, 3.0, LINKDEAD_S).elsewhere == [], "it may be on its way"
    wrong_line.moving = True
    assert compare_gate(directory, "g1", listed, SETTLE_S, SETTLE_S, LINKDEAD_S).elsewhere == [wrong_scene]


def test_whoever_is_found_again_hears_of_a_transfer_that_its_gate_may_have_missed() -> None:
    directory = Directory()
    moved, long_ago, stayed = came(directory, 1), came(directory, 2), came(directory, 3)
    directory.move(moved, "s1", "meadow", 1, 98.0)  # home again: the same place, another handle
    directory.move(long_ago, "s1", "meadow", 1, 50.0)
    directory.lose_gate("g1", 99.0, LINKDEAD_S)
    found = compare_gate(directory, "g1", [at_gate(n) for n in (1, 2, 3)], 100.0, 100.0, LINKDEAD_S)
    assert found.found == [moved, long_ago, stayed]
    assert found.elsewhere == [moved]
    assert moved.gate == "g1"


def test_a_new_center_has_attached_what_no_gate_has() -> None:
    directory = Directory()
    compare_scene(directory, "s1", [hosted(1, attached=False), hosted(2)], 100.0, 100.0, LINKDEAD_S)
    gate = compare_gate(directory, "g1", [at_gate(1), at_gate(2), at_gate(3)], 100.0, 100.1, LINKDEAD_S)
    assert [p.account for p in gate.elsewhere] == [1]


def test_a_connection_that_another_one_has_replaced_is_ended() -> None:
    directory = Directory()
    came(directory, 1, gate="g2")
    found = compare_gate(directory, "g1", [at_gate(1), at_gate(2), at_gate(1, connection=9)], 100.0, 100.0, LINKDEAD_S)
    assert [at.connection for at in found.superseded] == [1, 9]
    assert [account_of(at.session) for at in found.strangers] == [2]


def test_friend_lists_show_who_is_there() -> None:
    directory = Directory()
    friends = [
        Friendship(1, "Anna", "friend"),
        Friendship(2, "Berta", "asked"),
        Friendship(3, "Cleo", "friend"),
        Friendship(4, "Dora", "friend"),
    ]
    came(directory, 1)
    came(directory, 2)
    linkdead = came(directory, 3)
    directory.enter(session_of(4, 1), "Dora", [], "s1", "g1", 4, 0.0)
    directory.drop(linkdead.session, "g1", 3, 1.0, LINKDEAD_S)
    shown = {f.name: f.online for f in list_of(directory, friends, lambda _: "").friends}
    assert shown == {"Anna": True, "Berta": False, "Cleo": True, "Dora": False}
    assert [p.account for p in connected_friends(directory, friends)] == [1], "who can be told"
    assert not is_shown(directory.of_account(9))
    assert friend_named(friends, "ANNA") == friends[0]
    assert friend_named(friends, "Berta") is None
