"""What scenes say, batch by batch: cut up, sorted by class, handed to the lanes of each client. The first half of the
way down.

Movement is sent in pieces of time (movement.py), so that the rest need not wait for it. What of it is for a client goes
out with the client's control in any case, never behind it.

Most clients have nothing waiting when their movement comes: then their row of a batch goes from there to the socket
without anybody looking at the client itself (`ways.clear` says so, by tag). Of the others most have nothing but a
change of what they see, which was put aside for this moment (lanes.py).
"""

from collections.abc import Callable, Iterable
from itertools import repeat

import numpy as np

from mesh.front import NOBODY, Blob, Connection, Front
from mesh.protocol.lanes import PieceClass
from nodes.gate.lanes import Lanes
from nodes.gate.movement import Movement
from nodes.gate.rows import Block, are_different, block_of, class_of
from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings
from nodes.gate.traffic import Line
from nodes.gate.unsent import Rows
from nodes.gate.ways import Array, Ways

FEW = 32
"""Rows: columns for them would cost more than a look at each."""


class Delivery:
    """See the module."""

    def __init__(
        self,
        settings: GateSettings,
        now: Callable[[], float],
        pace: Callable[[Scene, bool], bool],
        lanes: Lanes,
        lines: list[Line],
        sender: Front,
        ways: Ways,
    ) -> None:
        self._unread_max = settings.movement_unread_bytes_max
        self._lanes, self._counts, self._lines, self._sender, self._ways = lanes, lanes.counts, lines, sender, ways
        self.movement = Movement(now, lanes.again, pace, self._move)

    def go_on(self) -> None:
        """In the next turn of the loop: what of a flush and of the movement was not sent in time."""
        self._lanes.go_on()
        self.movement.work()

    # --- movement ---

    def updates(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.UPDATES: for most clients one row, sent as it is."""
        block = self._block(blobs)
        if block is None:
            return
        find = scene.clients.get
        line = next((client.line for handle in block.handles.tolist() if (client := find(handle)) is not None), None)
        if line is not None:  # a batch is of one line: that of any of its clients
            line.updates += len(block.handles)
            line.updates_bytes += len(block.body)
        self.movement.add(scene, block)

    def _move(self, scene: Scene, some: Block | Rows) -> None:
        if isinstance(some, Block):
            some = self._move_unseen(scene, some) if len(some.handles) > FEW else list(some.rows())
        self._move_each(scene, some)

    def _move_unseen(self, scene: Scene, block: Block) -> Rows:
        """Send the rows of those for whom nothing else waits, or a view only. Returns the others."""
        tags = _tags(scene, block)
        if tags is None:
            return list(block.rows())
        tags[~self._ways.clear[tags]] = NOBODY
        seeing = self._with_views(scene, block, tags) if scene.views else None
        sent = self._sender.send_rows(tags, block.lengths, block.body)
        self._counts.frames += int(np.count_nonzero(sent))
        self._counts.bytes += int(block.lengths[sent].sum(dtype=np.int64))
        if seeing is not None:
            sent[seeing] = True
        return [] if sent.all() else block.some(np.flatnonzero(~sent))

    def _with_views(self, scene: Scene, block: Block, tags: Array) -> Array:
        """Send the rows of those whose view was put aside, behind it, and take them out of `tags`. Where they are."""
        views, clients = scene.views, scene.clients
        at = np.flatnonzero(np.fromiter(map(views.__contains__, block.handles.tolist()), bool, len(tags)))
        at = at[tags[at] != NOBODY]
        tags[at] = NOBODY
        takes: list[bool] = []
        ready: list[Connection] = []
        frames: list[Blob] = []
        for handle, row in block.some(at):
            connection = clients[handle].connection
            takes.append(not connection.backlog)
            if takes[-1]:
                ready.append(connection)
                frames.append(b"".join((views.pop(handle), row)))
        self._lanes.send(ready, frames)
        seeing: Array = at[np.array(takes, bool)]
        return seeing

    def _move_each(self, scene: Scene, rows: Rows) -> None:
        find, limit, views = scene.clients.get, self._unread_max, scene.views
        ready: list[Connection] = []
        frames: list[Blob] = []
        for handle, row in rows:
            client = find(handle)
            if client is None:
                self._unknown(scene, handle, row)
                continue
            connection = client.connection
            if client.starved or connection.backlog > limit:
                self._lanes.starve(client)
            elif client.control or client.bulk or handle in views:
                for frame in self._lanes.taken(client, row):
                    ready.append(connection)
                    frames.append(frame)
            else:
                ready.append(connection)
                frames.append(row)
        self._lanes.send(ready, frames)

    # --- the rest ---

    def frames(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.FRAMES: control, to go out with the next updates or flush; events very soon."""
        find, lanes, rare = scene.clients.get, self._lanes, self._lanes.level.every > 1
        for handle, row in self._others(scene, blobs):
            client = find(handle)
            if client is None:
                self._unknown(scene, handle, row)
                continue
            if scene.movement and (before := scene.movement.pop(handle)) is not None:
                lanes.overtaken(client, before)
            cls = class_of(row)
            if rare and cls == PieceClass.VIEW:
                lanes.announce(client, row)
            elif cls == PieceClass.EVENT:
                lanes.event(client, row)
            else:
                lanes.control(client, row)
            if client.line is not None:
                client.line.control += 1
                client.line.control_bytes += len(row)

    def _others(self, scene: Scene, blobs: list[bytes]) -> Iterable[tuple[int, Blob]]:
        """The rows of a batch that must be looked at one by one. What only changes the view of who is `clear` is put
        aside, unless movement that came before it still waits."""
        block = self._block(blobs)
        if block is None:
            return ()
        if len(block.handles) <= FEW or scene.movement or scene.views or self._lanes.level.every > 1:
            return block.rows()
        tags, lengths = _tags(scene, block), block.lengths
        if tags is None or int(lengths.min()) < 2:
            return block.rows()
        lines = self._ways.line[tags]
        classes = np.frombuffer(block.body, np.uint8)[np.cumsum(lengths, dtype=np.int64) - lengths + 1]
        quiet = (classes == PieceClass.VIEW) & self._ways.clear[tags] & (lines >= 0) & (tags != NOBODY)
        at = np.flatnonzero(quiet)
        if not len(at):
            return block.rows()
        for index in np.unique(lines[at]).tolist():
            here = quiet & (lines == index)
            self._lines[index].control += int(np.count_nonzero(here))
            self._lines[index].control_bytes += int(lengths[here].sum(dtype=np.int64))
        self._lanes.put_aside(scene, block.some(at))
        return block.some(np.flatnonzero(~quiet))

    def chats(self, scene: Scene, blobs: list[bytes]) -> None:
        """Lane.CHATS: bulk."""
        block = self._block(blobs)
        for handle, row in block.rows() if block is not None else ():
            client = scene.clients.get(handle)
            if client is None:
                self._counts.unknown += 1
            else:
                self._lanes.bulk(client, row)
                if client.line is not None:
                    client.line.bulk += 1
                    client.line.bulk_bytes += len(row)

    def _block(self, blobs: list[bytes]) -> Block | None:
        """None of a batch that does not add up."""
        block = block_of(blobs)
        self._counts.malformed += block is None
        return block

    # --- who comes ---

    def entered(self, client: Client, scene: Scene) -> None:
        """Its handle is known now: what came before that follows."""
        for row in scene.early.taken(client.handle):
            self._lanes.control(client, row)

    def _unknown(self, scene: Scene, handle: int, row: Blob) -> None:
        """The answer to an Attach and what follows it on the same link may be heard in one go, and the answer is
        acted on a moment later. While one is under way, rows for unknown handles are kept."""
        if not scene.attaching:
            self._counts.unknown += 1
        elif not scene.early.keep(handle, bytes(row)):
            self._counts.early_dropped += 1


def _tags(scene: Scene, block: Block) -> Array | None:
    """Of the clients of a block, NOBODY where there is none. None where one has several rows: their order matters."""
    tags = np.fromiter(map(scene.tags.get, block.handles.tolist(), repeat(NOBODY)), np.intp, len(block.handles))
    return tags if are_different(tags[tags != NOBODY]) else None
