"""`mesh chaos` as a user meets it: lists, mistakes, exit codes, files."""

import json
from pathlib import Path
from typing import Any

import pytest

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos import catalogue
from tools.chaos.scenario import Arena, Found, Scenario
from tools.ctl import cli
from tools.ctl.exits import CommandError, Exit

KEYS = {"name", "kills", "acked", "lost", "doubled", "gold_before", "gold_after", "recovery_ms", "bound_ms", "ok"}
SCENARIOS, load_of_catalogue = catalogue.SCENARIOS, catalogue.load


async def calm(arena: Arena) -> Found:
    arena.ground.say("breaking nothing")
    chosen = arena.chance("x").randrange(1000)
    return Found(faults=arena.faults, acked=3, applied=3, gold_before=5, gold_after=5, recovery_ms=[1.0 + chosen])


async def lossy(arena: Arena) -> Found:
    return Found(faults=arena.faults, acked=3, applied=2, lost=1, problems=[Problem("lost", "operation 1/2")])


async def broken(_arena: Arena) -> Found:
    raise CommandError("the cluster did not start")


def scenario(run: Any) -> Scenario:
    figures = (Figure("lost", "operations lost", "", 0, better="less", quick=True),)
    return Scenario("some", "Something.", figures, run, faults=30, faults_quick=2, bound_ms=2_000)


@pytest.fixture(autouse=True)
def some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One scenario, that starts nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "SCENARIOS", {"some": "Something."})
    monkeypatch.setattr(catalogue, "load", lambda _name: scenario(calm))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_of_the_list_is_there_and_says_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = load_of_catalogue(name)
    assert (found.name, found.line) == (name, SCENARIOS[name])
    assert found.faults >= found.faults_quick >= 1
    assert len({figure.name for figure in found.figures}) == len(found.figures)


def test_the_list_has_every_scenario(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.undo()
    assert cli.run(["chaos", "list"]) == Exit.OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in SCENARIOS)
    assert cli.run(["chaos", "LIST", "--json"]) == Exit.OK
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(SCENARIOS)


@pytest.mark.parametrize(
    "line",
    ["chaos run", "chaos run some --kills 0", "chaos run some --seed -1", "chaos all", "chaos run some --json /x/y"],
)
def test_a_mistake_in_the_line_is_told_before_anything_runs(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "load", lambda _name: scenario(broken))
    assert cli.run(line.split()) == Exit.USAGE
    assert "did not start" not in capsys.readouterr().err


def test_a_name_that_is_no_scenarios_is_told_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    assert cli.run(["chaos", "run", "dc-kil"]) == Exit.USAGE
    assert "dc-kill" in capsys.readouterr().err


def test_a_run_says_what_it_has_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["chaos", "run", "some", "--kills", "60", "--json", "some.json"]) == Exit.OK
    shown = capsys.readouterr()
    assert "some: OK" in shown.out
    assert "3 acknowledged" in shown.out
    assert "at most 5 % of them do" in shown.out
    assert "breaking nothing" in shown.err
    result = json.loads(Path("some.json").read_text())
    assert result.keys() >= KEYS
    assert result["recovery_ms"].keys() == {"p50", "p99", "max"}
    assert (result["kills"], result["ok"], result["bound_of_rate"]) == (60, True, 0.05)


def test_the_same_seed_chooses_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    times = []
    for seed in ("5", "5", "6"):
        assert cli.run(["chaos", "run", "some", "--seed", seed, "--json", "-"]) == Exit.OK
        times.append(json.loads(capsys.readouterr().out)["recovery_ms"]["max"])
    assert times[0] == times[1] != times[2]


def test_a_broken_rule_is_exit_code_6_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "load", lambda _name: scenario(lossy))
    assert cli.run(["chaos", "run", "some", "--json", "some.json"]) == Exit.CHECK_FAILED
    shown = capsys.readouterr().out
    assert "some: FAILED" in shown
    assert "lost: 1 x, such as: operation 1/2" in shown
    assert json.loads(Path("some.json").read_text())["problems_by_checker"] == {"lost": 1}


def test_all_runs_each_and_keeps_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["chaos", "all", "--quick", "--out", "results"]) == Exit.OK
    result = json.loads(Path("results/some.json").read_text())
    assert (result["kills"], result["depth"]) == (2, "quick")
    assert "failed" in capsys.readouterr().out


def test_one_that_could_not_be_run_fails_all_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "load", lambda _name: scenario(broken))
    assert cli.run(["chaos", "all", "--long"]) == Exit.FAILURE
    shown = capsys.readouterr()
    assert "did not start" in shown.err
    assert "not run" in shown.out
