"""What players hear of friendships and blocks, theirs and others', and what their scenes and other zones are told."""

import asyncio

from mesh.errors import Code, PeerLost
from mesh.protocol.cluster import Online
from mesh.protocol.placement import FriendsChanged
from mesh.protocol.sessions import Friendship, Status, session_of
from mesh.protocol.social import (
    AcceptFriend,
    AddFriend,
    Block,
    Blocked,
    Friend,
    FriendAsked,
    FriendOffline,
    FriendOnline,
    Friends,
    ListBlocked,
    ListFriends,
    RemoveFriend,
    SocialDenied,
    Unblock,
)
from mesh.protocol.zones import FriendsNow
from nodes.center.blocks import Blocks
from nodes.center.directory import Presence
from tests.center.parlour import Abroad, Parlour, blocked


def friend(account: int, state: str = "friend") -> Friendship:
    return Friendship(account, f"P{account}", state)  # type: ignore[arg-type]


def parlour_with(*accounts: int) -> Parlour:
    parlour = Parlour()
    for account in accounts:
        parlour.come(account, scene=f"s{account}")
    parlour.hush()
    return parlour


def denied(parlour: Parlour, account: int) -> list[tuple[str, str]]:
    return [(m.code, m.text) for m in parlour.heard(account) if isinstance(m, SocialDenied)]


# --- friends ---


def test_both_sides_and_their_scenes_hear_of_every_change() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, AddFriend("p2"))
    assert parlour.heard(1) == [Friends([Friend("P2", "asking", False)])]
    assert parlour.heard(2) == [FriendAsked("P1"), Friends([Friend("P1", "asked", False)])]
    assert parlour.scene("s1") == [FriendsChanged(parlour.of(1).session, [friend(2, "asking")])]
    assert parlour.scene("s2") == [FriendsChanged(parlour.of(2).session, [friend(1, "asked")])]
    parlour.say(2, AcceptFriend("P1"))
    assert parlour.heard(1) == [Friends([Friend("P2", "friend", True)])]
    assert parlour.heard(2) == [Friends([Friend("P1", "friend", True)])]
    assert parlour.scene("s1") == [FriendsChanged(parlour.of(1).session, [friend(2)])]
    parlour.say(1, RemoveFriend("P2"))
    parlour.wait(1)
    assert parlour.heard(2) == [Friends([])]


def test_what_changes_nothing_is_answered_and_nobody_else_hears_of_it() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, AddFriend("P2"))
    parlour.hush()
    parlour.say(1, AddFriend("P2"), ListFriends())
    assert parlour.heard(1) == [Friends([Friend("P2", "asking", False)])] * 2
    assert parlour.heard(2) == []
    assert parlour.scene("s1") == parlour.scene("s2") == []
    parlour.wait(60)
    parlour.say(1, AddFriend("P2"))
    assert parlour.heard(2) == [FriendAsked("P1")], "asked again"


def test_friends_hear_once_that_somebody_came_and_that_it_went() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    parlour.come(2)
    parlour.come(3)
    parlour.come(1)
    assert parlour.heard(2) == [FriendOnline("P1")]
    parlour.come(1)
    parlour.drop(1)
    parlour.resume(1)
    parlour.move(1, "s2", "forest", 1)
    assert parlour.heard(2) == [], "a takeover, a broken connection, a transfer"
    parlour.go(1)
    assert parlour.heard(2) == [FriendOffline("P1")]
    assert parlour.heard(3) == []
    parlour.come(1)
    assert parlour.heard(2) == [FriendOnline("P1")]


def test_a_center_that_starts_anew_does_not_announce_whom_it_finds() -> None:
    parlour = Parlour(epoch=2)
    for account in (1, 2):
        parlour.adopt(account)
        parlour.of(account).friends = [friend(3 - account)]
        parlour.resume(account)
    assert [m for a in (1, 2) for m in parlour.heard(a) if isinstance(m, FriendOnline)] == []
    parlour.go(1)
    assert parlour.heard(2) == [FriendOffline("P1")]


def test_who_went_to_another_zone_is_not_offline() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    parlour.come(1)
    parlour.come(2)
    parlour.hush()
    parlour.society.join(Abroad({1: "two"}))
    parlour.go(1, "travel")
    assert parlour.heard(2) == []
    parlour.say(2, ListFriends())
    assert parlour.heard(2) == [Friends([Friend("P1", "friend", True, "two")])]


def test_other_zones_hear_of_changed_lists_and_say_what_changed_there() -> None:
    parlour = parlour_with(1, 2)
    abroad = Abroad({3: "two"})
    parlour.society.join(abroad)
    parlour.say(1, AddFriend("P3"))
    assert abroad.lists == [(3, ["asked"], "P1"), (1, ["asking"], "")]
    parlour.society.befriended(FriendsNow(2, [friend(3, "asked")], "P3"))
    assert parlour.heard(2) == [FriendAsked("P3"), Friends([Friend("P3", "asked", False)])]
    assert parlour.scene("s2") == [FriendsChanged(parlour.of(2).session, [friend(3, "asked")])]
    assert abroad.lists[2:] == [(2, ["asked"], "P3")]
    parlour.hush()
    parlour.society.befriended(FriendsNow(9, [friend(3)]))  # has left meanwhile
    assert parlour.node.told == []
    assert len(abroad.lists) == 3, "it is not sent to and fro"


