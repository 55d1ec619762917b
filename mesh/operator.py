"""An operator's way into a running cluster: asks nodes as role `ctl`, straight at their addresses.

    async with Operator(topology) as operator:
        answer = await operator.ask("dc.1", StatDb(), timeout_s=2.0)

It needs no center, so that it also works when that is what is broken. It never serves anything.
"""

import asyncio
import os
import random
from collections.abc import Sequence
from types import TracebackType

from mesh.clock import Clock, SystemClock
from mesh.core.links import Link
from mesh.errors import PeerLost
from mesh.protocol.catalogue import Message
from mesh.protocol.envelope import Envelope
from mesh.switchboard import Switchboard
from mesh.topology import Topology
from mesh.transport.auth import Identity
from mesh.transport.base import Network
from mesh.transport.sockets import ZmqNetwork


class Operator:
    """See the module."""

    def __init__(self, topology: Topology, network: Network | None = None, clock: Clock | None = None) -> None:
        self._topology = topology
        self._own: ZmqNetwork | None = None
        name = f"{topology.region}.{topology.zone}.ctl.{os.getpid()}"
        if network is None:
            keys = {name: Identity.load(topology.keys / "curve", "ctl")} if topology.curve else None
            network = self._own = ZmqNetwork(keys)
        incarnation = random.SystemRandom().getrandbits(62) | 1
        self._board = Switchboard(self, name, "ctl", incarnation, network, clock or SystemClock())
        self._tending: asyncio.Task[None] | None = None

    async def ask(self, node: str, message: Message, timeout_s: float = 2.0) -> Message:
        """Ask a node by full or short name. Raises PeerLost, DeadlineExceeded, RefusedError;
        StorageError when the keys do not know the node."""
        try:
            spec = self._topology.node(node)
        except KeyError:
            raise PeerLost(f"there is no node {node} in {self._topology.file}") from None
        if self._tending is None:  # without beats a node would hang up on us before a slow answer is there
            self._tending = asyncio.get_running_loop().create_task(self._board.tend())
        self._board.dial(spec.name, spec.address)
        return await self._board.ask(spec.name, message, timeout_s)

    async def __aenter__(self) -> "Operator":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tending is not None:
            self._tending.cancel()
        self._board.close()
        if self._own is not None:
            self._own.close()

    # --- the switchboard's Host: an operator only listens to answers ---

    def may_link(self, peer: str, role: str) -> bool:  # noqa: ARG002 - whoever is there
        return role != "ctl"

    def link_up(self, link: Link) -> None:
        pass

    def link_down(self, link: Link) -> None:
        pass

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        pass

    def batch_arrived(self, link: Link, lane: int, blobs: list[bytes]) -> None:
        pass

    def published(self, frame: bytes) -> None:
        pass
