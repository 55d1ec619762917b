"""The loop of a scene: tick after tick, what each line tells, and what of it is put down.

Owns when a tick begins and how long its parts took. What happens in a tick is `line.py`; nothing here knows a rule of
the game. A line with very many players tells half of them between two ticks (sight.py).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mesh.protocol.lanes import Lane
from mesh.protocol.placement import MembersSeen
from nodes.scene.frames import GateFrames
from nodes.scene.line import Line
from nodes.scene.portals import CENTER
from nodes.scene.settings import LINE_BITS
from nodes.scene.ticker import turn_of

if TYPE_CHECKING:
    from nodes.scene.node import SceneNode


class Ticking:
    """See the module."""

    def __init__(self, node: "SceneNode") -> None:
        self._node = node
        self._tick_seconds = node.metrics.histogram("scene_tick_seconds", "How long a tick of all lines took.")
        text = "From the first movement that a tick had to tell to its end."
        self._move_seconds = node.metrics.histogram("scene_move_seconds", text)
        self._moved_at: float | None = None  # when the first movement came that no tick has told
        self._lap_at = 0.0
        self._took_s = 0.0  # the last tick, without what of it comes later

    def moved(self) -> None:
        """Movement has come."""
        if self._moved_at is None:
            self._moved_at = self._node.clock.now()

    async def run(self, awake: asyncio.Event) -> None:
        """Until cancelled. Nothing happens before `awake` is set while nobody is here."""
        node = self._node
        while True:
            if not len(node.sessions):
                awake.clear()
                await awake.wait()
                node.ticker.restart(node.clock.now())
            await asyncio.sleep(node.ticker.wait_s(node.clock.now()))
            if node.handing.frozen:
                await node.handing.wait_moving()
                continue
            self._guarded(self._tick)
            if self._is_halved:
                await asyncio.sleep(node.ticker.half_s(node.clock.now()))
                self._guarded(self._tell_later)
            node.handing.ticked()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A mistake in one line costs the others nothing."""
        node = self._node
        try:
            work()
        except Exception as error:
            node.dispatch.errors += 1
            node.log.exception("a tick failed", reason=repr(error))

    def _tick(self) -> None:
        node = self._node
        began = self._lap_at = node.clock.now()
        node.seat.failpoints.hit("scene.tick")
        node.sort_moves()
        tick, now, pace = node.ticker.tick, node.game.now(), node.game.lenience()
        for line in node.lines:
            line.pace = pace
            if line.players:
                self._guarded(partial(self._tick_line, line, now, tick))
        if tick % max(1, round(node.ticker.hz)) == 0:
            node.play.trading.watch(began)
        self._lap("keep")
        ended = node.clock.now()
        self._took_s = ended - began
        if self._moved_at is not None:
            self._move_seconds.observe(ended - self._moved_at)
            self._moved_at = None
        node.ticker.ended(self._took_s)
        if not self._is_halved:
            self._tick_seconds.observe(self._took_s)

    @property
    def _is_halved(self) -> bool:
        node = self._node
        return any(line.sight.is_halved for line in node.lines)

    def _tell_later(self) -> None:
        """Between two ticks: those who were not told in the last one."""
        node = self._node
        began = self._lap_at = node.clock.now()
        node.sort_moves()
        now, tick = node.game.now(), node.ticker.tick - 1
        for line in node.lines:
            if line.sight.is_halved:
                self._guarded(partial(self._tell_half, line, now, tick))
        took_s = node.clock.now() - began
        node.ticker.went_on(took_s)
        self._tick_seconds.observe(self._took_s + took_s)

    def _tick_line(self, line: Line, now: float, tick: int) -> None:
        self._send(line, line.tick(now, tick, self._lap))
        self._keep(line, tick)

    def _tell_half(self, line: Line, now: float, tick: int) -> None:
        self._send(line, line.later(now, tick, self._lap))

    def _send(self, line: Line, frames: list[GateFrames]) -> None:
        node = self._node
        node.flush()  # before the movement: nobody moves who has not appeared
        for one in frames:
            if not node.batch(node.out.names[one.gate], Lane.UPDATES, one.handles, one.lengths, one.body):
                node.counts.updates_dropped += 1
                slots = np.frombuffer(one.handles, "<u4") & np.uint32((1 << LINE_BITS) - 1)
                line.world.refresh[slots] = True
        self._lap("send")

    def _keep(self, line: Line, tick: int) -> None:
        """Step 9, spread over the ticks of a second: in even ones states to the DC; in odd ones ways walked to the
        behaviour log, and the members of parties to the center."""
        node, hz = self._node, self._node.ticker.hz
        if turn := turn_of(tick, hz * node.settings.save_s):
            slots = line.unsaved(*turn)
            if len(slots):
                node.saves.send(line, slots)
        if turn := turn_of(tick, hz, odd=True):
            accounts, x, y = line.walkers(*turn)
            if len(accounts):
                node.journal.record_many("move", accounts, x=x, y=y)
            slots, members = line.seen(*turn)
            if members and not node.tell(CENTER, MembersSeen(members)):
                line.whereabouts.again(slots)

    def _lap(self, part: str) -> None:
        node = self._node
        now = node.clock.now()
        node.ticker.part_ended(part, now - self._lap_at)
        self._lap_at = now
