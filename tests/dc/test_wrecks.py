"""A DC whose program has died of its file looks at it before it opens it, and in the end leaves it alone."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mesh.clock import SystemClock
from mesh.errors import StorageError
from mesh.failpoints import Failpoints, parse
from mesh.seat import Seat
from nodes.dc import wrecks
from nodes.dc.memory_store import MemoryStore
from nodes.dc.store import Store

DEATH = "Fatal Python error: Aborted\n\nCurrent thread 0x01 (most recent call first):\n"
FAILED = "A commit failed: the disk is broken\n"
NOW = 1_000_000.0
DIES = [sys.executable, "-c", "import os; os.abort()"]


def exits(code: int, marker: Path | None = None) -> list[str]:
    """A check that ends so; it writes down for which folder it was run."""
    note = f"open({str(marker)!r}, 'w').write(sys.argv[1]);" if marker else ""
    return [sys.executable, "-c", f"import sys; {note} sys.exit({code})"]


def died(data: Path, times: int, ago_s: float = 10.0) -> None:
    (data / wrecks.FILE).write_text(DEATH * times)
    os.utime(data / wrecks.FILE, (NOW - ago_s, NOW - ago_s))


def look(data: Path, check: list[str]) -> None:
    asyncio.run(wrecks.look(data, NOW, check))


def test_without_a_death_nothing_is_checked(tmp_path: Path) -> None:
    look(tmp_path, DIES)
    (tmp_path / wrecks.FILE).touch()
    os.utime(tmp_path / wrecks.FILE, (NOW, NOW))
    look(tmp_path, DIES)


@pytest.mark.parametrize("code", wrecks.FINE)
def test_after_a_death_the_file_is_checked_and_opened_when_it_can_be_read(tmp_path: Path, code: int) -> None:
    died(tmp_path, 1)
    look(tmp_path, exits(code, tmp_path / "checked"))
    assert (tmp_path / "checked").read_text() == str(tmp_path)


@pytest.mark.parametrize("check", [DIES, exits(1)], ids=["dies", "cannot open it"])
def test_when_the_check_comes_to_no_end_the_file_is_left_alone(tmp_path: Path, check: list[str]) -> None:
    died(tmp_path, 1)
    with pytest.raises(StorageError, match="restore it from a backup"):
        look(tmp_path, check)


def test_after_three_deaths_no_check_helps(tmp_path: Path) -> None:
    died(tmp_path, wrecks.DEATHS_MAX)
    with pytest.raises(StorageError, match="died of this database 3 times"):
        look(tmp_path, exits(0))


def test_failed_commits_count_like_other_deaths(tmp_path: Path) -> None:
    (tmp_path / wrecks.FILE).write_text(FAILED + DEATH)
    os.utime(tmp_path / wrecks.FILE, (NOW, NOW))
    look(tmp_path, exits(0, tmp_path / "checked"))
    assert (tmp_path / "checked").exists()
    (tmp_path / wrecks.FILE).write_text(FAILED + DEATH + FAILED)
    os.utime(tmp_path / wrecks.FILE, (NOW, NOW))
    with pytest.raises(StorageError, match=r"3 times of late \(A commit failed: the disk is broken\)"):
        look(tmp_path, exits(0))


def test_deaths_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    died(tmp_path, 9, wrecks.FORGOTTEN_S + 1)
    look(tmp_path, DIES)
    assert not (tmp_path / wrecks.FILE).exists()


def test_a_death_is_written_as_it_is_looked_for(tmp_path: Path) -> None:
    file = tmp_path / wrecks.FILE
    dies = f"import faulthandler, os; faulthandler.enable(open({str(file)!r}, 'ab')); os.abort()"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", dies], check=False)
    assert wrecks.deaths_in(file, file.stat().st_mtime) == 2


def seat(data: Path, failpoints: str = "") -> Seat:
    """As far as deaths are concerned with it."""
    given = SimpleNamespace(data=data, failpoints=Failpoints(parse(failpoints)), clock=SystemClock())
    given.crashes_into = lambda path: path.touch()
    return cast(Seat, given)


def test_a_failed_commit_is_written_as_it_is_looked_for(tmp_path: Path) -> None:
    for _ in range(2):
        wrecks.commit_failed(seat(tmp_path), "the disk is broken")
    file = tmp_path / wrecks.FILE
    assert wrecks.deaths_in(file, file.stat().st_mtime) == 2
    wrecks.commit_failed(seat(tmp_path / "away"), "and no folder is there either")


def test_who_is_told_to_fail_suspects_no_file(tmp_path: Path) -> None:
    wrecks.commit_failed(seat(tmp_path, "dc.in-commit=error@3"), "failpoint dc.in-commit")
    assert wrecks.deaths_in(tmp_path / wrecks.FILE, NOW) == 0


def test_a_death_while_the_file_is_being_opened_is_written_down(tmp_path: Path) -> None:
    """The first look at a damaged file may be the last one."""
    data, open_at = tmp_path / "dc.1", []

    def open_store() -> Store:
        open_at.append((data / wrecks.FILE).exists())
        data.mkdir(exist_ok=True)
        return MemoryStore()

    for _ in range(2):
        asyncio.run(wrecks.opened(seat(data), open_store))
    assert open_at == [False, True], "a database that is only made now cannot be damaged"
