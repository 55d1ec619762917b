"""What is on its way to the gates: control and bulk pieces, collected per gate until the next flush.

Owns the pieces between two flushes. Pure: `send` is an argument. The shell flushes within `flush_ms` of the first
piece, and before the tick's movement goes to the same gate, so a client never moves what it has not seen appear.
Nothing is dropped here: what a gate's link does not take is reported to the caller, handle by handle.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mesh.protocol.catalogue import Message, encode
from mesh.protocol.lanes import Lane, PieceClass, PieceLane, piece
from nodes.scene.sessions import Session
from nodes.scene.world import Array

BATCH_BYTES = 1 << 20  # one batch; longer ones are split, so that no message between nodes gets near its limit

ROW_BYTES = 16 * 1024  # for one client: larger ones stay apart, so that they can go out in frames of their own

Send = Callable[[str, Lane, bytes, bytes, bytes], bool]


class Rows(NamedTuple):
    """What a batch to a gate carries: rows of pieces for its clients."""

    handles: Array  # u32
    lengths: Array  # u32, of the row for each handle
    body: bytes


class Refusal(NamedTuple):
    """A batch that a gate's link did not take."""

    gate: str
    lane: Lane
    handles: list[int]


class _Pile:
    """Pieces in the order in which they were added: single ones, and blocks that were laid out for many clients."""

    __slots__ = ("_blocks", "_handles", "_laid_out", "_pieces")

    def __init__(self) -> None:
        self._handles: list[int] = []
        self._pieces: list[bytes] = []
        self._blocks: list[Rows] = []
        self._laid_out = False  # the last block was: its rows are in nobody's hurry

    def add(self, handle: int, made: bytes) -> None:
        self._handles.append(handle)
        self._pieces.append(made)

    def extend(self, rows: Rows) -> None:
        """Blocks that follow each other become one: what vanished, what appeared and what happened there in a tick is
        one row for each client, and half as much work for its gate."""
        self._seal()
        if self._laid_out and int(self._blocks[-1].lengths.max()) + int(rows.lengths.max()) <= ROW_BYTES:
            rows = merged(self._blocks.pop(), rows)
        self._blocks.append(rows)
        self._laid_out = True

    def whole(self) -> Rows | None:
        """All of it as one block; None when there is nothing."""
        self._seal()
        if len(self._blocks) < 2:
            return self._blocks[0] if self._blocks else None
        handles, lengths, bodies = zip(*self._blocks, strict=True)
        return Rows(np.concatenate(handles), np.concatenate(lengths), b"".join(bodies))

    def _seal(self) -> None:
        if self._handles:
            lengths = np.fromiter(map(len, self._pieces), "<u4", len(self._pieces))
            self._blocks.append(Rows(np.array(self._handles, "<u4"), lengths, b"".join(self._pieces)))
            self._handles, self._pieces = [], []
            self._laid_out = False


class Outbound:
    """`arm` is called when the first piece after a flush is added."""

    def __init__(self, arm: Callable[[], None]) -> None:
        self._arm = arm
        self._piles: dict[str, tuple[_Pile, _Pile]] = {}
        self._armed = False
        self._index: dict[str, int] = {}
        self.names: list[str] = []  # of gates, by their index in the world's columns
        self.pieces = 0
        self.bytes = 0

    def index(self, gate: str) -> int:
        """The small number of a gate, for columns and frames. Names come back when a gate does, so there are few."""
        index = self._index.get(gate)
        if index is None:
            index = self._index[gate] = len(self.names)
            self.names.append(gate)
        return index

    def event(self, session: Session, said: Message, now: float) -> None:
        """A message that must arrive, if need be after a resume."""
        made = session.event(encode(said), now)
        if session.attached:
            self.control(session.gate, session.handle, made)

    def control(self, gate: str, handle: int, made: bytes) -> None:
        """A finished piece."""
        self._add(gate, handle, made, 0)

    def bulk(self, gate: str, handle: int, body: bytes, cls: PieceClass = PieceClass.CHAT) -> None:
        """An encoded message that may be lost."""
        self._add(gate, handle, piece(PieceLane.BULK, cls, body), 1)

    def rows(self, gate: int, rows: Rows, *, bulk: bool = False) -> None:
        """Finished pieces for many clients of the gate with this index."""
        self._pile(self.names[gate], int(bulk)).extend(rows)

    def forget(self, gate: str) -> None:
        """The gate is gone."""
        self._piles.pop(gate, None)

    def flush(self, send: Send) -> list[Refusal]:
        """Everything, control first. What was not taken."""
        self._armed = False
        refused: list[Refusal] = []
        piles, self._piles = self._piles, {}
        for gate, (control, bulk) in piles.items():
            for lane, pile in ((Lane.FRAMES, control), (Lane.CHATS, bulk)):
                rows = pile.whole()
                if rows is not None:
                    refused += self._send(send, gate, lane, rows)
        return refused

    def _add(self, gate: str, handle: int, made: bytes, which: int) -> None:
        self._pile(gate, which).add(handle, made)

    def _pile(self, gate: str, which: int) -> _Pile:
        piles = self._piles.get(gate)
        if piles is None:
            piles = self._piles[gate] = (_Pile(), _Pile())
        if not self._armed:
            self._armed = True
            self._arm()
        return piles[which]

    def _send(self, send: Send, gate: str, lane: Lane, rows: Rows) -> list[Refusal]:
        handles, lengths, body = rows
        ends = np.cumsum(lengths, dtype=np.int64)
        self.pieces += len(lengths)
        self.bytes += int(ends[-1])
        refused = []
        begin = 0
        while begin < len(lengths):
            before = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
            some = body if end - begin == len(lengths) else body[before : int(ends[end - 1])]
            if not send(gate, lane, handles[begin:end].tobytes(), lengths[begin:end].tobytes(), some):
                refused.append(Refusal(gate, lane, handles[begin:end].tolist()))
            begin = end
        return refused


def merged(before: Rows, after: Rows) -> Rows:
    """One row for each handle: of those in both, what came before comes first."""
    handles = np.concatenate([before.handles, after.handles])
    lengths = np.concatenate([before.lengths, after.lengths]).astype(np.int64)
    order = np.argsort(handles, kind="stable")
    starts, spans = (np.cumsum(lengths) - lengths)[order], lengths[order]
    at = np.repeat(starts - (np.cumsum(spans) - spans), spans)
    at += np.arange(len(at))
    body = np.frombuffer(before.body + after.body, "u1").take(at).tobytes()
    ordered = handles[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[0] ^ 1) != 0)
    return Rows(ordered[begins], np.add.reduceat(spans, begins).astype("<u4"), body)


def view_piece(body: bytes) -> bytes:
    """A control piece that is not numbered: a resume starts with the full view."""
    return piece(PieceLane.CONTROL, PieceClass.VIEW, body)
