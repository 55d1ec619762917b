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

BATCH_BYTES = 1 << 20  # one batch; longer ones are split, so that no message between nodes gets near its limit

Send = Callable[[str, Lane, bytes, bytes, bytes], bool]


class Refusal(NamedTuple):
    """A batch that a gate's link did not take."""

    gate: str
    lane: Lane
    handles: list[int]


class _Pile:
    __slots__ = ("handles", "pieces")

    def __init__(self) -> None:
        self.handles: list[int] = []
        self.pieces: list[bytes] = []


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

    def bulk(self, gate: str, handle: int, body: bytes) -> None:
        """An encoded message that may be lost."""
        self._add(gate, handle, piece(PieceLane.BULK, PieceClass.CHAT, body), 1)

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
                if pile.handles:
                    refused += self._send(send, gate, lane, pile)
        return refused

    def _add(self, gate: str, handle: int, made: bytes, which: int) -> None:
        piles = self._piles.get(gate)
        if piles is None:
            piles = self._piles[gate] = (_Pile(), _Pile())
        pile = piles[which]
        pile.handles.append(handle)
        pile.pieces.append(made)
        if not self._armed:
            self._armed = True
            self._arm()

    def _send(self, send: Send, gate: str, lane: Lane, pile: _Pile) -> list[Refusal]:
        lengths = np.fromiter(map(len, pile.pieces), "<u4", len(pile.pieces))
        ends = np.cumsum(lengths, dtype=np.int64)
        self.pieces += len(lengths)
        self.bytes += int(ends[-1])
        refused = []
        begin = 0
        while begin < len(lengths):
            before = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
            handles = np.array(pile.handles[begin:end], "<u4")
            body = b"".join(pile.pieces[begin:end])
            if not send(gate, lane, handles.tobytes(), lengths[begin:end].tobytes(), body):
                refused.append(Refusal(gate, lane, pile.handles[begin:end]))
            begin = end
        return refused


def view_piece(body: bytes) -> bytes:
    """A control piece that is not numbered: a resume starts with the full view."""
    return piece(PieceLane.CONTROL, PieceClass.VIEW, body)
