"""`mesh events` over the files of a group of log nodes: each event once, and how many are missing."""

import asyncio
import json
from pathlib import Path

import pytest

from mesh.core.log_group import DROPPED, Sum
from mesh.protocol.journal import QueryEvents
from mesh.topology import load
from tests.log.writing import batch, numbered, write
from tools.ctl.commands.event_losses import ask_losses, show_losses
from tools.ctl.commands.events import _read, as_dict

SENDER = "eu.one.scene.1"
TWO_LOGS = """
[cluster]
name = "test"
region = "eu"
zone = "one"
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["log.1"]
[[process]]
nodes = ["log.2"]
[[process]]
nodes = ["dc.1"]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What two log nodes have left: 3 to 6 are with both, 7 to 9 with nobody, 30 were dropped before number 12."""
    data = tmp_path / "run" / "data"
    write(data / "log.1", numbered(0, 7))
    notice = batch([(1_750_000_000_500, DROPPED, 0, {"count": 30})], SENDER, 7, 12)
    write(data / "log.2", numbered(3, 4), numbered(10, 2), notice)
    return data


def test_the_files_of_a_group_are_read_as_one_log(data: Path, tmp_path: Path) -> None:
    (tmp_path / "zone.toml").write_text(TWO_LOGS)
    topology = load(tmp_path / "zone.toml", runtime=tmp_path / "run")
    found, more = _read(topology, QueryEvents(kinds=["test"], limit=100))
    assert [as_dict(event)["number"] for event in found] == [0, 1, 2, 3, 4, 5, 6, 10, 11]
    assert not more
    assert [event.number for event in _read(topology, QueryEvents(kinds=["test"], limit=5))[0]] == [4, 5, 6, 10, 11]


def test_losses_are_shown_by_sender(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zone.toml").write_text(TWO_LOGS)
    topology = load(tmp_path / "zone.toml", runtime=tmp_path / "run")
    found, complete = asyncio.run(ask_losses(topology, [], {data / "log.1", data / "log.2"}))
    assert (found, complete) == ([Sum(SENDER, 7, 10, 4, 3, 30)], True)
    show_losses(found, complete, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["stored"], said["twice"], said["missing"], said["dropped"], said["complete"]) == (10, 4, 3, 30, True)
    assert said["senders"] == [found[0]._asdict()]
    show_losses(found, complete=False, as_json=False)
    shown = capsys.readouterr()
    assert "scene.1" in shown.out
    assert "10 stored, 4 twice, 3 missing, 30 dropped; not all is known" in shown.err
