"""What rolling-upgrade finds in operations and versions, and the second installation that it makes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh.checking.records import NEVER, Operation
from mesh.version import VERSION
from tools.chaos.scenarios.rolling_upgrade import OTHER, failed, longest_ms, wrong_versions
from tools.chaos.supervised import copy_code


def operation(kind: str, ended: Any, answer: str = "", called: float = 1.0, took_s: float = 0.1) -> Operation:
    returned = NEVER if ended == "unknown" else called + took_s
    return Operation(1, 1, kind, (), called, returned, ended, answer)


@pytest.mark.parametrize(
    ("one", "fails"),
    [
        (operation("loot", "ok"), False),
        (operation("loot", "refused", "out_of_range"), False),
        (operation("loot", "refused", "shutdown"), True),
        (operation("trade", "refused", "unavailable"), True),
        (operation("trade", "unknown"), True),
        (operation("ask", "unknown"), False),
    ],
)
def test_the_rules_of_the_game_may_refuse_and_the_servers_may_not(one: Operation, fails: bool) -> None:
    assert failed([one]) == [one] * fails


def test_the_longest_wait_is_of_what_was_asked_meanwhile_and_of_what_was_never_answered() -> None:
    before, meanwhile = operation("ask", "ok", took_s=9.0), operation("loot", "ok", called=12.0, took_s=0.5)
    assert longest_ms([before, meanwhile, operation("attack", "unknown", called=12.0)], 10.0, 20.0) == (500.0, "loot")
    assert longest_ms([meanwhile, operation("ask", "unknown", called=13.0)], 10.0, 20.0) == (7000.0, "ask")
    assert longest_ms([before], 10.0, 20.0) == (0.0, "")


def test_whoever_was_left_out_is_found() -> None:
    found = wrong_versions({"dc.1": OTHER, "gate.1": VERSION, "log.1": ""}, OTHER)
    assert [problem.text.split()[0] for problem in found] == ["gate.1", "log.1"]


def test_a_copy_of_the_code_says_that_it_is_another_version(tmp_path: Path) -> None:
    python = copy_code(tmp_path / "a copy", OTHER)
    words = "import mesh.version, nodes.scene.node as scene; print(mesh.version.VERSION, scene.__file__)"
    ran = subprocess.run([python, "-P", "-c", words], capture_output=True, text=True, check=True)
    assert ran.stdout.split(maxsplit=1) == [OTHER, f"{tmp_path}/a copy/nodes/scene/node.py\n"]
