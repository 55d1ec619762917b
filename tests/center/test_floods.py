"""What one player can cost the center and the others: rates hold for an account, not for a session."""

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from mesh.errors import Code
from mesh.protocol.cluster import HostedList, LineAt
from mesh.protocol.social import (
    AcceptFriend,
    AddFriend,
    Block,
    FriendAsked,
    Friends,
    InviteParty,
    LeadParty,
    Lines,
    ListBlocked,
    ListFriends,
    ListLines,
    RemoveFriend,
    ShareLoot,
    Shout,
    SocialDenied,
    Speak,
    Spoken,
    SwitchLine,
    Unblock,
    Whisper,
)
from mesh.protocol.zones import FriendsNow
from nodes.center import friend_news, tabs
from nodes.center.courier import Courier
from nodes.center.directory import Presence
from nodes.center.line_wishes import LineWishes
from nodes.center.lines import Lines as MapLines
from nodes.center.placement import Companions
from nodes.center.rates import Rate
from nodes.center.settings import CenterSettings
from nodes.center.tabs import Tabs
from nodes.center.transfers import Goal
from tests.center.parlour import Abroad, Parlour
from tests.center.test_friendships import friend

RICH: dict[str, Any] = {"social_per_s": 1e6, "social_burst": 1_000_000}


def parlour_with(*accounts: int, **settings: Any) -> Parlour:
    parlour = Parlour(**settings)
    for account in accounts:
        parlour.come(account)
    parlour.hush()
    return parlour


def codes(parlour: Parlour, account: int) -> list[str]:
    return [m.code for m in parlour.heard(account) if isinstance(m, SocialDenied)]


def again(parlour: Parlour, account: int) -> None:
    """Logs out and in."""
    parlour.go(account)
    parlour.come(account)


# --- friend lists ---


def test_changes_of_friends_and_blocks_have_one_rate() -> None:
    parlour = parlour_with(1, 2, friend_changes_burst=5, friend_changes_per_s=0.5)
    parlour.say(1, AddFriend("P2"), AcceptFriend("P3"), RemoveFriend("P2"), Block("P2"), Unblock("P2"))
    assert codes(parlour, 1) == [Code.NOT_FOUND]
    parlour.say(1, AddFriend("P2"), AcceptFriend("P2"), RemoveFriend("P2"), Block("P2"), Unblock("P2"))
    assert codes(parlour, 1) == [Code.TOO_MANY] * 5
    assert parlour.of(1).friends == []
    again(parlour, 1)
    parlour.say(1, AddFriend("P2"))
    assert codes(parlour, 1) == [Code.TOO_MANY], "a new session, the same hand"
    parlour.wait(2)
    parlour.say(1, AddFriend("P2"), RemoveFriend("P2"))
    assert codes(parlour, 1) == [Code.TOO_MANY]
    assert parlour.of(1).friends == [friend(2, "asking")]


def test_who_asks_and_takes_it_back_again_and_again_is_heard_of_once_a_minute() -> None:
    parlour = parlour_with(1, 2, 3, friend_changes_burst=100)
    for _ in range(10):
        parlour.say(1, AddFriend("P2"), RemoveFriend("P2"))
    parlour.say(3, AddFriend("P2"))
    heard = parlour.heard(2)
    assert [m for m in heard if isinstance(m, FriendAsked)] == [FriendAsked("P1"), FriendAsked("P3")]
    parlour.wait(friend_news.ASKED_S - 1)
    parlour.say(1, AddFriend("P2"), RemoveFriend("P2"))
    assert FriendAsked("P1") not in parlour.heard(2)
    parlour.wait(1)
    parlour.say(1, AddFriend("P2"))
    assert FriendAsked("P1") in parlour.heard(2)


def test_a_player_of_another_zone_is_heard_of_once_a_minute_too() -> None:
    parlour = parlour_with(2)
    parlour.society.join(Abroad({9: "two"}))
    for state in ("asked", "", "asked", "", "asked"):
        parlour.society.befriended(FriendsNow(2, [friend(9, state)] if state else [], "P9" if state else ""))
    heard = parlour.heard(2)
    assert [type(m) for m in heard] == [FriendAsked, Friends]
    parlour.wait(1)
    assert [len(m.friends) for m in parlour.heard(2) if isinstance(m, Friends)] == [1]


def test_a_list_that_others_change_is_sent_once_a_second_and_the_last_one_arrives() -> None:
    parlour = parlour_with(1, 2, 3)
    parlour.say(1, AddFriend("P2"), RemoveFriend("P2"), AddFriend("P2"))
    parlour.say(3, AddFriend("P2"))
    assert [len(m.friends) for m in parlour.heard(2) if isinstance(m, Friends)] == [1]
    parlour.wait(0.75)
    assert parlour.heard(2) == []
    parlour.wait(0.25)
    assert [[f.name for f in m.friends] for m in parlour.heard(2) if isinstance(m, Friends)] == [["P1", "P3"]]
    parlour.wait(3)
    assert parlour.heard(2) == [], "nothing has changed"


