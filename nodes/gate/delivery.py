"""What clients are sent: batches of scenes cut up, three lanes kept apart, one frame for each client and flush.

The way down. A row of pieces is never opened. Rules, for each client:

    control   never dropped; what is unread and pending together above `unread_bytes_max` cuts the connection
    movement  sent at once, in front of it what waits; dropped as a whole while more than `movement_unread_bytes_max`
              are unread, from then on until less than a quarter of that is: then the scene is told (Lane.DROPS) and
              sends the full view
    bulk      dropped while more than `bulk_unread_bytes_max` are unread or pending

Nothing here waits, and nothing here knows a node: `wake` asks for a flush, `cut` ends a connection.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings

FRAME_BYTES_AIM = 64 * 1024
"""Pieces are joined up to this size; a longer row travels alone."""
EARLY_ROWS_MAX = 4096
"""Rows of one scene kept for handles that are about to become known; what is above is dropped and counted."""
RECOVERED = 4
"""Movement is sent again when the backlog is under 1/4 of where it was stopped: else it would flutter."""

Blob = bytes | memoryview


@dataclass(slots=True)
class Counts:
    frames: int = 0
    bytes: int = 0
    movement_dropped: int = 0
    bulk_dropped: int = 0
    early_dropped: int = 0
    unknown: int = 0  # rows for a handle that nobody has (any more)
    malformed: int = 0  # batches
    cut: int = 0  # slow readers


def rows_of(blobs: list[bytes]) -> tuple[list[int], list[int], memoryview] | None:
    """[handles u32[n], lengths u32[n], bodies] as lists and one view; None when they do not fit together."""
    if len(blobs) != 3 or len(blobs[0]) != len(blobs[1]) or len(blobs[0]) % 4:
        return None
    lengths = np.frombuffer(blobs[1], "<u4")
    if int(lengths.sum(dtype=np.uint64)) != len(blobs[2]):
        return None
    return np.frombuffer(blobs[0], "<u4").tolist(), lengths.tolist(), memoryview(blobs[2])


class Delivery:
    """See the module."""

    def __init__(self, settings: GateSettings, wake: Callable[[], None], cut: Callable[[Client], None]) -> None:
        self.counts = Counts()
        self._settings = settings
        self._wake = wake
        self._cut = cut
        self._dirty: list[Client] = []
        self._starved: set[Client] = set()

    # --- from scenes ---

    def updates(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.UPDATES: for most clients one slice, sent as it is."""
        rows = rows_of(blobs)
        if rows is None:
            self.counts.malformed += 1
            return
        handles, lengths, bodies = rows
        find, limit, at, frames, sent = scene.clients.get, self._settings.movement_unread_bytes_max, 0, 0, 0
        for handle, length in zip(handles, lengths, strict=True):
            row = bodies[at : at + length]
            at += length
            client = find(handle)
            if client is None:
                self._unknown(scene, handle, row)
            elif client.starved or client.backlog() > limit:
                self._starve(client)
            elif client.control or client.bulk:
                self._send_pending(client, row)
            else:
                client.send(row)
                frames += 1
                sent += length
        self.counts.frames += frames
        self.counts.bytes += sent

    def frames(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.FRAMES: control, to go out with the next updates or flush."""
        for handle, row in self._rows(blobs):
            client = scene.clients.get(handle)
            if client is None:
                self._unknown(scene, handle, row)
            else:
                self.control(client, row)

    def chats(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.CHATS: bulk."""
        for handle, row in self._rows(blobs):
            client = scene.clients.get(handle)
            if client is None:
                self.counts.unknown += 1
            else:
                self.bulk(client, row)

    def _rows(self, blobs: list[bytes]) -> Iterator[tuple[int, memoryview]]:
        """The rows of a batch by handle; none of a batch that does not add up."""
        rows = rows_of(blobs)
        if rows is None:
            self.counts.malformed += 1
            return
        handles, lengths, bodies = rows
        at = 0
        for handle, length in zip(handles, lengths, strict=True):
            yield handle, bodies[at : at + length]
            at += length

    def entered(self, client: Client, scene: Scene) -> None:
        """Its handle is known now: what came before that follows."""
        for early in (scene.early_before, scene.early):
            for row in early.pop(client.handle, []):
                scene.early_rows -= 1
                self.control(client, row)

    def settle(self, scene: Scene) -> None:
        """An Attach has ended. With none under way, nobody will ask for rows that were kept."""
        if not scene.attaching:
            scene.early.clear()
            scene.early_before.clear()
            scene.early_rows = 0

    def expire(self, scenes: Iterable[Scene]) -> None:
        """Once a second: rows that nobody asked for since the time before are of players that left. Where somebody
        attaches all the time, they would fill what is kept for those who come."""
        for scene in scenes:
            scene.early_rows -= sum(map(len, scene.early_before.values()))
            scene.early_before, scene.early = scene.early, {}

    def _unknown(self, scene: Scene, handle: int, row: memoryview) -> None:
        """The answer to an Attach and what follows it on the same link may be heard in one go, and the answer is
        acted on a moment later. While one is under way, rows for unknown handles are kept."""
        if not scene.attaching:
            self.counts.unknown += 1
        elif scene.early_rows >= EARLY_ROWS_MAX:
            self.counts.early_dropped += 1
        else:
            scene.early.setdefault(handle, []).append(bytes(row))
            scene.early_rows += 1

    # --- the lanes of one client ---

    def control(self, client: Client, row: Blob) -> None:
        """Will be sent, or the connection ends."""
        client.control.append(row)
        client.control_bytes += len(row)
        if client.control_bytes + client.backlog() > self._settings.unread_bytes_max:
            self.slow(client)
        else:
            self._mark(client)

    def bulk(self, client: Client, row: Blob) -> None:
        """Will be sent if there is room."""
        limit = self._settings.bulk_unread_bytes_max
        if client.bulk_bytes + len(row) > limit or client.backlog() > limit:
            self.counts.bulk_dropped += 1
            return
        client.bulk.append(row)
        client.bulk_bytes += len(row)
        self._mark(client)

    def flush(self) -> None:
        """Send everything that waits."""
        dirty, self._dirty = self._dirty, []
        for client in dirty:
            client.dirty = False
            if client.control or client.bulk:
                self._send_pending(client)

    def flush_one(self, client: Client) -> None:
        """Send what waits for one client: before its connection is closed."""
        if client.control or client.bulk:
            self._send_pending(client)

    def look_after(self, now: float) -> None:
        """Every quarter of a second or so: who can take movement again, who has been behind for too long."""
        limit = self._settings.movement_unread_bytes_max
        for client in list(self._starved):
            backlog = client.backlog()
            if client.source is None:  # between two scenes: the next movement that it cannot take brings it back
                self._starved.discard(client)
                client.unread_since = 0.0
            elif backlog <= limit // RECOVERED:
                self._starved.discard(client)
                client.starved, client.unread_since = False, 0.0
                client.source.drops.append(client.handle)
                self._wake()
            elif client.unread_since and now - client.unread_since > self._settings.unread_s:
                self.slow(client)
            elif not client.unread_since:
                client.unread_since = now

    def slow(self, client: Client) -> None:
        """It does not read: forget what waits for it, cut it off."""
        self.counts.cut += 1
        self.forget(client)
        self._cut(client)

    def forget(self, client: Client) -> None:
        """Drop what waits for a client that is gone."""
        client.control.clear()
        client.bulk.clear()
        client.control_bytes = client.bulk_bytes = 0
        self._starved.discard(client)

    def _mark(self, client: Client) -> None:
        if not client.dirty:
            client.dirty = True
            self._dirty.append(client)
            self._wake()

    def _starve(self, client: Client) -> None:
        self.counts.movement_dropped += 1
        client.starved = True
        self._starved.add(client)

    def _send_pending(self, client: Client, movement: memoryview | None = None) -> None:
        """Control first, then movement, then bulk, in as few frames as their size allows."""
        backlog = client.backlog()
        if backlog + client.control_bytes > self._settings.unread_bytes_max:
            self.slow(client)
            return
        if backlog > self._settings.movement_unread_bytes_max:
            self._starved.add(client)  # watched, even if nobody around it moves
            client.starved = True
        rows = client.control if movement is None else [*client.control, movement]
        rows = [*rows, *client.bulk] if client.bulk else rows
        client.control, client.bulk = [], []
        size = client.control_bytes + client.bulk_bytes + (0 if movement is None else len(movement))
        client.control_bytes = client.bulk_bytes = 0
        frames = [rows] if size <= FRAME_BYTES_AIM else portions(rows)
        for frame in frames:
            client.send(b"".join(frame) if len(frame) > 1 else frame[0])
        self.counts.frames += len(frames)
        self.counts.bytes += size


def portions(rows: list[Blob]) -> list[list[Blob]]:
    """Rows in order, grouped into frames of at most FRAME_BYTES_AIM bytes where possible."""
    frames: list[list[Blob]] = []
    size = FRAME_BYTES_AIM + 1
    for row in rows:
        if size + len(row) > FRAME_BYTES_AIM:
            frames.append([])
            size = 0
        frames[-1].append(row)
        size += len(row)
    return frames
