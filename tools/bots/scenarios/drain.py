"""Scenario drain: players walk, ask and talk while an operator empties a node under them (`--drain NODE`).

Measured: `pause`, one for each player: the longest time in which it heard of nobody's movement while the run was
measured. It needs company: who is alone hears nothing anyway. Counted: what probing.py counts, which says whether a
message was lost in either direction.
"""

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body
from tools.bots.scenarios.probing import Probing


class Drain(Probing):
    """Walks, and looks at the clock."""

    hears_updates = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._last = 0.0
        self._longest = 0.0
        self._measuring = False

    def begin(self, now: float) -> None:
        super().begin(now)
        self._measuring = True
        self._longest = 0.0
        self._last = now

    def updated(self, now: float) -> None:
        if now - self._last > self._longest:
            self._longest = now - self._last
        self._last = now

    def hear(self, said: Message, now: float) -> None:
        super().hear(said, now)
        if isinstance(said, play.Entered):
            self.updated(now)  # it has the full view

    def finish(self, now: float) -> None:
        super().finish(now)
        if self._measuring:
            self.body.record("pause", max(self._longest, now - self._last))
            self._measuring = False
