"""Who is cut off from whom, and which of two DCs is taken for a zombie."""

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.chaos.pairdesk import DIALS, TOOK
from tools.chaos.proxy import Direction
from tools.chaos.roads import Roads
from tools.chaos.scenarios.dc_failover import KINDS, Trial

UP, DOWN = Direction.UP, Direction.DOWN


def roads(folder: Path) -> Roads:
    return Roads(random.Random(1), folder, DIALS)


@pytest.mark.parametrize(
    ("hears", "is_heard", "own", "others"),
    [(False, False, {UP, DOWN}, {UP, DOWN}), (True, False, {UP}, {DOWN}), (False, True, {DOWN}, {UP})],
)
def test_one_is_cut_off_from_both_others_and_they_are_not_from_each_other(
    tmp_path: Path, hears: bool, is_heard: bool, own: set[Direction], others: set[Direction]
) -> None:
    made = roads(tmp_path)
    made.cut_off("dc.2", hears, is_heard)
    for one, to in DIALS:
        expected = own if one == "dc.2" else others if to == "dc.2" else set()
        assert made.holes(one, to) == expected, (one, to)
    made.mend()
    assert not any(made.holes(one, to) for one, to in DIALS)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20, 160])
def test_few_faults_are_of_each_kind_and_many_as_they_are_weighted(count: int) -> None:
    desk = cast(Any, SimpleNamespace(arena=SimpleNamespace(chance=random.Random)))
    found = Counter(Trial(desk).kinds(count))
    assert found.total() == count
    assert len(found) == min(count, len(KINDS))
    if count == 160:
        assert found == {"kill": 100, "hang": 20, "partition": 20, "restart": 20}


def test_who_took_office_is_read_in_the_log() -> None:
    line = "2025-01-31 12:00:00.000 INFO    dc.2 writes from now on epoch=12 incarnation='a1f' batch=7"
    assert TOOK.findall(line) == [("dc.2", "12", "a1f")]
