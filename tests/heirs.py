"""Scenes that are restarted on purpose, in memory: what a supervisor and two processes do, played on virtual time."""

import asyncio

from mesh.errors import HandedOverError, MeshError
from mesh.node import Node
from mesh.testing import Cluster
from nodes.scene.node import SceneNode


class Restart:
    """One of them: `old` plays, `heir` is started beside it. `done` says what became of it."""

    def __init__(self, cluster: Cluster, short: str, late_s: float = 0.0) -> None:
        self.late_s = late_s  # the heir has it all, and is linked only after this
        self.cluster, self.short = cluster, short
        self.old: SceneNode = cluster.node(short)
        self.heir = SceneNode(cluster.seat(short))
        self.refusal = ""
        self.killed: list[Node] = []
        self._watching = asyncio.ensure_future(self._watch())
        self._inheriting = asyncio.ensure_future(self._inherit())

    async def done(self) -> bool:
        """True: the heir is the scene. False: it is not, whatever became of the old one."""
        await asyncio.wait({self._inheriting})
        return not self._inheriting.cancelled() and self._inheriting.result()

    async def _inherit(self) -> bool:
        try:
            await self.heir.inherit()
        except (MeshError, asyncio.CancelledError) as error:
            self.refusal = str(error)
            await self.heir.abandon()
            return False
        self.cluster.nodes[self.short] = self.heir
        await asyncio.sleep(self.late_s)
        await self.heir.start()
        return True

    async def _watch(self) -> None:
        """The old process ends by itself when it has given everything away. If nobody has it then, a new one begins."""
        await self.old.failed.wait()
        if not isinstance(self.old.failure, HandedOverError):
            return
        self.kill_old()
        if not await self.done() and self.short not in self.cluster.nodes:
            await self.cluster.start(self.short)

    def kill_old(self) -> None:
        if self.old not in self.killed:
            self.killed.append(self.old)
            self.cluster.network.kill(self.old.name, self.old.incarnation)
            self._end(self.old)

    def kill_heir(self) -> None:
        if self.heir not in self.killed:
            self.killed.append(self.heir)
            self._inheriting.cancel()
            self.cluster.network.kill(self.heir.name, self.heir.incarnation)
            self._end(self.heir)

    def _end(self, node: Node) -> None:
        if self.cluster.nodes.get(self.short) is node:
            del self.cluster.nodes[self.short]
        self._ending = asyncio.ensure_future(node.abandon())


async def restart(cluster: Cluster, short: str) -> Restart:
    """Hand a scene over; it must work."""
    made = Restart(cluster, short)
    assert await made.done(), made.refusal
    await made.heir.ready.wait()
    return made