def test_an_answer_is_never_held_back_and_nothing_waits_after_it() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, AddFriend("P2"), RemoveFriend("P2"))
    parlour.hush()
    parlour.say(2, ListFriends())
    assert parlour.heard(2) == [Friends([])]
    parlour.wait(2)
    assert parlour.heard(2) == []


def test_a_list_that_waits_for_somebody_who_left_is_not_sent() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, AddFriend("P2"), RemoveFriend("P2"))
    parlour.go(2)
    parlour.hush()
    parlour.wait(2)
    assert parlour.node.told == []


def test_the_memory_of_questions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(friend_news, "ASKED_MAX", 3)
    questions = friend_news.Questions()
    assert all(questions.is_new(2, name, 0.0) for name in "abc")
    for name in "defgh":
        assert questions.is_new(2, name, 0.0)
        assert len(questions._told) <= 3


# --- every message ---


def test_all_of_one_account_together_have_a_rate_and_a_flood_is_answered_once_a_second() -> None:
    parlour = parlour_with(1, 2, social_burst=10, social_per_s=2.0)
    parlour.say(1, *[ListBlocked()] * 50)
    heard = parlour.heard(1)
    assert len(heard) == 11
    assert [m.code for m in heard if isinstance(m, SocialDenied)] == [Code.TOO_MANY]
    assert parlour.society.social.denied == 40
    again(parlour, 1)
    parlour.say(1, *[ListBlocked()] * 50)
    assert parlour.heard(1) == [], "not even told again"
    parlour.wait(1)
    parlour.say(1, *[ListBlocked()] * 50)
    assert len(parlour.heard(1)) == 3
    parlour.say(2, ListBlocked())
    assert len(parlour.heard(2)) == 1, "others have their own"


def test_what_costs_more_counts_more() -> None:
    for heavy in (ListFriends(), ShareLoot(True), LeadParty("P2")):
        parlour = parlour_with(1, social_burst=9, social_per_s=1.0)
        parlour.say(1, heavy, heavy, ListBlocked(), ListBlocked())
        assert len(parlour.heard(1)) == 4
        parlour.wait(2)
        parlour.say(1, heavy)
        assert codes(parlour, 1) == [Code.TOO_MANY]


# --- sessions come and go, an account stays ---


def test_a_new_session_does_not_refill_what_one_may_say() -> None:
    rare = Rate(0.1, 1, 9)
    parlour = Parlour(shouts_burst=1, shouts_per_s=0.1, channels={"whisper": rare, "invite": rare})
    parlour.befriend(1, 2)
    for account in (1, 2, 3):
        parlour.come(account)
    for _ in range(4):
        parlour.say(1, Shout("a"), Whisper("P2", "b"), Speak("world", "c"), InviteParty("P3"))
        again(parlour, 1)
    assert len(parlour.node.announced) == 1
    spoken = [m.text for m in parlour.heard(2) if isinstance(m, Spoken)]
    assert spoken == ["c", "c"], "the burst of the world's channel"
    parlour.wait(10)
    parlour.hush()
    parlour.say(1, Shout("a"), Whisper("P2", "b"), Speak("world", "c"), InviteParty("P3"))
    assert codes(parlour, 1) == []


def test_one_account_gets_a_fifth_of_what_all_together_have() -> None:
    parlour = parlour_with(1, 2, **RICH, channels={"world": Rate(100.0, 100, 9, 1.0, 10)})
    for _ in range(3):
        parlour.say(1, *[Speak("world", "a")] * 20)
        again(parlour, 1)
    parlour.say(2, *[Speak("world", "b")] * 20)
    assert [m.text for m in parlour.heard(2) if isinstance(m, Spoken)] == ["a", "a", "b", "b"]
    for _ in range(10):
        parlour.wait(1)
        parlour.say(1, *[Speak("world", "a")] * 20)
    assert len([m for m in parlour.heard(2) if isinstance(m, Spoken)]) == 2


def test_one_account_gets_a_fifth_of_the_shouts_of_the_zone() -> None:
    parlour = parlour_with(1, 2, **RICH, shouts_per_s=100.0, shouts_burst=100, zone_shouts_burst=10)
    parlour.say(1, *[Shout("a")] * 30)
    parlour.say(2, Shout("b"))
    assert len(parlour.node.announced) == 3


