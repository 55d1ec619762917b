"""The table of docs/reliability.md: made from results, and nothing around it touched."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools.bench import store
from tools.bench.bench import Figure
from tools.chaos import pages
from tools.chaos.result import ChaosResult
from tools.chaos.running import result_of
from tools.chaos.scenario import Found, Scenario
from tools.ctl import cli
from tools.ctl.exits import Exit
from tools.generated import left_out, stale, write_stale

DOCS = Path(__file__).parents[2] / "docs"
TEXT = """# Reliability

By hand.

<!-- generated: chaos table -->
old
<!-- end -->

The end.
"""


async def never(_arena: Any) -> Found:
    raise AssertionError


def result(name: str = "dc-kill", back_ms: float = 250.0, faults: int = 200) -> ChaosResult:
    figures = (
        Figure("lost", "operations that are not there", "", 0, better="less"),
        Figure("recovery_p99_ms", "back, p99", "ms", 500, better="less"),
        Figure("recovery_max_ms", "back, max", "ms", better="less"),
    )
    scenario = Scenario(name, "Kill it.", figures, never, faults=200, faults_quick=3, what="kills", bound_ms=500)
    found = Found(faults=faults, acked=144_409, applied=9, gold_before=5, gold_after=5, recovery_ms=[back_ms])
    made = result_of(scenario, found, False, 7, {"processor": "P"}, 0.0, 9.0)
    return msgspec.structs.replace(made, commit="abc1234")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "chaos").mkdir()
    (tmp_path / "reliability.md").write_text(TEXT)
    store.write(result(), tmp_path / "chaos" / "dc-kill.json")
    return tmp_path


def written(docs: Path) -> str:
    write_stale(pages.generated(docs))
    return (docs / "reliability.md").read_text()


def test_a_row_says_what_was_reached_what_it_has_to_be_and_what_n_proves(docs: Path) -> None:
    text = written(docs)
    assert "By hand." in text
    assert "The end." in text
    assert "old" not in text
    assert (
        "| `dc-kill` | operations that are not there: 0 (<= 0); back, p99: 250 ms (<= 500 ms); back, max: 250 ms | OK "
        "| 200 kills | 1.5 % | 144,409 | 7 | `mesh chaos run dc-kill --kills 200 --seed 7` | 1970-01-01, abc1234 |"
    ) in text
    assert "Not measured at full length yet: `dc-failpoints`," in text


def test_what_was_missed_stands_out(docs: Path) -> None:
    store.write(result(back_ms=605.0), docs / "chaos" / "dc-kill.json")
    assert "**back, p99: 605 ms (<= 500 ms), missed**; back, max: 605 ms | FAILED |" in written(docs)


def test_a_quick_run_says_so(docs: Path) -> None:
    store.write(msgspec.structs.replace(result(), depth="quick"), docs / "chaos" / "dc-kill.json")
    assert "| OK (quick) |" in written(docs)


def test_nothing_of_an_invalid_run_is_published_but_that_it_was(docs: Path) -> None:
    void = msgspec.structs.replace(result(), verdict="INVALID", ok=False, why=["nothing was done"])
    store.write(void, docs / "chaos" / "dc-kill.json")
    text = written(docs)
    assert "144,409" not in text
    assert "- dc-kill: the run of 1970-01-01 is INVALID (nothing was done)" in text
    assert left_out([void]) == ["dc-kill: the run of 1970-01-01 is INVALID (nothing was done), so it is left out"]


def test_rows_are_in_the_order_of_the_list(docs: Path) -> None:
    store.write(result("center-kill"), docs / "chaos" / "center-kill.json")
    store.write(result("dc-power"), docs / "chaos" / "dc-power.json")
    rows = [line.split("`")[1] for line in written(docs).splitlines() if line.startswith("| `")]
    assert rows == ["dc-kill", "dc-power", "center-kill"]


def test_the_command_writes_checks_and_says_when_there_is_nothing(
    docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["chaos", "render", "--docs", str(docs)]
    assert cli.run([*words, "--check"]) == Exit.CHECK_FAILED
    assert "run mesh chaos render" in capsys.readouterr().err
    assert cli.run(words) == Exit.OK
    assert cli.run([*words, "--check"]) == Exit.OK
    (docs / "chaos" / "dc-kill.json").unlink()
    assert cli.run(words) == Exit.NOT_FOUND
    assert "mesh chaos all --long --out" in capsys.readouterr().err


def test_the_table_of_this_version_is_in_step_with_its_results() -> None:
    assert stale(pages.generated(DOCS)) == [], "run mesh chaos render"
