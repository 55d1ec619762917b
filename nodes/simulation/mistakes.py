"""Mistakes that somebody could make in these nodes, each as a change of one or two functions. Nothing here is ever used
by a node that serves: `planted.py` puts one in, runs courses in which it can do harm, and takes it out again.

Each function takes `put(owner, name, value)`, which sets an attribute until the mistake is taken out.
"""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec import structs

from mesh import registry
from mesh.core.membership import Membership
from mesh.errors import DeadlineExceeded, PeerLost
from mesh.testing.network import MemoryEndpoint
from nodes.dc import fences, operations
from nodes.dc.pair import Pair
from nodes.dc.records import OPERATIONS, DamagedError, Table
from nodes.dc.writer import Writer
from nodes.gate.delivery import Delivery
from nodes.gate.lanes import Lanes
from nodes.scene.ledger import Ledger
from nodes.simulation.disk import SimulatedStore

Put = Callable[[Any, str, Any], None]


def acknowledge_before_the_commit(put: Put) -> None:
    commit = Writer._commit

    async def hasty(self: Writer, group: Any, states: Any) -> None:
        self._acknowledge(group)
        await commit(self, group, states)

    put(Writer, "_commit", hasty)


def recognise_no_repetition(put: Put) -> None:
    put(operations, "_carried_out", lambda *_: None)


def note_repetitions_outside_the_transaction(put: Put) -> None:
    put_on_disk = Writer.put_on_disk

    async def in_two(self: Writer, changes: Any) -> None:
        notes = [change for change in changes if change[0] == OPERATIONS.name]
        await put_on_disk(self, [change for change in changes if change[0] != OPERATIONS.name])
        if notes:
            await put_on_disk(self, notes)

    put(Writer, "put_on_disk", in_two)


def leave_the_disk_unsynced(put: Put) -> None:
    put(SimulatedStore, "sync", lambda _store: None)


def look_at_no_epoch(put: Put) -> None:
    put(operations, "_check_sessions", lambda *_: None)


def hear_scenes_that_were_given_up(put: Put) -> None:
    put(fences, "refuse_fenced", lambda *_: None)


def trade_in_two_transactions(put: Put) -> None:
    carry_out = Ledger.carry_out

    async def piecemeal(self: Ledger, parties: Any, kind: str, gold: Any = (), *more: Any, **named: Any) -> Any:
        if kind == "trade" and len(gold) > 1:
            for part in gold[:-1]:
                await carry_out(self, parties, kind, [part])
            gold = gold[-1:]
        return await carry_out(self, parties, kind, gold, *more, **named)

    put(Ledger, "carry_out", piecemeal)


def ignore_gaps_in_the_stream(put: Put) -> None:
    def careless(self: Membership, epoch: int, sequence: int) -> bool | None:
        return None if (epoch, sequence) <= (self.epoch, self.sequence) else True

    put(Membership, "follows", careless)
    put(registry, "_PULSE", -1)


def retry_under_a_new_number(put: Put) -> None:
    persist = Ledger._persist

    async def forgetful(self: Ledger, said: Any) -> Any:
        tries, self._tries = self._tries, 1
        try:
            for _ in range(tries):
                try:
                    return await persist(self, said)
                except (PeerLost, DeadlineExceeded):
                    said = structs.replace(said, sequence=said.sequence + 500)
                    await asyncio.sleep(0.5)
            raise PeerLost("nobody answers")
        finally:
            self._tries = tries

    put(Ledger, "_persist", forgetful)


class _Dated:
    """A node whose clock is its calendar."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.clock = SimpleNamespace(now=node.clock.wall, wall=node.clock.wall)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


def count_the_lease_on_the_wall_clock(put: Put) -> None:
    begin = Pair.begin

    def dated(self: Pair) -> None:
        self._node = _Dated(self._node)  # type: ignore[assignment]
        begin(self)

    put(Pair, "begin", dated)


def check_no_checksum(put: Put) -> None:
    def trusting(self: Table[Any, Any], _key: bytes, value: bytes) -> Any:
        try:
            return msgspec.msgpack.decode(value[5:], type=self.row)
        except msgspec.DecodeError as error:
            raise DamagedError(str(error)) from None

    put(Table, "unpack", trusting)


def send_without_being_told(put: Put) -> None:
    """As a ROUTER without MANDATORY: what finds no room is dropped, and nobody learns of it."""
    send = MemoryEndpoint.send

    def silent(self: MemoryEndpoint, link: int, frames: Any) -> bool:
        send(self, link, frames)
        return True

    put(MemoryEndpoint, "send", silent)


def keep_whatever_a_client_does_not_read(put: Put) -> None:
    for part in (Lanes, Delivery):
        put(part, "__init__", _generous(part.__init__))


def _generous(begin: Any) -> Any:
    names = ("movement_unread_bytes_max", "bulk_unread_bytes_max", "unread_bytes_max")

    def generous(self: Any, settings: Any, *more: Any) -> None:
        begin(self, structs.replace(settings, **dict.fromkeys(names, 1 << 26)), *more)

    return generous


def flush_states_only_at_the_end(put: Put) -> None:
    put(Writer, "_due", lambda self: self._stopping and bool(len(self._states)))
