"""Smaller parts: what the offline rows mean, which failpoints are armed how, how one of many lives is found."""

import random

import msgspec
import pytest

from mesh.checking.records import Coins, Entry, Thing
from mesh.failpoints import POINTS, parse
from tools.chaos.books import _Rows, coins_of, entry_of
from tools.chaos.household import Kept, Life
from tools.chaos.scenarios.dc_failpoints import HITS_MAX, MAP_POINTS, SELDOM, USUAL, armed, armed_so, point_of
from tools.ctl.supervision import HANDED_OVER

ROWS = b"""{"rows": [
  {"key": "7", "at_ms": 1, "kind": "sell", "account": 3, "session": 99, "sequence": 4, "note": "",
   "gold": [{"source": 3, "target": 4, "amount": 5}],
   "items": [{"item": 8, "source": 4, "target": 3, "kind": "gem"}]},
  {"key": "8", "at_ms": 2, "kind": "login", "account": 3, "session": 99, "sequence": 0, "gold": [], "items": []},
  {"key": "9", "damaged": "ledger 9: the checksum does not match"}
], "more": false}"""


def test_rows_of_the_ledger_become_entries() -> None:
    rows = msgspec.json.decode(ROWS, type=_Rows).rows
    assert entry_of(rows[0]) == Entry(99, 4, "sell", [Coins(3, 4, 5)], [Thing(8, 4, 3)])
    assert entry_of(rows[1]).number == 0
    assert rows[2].damaged


def test_a_purse_is_one_number() -> None:
    [purse] = msgspec.json.decode(b'{"rows": [{"key": "-1", "gold": 12}]}', type=_Rows).rows
    assert (int(purse.key), coins_of(purse)) == (-1, 12)


def test_every_point_of_the_dc_has_its_turn() -> None:
    assert {*USUAL, *MAP_POINTS} == {name for name in POINTS if name.startswith("dc.")}
    assert len({*USUAL, *MAP_POINTS}) >= 12


def test_a_life_is_armed_for_one_death_at_a_visit_that_it_will_make() -> None:
    chance = random.Random(1)
    for name in (*USUAL, *MAP_POINTS) * 20:
        [(point, how)] = parse(armed(name, chance)).items()
        assert (point, how.action) == (name, "kill")
        assert point_of(armed(name, chance)) == name
        assert how.at == 1 if name in SELDOM else 1 <= how.at <= HITS_MAX


def test_of_lives_that_were_armed_alike_the_one_of_this_round_is_found() -> None:
    kept = Kept(None, None, {}, None)  # type: ignore[arg-type]
    kept.lives = [Life(None, 0.0, text) for text in ("a=kill@1", "b=kill@1", "a=kill@1", "")]  # type: ignore[arg-type]
    assert armed_so(kept, "b=kill@1", kept.lives[0]) is kept.lives[1]
    assert armed_so(kept, "a=kill@1", kept.lives[0]) is kept.lives[2]
    assert armed_so(kept, "a=kill@1", kept.lives[2]) is None


@pytest.mark.parametrize(
    ("life", "short"),
    [
        (Life(None, 10.0, "", 11.0, 1), True),  # type: ignore[arg-type]
        (Life(None, 10.0, "", 20.0, 1), False),  # type: ignore[arg-type]
        (Life(None, 10.0, "", 11.0, -9), False),  # type: ignore[arg-type]
        (Life(None, 10.0, "", 11.0, HANDED_OVER), False),  # type: ignore[arg-type]
        (Life(None, 10.0, "dc.in-commit=kill@1", 11.0, 1), False),  # type: ignore[arg-type]
        (Life(None, 10.0, ""), False),  # type: ignore[arg-type]
    ],
)
def test_who_ends_soon_after_its_start_and_of_itself_cannot_live(life: Life, short: bool) -> None:
    assert life.was_short is short


def test_the_library_that_traces_is_part_of_the_package() -> None:
    from tools.chaos.scenarios.dc_power import SOURCES

    assert [path.suffix for path in SOURCES.iterdir()] == [".c"]
