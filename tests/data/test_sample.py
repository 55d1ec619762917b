"""The sample is believable, adds up, and has in it what the reports are to find."""

import re
from pathlib import Path
from typing import Any

import pytest

from mesh.lake.lake import Lake, manifest_of
from tests.data.asking import desk_on, table, tiles
from tests.data.laking import files_in
from tools.data.model import DAY_MS, Period
from tools.data.reports.catalogue import REPORTS, maker
from tools.data.sample.making import Made, make_sample
from tools.data.sample.plan import Cheaters, Plan, cheaters_of

END_MS = 1_750_032_000_000 // DAY_MS * DAY_MS
PLAN = Plan(10, 900, 300_000, 7, END_MS, Cheaters(bots=5, rich=2, collectors=1, forgers=1))
PERIOD = Period(PLAN.begin_ms, PLAN.end_ms)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    folder = tmp_path_factory.mktemp("sample")
    with Lake(folder, END_MS) as lake:
        made = make_sample(lake, PLAN, END_MS)
    return folder, made


def report(folder: Path, name: str) -> Any:
    with desk_on(folder) as desk:
        return maker(name)(desk, PERIOD)


def test_it_is_about_as_large_as_was_asked_for(sample: tuple[Path, Made]) -> None:
    folder, made = sample
    rows = sum(file.rows for file in manifest_of(folder).files if file.table in ("events", "moves"))
    assert made.events == rows
    assert 0.5 < rows / PLAN.events < 2.0
    assert files_in(folder) == {file.name for file in manifest_of(folder).files}
    assert all(PLAN.begin_ms - 60_000 <= file.oldest_ms for file in manifest_of(folder).files if file.table == "events")
    assert all(file.newest_ms <= PLAN.end_ms for file in manifest_of(folder).files if file.table in ("events", "moves"))


def test_the_same_seed_makes_the_same(sample: tuple[Path, Made], tmp_path: Path) -> None:
    with Lake(tmp_path, END_MS) as lake:
        assert make_sample(lake, PLAN, END_MS) == sample[1]
    for file in manifest_of(tmp_path).files:
        assert (tmp_path / file.name).read_bytes() == (sample[0] / file.name).read_bytes()


def test_people_play_in_the_evening_and_come_back_less_and_less(sample: tuple[Path, Made]) -> None:
    folder, _ = sample
    hours = next(chart for chart in report(folder, "sessions").charts if "by hour" in chart.title).lines[0].values
    assert sum(hours[18:23]) > 4 * sum(hours[2:7])
    shown = tiles(report(folder, "retention"))
    first, third, seventh = (float(shown[f"day {at}"].removesuffix(" %")) for at in (1, 3, 7))
    assert 25 < first < 60
    assert first > third > 0
    assert first > seventh > 0


def test_the_books_are_right_but_for_the_forger(sample: tuple[Path, Made]) -> None:
    folder, made = sample
    found = report(folder, "economy")
    books = {row[0]: row[1] for row in table(found, "The books")}
    assert books["difference"] == sum(made.forged.values()) > 0
    assert books["of that not in the ledger"] == 0
    assert not [row for row in table(found, "Looted: the log and the ledger") if row[3]]


def test_nobody_is_in_the_world_twice(sample: tuple[Path, Made]) -> None:
    with desk_on(sample[0]) as desk:
        twice = desk.rows(
            "SELECT count(*) FROM (SELECT began < max(ended) OVER (PARTITION BY account ORDER BY began "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS wrong FROM sessions) WHERE wrong"
        )
        numbers = desk.rows("SELECT count(*), count(DISTINCT (node, number)) FROM events")
    assert twice == [(0,)]
    assert numbers[0][0] == numbers[0][1]


def test_the_cheaters_are_found(sample: tuple[Path, Made]) -> None:
    folder, made = sample
    found = {row[0]: row[2] for row in table(report(folder, "abuse"), "Suspects")}
    assert all("kills every" in found[bot] and "without 15 minutes away" in found[bot] for bot in made.bots)
    assert all("gold an hour" in found[account] for account in made.rich)
    assert all("trades with" in found[account] for account in made.collectors)
    planted = {*made.bots, *made.rich, *made.collectors}
    assert len(set(found) - planted) <= 3, "hardly anybody else is suspected"


@pytest.mark.parametrize("name", list(REPORTS))
def test_every_report_has_something_to_say(sample: tuple[Path, Made], name: str) -> None:
    made = report(sample[0], name)
    assert made.tiles
    assert made.charts
    assert any(one.rows for one in made.tables)


def test_how_cheaters_are_shared_out() -> None:
    for count in range(30):
        found = cheaters_of(count)
        assert found.bots + found.rich + found.collectors + found.forgers == count
        assert min(found.bots, found.rich, found.collectors, found.forgers) >= 0


def test_the_questions_of_the_page_can_be_asked(sample: tuple[Path, Made]) -> None:
    """Every one of docs/data.md has an answer, and rows where the sample has such events."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    (block,) = re.findall(r"## 3\. Ten questions\n\n```sql\n(.*?)```", page, re.S)
    questions = [one for one in block.split(";") if one.strip()]
    assert len(questions) == 10
    with desk_on(sample[0]) as desk:
        for number, question in enumerate(questions, 1):
            desk.check(question)
            assert desk.rows(question) or number == 10, question
