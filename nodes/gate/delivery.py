"""What clients are sent: batches of scenes cut up, three lanes kept apart, one frame for each client and flush.

The way down. A row of pieces is never opened. Rules, for each client:

    control   never dropped; what is unread and pending together above `unread_bytes_max` cuts the connection
    movement  in front of it what waits; dropped as a whole while more than `movement_unread_bytes_max` are unread, from
              then on until less than a quarter of that is: then the scene is told (Lane.DROPS) and sends the full view
    bulk      chat is dropped while more than `bulk_unread_bytes_max` are unread or pending, what is cosmetic while half
              as much is; under pressure the level of the gate drops all that is cosmetic, then a share of the chat

What is said to everybody is control that may wait a little: it goes out with the next movement of each client. Who gets
none within ANNOUNCE_FLUSHES is sent it alone, a share of the clients with each flush, so that no single turn of the
loop has to write to everybody. While a level of the gate makes movement rarer, what comes into view and goes out of it
waits for that, too: else it would be sent in frames of its own, and little would be won. A fight does not wait.

Movement is sent in pieces of time (movement.py), so that the rest need not wait for it. What of it is for a client goes
out with the client's control in any case, never behind it. A flush is cut in the same way: what a level of the policy
means is said to every client at once, and a fight is not to wait for five thousand frames.

Nothing here waits, and nothing here knows a node: `wake` asks for a flush, `hurry` for one of events,
`more` and `pace` are for the movement, `cut` ends a connection, `send_all` is the front's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mesh.front import Blob, Connection
from mesh.protocol.lanes import PieceClass
from mesh.topology.policy import FULL
from nodes.gate.movement import CHUNK, SLICE_S, Movement
from nodes.gate.rows import FRAME_BYTES_AIM, class_of, portions, rows_of
from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings

ANNOUNCE_FLUSHES = 8
"""Within so many flushes, 160 ms, everybody is told. A tick is 100 ms, so most are told with their movement."""
RARE_FLUSHES = 2
"""As long again where movement is rarer: the game may be slowed down as well."""
EARLY_ROWS_MAX = 4096
"""Rows of one scene kept for handles that are about to become known; what is above is dropped and counted."""
RECOVERED = 4
"""Movement is sent again when the backlog is under 1/4 of where it was stopped: else it would flutter."""

SendAll = Callable[[Sequence[Connection], Sequence[Blob]], None]


@dataclass(slots=True)
class Counts:
    frames: int = 0
    bytes: int = 0
    movement_dropped: int = 0
    chat_dropped: int = 0
    cosmetic_dropped: int = 0
    coalesced: int = 0  # announcements that went out with something else
    early_dropped: int = 0
    unknown: int = 0  # rows for a handle that nobody has (any more)
    malformed: int = 0  # batches
    cut: int = 0  # slow readers


class Delivery:
    """See the module."""

    def __init__(
        self,
        settings: GateSettings,
        now: Callable[[], float],
        wake: Callable[[], None],
        hurry: Callable[[], None],
        more: Callable[[], None],
        pace: Callable[[Scene, bool], bool],
        cut: Callable[[Client], None],
        send_all: SendAll,
    ) -> None:
        self.counts = Counts()
        self.level = FULL  # of the gate
        self._settings, self._now = settings, now
        self.movement = Movement(now, self._again, pace, self._move)
        self._more, self._is_asked = more, False
        self._wake, self._hurry = wake, hurry
        self._cut, self._send_all = cut, send_all
        self._dirty: list[Client] = []
        self._urgent: list[Client] = []  # of these, those with an event
        self._awaiting: deque[Client] = deque()  # the next movement
        self._share = 0  # of them that are not kept waiting any longer at the next flush
        self._chat_due = 0.0
        self._starved: set[Client] = set()

    @property
    def behind(self) -> int:
        """Clients that do not keep up: their movement is dropped."""
        return len(self._starved)

    # --- from scenes ---

    def updates(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.UPDATES: for most clients one row, sent as it is."""
        rows = rows_of(blobs)
        if rows is None:
            self.counts.malformed += 1
            return
        handles, lengths, bodies = rows
        line = next((client.line for handle in handles if (client := scene.clients.get(handle)) is not None), None)
        if line is not None:  # a batch is of one line: that of any of its clients
            line.updates += len(handles)
            line.updates_bytes += len(bodies)
        self.movement.add(scene, handles, lengths, bodies)

    def _move(self, scene: Scene, rows: list[tuple[int, Blob]]) -> None:
        find, limit = scene.clients.get, self._settings.movement_unread_bytes_max
        ready: list[Connection] = []
        frames: list[Blob] = []
        for handle, row in rows:
            client = find(handle)
            if client is None:
                self._unknown(scene, handle, row)
                continue
            connection = client.connection
            if client.starved or connection.backlog > limit:
                self._starve(client)
            elif client.control or client.bulk:
                for frame in self._taken(client, row):
                    ready.append(connection)
                    frames.append(frame)
            else:
                ready.append(connection)
                frames.append(row)
        self._send(ready, frames)

    def _send(self, connections: list[Connection], frames: list[Blob]) -> None:
        self._send_all(connections, frames)
        self.counts.frames += len(frames)
        self.counts.bytes += sum(map(len, frames))

    def frames(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.FRAMES: control, to go out with the next updates or flush; events very soon."""
        find, rare = scene.clients.get, self.level.every > 1
        for handle, row in self._rows(blobs):
            client = find(handle)
            if client is None:
                self._unknown(scene, handle, row)
            else:
                if handle in scene.movement:
                    self._overtaken(client, scene.movement.pop(handle))
                cls = class_of(row)
                if rare and cls == PieceClass.VIEW:
                    self.announce(client, row)
                else:
                    self.control(client, row)
                    if cls == PieceClass.EVENT:
                        self._urgent.append(client)
                if client.line is not None:
                    client.line.control += 1
                    client.line.control_bytes += len(row)
        if self._urgent:
            self._hurry()

    def chats(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.CHATS: bulk."""
        for handle, row in self._rows(blobs):
            client = scene.clients.get(handle)
            if client is None:
                self.counts.unknown += 1
            else:
                self.bulk(client, row)
                if client.line is not None:
                    client.line.bulk += 1
                    client.line.bulk_bytes += len(row)

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

    def _unknown(self, scene: Scene, handle: int, row: Blob) -> None:
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
        if client.control_bytes + client.connection.backlog > self._settings.unread_bytes_max:
            self.slow(client)
        else:
            self._mark(client)

    def announce(self, client: Client, row: Blob) -> None:
        """Control that may wait a little for company: the same is said to everybody, or it is only to be seen."""
        client.control.append(row)
        client.control_bytes += len(row)
        if client.control_bytes + client.connection.backlog > self._settings.unread_bytes_max:
            self.slow(client)
        elif not client.awaits and not client.dirty:
            client.awaits = True
            self._awaiting.append(client)
            flushes = ANNOUNCE_FLUSHES * (self.level.every * RARE_FLUSHES if self.level.every > 1 else 1)
            self._share = max(self._share, -(-len(self._awaiting) // flushes))
            self._wake()

    def bulk(self, client: Client, row: Blob) -> None:
        """Will be sent if there is room, and if the level of the gate lets it through."""
        cosmetic = class_of(row) == PieceClass.COSMETIC
        limit = self._settings.bulk_unread_bytes_max // (2 if cosmetic else 1)
        if client.bulk_bytes + len(row) > limit or client.connection.backlog > limit or not self._passes(cosmetic):
            self.counts.cosmetic_dropped += cosmetic
            self.counts.chat_dropped += not cosmetic
            return
        client.bulk.append(row)
        client.bulk_bytes += len(row)
        self._mark(client)

    def _passes(self, cosmetic: bool) -> bool:
        """Of the chat a level lets through a share, evenly."""
        if cosmetic or self.level.chat >= 1.0:
            return not cosmetic or self.level.cosmetics
        self._chat_due += self.level.chat
        if self._chat_due < 1.0:
            return False
        self._chat_due -= 1.0
        return True

    def flush(self) -> None:
        """Send what waits, except what may wait for the next movement: for SLICE_S, the rest in the next turns."""
        for _ in range(min(self._share, len(self._awaiting))):
            client = self._awaiting.popleft()
            client.awaits = False
            self.counts.coalesced += not client.control
            self._mark(client)
        self._send_dirty()
        if self._awaiting:
            self._wake()
        else:
            self._share = 0

    def go_on(self) -> None:
        """In the next turn of the loop: what of a flush and of the movement was not sent in time."""
        self._is_asked = False
        self._send_dirty()
        self.movement.work()

    def _send_dirty(self) -> None:
        until = self._now() + SLICE_S
        while self._dirty and self._now() < until:
            due, self._dirty = self._dirty[:CHUNK], self._dirty[CHUNK:]
            for client in due:
                client.dirty = False
            self._send_pending(due)
        if self._dirty:
            self._again()

    def _again(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._more()

    def hurry(self) -> None:
        """Send what waits for those with an event."""
        urgent, self._urgent = self._urgent, []
        self._send_pending(urgent)

    def flush_one(self, client: Client) -> None:
        """Send what waits for one client: before its connection is closed."""
        self._send_pending([client])

    def _send_pending(self, clients: Iterable[Client]) -> None:
        ready: list[Connection] = []
        frames: list[Blob] = []
        for client in clients:
            for frame in self._taken(client):
                ready.append(client.connection)
                frames.append(frame)
        self._send(ready, frames)

    def look_after(self, scenes: Iterable[Scene], now: float) -> None:
        """Every quarter of a second or so: who can take movement again, who has been behind for too long."""
        self.movement.look_after(scenes)
        limit = self._settings.movement_unread_bytes_max
        for client in list(self._starved):
            backlog = client.connection.backlog
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

    def _overtaken(self, client: Client, row: Blob) -> None:
        """Movement that waits when control comes that was said after it: it goes in front."""
        if client.starved or client.connection.backlog > self._settings.movement_unread_bytes_max:
            self._starve(client)
        else:
            client.control.append(row)
            client.control_bytes += len(row)

    def _starve(self, client: Client) -> None:
        self.counts.movement_dropped += 1
        client.starved = True
        self._starved.add(client)

    def _taken(self, client: Client, movement: Blob | None = None) -> Sequence[Blob]:
        """What waits, control first, then movement, then bulk, in as few frames as their size allows."""
        control, bulk = client.control, client.bulk
        if not control and not bulk:
            return ()
        backlog = client.connection.backlog
        if backlog + client.control_bytes > self._settings.unread_bytes_max:
            self.slow(client)
            return ()
        if backlog > self._settings.movement_unread_bytes_max:
            self._starved.add(client)  # watched, even if nobody around it moves
            client.starved = True
        size = client.control_bytes + client.bulk_bytes + (0 if movement is None else len(movement))
        rows = control if movement is None else [*control, movement]
        rows = [*rows, *bulk] if bulk else rows
        client.control, client.bulk = [], []
        client.control_bytes = client.bulk_bytes = 0
        if size <= FRAME_BYTES_AIM:
            return (b"".join(rows),)
        return [b"".join(portion) for portion in portions(rows)]
