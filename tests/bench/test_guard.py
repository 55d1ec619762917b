"""Whoever is started during a bench ends when the bench is killed, and its notes are not the user's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench import guard, running
from tools.ctl import clusters

BENCH = """
import subprocess, sys
from pathlib import Path
from tools.bench.guard import guarded
from tools.bench.running import own_notes

with own_notes(Path(sys.argv[1])) as notes, guarded(notes):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(child.pid, flush=True)
    sys.stdin.read()
"""


def test_a_killed_bench_leaves_neither_processes_nor_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "zb"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-P", "-c", BENCH, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as bench:
        assert bench.stdout is not None
        child = int(bench.stdout.readline())
        watch = [one for one in guard.psutil.Process(bench.pid).children() if "tools.bench.guard" in one.cmdline()]
        left = [*watch, guard.psutil.Process(child)]
        bench.kill()
    _, alive = guard.psutil.wait_procs(left, 30)
    assert alive == []
    assert not folder.exists()


def test_what_ends_well_is_left_alone(tmp_path: Path) -> None:
    with guard.guarded(tmp_path):
        pass
    assert tmp_path.exists()


def test_a_cluster_of_a_bench_is_none_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guard.NOTES, str(tmp_path))
    usual = clusters.folder(os.environ)
    with running.own_notes(tmp_path):
        assert clusters.folder(os.environ) != usual
    assert clusters.folder(os.environ) == usual
