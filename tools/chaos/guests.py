"""Guests: who logs in at any rate, and leaves again as soon as the world is there.

Owns those who are at the door. Each waits only so long, and whether it was let in is in the book.
"""

import asyncio
from itertools import count

from mesh.errors import MeshError
from tools.chaos.recorded import RecordedPlayer
from tools.chaos.zone import Zone

__all__ = ["GUESTS_MAX", "Guests"]

GUESTS_MAX = 1_500  # at the door; more are not begun, and counted
STEP_S = 0.01  # between two looks at who is due


class Guests:
    """See the module. `patience_s`: of each."""

    def __init__(self, made: Zone, patience_s: float) -> None:
        self._made, self._patience_s, self._numbers = made, patience_s, count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.turned_away = 0  # there were too many at the door for whoever makes them

    async def offer(self, per_s: float, seconds: float) -> None:
        now, begun = self._made.now, 0
        began = now()
        while (passed_s := now() - began) < seconds:
            while begun < int(passed_s * per_s):
                begun += 1
                self._begin()
            await asyncio.sleep(STEP_S)

    async def saturate(self, comers: int, seconds: float) -> None:
        until = self._made.now() + seconds

        async def come() -> None:
            while self._made.now() < until:
                await self._come()

        await asyncio.gather(*(come() for _ in range(comers)))

    async def finish(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self) -> None:
        if len(self._tasks) >= GUESTS_MAX:
            self.turned_away += 1
            return
        task = asyncio.create_task(self._come())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _come(self) -> None:
        realm, name = self._made.realm, f"guest-{next(self._numbers)}"
        player = RecordedPlayer(realm.book, realm.clock)
        player.leaving = True
        try:
            await player.join(realm.gates[0], "", realm.ticket(name), method="ticket", timeout_s=self._patience_s)
            await player.logout(self._patience_s)
        except MeshError:
            pass  # what became of the login is in the book
        finally:
            player.close()
