"""kill -9 at any moment: whatever was acknowledged is on disk, once, and the books balance."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.dc.audit import Audit
from nodes.dc.records import LEDGER
from nodes.dc.store import LmdbStore

from .conftest import MIB

ROOT = Path(__file__).parents[2]
KILLS = 4


@pytest.mark.cluster
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    acknowledged: set[tuple[int, int]] = set()
    items: set[int] = set()
    for number in range(KILLS):
        lines = killed_after(300 + 97 * number, tmp_path / "dc", number)
        for line in lines:
            session, sequence, made = line.split(" ")
            assert (int(session), int(sequence)) not in acknowledged
            acknowledged.add((int(session), int(sequence)))
            items.update(int(item) for item in made.split(",") if item)
    store = LmdbStore(tmp_path / "dc", MIB, 1 << 30)
    try:
        ledger = [LEDGER.unpack(key, value) for key, value in store.scan("ledger")]
        verdict = Audit(store).run()
    finally:
        store.close()
    stored = [(row.session, row.sequence) for row in ledger if row.sequence]
    assert len(acknowledged) > 1000
    assert acknowledged <= set(stored)
    assert items <= {move.item for row in ledger for move in row.items}
    assert len(stored) == len(set(stored))
    assert verdict["problems"] == []


def killed_after(lines: int, folder: Path, number: int) -> list[str]:
    """Start a writer, kill it after so many acknowledgements; all that it has acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.dc.killed", str(folder), str(number)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()  # what was in the pipe
    whole = [line.strip() for line in said if line.endswith("\n")]
    assert len(whole) >= lines, "the writer ended by itself"
    return [line + ("" if line.count(" ") == 2 else " ") for line in whole]
