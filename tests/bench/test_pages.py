"""The generated parts of the docs: made from results, and nothing around them touched."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from tools.bench import pages, store
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.benches import peers
from tools.bench.chart import bars
from tools.bench.result import ProcessUse, Result, Table
from tools.bench.running import result_of
from tools.ctl import cli
from tools.ctl.exits import CommandError, Exit
from tools.generated import left_out, stale, write_stale

DOCS = Path(__file__).parents[2] / "docs"
TEXT = """# Figures

By hand.

<!-- generated: bench figures -->
old
<!-- end -->

Between.

<!-- generated: bench storm -->
<!-- end -->

The end.
"""


async def nothing(_ground: object) -> Outcome:
    return Outcome()


def result(name: str = "storm", rate: float = 700.0) -> Result:
    bench = Bench(name, "Logins.", (Figure("rate", "logins", "/s", required=600, aim=1000),), nothing)
    outcome = Outcome(
        players=5000,
        reached={"rate": rate},
        tables=[Table("Steps", ["step", "ms"], [["a|b", "1"]])],
        processes=[ProcessUse("gate.1", 0.25, 80.0)],
        notes=["quiet"],
    )
    made = result_of(bench, outcome, False, None, {"processor": "P", "cores": "2"}, 0.0, 12.0)
    return msgspec.structs.replace(made, commit="abc1234")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "bench").mkdir()
    (tmp_path / "benchmarks.md").write_text(TEXT)
    store.write(result(), tmp_path / "bench" / "storm.json")
    return tmp_path


def test_what_is_written_by_hand_stays_and_the_parts_say_what_was_measured(docs: Path) -> None:
    assert write_stale(pages.generated(docs)) == [docs / "benchmarks.md"]
    text = (docs / "benchmarks.md").read_text()
    assert [line for line in ("By hand.", "Between.", "The end.") if line in text] == [
        "By hand.",
        "Between.",
        "The end.",
    ]
    assert "old" not in text
    row = "| storm | logins | >= 600 /s | >= 1,000 /s | **700 /s** | OK | full, 5,000 players | 1970-01-01, abc1234 |"
    assert f"{row} P, 2 |" in text
    assert "`mesh bench run storm --full` (full, 5,000 players): OK, 1970-01-01, P, 2" in text
    assert "| a/b | 1 |" in text
    assert "| gate.1 | 25.0 % | 80 MB |" in text
    assert "- quiet" in text
    assert stale(pages.generated(docs)) == write_stale(pages.generated(docs)) == []


def test_a_page_is_stale_as_soon_as_a_result_is_another(docs: Path) -> None:
    write_stale(pages.generated(docs))
    store.write(result(rate=500.0), docs / "bench" / "storm.json")
    assert stale(pages.generated(docs)) == [docs / "benchmarks.md"]
    write_stale(pages.generated(docs))
    assert "500 /s (missed)" in (docs / "benchmarks.md").read_text()


def test_what_was_measured_on_another_machine_has_a_table_of_its_own(docs: Path) -> None:
    (docs / "bench" / "epyc").mkdir()
    store.write(result(rate=900.0), docs / "bench" / "epyc" / "storm.json")
    page = docs / "benchmarks.md"
    page.write_text(TEXT + "\n<!-- generated: bench figures at epyc -->\n<!-- end -->\n")
    write_stale(pages.generated(docs))
    first, _, second = page.read_text().partition("The end.")
    assert "**700 /s**" in first
    assert "**900 /s**" not in first
    assert "**900 /s**" in second


def test_an_invalid_run_is_named_and_none_of_its_figures_is_published(docs: Path) -> None:
    void = msgspec.structs.replace(result(), verdict="INVALID", ok=False, why=["calm: not enough ports"])
    store.write(void, docs / "bench" / "storm.json")
    write_stale(pages.generated(docs))
    text = (docs / "benchmarks.md").read_text()
    assert "700 /s" not in text
    assert text.count("storm: the run of 1970-01-01 is INVALID (calm: not enough ports)") == 2  # figures, its own part
    assert len(left_out([void])) == 1


def test_a_quick_run_and_a_failed_one_are_marked_in_every_row(docs: Path) -> None:
    quick = msgspec.structs.replace(result(), depth="quick", players=500, verdict="FAILED", ok=False)
    store.write(quick, docs / "bench" / "storm.json")
    write_stale(pages.generated(docs))
    assert "| FAILED | quick, 500 players | 1970-01-01, abc1234 |" in (docs / "benchmarks.md").read_text()


def test_without_a_result_nothing_is_rendered(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docs / "bench" / "storm.json").unlink()
    assert cli.run(["bench", "render", "--docs", str(docs)]) == Exit.NOT_FOUND
    assert "so nothing is rendered" in capsys.readouterr().err
    assert (docs / "benchmarks.md").read_text() == TEXT


def test_what_was_not_measured_is_said_and_what_nobody_knows_is_a_mistake() -> None:
    assert "Not measured yet: `mesh bench run square`." in pages.render(
        "<!-- generated: bench square -->\n<!-- end -->", {}, {}
    )
    with pytest.raises(KeyError):
        pages.render("<!-- generated: bench sqare -->\n<!-- end -->", {}, {})


def test_the_chart_is_drawn_from_the_peers_and_ours_stands_out(docs: Path) -> None:
    outcome = Outcome(players=3000, reached={"epoll": 9.0, peers.US: 12.0, "colyseus": 24.0})
    made = result_of(peers.BENCH, outcome, False, None, {}, 0.0, 1.0)
    assert made.command == "mesh bench peers --full"
    store.write(made, docs / "bench" / "peers.json")
    assert docs / "bench" / "square.svg" in write_stale(pages.generated(docs))
    root = ElementTree.fromstring((docs / "bench" / "square.svg").read_text())
    boxes = [node for node in root.iter() if node.tag.endswith("rect")]
    assert [node.get("class") for node in boxes] == ["bar", "ours", "bar"]
    widths = [float(node.get("width") or 0) for node in boxes]
    assert widths[2] == pytest.approx(2 * widths[1], rel=0.01)
    words = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert {"C, bare epoll", "9.0", "zonemesh", "12.0", "Colyseus", "24.0"} <= set(words)


def test_a_chart_of_nothing_is_still_a_picture() -> None:
    assert ElementTree.fromstring(bars("none & nothing", [], "us")) is not None


def test_a_result_comes_back_from_its_file_as_it_was(docs: Path) -> None:
    assert store.read(docs / "bench" / "storm.json", Result, "bench") == result()
    (docs / "bench" / "bad.json").write_text('{"name": 3}')
    with pytest.raises(CommandError, match=r"bad\.json is not the result of a bench"):
        store.read_all(docs / "bench", Result, "bench")


def test_the_docs_of_this_version_are_in_step_with_their_results() -> None:
    assert stale(pages.generated(DOCS)) == [], "run mesh bench render"
