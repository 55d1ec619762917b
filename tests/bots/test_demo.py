"""What a demonstration must find, and that it is not content with less."""

import asyncio
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from mesh import keys
from mesh.clock import SystemClock
from mesh.protocol.social import SwitchLine
from tools.bots.options import Options
from tools.ctl.exits import CommandError, Exit
from tools.demo.cast import is_walker
from tools.demo.cluster import DemoCluster, is_of_cluster
from tools.demo.evidence import figures, parse
from tools.demo.outcome import (
    Broadcasts,
    DurableWrites,
    LogEvents,
    Moved,
    Notices,
    Outcome,
    Pair,
    Resumed,
    Trades,
    as_json,
    checks,
    gold_less_minted,
    judged,
)
from tools.demo.report import render
from tools.demo.run import Demonstrated, late
from tools.demo.story import Story

PAGE = """\
# HELP mesh_steps_total How often each of the nine steps happened here.
# TYPE mesh_steps_total counter
mesh_steps_total{node="gate.1",role="gate",step="1"} 200.0
mesh_steps_total{node="gate.1",role="gate",step="7"} 150.0
mesh_steps_total{node="scene.1",role="scene",step="7"} 50.0
mesh_steps_total{node="scene.1",role="scene",step="0"} 9.0
# HELP mesh_events_recorded_total Behaviour events.
# TYPE mesh_events_recorded_total counter
mesh_events_recorded_total{node="gate.1",role="gate"} 12.0
mesh_events_recorded_total{node="scene.1",role="scene"} 30.0
# HELP mesh_events_pending Of these, not stored yet.
# TYPE mesh_events_pending gauge
mesh_events_pending{node="scene.1",role="scene"} 2.0
# HELP dc_durable_acked_total Durable operations acknowledged.
# TYPE dc_durable_acked_total counter
dc_durable_acked_total{node="dc.1",role="dc"} 500.0
"""


def good() -> Outcome:
    return Outcome(
        bots=200,
        logged_in=200,
        by_password=20,
        steps={str(step): 5 if step == 8 else 210 for step in range(1, 10)},
        login_ms=Pair(70, 160),
        move_ms=Pair(60, 120),
        updates_per_s=30_000.0,
        broadcasts=Broadcasts(5, 1000, 1000),
        friend_notices=Notices(20, 20),
        resumed=Resumed(20, 20),
        party=Moved(4, 4),
        switched=Moved(10, 10),
        crossed=Moved(10, 10),
        drained=Moved(100, 100),
        looted=30,
        said=500,
        trades=Trades(10, 20_000, 20_000),
        left=200,
        log_events=LogEvents(4000, 4000),
        durable_writes=DurableWrites(500, 500),
        database_ok=True,
        errors=0,
        error_counts={},
        processes_left=0,
        ready_s=1.0,
        took_s=30.0,
    )


def test_a_good_demonstration_is_ok() -> None:
    assert judged(good()).ok
    assert not good().ok, "not before it was judged"


