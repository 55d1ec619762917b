"""What waits for each client: three lanes kept apart, one frame for each client and flush.

The way down, second half. A row of pieces is never opened. Rules, for each client:

    control   never dropped; what is unread and pending together above `unread_bytes_max` cuts the connection
    movement  in front of it what waits; dropped as a whole while more than `movement_unread_bytes_max` are unread, from
              then on until less than a quarter of that is: then the scene is told (Lane.DROPS) and sends the full view
    bulk      chat is dropped while more than `bulk_unread_bytes_max` are unread or pending, what is cosmetic while half
              as much is; under pressure the level of the gate drops all that is cosmetic. Chat is slowed where it is
              said: whoever was let say something is heard

What is said to everybody is control that may wait a little: it goes out with the next movement of each client. Who gets
none within ANNOUNCE_FLUSHES is sent it alone, a share of the clients with each flush, so that no single turn of the
loop has to write to everybody. While a level of the gate makes movement rarer, what comes into view and goes out of it
waits for that, too: else it would be sent in frames of its own, and little would be won. A fight does not wait.

What comes into view and goes out of it is control that its client's movement follows in the scene's next batch. So it
is put aside, without a look at the client, until that comes; what nothing follows goes out with the flush after the
next. Whatever else is said to the client takes it along in front.

A flush is cut into pieces of time, as movement is: what a level of the policy means is said to every client at once,
and a fight is not to wait for five thousand frames. Nothing here waits: `wake` asks for a flush, `hurry` for one of
events, `more` for `go_on` in the next turn, `cut` ends a connection.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mesh.front import Blob, Connection, Front
from mesh.protocol.lanes import PieceClass
from mesh.topology.policy import FULL
from nodes.gate.movement import CHUNK, SLICE_S
from nodes.gate.rows import FRAME_BYTES_AIM, class_of, portions
from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings
from nodes.gate.ways import Ways

ANNOUNCE_FLUSHES = 8
"""Within so many flushes, 160 ms, everybody is told. A tick is 100 ms, so most are told with their movement."""
RARE_FLUSHES = 2
"""As long again where movement is rarer: the game may be slowed down as well."""
RECOVERED = 4
"""Movement is sent again when the backlog is under 1/4 of where it was stopped: else it would flutter."""


@dataclass(slots=True)
class Counts:
    """Of all that goes down."""

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


class Lanes:
    """See the module."""

    def __init__(
        self,
        settings: GateSettings,
        now: Callable[[], float],
        wake: Callable[[], None],
        hurry: Callable[[], None],
        more: Callable[[], None],
        cut: Callable[[Client], None],
        sender: Front,
        ways: Ways,
    ) -> None:
        self.counts = Counts()
        self.level = FULL  # of the gate
        self._settings, self._now = settings, now
        self._more, self._is_asked = more, False
        self._wake, self._hurry = wake, hurry
        self._cut, self._sender, self._ways = cut, sender, ways
        self._dirty: list[Client] = []  # something waits for the next flush
        self._due: list[Client] = []  # of a flush that is not over
        self._urgent: list[Client] = []  # an event waits
        self._awaiting: deque[Client] = deque()  # the next movement
        self._share = 0  # of them that are not kept waiting any longer at the next flush
        self._starved: set[Client] = set()
        self._aside: list[Scene] = []  # with `views`
        self._aside_before: list[Scene] = []  # since before the last flush

    @property
    def behind(self) -> int:
        """Clients that do not keep up: their movement is dropped."""
        return len(self._starved)

    # --- what is said ---

    def control(self, client: Client, row: Blob) -> None:
        """Will be sent, or the connection ends."""
        self._take_along(client)
        self._wait(client, row)
        if client.control_bytes + client.connection.backlog > self._settings.unread_bytes_max:
            self.slow(client)
        else:
            self._mark(client)

    def event(self, client: Client, row: Blob) -> None:
        """The same, very soon."""
        self.control(client, row)
        if not self._urgent:
            self._hurry()
        self._urgent.append(client)

    def announce(self, client: Client, row: Blob) -> None:
        """Control that may wait a little for company: the same is said to everybody, or it is only to be seen."""
        self._wait(client, row)
        if client.control_bytes + client.connection.backlog > self._settings.unread_bytes_max:
            self.slow(client)
        elif not client.awaits and not client.dirty:
            client.awaits = True
            self._awaiting.append(client)
            flushes = ANNOUNCE_FLUSHES * (self.level.every * RARE_FLUSHES if self.level.every > 1 else 1)
            self._share = max(self._share, -(-len(self._awaiting) // flushes))
            self._wake()

    def bulk(self, client: Client, row: Blob) -> None:
        """Will be sent if there is room; what is cosmetic if the level of the gate lets it through, too."""
        cosmetic = class_of(row) == PieceClass.COSMETIC
        limit = self._settings.bulk_unread_bytes_max // (2 if cosmetic else 1)
        is_full = client.bulk_bytes + len(row) > limit or client.connection.backlog > limit
        if is_full or (cosmetic and not self.level.cosmetics):
            self.counts.cosmetic_dropped += cosmetic
            self.counts.chat_dropped += not cosmetic
            return
        client.bulk.append(row)
        client.bulk_bytes += len(row)
        self._ways.clear[client.tag] = False
        self._mark(client)

    def put_aside(self, scene: Scene, views: Iterable[tuple[int, Blob]]) -> None:
        """What came into view and went out of it, for clients who are `clear`. Nothing of the scene is aside yet."""
        scene.views.update(views)
        for others in (self._aside, self._aside_before):
            if scene in others:
                others.remove(scene)
        self._aside.append(scene)
        self._wake()

    def starve(self, client: Client) -> None:
        """It does not take its movement: that is dropped from now on."""
        self.counts.movement_dropped += 1
        client.starved = True
        self._ways.clear[client.tag] = False
        self._starved.add(client)

    def overtaken(self, client: Client, row: Blob) -> None:
        """Movement that waits when control comes that was said after it: it goes in front."""
        if client.starved or client.connection.backlog > self._settings.movement_unread_bytes_max:
            self.starve(client)
        else:
            self._wait(client, row)

    # --- when it goes ---

    def flush(self) -> None:
        """Send what waits, except what may wait for the next movement: for SLICE_S, the rest in the next turns."""
        for _ in range(min(self._share, len(self._awaiting))):
            client = self._awaiting.popleft()
            client.awaits = False
            self.counts.coalesced += not client.control
            self._mark(client)
        self._due += self._dirty
        self._dirty = []
        self._have_waited_enough()
        self._send_due()
        if self._awaiting or self._aside_before:
            self._wake()
        if not self._awaiting:
            self._share = 0

    def _have_waited_enough(self) -> None:
        """What was put aside before the last flush is due: no movement came."""
        for scene in self._aside_before:
            views, scene.views = scene.views, {}
            for handle, row in views.items():
                client = scene.clients.get(handle)
                if client is None:
                    self.counts.unknown += 1
                    continue
                self._wait(client, row)
                if not client.dirty:
                    client.dirty = True
                    self._due.append(client)
        self._aside, self._aside_before = [], [scene for scene in self._aside if scene.views]

    def go_on(self) -> None:
        """In the next turn of the loop: what of a flush was not sent in time. What has come since then waits for the
        next one: its movement may be on its way, and take it along."""
        self._is_asked = False
        self._send_due()

    def again(self) -> None:
        """Ask for the next turn, once."""
        if not self._is_asked:
            self._is_asked = True
            self._more()

    def _send_due(self) -> None:
        until = self._now() + SLICE_S
        while self._due and self._now() < until:
            some, self._due = self._due[:CHUNK], self._due[CHUNK:]
            for client in some:
                client.dirty = False
            self._send_pending(some)
        if self._due:
            self.again()

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
            for frame in self.taken(client, self._on_its_way(client)):
                ready.append(client.connection)
                frames.append(frame)
        self.send(ready, frames)

    def _on_its_way(self, client: Client) -> Blob | None:
        """The movement of who is sent something else anyway."""
        source = client.source
        if source is None or not source.movement or not (client.control or client.bulk):
            return None
        if client.starved or client.connection.backlog > self._settings.movement_unread_bytes_max:
            return None
        return source.movement.pop(client.handle)

    def send(self, connections: list[Connection], frames: list[Blob]) -> None:
        """One frame to each."""
        if connections:
            self._sender.send_all(connections, frames)
            self.counts.frames += len(frames)
            self.counts.bytes += sum(map(len, frames))

    def taken(self, client: Client, movement: Blob | None = None) -> Sequence[Blob]:
        """What waits, control first, then movement, then bulk, in as few frames as their size allows."""
        self._take_along(client)
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
        self._clear(client)
        if size <= FRAME_BYTES_AIM:
            return (b"".join(rows),)
        return [b"".join(portion) for portion in portions(rows)]

    # --- who does not read ---

    def look_after(self, now: float) -> None:
        """Every quarter of a second or so: who can take movement again, who has been behind for too long."""
        limit = self._settings.movement_unread_bytes_max
        for client in list(self._starved):
            backlog = client.connection.backlog
            if client.source is None:  # between two scenes: the next movement that it cannot take brings it back
                self._starved.discard(client)
                client.unread_since = 0.0
            elif backlog <= limit // RECOVERED:
                self._starved.discard(client)
                client.starved, client.unread_since = False, 0.0
                self._clear(client)
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

    # --- one client ---

    def _take_along(self, client: Client) -> None:
        """What was put aside for it waits for nothing any more."""
        source = client.source
        if source is not None and source.views and (view := source.views.pop(client.handle, None)) is not None:
            self._wait(client, view)

    def _wait(self, client: Client, row: Blob) -> None:
        client.control.append(row)
        client.control_bytes += len(row)
        self._ways.clear[client.tag] = False

    def _clear(self, client: Client) -> None:
        """May its movement go out without a look at it?"""
        self._ways.clear[client.tag] = not (client.starved or client.control or client.bulk)

    def _mark(self, client: Client) -> None:
        if not client.dirty:
            client.dirty = True
            self._dirty.append(client)
            self._wake()
