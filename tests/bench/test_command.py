"""`mesh bench` as a user meets it: lists, mistakes, exit codes, files."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bench.fakes import ground
from tools.bench import catalogue, cores, running
from tools.bench import ground as grounds
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.build import NoCompilerError
from tools.bench.result import ProcessUse, Table
from tools.ctl import cli
from tools.ctl.exits import CommandError, Exit


async def measured(on: Any) -> Outcome:
    on.say("measuring")
    return Outcome(
        players=on.players or 4000,
        cpu_us_per_frame=12.34567,
        p99_ms=140.0,
        reached={"rate": 700.0},
        tables=[Table("Rows", ["a", "b"], [["x|y", "1"]])],
        processes=[ProcessUse("gate.1", 0.5, 90.0)],
        notes=["quiet"],
    )


BENCHES, load_of_list = catalogue.BENCHES, catalogue.load

SOME = Bench("some", "Something.", (Figure("rate", "logins", "/s", required=600, quick=True),), measured)


@pytest.fixture(autouse=True)
def some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bench, that measures nothing, and a machine with cores enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "BENCHES", {"some": SOME.line})
    monkeypatch.setattr(catalogue, "load", lambda _name: SOME)
    monkeypatch.setattr(cores, "usable", lambda: [0, 1])


def test_the_list_has_every_bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.undo()
    assert cli.run(["bench", "list"]) == Exit.OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in catalogue.BENCHES)
    assert cli.run(["bench", "list", "--json"]) == Exit.OK
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(catalogue.BENCHES)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("bench", "Usage"),
        ("bench run", "Missing argument"),
        ("bench run nothing", "there is no bench 'nothing'"),
        ("bench run some --players 1", "not in the range"),
        ("bench run square --json no/such/file", "no/such/file cannot be written"),
        ("bench run rpc --players 50", "rpc is measured without players"),
        ("bench run square --base-port 40000", "40000 is too high: at most 32500"),
        ("bench all", "say --quick or --full"),
        ("bench render --docs nowhere", "does not exist"),
    ],
)
def test_mistakes_are_told_and_nothing_is_started(
    line: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "BENCHES", BENCHES)
    monkeypatch.setattr(catalogue, "load", load_of_list)
    monkeypatch.setattr(running, "run_bench", lambda *_: pytest.fail("something was started"))
    assert cli.run(line.split()) == Exit.USAGE
    told = capsys.readouterr()
    assert says in " ".join((told.out + told.err).replace("│", " ").split())


def test_a_result_is_a_table_and_a_file_with_the_promised_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.json"
    assert cli.run(["bench", "run", "some", "--quick", "--json", str(file)]) == Exit.OK
    shown = capsys.readouterr().out
    assert "some: OK" in shown
    assert "700 /s" in shown
    assert ">= 600 /s" in shown
    said = json.loads(file.read_text())
    assert (said["name"], said["ok"], said["verdict"], said["depth"]) == ("some", True, "OK", "quick")
    assert (said["players"], said["cpu_us_per_frame"], said["p99_ms"]) == (4000, 12.346, 140.0)
    assert {"updates_per_s", "p50_ms", "ratio_to_limit", "machine", "date", "command", "version"} <= said.keys()
    assert said["figures"][0]["judgement"] == "required"
    assert said["processes"] == [{"name": "gate.1", "cpu": 0.5, "rss_mb": 90.0}]


def test_with_json_to_stdout_the_words_go_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "run", "some", "--json", "-", "--players", "50"]) == Exit.OK
    told = capsys.readouterr()
    assert json.loads(told.out)["players"] == 50
    assert "measuring" in told.err


def test_a_missed_figure_is_exit_code_6(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("some", "Something.", (Figure("rate", "logins", "/s", required=800),), measured)
    monkeypatch.setattr(catalogue, "load", lambda _name: bench)
    assert cli.run(["bench", "run", "some"]) == Exit.CHECK_FAILED


@pytest.mark.parametrize(
    "error", [CommandError("port 12700 is taken by pid 7"), NoCompilerError("there is no C compiler")]
)
def test_what_a_machine_lacks_is_a_sentence(
    error: CommandError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refused(_ground: Any) -> Outcome:
        raise error

    monkeypatch.setattr(catalogue, "load", lambda _name: Bench("some", "Something.", (), refused))
    assert cli.run(["bench", "run", "some"]) == Exit.FAILURE
    assert str(error) in capsys.readouterr().err


def test_on_one_core_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cores, "usable", lambda: [0])
    assert cli.run(["bench", "run", "some"]) == Exit.FAILURE
    assert "needs 2 cores" in capsys.readouterr().err


def test_too_few_descriptors_are_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounds.resource, "getrlimit", lambda _what: (1024, 4096))
    with pytest.raises(CommandError, match="needs 5,300 open files in one process, and the limit is 4,096"):
        grounds.need_descriptors(5300)


def test_the_soft_limit_is_raised_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(grounds.resource, "getrlimit", lambda _what: (1024, 4096))
    monkeypatch.setattr(grounds.resource, "setrlimit", lambda _what, limits: made.append(limits))
    grounds.need_descriptors(1000)
    grounds.need_descriptors(2000)
    assert made == [(2000, 4096)]


def test_all_go_on_after_one_that_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refused(_ground: Any) -> Outcome:
        raise CommandError("no disk")

    benches = {"other": Bench("other", "Other.", (), refused), "some": SOME}
    monkeypatch.setattr(catalogue, "BENCHES", {name: bench.line for name, bench in benches.items()})
    monkeypatch.setattr(catalogue, "load", lambda name: benches[name])
    assert cli.run(["bench", "all", "--quick", "--out", str(tmp_path / "out")]) == Exit.FAILURE
    assert "other could not be run: no disk" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["some.json"]


@pytest.mark.parametrize("number", running.ENDING)
def test_an_interrupted_bench_ends_what_it_started(tmp_path: Path, number: int) -> None:
    """Ctrl-C, SIGTERM and a closed terminal cancel the coroutine; what stands in its `finally` is done before the
    command ends."""
    import os

    ended = []
    before = signal.signal(number, signal.default_int_handler)  # who is started in the background ignores some

    async def endless(_ground: Any) -> Outcome:
        import asyncio

        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)
        raise AssertionError

    try:
        with pytest.raises(KeyboardInterrupt):
            running.to_the_end(endless(ground(tmp_path)))
    finally:
        signal.signal(number, before)
    assert ended == [True]
