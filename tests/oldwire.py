"""Nodes of the previous version, as the others see them: whatever such a node says or hears goes through the frozen
catalogue of that version (`tests/frozen`).

What it says has no field that was appended since. Of what it hears such fields are skipped, and a message that it does
not know has a number that nobody knows, so that it is refused as it would be there. What a node does not open, such as
what a gate carries between a scene and a client, stays as it is. Inside, the node is the present one: shown is what two
catalogues make of each other, not what old rules did.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from mesh.core.publications import HEAD
from mesh.protocol.envelope import TYPED, Lane
from mesh.protocol.lanes import PIECE_HEAD, PIECE_SIZE, PLAY_HEAD, PieceClass
from mesh.testing import MemoryNetwork
from mesh.testing.network import MemoryEndpoint
from mesh.transport.base import Blob, Listener
from tests.frozen import PREVIOUS, catalogue

NOBODY_KNOWS = 999
DOWN = (Lane.FRAMES, Lane.CHATS)  # from a scene to clients: rows of pieces


class OldCatalogue:
    """Translates. `unheard` are the numbers of what it was told and does not know, `unsaid` of what it could not have
    said."""

    def __init__(self) -> None:
        self.old = catalogue(PREVIOUS)
        self.unheard: list[int] = []
        self.unsaid: list[int] = []
        self.kept = 0  # messages that went through

    def said(self, frames: Sequence[Blob]) -> list[bytes]:
        return self._frames([bytes(frame) for frame in frames], self.unsaid)

    def heard(self, frames: Sequence[bytes]) -> list[bytes]:
        return self._frames(list(frames), self.unheard)

    def publication(self, frame: Blob, unknown: list[int]) -> bytes:
        frame = bytes(frame)
        return frame[: HEAD.size] + self._message(frame[HEAD.size :], unknown)

    def _frames(self, frames: list[bytes], unknown: list[int]) -> list[bytes]:
        if frames[0] == TYPED:
            return [TYPED, self._batch(frames[1], unknown)]
        lane = frames[0][0]
        if lane in DOWN:
            return [frames[0], frames[1], *self._rows(frames[2], frames[3], unknown)]
        if lane == Lane.PLAYS:
            return [frames[0], frames[1], *self._plays(frames[2], frames[3], unknown)]
        return frames

    def _batch(self, data: bytes, unknown: list[int]) -> bytes:
        batch = self.old.envelope.unseal(data)
        for at, envelope in enumerate(batch.envelopes):
            body = msgspec.Raw(self._message(bytes(envelope.body), unknown))
            batch.envelopes[at] = msgspec.structs.replace(envelope, body=body)
        sealed: bytes = self.old.envelope.seal(batch.to, batch.envelopes)
        return sealed

    def _message(self, data: bytes, unknown: list[int]) -> bytes:
        number = self.old.catalogue.number_in(data)
        declared = self.old.catalogue.CATALOGUE.get(number)
        if declared is None:
            unknown.append(number)
            return msgspec.msgpack.encode([NOBODY_KNOWS])
        self.kept += 1
        message: Any = self.old.catalogue.decoder([declared.type])(data)
        encoded: bytes = self.old.catalogue.encode(message)
        return encoded

    def _rows(self, lengths: bytes, body: bytes, unknown: list[int]) -> list[bytes]:
        rows = [self._pieces(row, unknown) for row in _cut(lengths, body)]
        return [np.array([len(row) for row in rows], "<u4").tobytes(), b"".join(rows)]

    def _pieces(self, row: bytes, unknown: list[int]) -> bytes:
        made, at = b"", 0
        while at < len(row):
            lane, cls, length, sequence = PIECE_HEAD.unpack_from(row, at)
            at += PIECE_SIZE
            body = row[at : at + length]
            at += length
            if cls != PieceClass.UPDATES:
                body = self._message(body, unknown)
            made += PIECE_HEAD.pack(lane, cls, len(body), sequence) + body
        return made

    def _plays(self, lengths: bytes, body: bytes, unknown: list[int]) -> list[bytes]:
        head = PLAY_HEAD.size
        plays = [
            play[:head] + (self._message(play[head:], unknown) if len(play) > head else b"")
            for play in _cut(lengths, body)
        ]
        return [np.array([len(play) for play in plays], "<u4").tobytes(), b"".join(plays)]


def _cut(lengths: bytes, body: bytes) -> list[bytes]:
    ends = np.cumsum(np.frombuffer(lengths, "<u4"), dtype=np.int64).tolist()
    return [body[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


class _OldListener:
    """What a node of the previous version hears. A scene opens what clients say, a gate not what scenes say."""

    def __init__(self, listener: Listener, words: OldCatalogue, opens: bool) -> None:
        self._listener, self._words, self._opens = listener, words, opens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def arrived(self, link: int, frames: list[bytes]) -> None:
        opened = self._opens or frames[0] == TYPED
        self._listener.arrived(link, self._words.heard(frames) if opened else frames)

    def published(self, frame: bytes) -> None:
        self._listener.published(self._words.publication(frame, self._words.unheard))


class _OldEndpoint(MemoryEndpoint):
    def __init__(
        self, network: MemoryNetwork, identity: str, listener: Listener, words: OldCatalogue, opens: bool
    ) -> None:
        super().__init__(network, identity, listener)
        self._words, self._opens = words, opens

    def send(self, link: int, frames: Sequence[Blob]) -> bool:
        opened = self._opens or bytes(frames[0]) == TYPED
        return super().send(link, self._words.said(frames) if opened else frames)

    def publish(self, frame: Blob) -> bool:
        return super().publish(self._words.publication(frame, self._words.unsaid))


class MixedNetwork(MemoryNetwork):
    """In which the nodes of `old` (full names) are of the previous version when they are started."""

    def __init__(self, seed: int, old: set[str]) -> None:
        super().__init__(seed)
        self.old = old
        self.words = OldCatalogue()

    def endpoint(self, name: str, incarnation: int, listener: Listener) -> MemoryEndpoint:
        if name not in self.old:
            return super().endpoint(name, incarnation, listener)
        opens = name.split(".")[2] == "scene"
        heard: Any = _OldListener(listener, self.words, opens)
        made = _OldEndpoint(self, f"{name}#{incarnation:x}", heard, self.words, opens)
        self.endpoints.append(made)
        return made
