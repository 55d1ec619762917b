"""Cores that do not halt: where there are loops, where there are none, and that they end."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools import awake
from tools.machine import usable

HELD = """
import sys
from pathlib import Path
import psutil
from tools import awake
awake.is_virtual, awake.is_limited, awake.idle_group = lambda: True, lambda: False, lambda: Path(sys.argv[1])
with awake.awake():
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """Where a loop says who it is, as in a control group."""
    made = tmp_path / "group"
    made.mkdir()
    return made


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Those that were started."""
    started: list[subprocess.Popen[bytes]] = []

    def loop(core: int, group: Path) -> subprocess.Popen[bytes]:
        started.append(start(core, group))
        return started[-1]

    start = awake._loop
    monkeypatch.setattr(awake, "_loop", loop)
    return started


def test_each_core_has_a_loop_until_the_end_of_the_block(
    group: Path, loops: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awake, "is_virtual", lambda: True)
    monkeypatch.setattr(awake, "is_limited", lambda: False)
    monkeypatch.setattr(awake, "idle_group", lambda: group)
    with awake.awake():
        assert [loop.poll() for loop in loops] == [None] * len(usable())
    assert all(loop.returncode is not None for loop in loops)


@pytest.mark.parametrize(
    ("virtual", "limited", "allowed"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_there_are_none_where_they_would_not_help(
    virtual: bool,
    limited: bool,
    allowed: bool,
    group: Path,
    loops: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awake, "is_virtual", lambda: virtual)
    monkeypatch.setattr(awake, "is_limited", lambda: limited)
    monkeypatch.setattr(awake, "idle_group", lambda: group if allowed else None)
    with awake.awake():
        assert loops == []


def test_they_end_when_whoever_began_them_is_killed(group: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HELD, str(group)], stdin=pipe, stdout=pipe, env=environment) as holder:
        assert holder.stdout is not None
        running = [psutil.Process(int(pid)) for pid in holder.stdout.readline().split()]
        assert len(running) == len(usable())
        holder.kill()
    _, alive = psutil.wait_procs(running, 30)
    assert alive == []


def test_a_group_is_idle_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    assert awake.idle_group(tmp_path) == tmp_path / "cpu" / awake.GROUP
    assert (tmp_path / "cpu" / awake.GROUP / "cpu.idle").read_text() == "1"
    (tmp_path / "cgroup.subtree_control").write_text("memory cpu pids\n")
    assert awake.idle_group(tmp_path) == tmp_path / awake.GROUP


def test_no_group_where_none_may_be_made(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("not a folder")
    assert awake.idle_group(tmp_path) is None


@pytest.mark.parametrize(("flags", "virtual"), [("fpu hypervisor sse", True), ("fpu sse", False)])
def test_a_virtual_machine_is_known_by_its_processor(flags: str, virtual: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nbugs\t: hypervisor\nflags\t\t: {flags}\n")
    assert awake.is_virtual(tmp_path) is virtual


@pytest.mark.parametrize(
    ("groups", "file", "quota", "limited"),
    [
        ("0::/pod/box\n", "pod/box/cpu.max", "150000 100000", True),
        ("0::/pod/box\n", "pod/cpu.max", "150000 100000", True),
        ("0::/pod/box\n", "pod/box/cpu.max", "max 100000", False),
        ("0::/\n", "cpu.max", "50000 100000", True),
        ("4:memory:/box\n1:cpu,cpuacct:/box\n", "cpu/box/cpu.cfs_quota_us", "140000", True),
        ("4:memory:/box\n1:cpu,cpuacct:/box\n", "cpu/box/cpu.cfs_quota_us", "-1", False),
        ("4:memory:/box\n1:cpu:/\n", "cpu/box/cpu.cfs_quota_us", "140000", False),
    ],
)
def test_a_quota_of_a_group_that_one_is_in_is_a_limit(
    groups: str, file: str, quota: str, limited: bool, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    at = tmp_path / "groups" / file
    at.parent.mkdir(parents=True)
    at.write_text(quota + "\n")
    assert awake.is_limited(tmp_path / "proc", tmp_path / "groups") is limited
