"""Cached states of everybody, saved again and again as a scene does, numbered in `xp`, with what was acknowledged."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from mesh.checking.cached import Saved
from mesh.clock import Clock
from mesh.errors import DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.lanes import STATE
from mesh.protocol.records import SaveStates
from tools.bench.dcdesk import Scene

EVERY_S = 0.05
ANSWER_S = 1.0


@dataclass
class Savers:
    """`run` until it is cancelled."""

    scene: Scene
    clock: Clock
    sessions: list[int]
    number: int = 0
    saves: list[Saved] = field(default_factory=list)

    async def run(self) -> None:
        """One save of everybody after the other; what is not acknowledged is simply followed by the next."""
        while True:
            self.number += 1
            try:
                await self.scene.ask("dc", self._said(), ANSWER_S)
            except (PeerLost, DeadlineExceeded, RefusedError):
                pass
            else:
                self.saves.append(Saved(self.number, self.clock.now()))
            await asyncio.sleep(EVERY_S)

    def _said(self) -> SaveStates:
        states = np.zeros(len(self.sessions), STATE)
        states["x"], states["xp"] = self.number % 500, self.number
        return SaveStates("square", np.array(self.sessions, "<u8").tobytes(), states.tobytes())
