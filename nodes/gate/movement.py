"""Movement that came from scenes and is not sent yet: taken out in pieces of time, never piled up.

Movement for all clients of a scene is one batch, and to send it takes many milliseconds, more on a processor that
others use, too. So it is sent for SLICE_S; what is left goes on in the next turn of the loop (`more`), behind whatever
came meanwhile: an attack, its Hit, the center. A scene whose next tick comes before the last one is sent is told to
wait (Lane.PACE): it sends what is new then, and there is never more than about one tick that grows old here. A tick
may be several batches, for different clients: of each line one, and of a large one two, half a tick apart.

What waits is kept in a way (unsent.py) that lets control which came later take along what it must not overtake.

Rejected: to drop an old batch when a newer one comes. Only what changed is in a batch, so the scene would have to send
the full view of everybody, just when there is too much to send already.
"""

from collections import deque
from collections.abc import Callable, Iterable

from mesh.protocol.lanes import PIECE_SIZE, TICK_HEAD
from nodes.gate.rows import Block
from nodes.gate.sessions import Scene
from nodes.gate.unsent import Rows

SLICE_S = 0.005
"""Of sending, in one turn of the loop."""
CHUNK = 512
"""Rows that are sent between two looks at the clock."""

Send = Callable[[Scene, Block | Rows], None]


class Movement:
    """See the module. `more` asks for `work` in the next turn; `pace` tells a scene to wait or to go on, and returns
    False when its link takes no more."""

    def __init__(
        self, now: Callable[[], float], more: Callable[[], None], pace: Callable[[Scene, bool], bool], send: Send
    ) -> None:
        self.paced = 0  # times that a scene was told to wait
        self._now, self._more, self._pace, self._send = now, more, pace, send
        self._unsent: deque[Scene] = deque()

    def add(self, scene: Scene, block: Block) -> None:
        """A batch; the first of it is sent at once, unless other movement is on its way."""
        idle, waiting = not self._unsent, scene.movement
        tick = bytes(block.body[PIECE_SIZE : PIECE_SIZE + TICK_HEAD.size])
        if waiting and not scene.behind and self._is_late(scene, tick, int(block.handles[0])):
            scene.behind = self._pace(scene, True)
            self.paced += scene.behind
        scene.is_halved, scene.moved_tick = tick == scene.moved_tick, tick
        if scene not in self._unsent:
            self._unsent.append(scene)
        waiting.add(block)
        if idle:
            self.work()

    def _is_late(self, scene: Scene, tick: bytes, first: int) -> bool:
        """This came, and something waits. Of halves, it is not late while it is the other half that waits."""
        if tick == scene.moved_tick:
            return False
        return not scene.is_halved or first in scene.movement

    def work(self) -> None:
        """Send for a while."""
        until = self._now() + SLICE_S
        try:
            while self._unsent and self._now() < until:
                self._work_for(self._unsent.popleft())
        finally:
            if self._unsent:
                self._more()

    def _work_for(self, scene: Scene) -> None:
        some = scene.movement.take(CHUNK)
        if scene.movement:
            self._unsent.append(scene)
        else:
            self._catch_up(scene)
        self._send(scene, some)

    def look_after(self, scenes: Iterable[Scene]) -> None:
        """Now and then: a link that took no more may take again that its scene is to go on."""
        for scene in scenes:
            self._catch_up(scene)

    def _catch_up(self, scene: Scene) -> None:
        if scene.behind and not scene.movement:
            scene.behind = not self._pace(scene, False)

    def lose(self, scene: Scene) -> None:
        """The scene is gone: its movement is of no use."""
        scene.movement.clear()
        scene.behind = False