def test_what_the_dc_cannot_do_is_refused_and_changes_nothing() -> None:
    parlour = parlour_with(1, 2)
    parlour.node.failure = PeerLost("no dc node is Ready")
    parlour.say(1, AddFriend("P2"), Block("P2"))
    assert [code for code, _ in denied(parlour, 1)] == [Code.UNAVAILABLE] * 2
    assert parlour.of(1).friends == []
    assert parlour.of(1).asking == 0
    parlour.node.failure = None
    parlour.say(1, AddFriend("P1"), Block("p1"), AddFriend("P99"))
    assert [code for code, _ in denied(parlour, 1)] == [Code.NOT_ALLOWED, Code.NOT_ALLOWED, Code.NOT_FOUND]


def test_a_change_during_a_login_is_not_lost_to_the_older_list_that_the_login_has() -> None:
    parlour = parlour_with(1)
    entering = parlour.begin(2, scene="s2")
    parlour.say(1, AddFriend("P2"))
    parlour.arrive(entering)
    assert parlour.of(2).friends == [friend(1, "asked")]
    assert parlour.scene("s2")[-1] == FriendsChanged(entering.session, [friend(1, "asked")])
    old_list = parlour.of(3) if parlour.directory.of_account(3) else None
    assert old_list is None
    parlour.say(1, AddFriend("P3"))
    late = parlour.begin(3, scene="s3")
    late.friends = []  # login loaded it before
    parlour.arrive(late)
    assert parlour.of(3).friends == [friend(1, "asked")]
    parlour.node.clock.advance(10.0)
    parlour.move(3, "s4", "forest", 1)
    assert parlour.scene("s4") == [], "by now every list in the zone is newer than that change"


def test_a_change_during_a_transfer_reaches_the_scene_where_it_ends() -> None:
    parlour = parlour_with(1, 2)
    parlour.of(2).moving = True
    parlour.say(1, AddFriend("P2"))
    parlour.hush()
    parlour.move(2, "s9", "forest", 1)
    assert parlour.scene("s9") == [FriendsChanged(parlour.of(2).session, [friend(1, "asked")])]


def test_who_waits_in_the_queue_comes_in_with_the_newest_list() -> None:
    parlour = parlour_with(1)
    status = Status(2, "P2", 1, 0, 100, {}, "", 0.0, 0.0, 0, "", 0, [], [])
    entry = parlour.queue.join(Online(session_of(2, 1), status, "g1", 5), 0.0)
    parlour.say(1, AddFriend("P2"))
    assert entry.online.status.friends == [friend(1, "asked")]


def test_one_player_has_few_changes_under_way() -> None:
    parlour = Parlour(social_in_flight=2)
    parlour.come(1)
    parlour.of(1).asking = 2
    parlour.say(1, AddFriend("P2"))
    assert denied(parlour, 1) == [(Code.TOO_MANY, "one friend after the other")]


# --- blocking ---


def test_a_block_is_answered_and_told_to_nobody() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, Block("p2"))
    assert parlour.heard(1) == [Friends([]), Blocked(["P2"])]
    assert parlour.heard(2) == []
    assert parlour.scene("s1") == [FriendsChanged(parlour.of(1).session, [blocked(2)])]
    assert parlour.scene("s2") == []
    parlour.say(1, ListBlocked(), ListFriends(), Unblock("P2"))
    assert parlour.heard(1) == [Blocked(["P2"]), Friends([]), Friends([]), Blocked([])]
    assert parlour.scene("s1") == [FriendsChanged(parlour.of(1).session, [])]


def test_a_block_ends_a_friendship_on_both_sides() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    parlour.come(1)
    parlour.come(2)
    parlour.hush()
    parlour.say(1, Block("P2"))
    assert parlour.heard(2) == [Friends([])]
    parlour.go(1)
    assert parlour.heard(2) == []


def test_the_blocked_may_ask_and_the_blocker_hears_of_it_when_the_block_ends() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, Block("P2"))
    parlour.hush()
    parlour.say(2, AddFriend("P1"))
    assert parlour.heard(2) == [Friends([Friend("P1", "asking", False)])], "as with anybody who does not answer"
    assert parlour.heard(1) == []
    parlour.say(1, AddFriend("P2"))
    assert denied(parlour, 1) == [(Code.NOT_ALLOWED, "you block P2")]
    parlour.say(1, Unblock("P2"))
    assert parlour.heard(1) == [Friends([Friend("P2", "asked", False)]), Blocked([])]
    assert parlour.heard(2) == []


def test_a_blocker_who_is_gone_before_the_dc_answers_is_not_answered() -> None:
    parlour = parlour_with(1, 2)
    who = parlour.of(1)

    async def story() -> None:
        asked = asyncio.ensure_future(parlour.society.friendships.on_block(Block("P2"), who))
        await asyncio.sleep(0)
        parlour.go(1)
        await asked

    asyncio.run(story())
    assert parlour.node.told == []
    parlour.come(1)
    assert parlour.of(1).friends == [blocked(2)]


def test_blocks_are_known_from_the_side_of_the_speaker() -> None:
    known = Blocks()
    first = Presence(session_of(1, 1), "P1", [blocked(8), blocked(9), friend(7)], "s", "g", 1, "online", 0.0)
    second = Presence(session_of(2, 1), "P2", [blocked(9)], "s", "g", 2, "online", 0.0)
    for presence in (first, second, first):
        known.came(presence)
    assert (known.against(9), known.against(8), known.against(7)) == ({1, 2}, {1}, frozenset())
    assert known.are_between(1, 9)
    assert not known.are_between(9, 1)
    known.change(1, [blocked(7)])
    assert (known.against(9), known.against(8), known.against(7)) == ({2}, frozenset(), {1})
    known.went(first, "logout")
    known.went(second, "logout")
    assert known._by == known._of == {}
