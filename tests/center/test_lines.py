"""Which lines there are, who is placed on which, when one is opened or closed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.protocol.cluster import HostedList, LineAt
from mesh.protocol.control import Load, Member
from mesh.protocol.sessions import Friendship, PartyAt, session_of
from nodes.center.directory import Directory
from nodes.center.lines import Line, Lines
from nodes.center.placement import NOBODY, Companions, Company

SOFT, MAX = 8, 10


class Zone:
    """Lines with players that are only counted."""

    def __init__(self, *lines: str, maps: str = "", lines_max: int = 8) -> None:
        """`lines` are "scene map:number", with a "*" behind it for one that the topology names."""
        self.players = Counter[tuple[str, str, int]]()
        self.lines = Lines(lambda *at: self.players[at], self.count_at)
        self.scenes: dict[str, Member] = {}
        listed: dict[str, list[LineAt]] = {}
        for entry in lines:
            scene, _, name = entry.partition(" ")
            map_, _, number = name.rstrip("*").partition(":")
            at = listed.setdefault(scene, [])
            if map_:
                at.append(LineAt(map_, int(number), 0, SOFT, MAX, name.endswith("*")))
        for scene, at in listed.items():
            self.scene(scene)
            self.lines.heard(scene, HostedList([], at, maps.split(), lines_max))

    def scene(self, name: str, pressure: float = 0.0) -> None:
        self.scenes[name] = Member(f"{name}", 1, "scene", "ipc://x", "Ready", Load(0, 0, pressure))

    def count_at(self, scene: str) -> int:
        return sum(players for at, players in self.players.items() if at[0] == scene)

    def line(self, map_: str, number: int, scene: str = "") -> Line:
        line = self.lines.find(map_, number, scene)
        assert line is not None
        return line

    def put(self, map_: str, number: int, players: int, scene: str = "") -> None:
        line = self.line(map_, number, scene)
        self.players[line.scene, map_, number] = players

    def place(self, map_: str = "meadow", company: Company = NOBODY, **how: list[Line]) -> tuple[str, int] | None:
        """One more player; (scene, line)."""
        line = self.lines.place(map_, self.scenes, company, **how)
        if line is None:
            return None
        self.players[line.scene, line.map, line.number] += 1
        return line.scene, line.number


def on(*lines: tuple[str, int]) -> Counter[tuple[str, int]]:
    return Counter(lines)


# --- placement ---


def test_the_least_loaded_line_takes_the_next_one() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.put("meadow", 1, 3)
    assert [zone.place() for _ in range(4)] == [("b", 2)] * 3 + [("a", 1)]


def test_a_line_of_another_map_is_not_meant() -> None:
    zone = Zone("a meadow:1*", "a forest:1*")
    assert zone.place("forest") == ("a", 1)
    assert zone.players == {("a", "forest", 1): 1}
    assert zone.place("cave") is None


def test_a_busy_scene_gets_fewer_and_an_idle_one_no_more_for_its_quieter_second() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.scene("a", pressure=0.4)
    assert {zone.place(), zone.place()} == {("a", 1), ("b", 2)}
    zone.scene("a", pressure=0.8)  # 0.6 beyond what does no harm: as if it had 4.8 players more
    assert [zone.place() for _ in range(4)] == [("b", 2)] * 4


def test_above_the_soft_caps_the_hard_ones_hold() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.put("meadow", 1, SOFT)
    zone.put("meadow", 2, SOFT - 1)
    assert [zone.place() for _ in range(5)] == [("b", 2), ("a", 1), ("b", 2), ("a", 1), ("b", 2)]
    assert zone.place() is None
    assert zone.lines.state(zone.line("meadow", 1)) == "full"


def test_the_party_comes_first_up_to_the_hard_cap() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", "b meadow:3*")
    zone.put("meadow", 1, MAX - 1)
    with_party = Company(party=on(("meadow", 1)), friends=on(("meadow", 2)))
    assert zone.place(company=with_party) == ("a", 1)
    assert zone.place(company=with_party) == ("b", 2), "full for the party, too"
    split = Company(party=on(("meadow", 2), ("meadow", 3), ("meadow", 3)))
    assert zone.place(company=split) == ("b", 3), "where most of them are"


def test_friends_are_joined_up_to_the_soft_cap() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.put("meadow", 1, SOFT - 1)
    friends = Company(friends=on(("meadow", 1)))
    assert zone.place(company=friends) == ("a", 1)
    assert zone.place(company=friends) == ("b", 2)


def test_company_on_another_map_does_not_count() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.put("meadow", 1, 1)
    assert zone.place(company=Company(party=on(("forest", 1)))) == ("b", 2)


def test_who_was_tried_closes_or_drains_is_left_out() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", "c meadow:3*")
    assert zone.place(tried=[zone.line("meadow", 1)]) == ("b", 2)
    del zone.scenes["b"]
    zone.line("meadow", 3).closing = True
    assert zone.place() == ("a", 1)
    assert zone.place(company=Company(party=on(("meadow", 2), ("meadow", 3)))) == ("a", 1)


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=5), st.integers(0, 60))
def test_a_burst_spreads_evenly_while_the_reports_are_old(pressures: list[float], players: int) -> None:
    zone = Zone(*(f"s{n} meadow:{n}*" for n in range(1, len(pressures) + 1)))
    for n, pressure in enumerate(pressures, 1):
        zone.scene(f"s{n}", pressure)
    placed = [zone.place() for _ in range(players)]
    assert len([at for at in placed if at]) == min(players, MAX * len(pressures))
    counts = [zone.players[f"s{n}", "meadow", n] for n in range(1, len(pressures) + 1)]
    assert max(counts) <= MAX
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("wanted", "default", "found"),
    [
        ("forest", "", "forest"),
        ("", "", "forest"),  # the first one by name that has a line
        ("", "meadow", "meadow"),
        ("cave", "", "cave"),  # it has no line yet, and could have one
        ("sunken city", "meadow", "meadow"),  # nobody carries it any more
        ("sunken city", "atlantis", ""),
    ],
)
def test_the_map_of_a_character(wanted: str, default: str, found: str) -> None:
    zone = Zone("a meadow:1*", "b forest:1*", maps="cave meadow")
    assert zone.lines.map_for(wanted, default, zone.scenes) == found


def test_without_any_scene_there_is_no_map() -> None:
    zone = Zone("a meadow:1*")
    assert zone.lines.map_for("meadow", "", {}) == ""


# --- company ---


def test_company_is_who_is_in_the_world_and_the_party_comes_before_the_friends() -> None:
    directory = Directory()
    for account, line in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3)):
        presence = directory.enter(session_of(account, 1), f"P{account}", [], "s", "g", account, 0.0, "meadow", line)
        if account != 5:
            directory.hosted(presence, "meadow", line, 1, 0.0, 60.0)
    party = PartyAt(1, 2, False, [9, 2, 3])
    companions = Companions(directory, lambda account: party if account == 9 else None)
    friends = [Friendship(n, f"P{n}", "friend") for n in (2, 4, 5)] + [Friendship(1, "P1", "blocked")]
    company = companions.of(9, friends)
    assert company.party == {("meadow", 1): 1, ("meadow", 2): 1}
    assert company.friends == {("meadow", 2): 1}, "P2 is counted with the party, P5 is not in the world yet"
    assert companions.of(8, []) == NOBODY


# --- opening ---


def test_another_line_is_wanted_when_all_have_reached_their_soft_caps() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*")
    zone.put("meadow", 1, SOFT)
    zone.put("meadow", 2, SOFT - 1)
    assert not zone.lines.wants_another("meadow", zone.scenes)
    zone.place()
    assert zone.lines.wants_another("meadow", zone.scenes)
    assert not zone.lines.wants_another("forest", zone.scenes), "nobody has asked for it"


def test_it_is_opened_on_the_least_loaded_scene_that_may_and_has_room() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", "c", maps="meadow", lines_max=2)
    zone.put("meadow", 1, 8)
    zone.put("meadow", 2, 3)
    assert zone.lines.host_for("meadow", 0, zone.scenes) == "c"
    assert zone.lines.host_for("meadow", 0, zone.scenes, {"c"}) == "b"
    zone.scene("c", pressure=0.9)
    assert zone.lines.host_for("meadow", 0, zone.scenes) == "b"
    for number in (3, 4, 5):
        zone.lines.opened("b", "meadow", number)
    assert zone.lines.host_for("meadow", 0, zone.scenes) == "a"
    zone.lines.opened("a", "meadow", 6)
    assert zone.lines.host_for("meadow", 0, zone.scenes) == "c"
    assert zone.lines.host_for("forest", 0, zone.scenes) == ""


def test_a_scene_does_not_carry_two_lines_with_one_name() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", maps="meadow")
    zone.put("meadow", 2, 5)
    assert zone.lines.host_for("meadow", 1, zone.scenes) == "b"
    assert zone.lines.host_for("meadow", 1, zone.scenes, {"b"}) == ""


def test_a_new_line_has_the_lowest_free_number_and_the_caps_of_its_map() -> None:
    zone = Zone("a meadow:1*", "b meadow:3*", maps="meadow cave")
    assert zone.lines.free_number("meadow") == 2
    opened = zone.lines.opened("a", "meadow", 2)
    assert opened is not None
    assert (opened.soft, opened.max, opened.fixed) == (SOFT, MAX, False)
    assert zone.lines.opened("a", "meadow", 2) is opened, "asked twice, it is one"
    assert zone.lines.free_number("meadow") == 4
    assert zone.lines.free_number("cave") == 1
    assert zone.lines.opened("a", "cave", 1) is None, "its caps are not known"


def test_what_a_scene_says_replaces_what_was_known_of_it() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", maps="meadow")
    kept = zone.line("meadow", 1)
    zone.lines.opened("a", "meadow", 5)
    said = HostedList([], [LineAt("meadow", 1, 0, 2, 4, True), LineAt("cave", 1, 0, 2, 4, False)], [], 3)
    zone.lines.heard("a", said)
    assert [(line.map, line.number) for line in zone.lines.at_scene("a")] == [("cave", 1), ("meadow", 1)]
    assert zone.line("meadow", 1) is kept
    assert (kept.soft, kept.max) == (2, 4)
    zone.lines.lost("a")
    assert [line.scene for line in zone.lines.all()] == ["b"]
    assert zone.lines.host_for("meadow", 9, zone.scenes) == "b"


# --- closing ---


def closing(zone: Zone, now: float) -> list[tuple[str, int]]:
    return [line.name for line in zone.lines.to_close(zone.scenes, now, 60.0)]


def test_a_line_that_was_opened_closes_when_it_was_empty_for_a_while() -> None:
    zone = Zone("a meadow:1*", "b meadow:2")
    assert closing(zone, 0.0) == []
    assert closing(zone, 59.0) == []
    zone.put("meadow", 2, 1)
    assert closing(zone, 60.0) == []
    zone.put("meadow", 2, 0)
    assert closing(zone, 61.0) == [], "empty since now"
    assert closing(zone, 121.0) == [("meadow", 2)]
    zone.line("meadow", 2).closing = True
    assert closing(zone, 122.0) == [], "once"


def test_it_stays_while_the_others_are_busy_or_when_it_is_the_last() -> None:
    zone = Zone("a meadow:1*", "b meadow:2", "b meadow:3", "a cave:1")
    zone.put("meadow", 1, SOFT)
    closing(zone, 0.0)
    assert closing(zone, 60.0) == [("meadow", 2)], "one of two is enough"
    zone.lines.remove(zone.line("meadow", 2))
    assert closing(zone, 61.0) == []
    zone.put("meadow", 1, SOFT - 1)
    assert closing(zone, 62.0) == [("meadow", 3)]


def test_of_lines_with_one_name_the_one_with_players_stays_then_the_one_that_is_named() -> None:
    def doubles(zone: Zone) -> list[str]:
        return [line.scene for line in zone.lines.doubles(zone.scenes)]

    zone = Zone("a meadow:1*", "b meadow:1", "c meadow:2*")
    assert doubles(zone) == ["b"]
    zone.put("meadow", 1, 1, "b")
    assert doubles(zone) == ["a"]
    zone.put("meadow", 1, 5, "a")
    assert doubles(zone) == ["b"]
    del zone.scenes["a"]
    assert doubles(zone) == [], "one of them drains, and goes by itself"


def test_the_last_line_of_a_map_is_known() -> None:
    zone = Zone("a meadow:1*", "b meadow:2*", "b cave:1")
    assert not zone.lines.is_last(zone.line("meadow", 1))
    zone.line("meadow", 2).closing = True
    assert zone.lines.is_last(zone.line("meadow", 1))
    assert zone.lines.is_last(zone.line("cave", 1))
