"""Compactions that a log node starts beside itself."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.lake.lake import Lake
from mesh.metrics import Metrics, page
from mesh.testing.virtual import SilentLog
from nodes.log import lakeside, offline
from nodes.log.background import Compactions
from nodes.log.settings import LogSettings
from nodes.process import run_beside
from tests.data.laking import WALL_MS, all_said, batches_of, content, log_folder, some_events

EVENTS = some_events(12)


def compactions(runtime: Path, run: Any, **settings: Any) -> tuple[Compactions, Metrics, SilentLog]:
    metrics, log = Metrics("log.1", "log"), SilentLog()
    seat: Any = SimpleNamespace(
        beside=run, data=runtime / "data" / "log.1", topology=SimpleNamespace(runtime=runtime)
    )  # fmt: skip
    return Compactions(seat, LogSettings(**settings), metrics, log), metrics, log


def in_this_process(capsys: pytest.CaptureFixture[str]) -> Any:
    async def run(words: Sequence[str]) -> tuple[int, bytes]:
        assert words[:3] == ["log", "--offline", "compact"]
        code = offline.main([word for word in words[1:] if word not in ("--offline",)])
        return code, capsys.readouterr().out.encode()

    return run


@pytest.fixture(autouse=True)
def _not_nice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lakeside, "_step_back", lambda: None)
    monkeypatch.setattr("os.getppid", lambda: __import__("os").getpid())


def test_what_is_new_comes_into_the_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_folder(tmp_path / "data" / "log.1", *batches_of(EVENTS, 5))
    work, metrics, log = compactions(tmp_path, in_this_process(capsys), lake_days=0.0, lake_bytes=0)
    assert work.wanted
    asyncio.run(work.compact())
    assert content(tmp_path / "lake") == sorted(all_said(EVENTS))
    shown = page([metrics.registry]).decode()
    assert 'log_compacted_events_total{node="log.1",role="log"} 12.0' in shown
    assert 'log_compactions_total{node="log.1",role="log"} 1.0' in shown
    assert log.lines == []


def test_what_fails_is_said_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_folder(tmp_path / "data" / "log.1", *batches_of(EVENTS, 5))
    work, _, log = compactions(tmp_path, in_this_process(capsys))
    with Lake(tmp_path / "lake", WALL_MS):
        asyncio.run(work.compact())
    assert (work.done, work.failed) == (0, 1)
    assert "another process" in str(log.lines)


def test_the_lake_is_pruned_by_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_folder(tmp_path / "data" / "log.1", *batches_of(EVENTS, 5))
    work, _, _ = compactions(tmp_path, in_this_process(capsys), lake_days=1.0)  # these events are older
    asyncio.run(work.compact())
    assert content(tmp_path / "lake") == []


@pytest.mark.parametrize(("run", "settings"), [(None, {}), (lambda words: None, {"compact_s": 0})])
def test_where_it_is_not_wanted(tmp_path: Path, run: Any, settings: dict[str, Any]) -> None:
    work, _, _ = compactions(tmp_path, run, **settings)
    assert not work.wanted


def test_where_the_extra_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    work, _, _ = compactions(tmp_path, in_this_process(capsys))
    assert not work.wanted
    assert offline.main(["compact", "--data", str(tmp_path), "--lake", str(tmp_path / "lake")]) == 2
    assert "pip install 'zonemesh[data]'" in json.loads(capsys.readouterr().out)["error"]


def test_as_the_log_node_starts_it(tmp_path: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 5))
    words = ["log", "--offline", "compact", "--data", str(log), "--lake", str(tmp_path / "lake")]
    code, output = asyncio.run(run_beside(words))
    assert (code, json.loads(output)["events"]) == (0, 12)
    assert content(tmp_path / "lake") == sorted(all_said(EVENTS))


def test_it_ends_with_whoever_waits_for_it() -> None:
    """A process that would wait for ever: nobody is left of it."""

    async def story() -> None:
        waiting = asyncio.create_task(run_beside(["log", "--offline", "compact", "--help"]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(story())


def test_a_compaction_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 5))
    words = ["--data", str(log), "--lake", str(tmp_path / "lake"), "--parent", "1"]
    command = [sys.executable, "-P", "-m", "nodes", "log", "--offline", "compact", *words]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert ran.returncode == 1
    assert "gone" in json.loads(ran.stdout)["error"]
