"""A gate as small as can be: takes the generator's clients, writes down what they say, and answers as a test wants.

Speaks real WebSocket over a real socket, because the other side is a program. Its messages are those of the catalogue.
"""

import asyncio
import base64
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.protocol.catalogue import CATALOGUE, Message, decoder, encode
from mesh.protocol.client import LoggedIn, Login
from mesh.protocol.lanes import (
    CLIENT_GATE,
    CLIENT_MOVE,
    CLIENT_PLAY,
    CLIENT_SOCIAL,
    MOVE_STRUCT,
    PLAY_HEAD,
    PieceClass,
    PieceLane,
    piece,
)
from mesh.protocol.play import Character, Entered

_decode = decoder(said.type for said in CATALOGUE.values() if said.source == "client")
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = 0x88  # the first byte of a frame that ends the connection
SPEED_MPS, UNIT_M, SIZE_M = 6.0, 0.01, 100.0


@dataclass
class Guest:
    """One connection, and everything that was said on it."""

    number: int
    writer: asyncio.StreamWriter
    ticket: str = ""
    moves: list[tuple[int, int, int]] = field(default_factory=list)  # stamp, x, y
    plays: list[tuple[int, int, Message | None]] = field(default_factory=list)  # sequence, acknowledged, message
    heard: list[Message] = field(default_factory=list)
    social: list[Message] = field(default_factory=list)

    @property
    def entity(self) -> int:
        return self.number + 1

    def send(self, *pieces: bytes) -> None:
        """All of them in one frame."""
        body = b"".join(pieces)
        head = bytes([0x82, len(body)]) if len(body) < 126 else struct.pack(">BBH", 0x82, 126, len(body))
        self.writer.write(head + body)

    def say(self, said: Message, cls: PieceClass = PieceClass.GATE, sequence: int = 0) -> None:
        self.send(piece(PieceLane.CONTROL, cls, encode(said), sequence))

    def enter(self, x: int = 5000, y: int = 5000, line: int = 1) -> None:
        you = Character(self.entity, f"p{self.number}", 1, 0, 100, 100, {"strength": 10}, 0, [])
        self.say(
            Entered("s.1", "square", line, SIZE_M, UNIT_M, 10.0, 50.0, SPEED_MPS, x, y, you, [], 0), PieceClass.VIEW
        )


class FakeGate:
    """`on_login` answers a Login, `on_play` everything said to the scene."""

    def __init__(self) -> None:
        self.guests: list[Guest] = []
        self.on_login: Callable[[Guest], None] = self.let_in
        self.on_play: Callable[[Guest, int, Message], None] = lambda _guest, _sequence, _said: None
        self.on_move: Callable[[Guest], None] = lambda _guest: None
        self.on_social: Callable[[Guest, Message], None] = lambda _guest, _said: None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Its address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def stop(self) -> None:
        self._server.close()
        for guest in self.guests:
            guest.writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def let_in(self, guest: Guest) -> None:
        guest.say(LoggedIn(7, f"p{guest.number}", "", 30.0, []))
        guest.enter()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        guest = Guest(len(self.guests), writer)
        self.guests.append(guest)
        try:
            await self._shake_hands(reader, writer)
            while True:
                self._hear(guest, await self._frame(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line[19:] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
        accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        first, length = await reader.readexactly(2)
        if first == CLOSE:
            raise ConnectionResetError
        assert first == 0x82, "one unfragmented binary frame"
        assert length & 0x80, "what a client says is masked"
        size = length & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        body = await reader.readexactly(size)
        return bytes(byte ^ mask[at & 3] for at, byte in enumerate(body))

    def _hear(self, guest: Guest, frame: bytes) -> None:
        match frame[0]:
            case kind if kind == CLIENT_MOVE:
                _, _, _, _, stamp, x, y = MOVE_STRUCT.unpack(frame)
                guest.moves.append((stamp, x, y))
                self.on_move(guest)
            case kind if kind == CLIENT_PLAY:
                sequence, acknowledged = PLAY_HEAD.unpack_from(frame, 1)
                said = _decode(frame[1 + PLAY_HEAD.size :]) if len(frame) > 1 + PLAY_HEAD.size else None
                guest.plays.append((sequence, acknowledged, said))
                if said is not None:
                    self.on_play(guest, sequence, said)
            case kind if kind == CLIENT_SOCIAL:
                guest.social.append(_decode(frame[1:]))
                self.on_social(guest, guest.social[-1])
            case kind:
                assert kind == CLIENT_GATE
                said = _decode(frame[1:])
                guest.heard.append(said)
                if isinstance(said, Login):
                    guest.ticket = said.secret
                    self.on_login(guest)
