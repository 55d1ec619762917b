"""What clients say to scenes: moves and play messages, collected by scene, sent as batches. The way up.

Nothing is opened. A batch of moves that a full link does not take is dropped (the next one is newer) and counted;
play messages wait for the next flush, up to PLAYS_MAX and PLAYS_BYTES_MAX for a scene, and then clients are told
`unavailable`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from mesh.protocol.lanes import Lane
from nodes.gate.sessions import Client, Scene

PLAYS_MAX = 20_000
"""Play messages waiting for one scene."""
PLAYS_BYTES_MAX = 8 << 20
"""Bytes in them. A batch is one message between nodes: a longer one than a link takes would end the link for all."""
MOVES_HELD_MAX = 20_000
"""Batches of moves that wait for a scene whose process gives way to another one."""

Batch = Callable[..., bool]
"""`Node.batch`: peer, lane, blobs -> taken."""


@dataclass(slots=True)
class Counts:
    moves: int = 0
    moves_dropped: int = 0
    plays: int = 0
    plays_dropped: int = 0
    drops: int = 0  # full views asked for


class Forward:
    """See the module. Moves are appended to `scene.handles` and `scene.records` by the intake itself."""

    def __init__(self, batch: Batch) -> None:
        self.counts = Counts()
        self._batch = batch

    def play(self, scene: Scene, client: Client, frame: bytes) -> bool:
        """One CLIENT_PLAY frame; False when too much waits already."""
        if len(scene.plays) >= PLAYS_MAX or scene.plays_bytes + len(frame) > PLAYS_BYTES_MAX:
            self.counts.plays_dropped += 1
            return False
        scene.play_handles.append(client.handle)
        scene.plays.append(frame[1:])
        scene.plays_bytes += len(frame)
        return True

    def flush(self, scenes: Iterable[Scene]) -> bool:
        """Send what was collected. True when something has to wait for the next flush."""
        waits = False
        for scene in scenes:
            if scene.held:
                self._limit_moves(scene)
                continue
            if scene.plays:  # first: they are carried out at once, moves with the next tick
                waits |= not self._flush_plays(scene)
            if scene.handles:
                self._flush_moves(scene)
            if scene.drops:
                waits |= not self._flush_drops(scene)
        return waits

    def _limit_moves(self, scene: Scene) -> None:
        """Of one to which nothing may be said now."""
        if len(scene.handles) > MOVES_HELD_MAX:
            self.counts.moves_dropped += sum(map(len, scene.handles)) // 4
            scene.handles.clear()
            scene.records.clear()

    def hurry(self, scenes: Iterable[Scene]) -> bool:
        """Send the play messages only. True when some have to wait for the next flush."""
        waits = False
        for scene in scenes:
            if scene.plays and not scene.held:
                waits |= not self._flush_plays(scene)
        return waits

    def forget(self, scene: Scene) -> None:
        """The scene is gone, and with it whoever would hear this."""
        for waiting in (scene.handles, scene.records, scene.play_handles, scene.plays, scene.drops):
            waiting.clear()
        scene.plays_bytes = 0
        scene.early.clear()

    def _flush_moves(self, scene: Scene) -> None:
        handles = b"".join(scene.handles)
        taken = self._batch(scene.name, Lane.MOVES, handles, b"".join(scene.records))
        self.counts.moves += len(handles) // 4
        self.counts.moves_dropped += 0 if taken else len(handles) // 4
        scene.handles.clear()
        scene.records.clear()

    def _flush_plays(self, scene: Scene) -> bool:
        lengths = u32([len(play) for play in scene.plays])
        if not self._batch(scene.name, Lane.PLAYS, u32(scene.play_handles), lengths, b"".join(scene.plays)):
            return False
        self.counts.plays += len(scene.plays)
        scene.play_handles.clear()
        scene.plays.clear()
        scene.plays_bytes = 0
        return True

    def _flush_drops(self, scene: Scene) -> bool:
        if not self._batch(scene.name, Lane.DROPS, u32(scene.drops)):
            return False
        self.counts.drops += len(scene.drops)
        scene.drops.clear()
        return True


def u32(numbers: list[int]) -> bytes:
    return np.array(numbers, "<u4").tobytes()
