"""Every figure of the reports against plain Python on the same data."""

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.data.asking import DAY_ZERO, HOUR, MINUTE, PERIOD, desk_on, lake_of, session, table, tiles
from tests.log.writing import Happening
from tools.data.model import DAY_MS, Period
from tools.data.reports.catalogue import REPORTS, maker
from tools.data.reports.retention import mean

Stay = tuple[int, int, int, int]  # account, session, began, ended
PLAYERS = 40
PRICES = (5, 9, 20)


class World:
    """Some days of a small world, made by a seed: events, ledger, purses, and what happened in plain lists."""

    def __init__(self, seed: int) -> None:
        rolls = random.Random(seed)
        self.stays: list[Stay] = []
        self.joined = {account: DAY_ZERO + rolls.randrange(5 * DAY_MS) for account in range(1, PLAYERS + 1)}
        self.events: list[Happening] = []
        self.ledger: list[tuple[Any, ...]] = [
            (at, "create", account, 0, account, 100) for account, at in self.joined.items()
        ]
        self.gold = dict.fromkeys(self.joined, 100)
        for account, at in self.joined.items():
            self._live(rolls, account, at)
        self.refused = [
            (DAY_ZERO + rolls.randrange(7 * DAY_MS), rolls.choice(["bad_credentials", "banned"])) for _ in range(30)
        ]
        self.events += [
            (at, "login_refused", 0, {"method": "password", "code": code, "address": f"10.0.0.{at % 3}"})
            for at, code in self.refused
        ]

    def _live(self, rolls: random.Random, account: int, at: int) -> None:
        number, now = account << 24, at + MINUTE
        while now < DAY_ZERO + 7 * DAY_MS - 9 * HOUR:
            number += 1
            ended = now + rolls.randrange(2 * MINUTE, 8 * HOUR)
            self.stays.append((account, number, now, ended))
            self.events += session(account, number, now, ended, rolls.choice(["logout", "expired"]))
            for _ in range(rolls.randrange(6)):
                self._kill(rolls, account, rolls.randrange(now + 2, ended - 1))
            now = ended + int(rolls.expovariate(1 / (20 * HOUR))) + MINUTE

    def _kill(self, rolls: random.Random, account: int, at: int) -> None:
        what = rolls.choice(["wolf", "bat", "player"])
        other = rolls.randrange(1, PLAYERS + 1) if what == "player" else 0
        self.events.append((at, "kill", account, {"what": what, "other": other} if other else {"what": what}))
        self.events.append((at - 1, "hit", account, {"target": 5, "damage": rolls.randrange(5, 25), "other": other}))
        if other:
            self.events.append((at, "death", other, {"killer": account}))
        else:
            gold = rolls.choice(PRICES)
            self.events.append((at, "loot", account, {"gold": gold, "items": []}))
            self.ledger.append((at, "loot", account, 0, account, gold))
            self.gold[account] += gold
        if rolls.random() < 0.3:
            self.ledger.append((at, "repair", account, account, -1, 7))
            self.gold[account] -= 7

    def of_kind(self, *kinds: str) -> list[Happening]:
        return [event for event in self.events if event[1] in kinds]

    @property
    def purses(self) -> list[tuple[int, int, str]]:
        made = sum(row[5] for row in self.ledger if row[3] == 0)
        burned = sum(row[5] for row in self.ledger if row[4] == -1)
        return [
            *((account, gold, "purse") for account, gold in self.gold.items()),
            (0, -made, "minted"),
            (0, burned, "burned"),
        ]


WORLD = World(3)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lake_of(tmp_path_factory.mktemp("world"), WORLD.events, WORLD.ledger, WORLD.purses)


def report(lake: Path, name: str, period: Period = PERIOD) -> Any:
    with desk_on(lake) as desk:
        return maker(name)(desk, period)


def day_of(ms: int) -> int:
    return (ms - DAY_ZERO) // DAY_MS


