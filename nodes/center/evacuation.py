"""Emptying a scene or a line: everybody on it goes to other lines of the same map.

A draining scene asks for it (Evacuate). Each of its lines that somebody is on is opened elsewhere with the same number
where a scene can carry it, so that who was together stays together; then the players are transferred, a few at a time,
those without a connection, too. It goes on until nobody is left, or until nobody could be moved for IDLE_S: then the
scene is told how many had to stay, and may ask again.

An operator opens and closes lines (OrderLine). A line that is to be closed is emptied first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.control import Done
from mesh.protocol.placement import Evacuate, Evacuated, OrderLine
from nodes.center.directory import Directory, Presence
from nodes.center.finish import finish
from nodes.center.keeper import Keeper
from nodes.center.lines import Line
from nodes.center.settings import CenterSettings
from nodes.center.transfers import Goal, Transfers

ROUND_S = 0.2  # between two looks at who is left
IDLE_S = 10.0  # without anybody moved, before it is given up
AGAIN_S = 1.0  # the same, when nobody could be moved
SETTLE_S = 1.0  # a connection that is younger may not be known to its gate yet

Who = Callable[[], list[Presence]]


@dataclass(slots=True)
class Evacuation:
    """See the module."""

    node: Node
    told: CenterSettings
    directory: Directory
    keeper: Keeper
    transfers: Transfers
    moved: int = 0  # in all
    _under_way: dict[str, "asyncio.Task[Evacuated]"] = field(default_factory=dict)  # by scene

    @on(Evacuate)
    async def on_evacuate(self, _said: Evacuate, caller: Caller) -> Evacuated:
        """A scene is draining. Asked again meanwhile, it waits for the same end."""
        task = self._under_way.get(caller.peer)
        if task is None:
            task = self._under_way[caller.peer] = self.node.spawn(self._evacuate(caller.peer))
            task.add_done_callback(lambda _: self._under_way.pop(caller.peer))
        return await asyncio.shield(task)

    @on(OrderLine)
    async def on_order_line(self, said: OrderLine, _caller: Caller) -> Done:
        """An operator's word."""
        await finish(self.node, self._open(said) if said.do == "open" else self._close(said))
        return Done()

    # --- a scene ---

    async def _evacuate(self, scene: str) -> Evacuated:
        self.node.log.info("a scene is being emptied", scene=scene, players=self.directory.count_at(scene))
        await self._open_elsewhere(scene)
        moved, reason = await self._empty(lambda: self.directory.at_scene(scene))
        left = len(self.directory.at_scene(scene))
        self.node.log.info("a scene was emptied", scene=scene, players=moved, left=left, reason=reason)
        return Evacuated(moved, left, reason)

    async def _open_elsewhere(self, scene: str) -> None:
        """Each line with players on it, with the same number. Where that cannot be they go to the other lines."""
        taken = [line for line in self.keeper.lines.at_scene(scene) if self.keeper.lines.players(line)]
        there = self.keeper.scenes()
        for line in taken:
            doubles = self.keeper.lines.open_ones(line.map, there)
            if not any(other.number == line.number and other.scene != scene for other in doubles):
                await self.keeper.open(line.map, line.number, but=(scene,))

    # --- a line ---

    async def _open(self, said: OrderLine) -> None:
        lines, scenes = self.keeper.lines, self.keeper.scenes()
        scene = next((name for name in scenes if said.scene in (name, _short(name))), "")
        if said.scene and not scene:
            raise RefusedError(Code.NOT_FOUND, f"no scene {said.scene} is Ready")
        if said.number and lines.find(said.map, said.number) is not None:
            raise RefusedError(Code.EXISTS, f"{said.map} has a line {said.number}")
        if scene:
            await self.keeper.open_at(scene, said.map, said.number)
        elif await self.keeper.open(said.map, said.number) is None:
            raise RefusedError(Code.UNAVAILABLE, f"no scene can carry one more line of {said.map}")

    async def _close(self, said: OrderLine) -> None:
        lines = self.keeper.lines
        line = lines.find(said.map, said.number)
        if line is None:
            raise RefusedError(Code.NOT_FOUND, f"{said.map} has no line {said.number}")
        if line.closing:
            raise RefusedError(Code.OUT_OF_ORDER, "this line is being closed already")
        if lines.is_last(line):
            raise RefusedError(Code.NOT_ALLOWED, f"this is the last line of {said.map}")
        line.closing = True
        _, reason = await self._empty(lambda: self._on(line))
        if reason:
            line.closing = False
            raise RefusedError(Code.UNAVAILABLE, f"{len(self._on(line))} players are left: {reason}")
        await self.keeper.close(line)

    def _on(self, line: Line) -> list[Presence]:
        return [p for p in self.directory.at_scene(line.scene) if (p.map, p.line) == line.name]

    # --- people ---

    async def _empty(self, who: Who) -> tuple[int, str]:
        """Move them all. Returns how many went, and why somebody is left, if anybody is."""
        moved, moved_at, reason = 0, self.node.clock.now(), ""
        while there := who():
            went, said = await self._move_some([presence for presence in there if self._may_move(presence)])
            moved, reason = moved + went, said or reason
            now = self.node.clock.now()
            moved_at = now if went else moved_at
            if now - moved_at > IDLE_S:
                return moved, reason or "they come and go"
            await asyncio.sleep(ROUND_S if went else AGAIN_S)
        return moved, ""

    def _may_move(self, presence: Presence) -> bool:
        settled = not presence.gate or self.node.clock.now() - presence.since >= SETTLE_S
        return settled and presence.stage in ("online", "linkdead") and not presence.moving

    async def _move_some(self, presences: list[Presence]) -> tuple[int, str]:
        """Several at a time. Returns how many went, and why one did not."""
        waiting = iter(presences)
        went, reason = 0, ""

        async def take_turns() -> None:
            nonlocal went, reason
            for presence in waiting:
                try:
                    await self.transfers.transfer(presence, "drain", Goal(presence.map, rather=presence.line))
                except RefusedError as error:
                    reason = str(error)
                else:
                    went += 1
                    self.moved += 1

        await asyncio.gather(*(take_turns() for _ in range(min(self.told.evacuations_max, len(presences)))))
        return went, reason


def _short(name: str) -> str:
    """scene.1 of eu.one.scene.1."""
    return ".".join(name.split(".")[-2:])