def test_what_is_refused_because_of_the_others_costs_nothing_of_the_share() -> None:
    parlour = parlour_with(*range(1, 7), **RICH, channels={"world": Rate(1.0, 100, 9, 1.0, 5)})
    for account in range(1, 6):
        parlour.say(account, Speak("world", "x"))
    parlour.say(6, Speak("world", "y"))
    assert codes(parlour, 6) == [Code.TOO_MANY]
    parlour.wait(1)
    parlour.say(6, Speak("world", "y"))
    assert codes(parlour, 6) == []


# --- lines ---


class Doors:
    """Lines as LineWishes sees them; transfers go nowhere."""

    def __init__(self, parlour: Parlour) -> None:
        directory = parlour.directory
        self.keeper, self.lines = self, MapLines(directory.count_on, directory.count_at)
        self.companions = Companions(directory, lambda _account: None)
        self.asked = 0
        self.went: list[int] = []

    def scenes(self) -> set[str]:
        self.asked += 1
        return {"s1"}

    async def transfer(self, who: Presence, _why: str, _goal: Goal) -> None:
        self.went.append(who.account)


def doors_of(parlour: Parlour) -> Doors:
    doors = Doors(parlour)
    hosted = [LineAt("meadow", n, 0, 50, 100, True) for n in (1, 2)]
    doors.lines.heard("s1", HostedList([], hosted, ["meadow"], 9))
    parlour.node.spawn = asyncio.ensure_future  # type: ignore[attr-defined]
    told, tabs = CenterSettings(), parlour.society.tabs
    wishes = LineWishes(parlour.node, told, Courier(parlour.node), doors, tabs)  # type: ignore[arg-type]
    parlour.society.social.add(wishes)
    return doors


def rows(parlour: Parlour, account: int) -> list[tuple[int, int, int]]:
    parlour.say(account, ListLines())
    return [(x.number, x.players, x.friends) for m in parlour.heard(account) if isinstance(m, Lines) for x in m.lines]


def test_the_lines_of_a_map_are_counted_once_a_second_for_everybody() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    doors = doors_of(parlour)
    parlour.come(1)
    parlour.come(2, line=2)
    parlour.come(3)
    assert rows(parlour, 1) == [(1, 2, 0), (2, 1, 1)]
    assert rows(parlour, 3) == [(1, 2, 0), (2, 1, 0)], "friends are not those of somebody else"
    parlour.come(4)
    parlour.come(5, line=2)
    assert rows(parlour, 1) == [(1, 3, 0), (2, 1, 1)], "the own line is as it is now"
    assert doors.asked == 1
    parlour.wait(1)
    assert rows(parlour, 3) == [(1, 3, 0), (2, 2, 0)]
    assert doors.asked == 2


def test_a_new_session_does_not_switch_lines_sooner() -> None:
    parlour = parlour_with(1)
    doors = doors_of(parlour)
    for _ in range(3):
        parlour.say(1, SwitchLine(2))
        again(parlour, 1)
    assert doors.went == [1]
    parlour.wait(3)
    parlour.say(1, SwitchLine(2))
    assert doors.went == [1, 1]


# --- the table ---


def test_a_tab_is_kept_until_it_is_full_again() -> None:
    known = Tabs()
    assert known.of(1, 0.0).take("a", 0.5, 2, 0.0)
    assert known.of(2, 0.0).once("b", 10.0, 0.0)
    known.of(3, 3.9)
    assert len(known) == 3
    known.of(4, 4.0)
    assert len(known) == 3, "two a half second each"
    assert not known.of(2, 9.9).once("b", 10.0, 9.9)
    assert known.of(2, 10.0).once("b", 10.0, 10.0)


def test_the_table_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs, "TABS_MAX", 3)
    known = Tabs()
    for account in (1, 2, 3, 1, 4):
        known.of(account, 0.0).take("a", 0.1, 2, 0.0)
    assert len(known) == 3
    assert not known.of(1, 0.0).take("a", 0.1, 2, 0.0), "was heard after 2"
    assert known.of(2, 0.0).take("a", 0.1, 2, 0.0, 2), "is new again"
    assert len(known) == 3


def test_a_tab_takes_all_or_nothing() -> None:
    tab = Tabs().of(1, 0.0)
    assert [tab.take("a", 1.0, 5, 0.0, n) for n in (4, 2, 1, 1)] == [True, False, True, False]
    tab.give_back("a")
    assert tab.take("a", 1.0, 5, 0.0)
    assert all(one != two for one, two in pairwise([tab.once("b", 1.0, n / 2) for n in range(4)]))


@pytest.mark.parametrize("told", [{"social_burst": 3}, {"social_per_s": 0}, {"friend_changes_burst": 0}])
def test_settings_that_make_no_sense_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match="must be"):
        msgspec.convert(told, CenterSettings)
