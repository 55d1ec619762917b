"""How a node that several zones use (the DC, shared log nodes) is known in the other ones.

It stays registered at their centers, so that their nodes find it in their own registries and dial it. It hears nothing
of what goes on there, and nothing there changes it: a center of another zone that dies is told again when it is back.
The node's own registry (`registry.py`) is another matter.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from mesh.errors import Code, MeshError, RefusedError, StorageError
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Member, Register, Registered, Renew
from mesh.seat import Logger
from mesh.switchboard import Switchboard
from mesh.topology import NodeSpec

ASK_S = 2.0
RETRY_S = 0.2


class Guest(Protocol):
    """The node that is known abroad."""

    log: Logger
    switchboard: Switchboard

    async def ask(self, target: str, message: Message, timeout_s: float = ...) -> Message: ...
    def own_member(self) -> Member: ...


class Abroad:
    """One node's registration at the centers of other zones."""

    def __init__(self, node: Guest, centers: Iterable[NodeSpec]) -> None:
        self._node = node
        self._centers = {spec.name: spec for spec in centers}
        self._news = {name: asyncio.Event() for name in self._centers}
        self._known: set[str] = set()  # centers that know this node

    def __contains__(self, center: object) -> bool:
        return center in self._centers

    def dial(self) -> None:
        """Have a link to each of them from now on."""
        for spec in self._centers.values():
            try:
                self._node.switchboard.dial(spec.name, spec.address)
            except StorageError as error:
                self._node.log.error("another zone's center cannot be dialled", peer=spec.name, reason=str(error))

    async def stay(self) -> None:
        """Stay registered at all of them, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._centers:
                group.create_task(self._stay_at(name))

    def announce(self) -> None:
        """Something about this node changed: told at once, not waited for."""
        for news in self._news.values():
            news.set()

    def link_up(self, center: str) -> None:
        """It may have started anew and know nobody."""
        self._known.discard(center)
        self._news[center].set()

    async def _stay_at(self, center: str) -> None:
        lease_s = 0.0
        while True:
            self._news[center].clear()
            pause_s = RETRY_S
            try:
                lease_s = await self._tell(center, lease_s)
                pause_s = lease_s / 3
            except RefusedError as error:
                if error.code == Code.NOT_FOUND:
                    self._known.discard(center)
            except MeshError:
                self._known.discard(center)
            try:
                async with asyncio.timeout(pause_s):
                    await self._news[center].wait()
            except TimeoutError:
                pass

    async def _tell(self, center: str, lease_s: float) -> float:
        """Register, or renew; how long that holds."""
        member = self._node.own_member()
        if center in self._known:
            await self._node.ask(center, Renew(member.incarnation, member.state, member.load), ASK_S)
            return lease_s
        answer = await self._node.ask(center, Register(member), ASK_S)
        assert isinstance(answer, Registered)
        self._known.add(center)
        return answer.lease_s