@pytest.mark.parametrize(
    "change",
    [
        {"logged_in": 199},
        {"steps": good().steps | {"4": 199}},
        {"steps": good().steps | {"8": 4}},
        {"login_ms": Pair(70, 1001)},
        {"move_ms": Pair(70, 201)},
        {"move_ms": Pair(0, 0)},
        {"broadcasts": Broadcasts(5, 1000, 999)},
        {"broadcasts": Broadcasts(0, 0, 0)},
        {"friend_notices": Notices(20, 21)},
        {"resumed": Resumed(20, 19)},
        {"party": Moved(4, 3)},
        {"switched": Moved(10, 9)},
        {"crossed": Moved(10, 9)},
        {"crossed": Moved(0, 0)},
        {"drained": Moved(100, 99)},
        {"looted": 0},
        {"said": 0},
        {"trades": Trades(0, 20_000, 20_000)},
        {"trades": Trades(10, 20_000, 20_001)},
        {"left": 199},
        {"log_events": LogEvents(4000, 3999)},
        {"durable_writes": DurableWrites(500, 499)},
        {"database_ok": False},
        {"errors": 1},
        {"processes_left": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_line_counts(change: dict[str, object]) -> None:
    worse = msgspec.structs.replace(good(), **change)
    assert not judged(worse).ok
    assert 1 <= sum(not check.ok for check in checks(worse)) <= 2


def test_on_a_machine_that_others_use_times_are_not_judged_and_all_else_is() -> None:
    slow = {"login_ms": Pair(70, 1001), "move_ms": Pair(70, 201), "disturbed": ["other processes used 90 % of a core"]}
    late = msgspec.structs.replace(good(), **slow)
    assert judged(late).ok
    assert not judged(msgspec.structs.replace(late, disturbed=[])).ok
    assert not judged(msgspec.structs.replace(late, login_ms=Pair(0, 0))).ok, "there is no time at all"
    assert not judged(msgspec.structs.replace(late, logged_in=199)).ok
    page = io.StringIO()
    Console(file=page, width=140).print(render(Demonstrated(judged(late), None, 1.0, 1.0)))
    assert "? says nothing about the servers: other processes used 90 % of a core" in page.getvalue()
    assert page.getvalue().count("?") == 3
    assert "Everything holds" in page.getvalue()


@pytest.mark.parametrize(("late_s", "said"), [(0.049, []), (0.3, ["the bots were late: p99 300 ms (at most 50)"])])
def test_bots_that_are_late_themselves_are_a_disturbance(tmp_path: Path, late_s: float, said: list[str]) -> None:
    key = tmp_path / "key"
    keys.load_or_create(key)
    story = Story(Options(["ws://x"], str(key), 80), SystemClock(), print)
    story.totals.whole.lag.record(late_s)
    assert late(story) == said


def test_only_who_has_another_line_is_sent_there_and_who_walks_off_the_map_is_left_out(tmp_path: Path) -> None:
    """The newest come first; four of them form the party. One of the others is on a map with one line, and one walks
    through a portal as soon as it is asked."""
    keys.load_or_create(tmp_path / "key")
    story = Story(Options(["ws://x"], str(tmp_path / "key"), 80), SystemClock(), lambda _text: None)
    walkers = [number for number in range(80) if is_walker(number)]
    elsewhere, restless = walkers[-6], walkers[-8]

    def bot(number: int) -> Any:
        def social(said: SwitchLine) -> None:
            assert number != elsewhere, "there is no other line"
            story.seen.entered[number] = place("meadow", said.number) if number != restless else place("forest", 1)

        return SimpleNamespace(number=number, inside=True, player=SimpleNamespace(social=social))

    def place(map_: str, line: int) -> Any:
        return SimpleNamespace(map=map_, line=line)

    story.crowd = SimpleNamespace(bots=[bot(number) for number in walkers])  # type: ignore[assignment]
    story.seen.entered = {number: place("meadow", 1 + number % 2) for number in walkers}
    story.seen.entered[elsewhere] = place("forest", 1)
    asyncio.run(story.switch_lines())
    assert (story.switched, len(story.switchers)) == (9, 9)


def test_the_json_has_what_it_promises() -> None:
    found = msgspec.json.decode(as_json(judged(good())))
    assert sorted(found["steps"]) == [str(step) for step in range(1, 10)]
    assert found["trades"] == {"done": 10, "gold_before": 20_000, "gold_after": 20_000}
    assert found["broadcasts"] == {"sent": 5, "expected": 1000, "delivered": 1000}
    assert found["ok"] is True


def test_gold_that_was_minted_is_not_a_gain_of_trades() -> None:
    before = {"wallets": 1000, "minted": 1000, "burned": 0}
    after = {"wallets": 1070, "minted": 1100, "burned": 30}
    assert gold_less_minted(before, after) == (1000, 1000)
    assert gold_less_minted(before, after | {"wallets": 1071}) == (1000, 1001)


def test_figures_are_sums_over_all_nodes() -> None:
    found = figures(parse(PAGE))
    assert found.steps == {"1": 200, "7": 200} | {str(step): 0 for step in (2, 3, 4, 5, 6, 8, 9)}
    assert (found.events_recorded, found.events_stored, found.events_pending) == (42, 0, 2)
    assert (found.durable_acked, found.errors) == (500, 0)


def test_the_report_shows_what_does_not_hold() -> None:
    page = io.StringIO()
    bad = judged(msgspec.structs.replace(good(), errors=2, error_counts={"login: banned": 2}))
    Console(file=page, width=140).print(render(Demonstrated(bad, None, 20.0, 30.0)))
    text = page.getvalue()
    assert "1 line(s) do not hold" in text
    assert "2 x login: banned" in text
    assert text.count("✘") == 1


def test_a_folder_that_is_no_clusters_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    words: list[str] = []
    cluster = DemoCluster("local", tmp_path, None, {"XDG_RUNTIME_DIR": str(tmp_path.parent)}, words.append)
    with pytest.raises(CommandError) as refused:
        asyncio.run(cluster.start())
    assert refused.value.exit_code == Exit.USAGE
    assert (tmp_path / "thesis.txt").exists()
    assert asyncio.run(cluster.stop()) == [], "what it did not start it does not stop"
    assert words == []


def test_processes_are_known_by_their_folder() -> None:
    assert is_of_cluster(["python", "-m", "nodes", "gate.1", "--runtime", "/r/demo"], "/r/demo")
    assert is_of_cluster(["python", "-m", "tools.ctl.detached", '{"runtime":"/r/demo"}'], "/r/demo")
    assert not is_of_cluster(["python", "-m", "nodes", "gate.1", "--runtime", "/r/demo2"], "/r/demo")
    assert not is_of_cluster(["vi", "/r/demo"], "/r/demo")
