"""Who hears what is said, how often and how long it may be, and that who blocks the speaker hears nothing."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesh.errors import Code
from mesh.protocol.cluster import Announce, Publicise, ToClients
from mesh.protocol.social import (
    AcceptParty,
    Block,
    InviteParty,
    Shout,
    Shouted,
    SocialDenied,
    Speak,
    Spoken,
    Unblock,
    Whisper,
    Whispered,
)
from mesh.protocol.zones import FriendsNow, Relay
from nodes.center.channels import Operators
from nodes.center.courier import Courier
from nodes.center.rates import RATES, Rate
from nodes.center.settings import CenterSettings
from tests.center.parlour import Abroad, Parlour, blocked, hear


def spoken(parlour: Parlour, *accounts: int) -> dict[int, list[str]]:
    """The texts that each of these has heard on channels."""
    return {a: [m.text for m in parlour.heard(a) if isinstance(m, Spoken)] for a in accounts}


def denied(parlour: Parlour, account: int) -> list[str]:
    return [m.code for m in parlour.heard(account) if isinstance(m, SocialDenied)]


def test_a_line_is_heard_by_who_is_on_it_and_the_speaker() -> None:
    parlour = Parlour()
    parlour.come(1)
    parlour.come(2, gate="g2")
    parlour.come(3, line=2)
    parlour.come(4, map_="forest")
    parlour.begin(5)
    parlour.say(1, Speak("line", "hello"))
    assert parlour.heard(2) == [Spoken("line", "P1", "hello")]
    assert spoken(parlour, 1, 3, 4, 5) == {1: ["hello"], 3: [], 4: [], 5: []}


def test_a_map_is_heard_on_all_its_lines() -> None:
    parlour = Parlour()
    for account, line in ((1, 1), (2, 2), (3, 3)):
        parlour.come(account, line=line, scene=f"s{line}")
    parlour.come(4, map_="forest")
    parlour.say(1, Speak("map", "hello"))
    assert spoken(parlour, 1, 2, 3, 4) == {1: ["hello"], 2: ["hello"], 3: ["hello"], 4: []}
    parlour.move(3, "s4", "forest", 1)
    parlour.move(4, "s1", "meadow", 1)
    parlour.say(1, Speak("map", "again"))
    assert spoken(parlour, 1, 2, 3, 4) == {1: ["again"], 2: ["again"], 3: [], 4: ["again"]}


def test_one_message_for_each_gate_however_many_hear_it() -> None:
    parlour = Parlour()
    sessions = {account: parlour.come(account, gate=f"g{account % 2}").session for account in range(1, 9)}
    parlour.drop(8)
    parlour.hush()
    parlour.say(1, Speak("line", "hello"))
    body = b"".join({m.body for _, m in parlour.node.told if isinstance(m, ToClients)})
    assert hear(body) == Spoken("line", "P1", "hello")
    assert sorted(parlour.node.told) == [
        ("g0", ToClients([sessions[a] for a in (2, 4, 6)], body, True)),
        ("g1", ToClients([sessions[a] for a in (1, 3, 5, 7)], body, True)),
    ]


def test_a_party_is_heard_wherever_its_members_are() -> None:
    parlour = Parlour()
    for account, map_ in ((1, "meadow"), (2, "forest"), (3, "meadow")):
        parlour.come(account, map_=map_)
    parlour.say(1, Speak("party", "anybody?"))
    assert denied(parlour, 1) == [Code.NOT_ALLOWED]
    parlour.say(1, InviteParty("P2"))
    parlour.say(2, AcceptParty(1 << 32 | 1))
    parlour.say(2, Speak("party", "here"))
    assert spoken(parlour, 1, 2, 3) == {1: ["here"], 2: ["here"], 3: []}
    parlour.go(2)
    parlour.say(1, Speak("party", "gone?"))
    assert spoken(parlour, 1) == {1: ["gone?"]}


def test_friends_hear_it_in_this_zone_and_are_found_in_others() -> None:
    parlour = Parlour()
    for other in (2, 3, 4):
        parlour.befriend(1, other)
    parlour.come(1)
    parlour.come(2, map_="forest")
    parlour.come(5)
    abroad = Abroad({3: "two"})
    parlour.society.join(abroad)
    parlour.say(1, Speak("friend", "hello"))
    assert spoken(parlour, 1, 2, 5) == {1: ["hello"], 2: ["hello"], 5: []}
    assert abroad.relayed == [Relay("friend", 1, "P1", "hello", [3, 4])], "where each of them is, the others know"


def test_the_world_hears_it_in_every_zone() -> None:
    parlour = Parlour()
    parlour.come(1)
    parlour.come(2, gate="g2", map_="forest")
    abroad = Abroad({})
    parlour.society.join(abroad)
    parlour.say(1, Speak("world", "hello"))
    assert spoken(parlour, 1, 2) == {1: ["hello"], 2: ["hello"]}
    assert abroad.relayed == [Relay("world", 1, "P1", "hello")]


def test_what_comes_from_other_zones_is_heard_by_whom_it_is_for_and_does_not_block() -> None:
    parlour = Parlour()
    parlour.block(3, 9)
    for account in (1, 2, 3):
        parlour.come(account)
    parlour.society.relayed(Relay("world", 9, "P9", "world"))
    parlour.society.relayed(Relay("friend", 9, "P9", "friends", [1, 3, 7]))
    parlour.society.relayed(Relay("whisper", 9, "P9", "psst", [2]))
    parlour.society.relayed(Relay("whisper", 9, "P9", "psst", [3]))
    assert parlour.heard(1) == [Spoken("world", "P9", "world"), Spoken("friend", "P9", "friends")]
    assert parlour.heard(2) == [Spoken("world", "P9", "world"), Whispered("P9", "psst")]
    assert parlour.heard(3) == []
    assert parlour.heard(9) == []


@pytest.mark.parametrize("channel", ["line", "map", "party", "friend", "world"])
def test_who_blocks_the_speaker_does_not_hear_it_and_is_heard(channel: str) -> None:
    parlour = Parlour()
    parlour.befriend(1, 3)
    for account in (1, 2, 3):
        parlour.come(account)
    for account in (2, 3):
        parlour.say(1, InviteParty(f"P{account}"))
        parlour.say(account, AcceptParty(1 << 32 | 1))
    parlour.say(2, Block("P1"))
    parlour.hush()
    parlour.say(1, Speak(channel, "hello"))  # type: ignore[arg-type]
    assert spoken(parlour, 1, 2, 3) == {1: ["hello"], 2: [], 3: ["hello"]}
    assert denied(parlour, 1) == [], "and does not learn of it"
    if channel != "friend":
        parlour.say(2, Speak(channel, "I hear nothing"))  # type: ignore[arg-type]
        assert spoken(parlour, 1) == {1: ["I hear nothing"]}
    parlour.say(2, Unblock("P1"))
    parlour.hush()
    parlour.say(1, Speak(channel, "now?"))  # type: ignore[arg-type]
    assert spoken(parlour, 2) == {2: [] if channel == "friend" else ["now?"]}


def test_a_shout_names_the_sessions_that_are_not_to_hear_it() -> None:
    parlour = Parlour()
    parlour.block(2, 1)
    parlour.block(3, 1)  # not in the zone
    parlour.come(1)
    session = parlour.come(2).session
    parlour.say(1, Shout("hello"))
    assert parlour.node.announced == [Announce(parlour.node.announced[0].body, [session])]
    assert hear(parlour.node.announced[0].body) == Shouted(1, 1, "P1", "hello")
    parlour.say(2, Shout("I am heard"))
    assert parlour.node.announced[1].without == []
    parlour.go(2)
    parlour.say(1, Shout("again"))
    assert parlour.node.announced[2].without == []
    assert parlour.node.steps == [8, 8, 8]


def test_an_operator_is_heard_by_everybody() -> None:
    parlour = Parlour()
    node: Any = parlour.node
    operators = Operators(node, parlour.society.channels.broadcast, parlour.directory, Courier(node))
    operators.on_publicise(Publicise("the crew", "maintenance at noon"), None)  # type: ignore[arg-type]
    assert hear(parlour.node.announced[0].body) == Shouted(1, 1, "the crew", "maintenance at noon")


def test_a_whisper_goes_to_one_friend_here_or_in_another_zone() -> None:
    parlour = Parlour()
    for other in (2, 3, 4):
        parlour.befriend(1, other)
    parlour.come(1)
    parlour.come(2, gate="g2")
    abroad = Abroad({3: "two"})
    parlour.society.join(abroad)
    parlour.say(1, Whisper("p2", "psst"), Whisper("P3", "you too"), Whisper("P4", "and you"), Whisper("P5", "who?"))
    assert parlour.heard(2) == [Whispered("P1", "psst")]
    assert [relay for relay in abroad.relayed if relay.to == [3]] == [Relay("whisper", 1, "P1", "you too", [3])]
    said = [(m.code, m.text) for m in parlour.heard(1) if isinstance(m, SocialDenied)]
    assert said == [("not_found", "P4 is not connected"), ("not_allowed", "you can whisper to friends only")]
    parlour.drop(2)
    parlour.say(1, Whisper("P2", "still there?"))
    assert denied(parlour, 1) == [Code.NOT_FOUND]


def test_a_block_that_the_other_zone_has_not_heard_of_yet_still_counts_for_a_whisper() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    parlour.come(1)
    parlour.come(2)
    parlour.society.befriended(FriendsNow(2, [blocked(1)]))
    assert parlour.of(1).friends[0].state == "friend"
    parlour.hush()
    parlour.say(1, Whisper("P2", "psst"))
    assert parlour.heard(2) == []
    said = [m.text for m in parlour.heard(1) if isinstance(m, SocialDenied)]
    assert said == ["P2 is not connected"]


def test_every_channel_has_its_own_rate_that_a_new_login_does_not_refill() -> None:
    parlour = Parlour(channels={"line": Rate(1.0, 2, 128), "map": Rate(0.5, 1, 128)})
    parlour.come(1)
    parlour.say(1, *[Speak("line", str(n)) for n in range(3)], Speak("map", "a"), Speak("map", "b"))
    assert spoken(parlour, 1) == {1: ["0", "1", "a"]}
    parlour.come(1)
    parlour.say(1, Speak("line", "3"))
    assert denied(parlour, 1) == [Code.TOO_MANY]
    parlour.wait(1)
    parlour.say(1, Speak("line", "4"), Speak("map", "c"))
    parlour.wait(1)
    parlour.say(1, Speak("map", "d"))
    assert spoken(parlour, 1) == {1: ["4", "d"]}


def test_all_together_have_a_rate_too_which_costs_the_one_nothing() -> None:
    parlour = Parlour(channels={"line": Rate(0.01, 1, 128, 1.0, 3)})
    for account in range(1, 5):
        parlour.come(account)
    parlour.come(5, line=2)
    for account in range(1, 6):
        parlour.say(account, Speak("line", str(account)))
    assert spoken(parlour, 1, 5) == {1: ["1", "2", "3"], 5: ["5"]}, "the other line has its own"
    assert denied(parlour, 4) == [Code.TOO_MANY]
    parlour.wait(1)
    parlour.say(4, Speak("line", "now"), Speak("line", "and again"))
    assert spoken(parlour, 1) == {1: ["now"]}


def test_shouts_of_all_together_are_limited() -> None:
    parlour = Parlour(zone_shouts_burst=2, zone_shouts_per_s=1.0)
    for account in (1, 2, 3):
        parlour.come(account)
        parlour.say(account, Shout("hey"))
    assert len(parlour.node.announced) == 2
    assert denied(parlour, 3) == [Code.TOO_MANY]


def test_every_channel_has_its_own_length() -> None:
    parlour = Parlour(channels={"world": Rate(10.0, 10, 5)})
    parlour.come(1)
    parlour.say(1, Speak("world", "12345"), Speak("world", "123456"), Speak("line", "x" * 128))
    assert spoken(parlour, 1) == {1: ["12345", "x" * 128]}
    parlour.say(1, Speak("world", "123456"))
    assert denied(parlour, 1) == [Code.TOO_LARGE]


def test_who_is_not_in_the_world_yet_says_nothing_on_a_channel() -> None:
    parlour = Parlour()
    parlour.begin(1)
    parlour.come(2)
    parlour.say(1, Speak("line", "hello"))
    assert denied(parlour, 1) == [Code.OUT_OF_ORDER]
    assert spoken(parlour, 2) == {2: []}


def test_what_is_said_is_in_the_behaviour_log() -> None:
    parlour = Parlour()
    parlour.befriend(1, 2)
    parlour.come(1)
    parlour.come(2)
    parlour.say(1, Speak("line", "a"), Shout("b"), Whisper("P2", "c"), Whisper("P9", "d"))
    assert parlour.node.journal.kinds == ["speak", "shout", "whisper"]


def test_the_protocol_page_tells_the_rates() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| ([a-z]+)(?: \(.*?\))? \|((?: [\d.]*\s?\|){5})$", page, re.MULTILINE)
    told = {name: [float(cell) for cell in cells.split("|") if cell.strip()] for name, cells in rows}
    assert told == {
        name: [rate.per_s, rate.burst]
        + ([rate.chars_max] if name != "invite" else [])
        + ([rate.all_per_s, rate.all_burst] if rate.all_per_s else [])
        for name, rate in RATES.items()
    }


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"channels": {"lime": {"per_s": 1, "burst": 1, "chars_max": 9}}}, "there is no lime"),
        ({"channels": {"line": {"per_s": 0, "burst": 1, "chars_max": 9}}}, "per_s above 0"),
        ({"channels": {"line": {"per_s": 1, "burst": 1, "chars_max": 129}}}, "chars_max 1 to 128"),
        ({"channels": {"line": {"per_s": 1, "burst": 1, "chars_max": 9, "all_per_s": -1}}}, "all_per_s"),
        ({"channels": {"line": {"per_s": 1}}}, "burst"),
        ({"party_max": 9}, "party_max must be at most 8"),
        ({"party_max": 1}, "party_max must be at least 2"),
        ({"party_keep_s": 0}, "party_keep_s must be greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(told: dict[str, object], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(told, CenterSettings)
