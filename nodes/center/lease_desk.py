"""Answers the DCs of a pair: decides by `leases.py`, writes it down with fsync, and only then says it.

Owns the tenure on disk. In a topology without a standby it holds nothing and refuses whoever asks.
"""

from typing import Any, Protocol

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.replication import AskLease, Leased
from mesh.seat import Logger, Seat
from mesh.topology import Topology
from nodes.center.leases import LEASE_S, Leases, Question, Tenure
from nodes.center.memory import load_tenure, save_tenure

TICK_S = 0.25


class Office(Protocol):
    """The node that it belongs to."""

    seat: Seat
    clock: Clock
    topology: Topology
    log: Logger

    def every(self, seconds: float, function: Any) -> Any: ...


class LeaseDesk:
    """See the module."""

    def __init__(self, node: Office) -> None:
        self._node = node
        self._leases: Leases | None = None
        self._is_on_disk = True  # what we know; after a failed write nobody knows what is

    def open(self) -> None:
        """StorageError when what is on disk cannot be read: to guess who writes would be worse."""
        node = self._node
        for first, second in node.topology.standbys.items():
            if first in node.topology.nodes and node.topology.nodes[first].zone == node.seat.spec.zone:
                self._leases = Leases(first, second, load_tenure(node.seat.data), node.clock.now())
                node.every(TICK_S, self._tick)

    def describe(self) -> dict[str, Any]:
        """For `mesh status`."""
        known = self._leases.tenure if self._leases is not None else None
        if known is None:
            return {}
        shown = {"dc_writer": known.writer, "dc_epoch": known.epoch, "dc_standby_in_sync": bool(known.synced)}
        return shown if known.incarnation else {**shown, "dc_blocked": _older(known)}

    @on(AskLease)
    def on_ask_lease(self, said: AskLease, caller: Caller) -> Leased:
        leases, now = self._leases, self._node.clock.now()
        if leases is None or caller.peer not in (leases.first, leases.second):
            raise RefusedError(Code.NOT_ALLOWED, f"{caller.peer} is not one of a pair in this topology")
        asked = Question(
            caller.peer,
            caller.incarnation,
            said.serial,
            said.epoch,
            said.batch,
            said.term,
            said.synced,
            said.free,
            said.heard,
            said.leaving,
        )
        before, tenure = leases.tenure, leases.decide(asked, now)
        if tenure is not None and (tenure != before or not self._is_on_disk):
            self._is_on_disk = save_tenure(self._node.seat.data, tenure)
            if not self._is_on_disk:
                raise RefusedError(Code.DISK_FULL, "the center cannot write down who writes")
            if before is None or tenure.epoch != before.epoch:
                self._node.log.info("a DC may write", peer=tenure.writer, epoch=tenure.epoch)
            if not tenure.incarnation and before is not None and before.incarnation:
                self._node.log.warning("no DC may write", reason=_older(tenure))
        granted = leases.settle(tenure, asked, now)
        if tenure is None:
            return Leased(0, "", False, False, LEASE_S)
        return Leased(tenure.epoch, tenure.writer, granted, bool(tenure.synced), LEASE_S, leases.over(now))

    def _tick(self) -> None:
        if self._leases is not None:
            self._leases.tick(self._node.clock.now())


def _older(tenure: Tenure) -> str:
    """Why its writer is none any more."""
    who = tenure.writer.split(".", 2)[-1]
    return f"{who} has an older database than the one that it wrote to (epoch {tenure.stored})"
