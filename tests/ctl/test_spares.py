"""Processes that wait to be the one that crashed: who gets one, which one is taken, that none is left behind."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mesh.topology import Topology, load
from tools.ctl.spares import Spares, is_spared

ROOT = Path(__file__).parents[2]


class Pretender:
    """What `launch` gives for a spare: it ends when it is dismissed."""

    def __init__(self, command: list[str]) -> None:
        self.command, self.runs, self.called = command, True, False
        self.process = self
        self._over = asyncio.Event()

    def call(self) -> None:
        self.called = True

    def dismiss(self) -> None:
        self.runs = False
        self._over.set()

    async def wait(self) -> int:
        await self._over.wait()
        return 0


class Bench:
    """Spares of a supervisor whose command is `words` now."""

    def __init__(self) -> None:
        self.words, self.started, self.refuses = ["now"], list[Pretender](), False
        self.spares = Spares(self._start, lambda name: [name, *self.words])  # type: ignore[arg-type]

    async def _start(self, name: str) -> Any:
        if self.refuses:
            raise OSError("no more processes")
        await asyncio.sleep(0)
        self.started.append(Pretender([name, *self.words]))
        return self.started[-1]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def play(story: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def whole() -> Bench:
        bench = Bench()
        await story(bench)
        await bench.spares.close()
        return bench

    bench = asyncio.run(asyncio.wait_for(whole(), 5))
    assert not any(one.runs and not one.called for one in bench.started), "none is left behind"
    return bench


def test_a_spare_is_taken_once() -> None:
    async def story(bench: Bench) -> None:
        bench.spares.prepare("dc.1")
        await turns()
        taken = bench.spares.take("dc.1")
        assert taken is bench.started[0]
        assert bench.started[0].called
        assert bench.spares.take("dc.1") is None

    play(story)


def test_another_one_beside_one_that_fits_is_not_started() -> None:
    async def story(bench: Bench) -> None:
        for _ in range(3):
            bench.spares.prepare("dc.1")
            await turns()

    assert len(play(story).started) == 1


@pytest.mark.parametrize("is_dead", [True, False])
def test_one_that_is_dead_or_of_another_command_is_not_taken(is_dead: bool) -> None:
    async def story(bench: Bench) -> None:
        bench.spares.prepare("dc.1")
        await turns()
        if is_dead:
            bench.started[0].dismiss()
        else:
            bench.words = ["after an upgrade"]
        assert bench.spares.take("dc.1") is None
        bench.spares.prepare("dc.1")
        await turns()
        assert bench.spares.take("dc.1") is bench.started[1]

    play(story)


def test_a_start_that_is_refused_is_no_failure() -> None:
    async def story(bench: Bench) -> None:
        bench.refuses = True
        bench.spares.prepare("dc.1")
        await turns()
        assert bench.spares.take("dc.1") is None

    play(story)


def test_one_that_is_being_started_at_the_end_is_let_go_too() -> None:
    async def story(bench: Bench) -> None:
        bench.spares.prepare("dc.1")

    assert len(play(story).started) == 1


def test_those_whose_absence_everybody_feels_have_one(zone: Topology, tmp_path: Path) -> None:
    assert {process.name for process in zone.processes if is_spared(process)} == {"center.1", "dc.1"}
    mobile = load(ROOT / "topology" / "mobile.toml", runtime=tmp_path / "run")
    assert any(is_spared(process) for process in mobile.processes)


def spare(process: str, runtime: Path, said: bytes) -> subprocess.CompletedProcess[bytes]:
    words = [
        "-P",
        "-m",
        "nodes",
        process,
        "--topology",
        str(ROOT / "topology" / "local.toml"),
        "--runtime",
        str(runtime),
    ]
    return subprocess.run(
        [sys.executable, *words, "--spare"], cwd=ROOT, input=said, capture_output=True, timeout=60, check=False
    )


@pytest.mark.cluster
def test_a_spare_that_nobody_calls_ends_and_leaves_nothing(tmp_path: Path) -> None:
    ended = spare("dc.1", tmp_path / "run", b"")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert not (tmp_path / "run").exists()


@pytest.mark.cluster
def test_a_spare_that_is_called_goes_on_as_any_process(tmp_path: Path) -> None:
    ended = spare("dc.7", tmp_path / "run", b"go\n")
    assert ended.returncode == 2
    assert b"no process dc.7" in ended.stderr
