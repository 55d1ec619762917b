"""What a center says of who writes is on its disk before; after a failed write nobody knows what is there."""

import os

import pytest

from mesh.errors import RefusedError
from mesh.protocol.replication import AskLease, Leased
from mesh.topology import load
from nodes.center import memory
from nodes.center.lease_desk import LeaseDesk
from tests.pair import TOPOLOGY


class Quiet:
    """A log of which only the reasons of warnings are kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def info(self, *_words, **_fields) -> None: ...

    def warning(self, _text: str, reason: str) -> None:
        self.warnings.append(reason)


class Office:
    """The node of the desk, with a clock that stands."""

    def __init__(self, folder) -> None:
        (folder / "pair.toml").write_text(TOPOLOGY)
        self.topology = load(folder / "pair.toml")
        self.one, self.two = (self.topology.node(short).name for short in ("dc.1", "dc.2"))
        self.log, self.clock, self.seat = Quiet(), self, self
        self.spec, self.data = self.topology.node("center.1"), folder
        self.peer, self.incarnation, self.serials = "", 0, dict[str, int]()
        self.desk = LeaseDesk(self)
        self.desk.open()

    def now(self) -> float:
        return 0.0

    def every(self, _seconds, _function) -> None: ...

    def ask(self, peer: str, **said) -> Leased:
        serial = self.serials[peer] = self.serials.get(peer, 0) + 1
        self.peer, self.incarnation = peer, 7 if peer == self.one else 8
        return self.desk.on_ask_lease(AskLease(serial, heard=serial - 1, **said), self)


def test_after_a_failed_write_it_is_written_again_before_anything_is_said(tmp_path, monkeypatch):
    """The file was put into its place, and the folder could not be synced: the disk knows more than the center."""
    office = Office(tmp_path)
    one, two = office.one, office.two
    office.ask(two, epoch=0, batch=0)
    assert office.ask(one, epoch=0, batch=0).granted
    assert office.ask(one, epoch=1, batch=1, term=1).granted
    real, calls = os.fsync, list[int]()

    def fails_for_the_folder(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(memory.os, "fsync", fails_for_the_folder)
    with pytest.raises(RefusedError):  # the standby has everything
        office.ask(one, epoch=1, batch=5, term=1, synced=True)
    assert memory.load_tenure(tmp_path).synced
    office.ask(one, epoch=1, batch=5, term=1, synced=False)  # and now it is away
    told = office.ask(one, epoch=1, batch=5, term=1, synced=False)
    assert told.granted
    assert not told.synced  # from here on the writer goes on alone
    assert not memory.load_tenure(tmp_path).synced, "or the standby could take over when the center is started anew"


def test_why_no_dc_may_write_is_told(tmp_path):
    """An older database was put into the place of the writer's, and the center still knows the newer one."""
    office = Office(tmp_path)
    one, two = office.one, office.two
    office.ask(two, epoch=0, batch=0)
    assert office.ask(one, epoch=0, batch=0).granted
    assert office.ask(one, epoch=1, batch=5, term=1).granted
    assert "dc_blocked" not in office.desk.describe()
    assert not office.ask(one, epoch=0, batch=0).granted
    why = "dc.1 has an older database than the one that it wrote to (epoch 1)"
    assert office.desk.describe()["dc_blocked"] == why
    assert office.log.warnings == [why]