def test_daily(lake: Path) -> None:
    made = report(lake, "daily")
    rows = table(made, "By day")
    assert [row[0] for row in rows] == PERIOD.days
    for day, begin in enumerate(PERIOD.days):
        end = begin + DAY_MS
        there = [s for s in WORLD.stays if s[2] < end and s[3] > begin]
        begun = sorted(s[3] - s[2] for s in there if s[2] >= begin)
        hours = sum(min(s[3], end) - max(s[2], begin) for s in there) / HOUR
        moments = {begin, *(s[2] for s in there if s[2] >= begin)}
        peak = max(sum(s[2] <= at < s[3] for s in there) for at in moments)
        new = sum(day_of(at) == day for at in WORLD.joined.values())
        of_day = Counter(event[1] for event in WORLD.events if day_of(event[0]) == day)
        gold = sum(e[3]["gold"] for e in WORLD.of_kind("loot") if day_of(e[0]) == day)
        row = rows[day]
        assert row[1:5] == [len({s[0] for s in there}), new, len(begun), peak]
        assert row[5] == pytest.approx(hours / 24)
        assert row[6] == pytest.approx(hours)
        middle = (begun[(len(begun) - 1) // 2] + begun[len(begun) // 2]) / 2 / MINUTE if begun else 0
        clipped = sorted(min(s[3], PERIOD.until_ms) - s[2] for s in there if s[2] >= begin)
        assert begun == clipped, "nobody is in at the end of this world"
        assert row[7] == pytest.approx(middle)
        assert row[9] == gold
        assert row[10:] == [of_day["kill"], of_day["death"], 0, 0, 0, of_day["login_refused"]]


def test_hot_places(lake: Path) -> None:
    (row,) = table(report(lake, "daily"), "Where people are")
    hours = sum(s[3] - s[2] - 2 for s in WORLD.stays) / HOUR
    assert row[:5] == ["one", "meadow", 1, len({s[0] for s in WORLD.stays}), len(WORLD.stays)]
    assert row[5] == pytest.approx(hours)


def test_retention(lake: Path) -> None:
    days: dict[int, set[int]] = defaultdict(set)
    for account, _, began, ended in WORLD.stays:
        days[account] |= set(range(day_of(began), day_of(ended - 1) + 1))
    rows = table(report(lake, "retention"), "By the day on which they came")
    last_event = max(event[0] for event in WORLD.events)
    whole = day_of(last_event + 1) - 1
    assert rows
    for row in rows:
        came = day_of(row[0])
        cohort = [account for account, at in WORLD.joined.items() if day_of(at) == came]
        expected = [len(cohort)]
        for later in (1, 3, 7, 14, 30):
            there = sum(came + later in days[account] for account in cohort)
            expected.append(there / len(cohort) if came + later <= whole else None)  # type: ignore[arg-type]
        assert row[1:] == pytest.approx(expected)
    assert sum(row[1] for row in rows) == PLAYERS


def test_the_mean_of_retention_is_of_those_who_could_have_come_back() -> None:
    found = {10: (4, {1: 2}), 11: (6, {1: 3}), 12: (100, {})}
    assert mean(found, 1, 12) == pytest.approx(0.5)
    assert mean(found, 9, 12) is None


def test_sessions(lake: Path) -> None:
    made = report(lake, "sessions")
    lengths = sorted((s[3] - s[2]) / MINUTE for s in WORLD.stays)
    assert tiles(made)["sessions"] == f"{len(lengths):,}"
    assert tiles(made)["hours played"] == f"{sum(lengths) / 60:,.0f}"
    bars = next(chart for chart in made.charts if chart.title == "Length of sessions, min")
    assert sum(bars.lines[0].values) == len(lengths)
    under_five = sum(
        value for name, value in zip(bars.x, bars.lines[0].values, strict=True) if name in ("< 1", "1–2", "2–5")
    )
    assert under_five == sum(length < 5 for length in lengths)
    whys = Counter(event[3]["why"] for event in WORLD.of_kind("logout"))
    assert {row[0]: row[1] for row in table(made, "How they end")} == whys
    by_hour = next(chart for chart in made.charts if "by hour" in chart.title)
    assert by_hour.lines[0].values == [sum(s[2] // HOUR % 24 == at for s in WORLD.stays) for at in range(24)]
    weekdays = next(chart for chart in made.charts if chart.title.endswith("by day"))
    assert weekdays.lines[0].values == [sum((s[2] // DAY_MS + 3) % 7 == at for s in WORLD.stays) for at in range(7)]


def test_sessions_that_go_on_or_lost_their_end(tmp_path: Path) -> None:
    end = DAY_ZERO + 3 * DAY_MS
    events: list[Happening] = [
        *session(1, 1, DAY_ZERO, None),  # its end was lost; the next one ends it
        *session(1, 2, DAY_ZERO + HOUR, DAY_ZERO + 2 * HOUR),
        *session(2, 3, DAY_ZERO, None),  # long ago: it ends when it was last seen
        (DAY_ZERO + 5 * MINUTE, "resume", 2, {"session": 3, "gate": "eu.one.gate.1"}),
        *session(3, 4, end - HOUR, None),  # goes on
        (end, "say", 4, {"text": "the end of the data"}),
    ]
    with desk_on(lake_of(tmp_path, events)) as desk:
        found = desk.rows("SELECT session, epoch_ms(ended), is_open FROM sessions ORDER BY session")
    assert found == [
        (1, DAY_ZERO + HOUR, False),
        (2, DAY_ZERO + 2 * HOUR, False),
        (3, DAY_ZERO + 5 * MINUTE, False),
        (4, end, True),
    ]


def test_combat(lake: Path) -> None:
    made = report(lake, "combat")
    kills, deaths, hits = WORLD.of_kind("kill"), WORLD.of_kind("death"), WORLD.of_kind("hit")
    by_what = Counter(event[3]["what"] for event in kills)
    assert tiles(made)["creatures killed"] == f"{by_what['wolf'] + by_what['bat']:,}"
    assert tiles(made)["players killed by players"] == f"{by_what['player']:,}"
    assert tiles(made)["deaths"] == f"{len(deaths):,}"
    assert {row[0]: row[1] for row in table(made, "What is killed most")} == by_what
    chart = next(chart for chart in made.charts if chart.title == "Kills by day")
    expected = Counter(day_of(event[0]) for event in kills if event[3]["what"] == "player")
    assert chart.lines[1].values == [expected[at] for at in range(7)]
    killers = Counter(event[2] for event in kills if event[3]["what"] == "player")
    killed = Counter(event[2] for event in deaths)
    for account, count, times, ratio in table(made, "Who kills most players"):
        assert (count, times) == (killers[account], killed[account])
        assert ratio == pytest.approx(count / max(times, 1))
    damages = sorted(event[3]["damage"] for event in hits)
    blows = {row[0]: row[1] for row in table(made, "Blows")}
    assert blows["blows"] == len(hits)
    assert blows["at players"] == sum(event[3]["other"] > 0 for event in hits)
    assert blows["50% of the damages are at most"] == damages[(len(damages) + 1) // 2 - 1]
    assert blows["most damage"] == damages[-1]


def test_economy(lake: Path) -> None:
    made = report(lake, "economy")
    by_kind = {row[0]: row[1:] for row in table(made, "Sources and sinks")}
    for kind in ("create", "loot", "repair"):
        rows = [row for row in WORLD.ledger if row[1] == kind]
        minted, burned = (sum(row[5] for row in rows if row[at] == purse) for at, purse in ((3, 0), (4, -1)))
        assert by_kind[kind] == [minted, burned, 0, len(rows)]
    books = {row[0]: row[1] for row in table(made, "The books")}
    held = sum(WORLD.gold.values())
    assert books["so there is"] == books["so there should be"] == held
    assert books["difference"] == books["of that not in the ledger"] == 0
    assert made.warnings == []
    chart = next(chart for chart in made.charts if chart.title == "Gold in the world")
    for at, begin in enumerate(PERIOD.days):
        until = [row for row in WORLD.ledger if row[0] < begin + DAY_MS]
        supply = sum(row[5] for row in until if row[3] == 0) - sum(row[5] for row in until if row[4] == -1)
        assert chart.lines[0].values[at] == supply
    compared = table(made, "Looted: the log and the ledger")
    assert compared
    assert all(row[3] == 0 for row in compared)
    richest = sorted(WORLD.gold.items(), key=lambda item: (-item[1], item[0]))[:15]
    assert table(made, "Who is rich") == [list(item) for item in richest]


def test_gold_from_nothing_is_shown(tmp_path: Path) -> None:
    purses = [(account, gold + (12_345 if account == 7 else 0), place) for account, gold, place in WORLD.purses]
    made = report(lake_of(tmp_path, WORLD.events, WORLD.ledger, purses), "economy")
    (rows,) = [one for one in made.tables if one.title == "The books"]
    assert [rows.rows[at] for at in rows.bad] == [["difference", 12_345]]
    assert next(tile for tile in made.tiles if tile.name == "difference in the books").is_bad
    assert made.warnings == ["12,345 gold is held that was never made: gold from nothing"]


def test_loot_that_the_ledger_does_not_know_is_shown(tmp_path: Path) -> None:
    at, _, account, *_ = next(row for row in WORLD.ledger if row[1] == "loot" and day_of(row[0]) == 2)
    ledger = [row for row in WORLD.ledger if row[:3] != (at, "loot", account)]
    made = report(lake_of(tmp_path, WORLD.events, ledger, WORLD.purses), "economy")
    (compared,) = [one for one in made.tables if one.title.startswith("Looted")]
    assert [compared.rows[place][0] for place in compared.bad] == [DAY_ZERO + 2 * DAY_MS]
    assert any("log and ledger differ" in text for text in made.warnings)


def test_funnel(lake: Path) -> None:
    made = report(lake, "funnel")
    steps = {row[0]: row[1] for row in table(made, "First steps")}
    came_back = {s[0] for s in WORLD.stays if day_of(s[3]) > day_of(WORLD.joined[s[0]])}
    assert steps["account was made"] == PLAYERS
    assert steps["logged in"] == steps["was in the world"] == len({s[0] for s in WORLD.stays})
    assert steps["killed something"] == len({event[2] for event in WORLD.of_kind("kill")})
    assert steps["looted something"] == len({event[2] for event in WORLD.of_kind("loot")})
    assert steps["came back on another day"] == len(came_back)


def test_levels(tmp_path: Path) -> None:
    events: list[Happening] = []
    for account, levels in ((1, (2, 3, 4)), (2, (2,)), (3, ())):
        events += session(account, account, DAY_ZERO, DAY_ZERO + 5 * HOUR)
        events += [(DAY_ZERO + level * HOUR, "level", account, {"level": level}) for level in levels]
    events += session(9, 9, DAY_ZERO + 9 * DAY_MS, DAY_ZERO + 9 * DAY_MS + HOUR)
    made = report(lake_of(tmp_path, events), "funnel", Period(DAY_ZERO, DAY_ZERO + DAY_MS))
    assert table(made, "Levels") == [
        [1, 3, 1.0, None, 0.0, 1],
        [2, 2, pytest.approx(2 / 3), pytest.approx(2 / 3), 2.0, 1],
        [3, 1, pytest.approx(1 / 3), 0.5, 3.0, 0],
        [4, 1, pytest.approx(1 / 3), 1.0, 4.0, 1],
    ]
    assert made.warnings, "there is no ledger"


def test_abuse_of_people_finds_nobody(lake: Path) -> None:
    made = report(lake, "abuse")
    assert tiles(made)["suspects"] == "0"
    assert tiles(made)["logins refused"] == f"{len(WORLD.refused)}"
    codes = Counter(code for _, code in WORLD.refused)
    assert {row[0]: row[2] for row in table(made, "Refused, by reason")} == codes
    addresses = Counter(f"10.0.0.{at % 3}" for at, _ in WORLD.refused)
    assert {row[0]: row[1] for row in table(made, "Refused, by address")} == addresses


def test_abuse_finds_each_kind(tmp_path: Path) -> None:
    """A bot (1) that gives to a collector (9) with four others, one who loots too much (2), and people."""
    rolls = random.Random(5)
    events: list[Happening] = [
        *session(1, 1, DAY_ZERO, DAY_ZERO + 20 * HOUR),
        *session(2, 2, DAY_ZERO, DAY_ZERO + 2 * HOUR),
    ]
    events += [(DAY_ZERO + at * 10_000, "kill", 1, {"what": "bat"}) for at in range(1, 500)]
    events += [(DAY_ZERO + at * MINUTE, "loot", 2, {"gold": 400, "items": []}) for at in range(1, 100)]
    for account in range(3, 9):
        events += session(account, account, DAY_ZERO, DAY_ZERO + 3 * HOUR)
        at = DAY_ZERO
        for _ in range(150):
            at += int(rolls.expovariate(1 / 50_000)) + 1
            events.append((at, "kill", account, {"what": "wolf"}))
            events.append((at + 1, "loot", account, {"gold": rolls.randrange(1, 20), "items": []}))
    for giver in (1, 10, 11, 12, 13):
        for at in range(3):
            events.append((DAY_ZERO + at * HOUR, "trade", giver, {"other": 9, "gold": 500, "items": []}))
            events.append((DAY_ZERO + at * HOUR, "trade", 9, {"other": giver, "gold": 0, "items": []}))
    made = report(lake_of(tmp_path, events), "abuse")
    found = {row[0]: row[2] for row in table(made, "Suspects")}
    assert set(found) == {1, 2, 9}
    assert "kills every 10.0 s" in found[1]
    assert "in for 20.0 h without" in found[1]
    assert "gold an hour" in found[2]
    assert "got 7,500 gold in 15 trades with 5 players, gave 0" in found[9]
    assert next(iter(found)) == 1, "who has most reasons comes first"


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_lake_without_anything_of_it(tmp_path: Path, name: str) -> None:
    """A line was opened, and that was all."""
    lake = lake_of(tmp_path, [(DAY_ZERO, "line_opened", 0, {"scene": "s", "map": "meadow", "line": 1})])
    made = report(lake, name, Period(DAY_ZERO, DAY_ZERO + DAY_MS))
    assert made.name == name
