"""Failpoints: what a text arms, what a hit does, and that every name stands both in the list and in the code."""

import re
from collections import Counter
from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.failpoints import POINTS, Armed, FailpointError, Failpoints, parse

ROOT = Path(__file__).parents[2]
LEAST = {"dc": 12, "scene": 6, "center": 4, "gate": 4}
QUOTED = re.compile(r'"((?:dc|scene|center|gate)\.[a-z-]+)"')
HIT = re.compile(r"hit\b")


def in_code(only: re.Pattern[str]) -> dict[str, set[str]]:
    """Names in the code of nodes, in lines with that, with the role whose code it is."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "nodes").rglob("*.py"):
        for line in path.read_text().splitlines():
            if only.search(line):
                for name in QUOTED.findall(line):
                    found.setdefault(name, set()).add(path.relative_to(ROOT / "nodes").parts[0])
    return found


def test_every_point_of_the_list_is_hit_in_the_code_of_its_role() -> None:
    hit = in_code(QUOTED)
    assert {name for name in POINTS if name.partition(".")[0] not in hit.get(name, set())} == set()


def test_every_point_in_the_code_is_in_the_list() -> None:
    assert in_code(HIT).keys() - POINTS.keys() == set()


def test_there_are_enough_of_each_role() -> None:
    counts = Counter(name.partition(".")[0] for name in POINTS)
    assert {role: counts[role] for role, least in LEAST.items() if counts[role] < least} == {}


def test_a_text_arms_several_points() -> None:
    assert parse("dc.before-commit=kill@7, dc.in-commit=stall:0.02@1+,dc.after-commit=error") == {
        "dc.before-commit": Armed("kill", 7),
        "dc.in-commit": Armed("stall", 1, True, 0.02),
        "dc.after-commit": Armed("error"),
    }
    assert parse("") == parse(" , ") == {}


@pytest.mark.parametrize(
    "text",
    [
        "dc.nowhere=kill",
        "dc.in-commit",
        "dc.in-commit=",
        "dc.in-commit=vanish",
        "dc.in-commit=kill@0",
        "dc.in-commit=kill@x",
        "dc.in-commit=kill@-1",
        "dc.in-commit=stall:long",
        "dc.in-commit=stall:nan",
        "dc.in-commit=stall:-1",
        "dc.in-commit=kill:3",
    ],
)
def test_what_means_nothing_is_an_error_that_says_what_is_wrong(text: str) -> None:
    with pytest.raises(FailpointError, match=re.escape(text.partition("=")[0])):
        parse(text)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(FailpointError) as told:
        parse("dc.nowhere=kill,dc.in-commit=vanish")
    assert "dc.nowhere" in str(told.value)
    assert "dc.in-commit=vanish" in str(told.value)


def test_it_happens_at_the_hit_that_was_named_and_at_no_other() -> None:
    acted: list[tuple[str, Armed]] = []
    points = Failpoints(parse("dc.in-commit=kill@3"), lambda name, armed: acted.append((name, armed)))
    for _ in range(2):
        points.hit("dc.in-commit")
    assert acted == []
    points.hit("dc.in-commit")
    points.hit("dc.in-commit")
    assert acted == [("dc.in-commit", Armed("kill", 3))]


def test_it_happens_at_every_hit_from_one_on() -> None:
    acted: list[str] = []
    points = Failpoints(parse("dc.in-commit=stall:1@2+"), lambda name, _: acted.append(name))
    for _ in range(4):
        points.hit("dc.in-commit")
    assert len(acted) == 3


def test_an_error_is_a_storage_error_at_that_hit_only() -> None:
    points = Failpoints(parse("dc.in-commit=error@2"))
    points.hit("dc.in-commit")
    with pytest.raises(StorageError, match=re.escape("dc.in-commit")):
        points.hit("dc.in-commit")
    points.hit("dc.in-commit")


def test_a_point_that_is_not_armed_counts_nothing() -> None:
    points = Failpoints(parse("dc.in-commit=kill@2"), lambda _name, _armed: None)
    points.hit("dc.after-commit")
    assert points.hits == {}
