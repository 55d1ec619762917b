"""What a WebSocket server says and hears, as bytes and values: the handshake, frames, closes. Source: RFC 6455.

Pure: no socket, no clock. `front.py` moves the bytes. Only what the gate's clients need: one unfragmented frame is one
message, no extensions, no subprotocols. What the RFC forbids ends a connection with the code for it (`Violation`);
what is no handshake is answered by HTTP 400 (`BadRequest`).

Rejected: a library that owns the connection. A frame in and a frame out cost 3 us of processor time with the fastest
one, half of what the kernel needs for them; taken apart here, for all clients of a turn together, they cost 1 us.
"""

import binascii
from base64 import b64decode, b64encode
from hashlib import sha1
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mesh.errors import RemoteProtocolError
from mesh.front import Blob

REQUEST_BYTES_MAX = 16 * 1024
HEADERS_MAX = 128
CONTROL_BYTES_MAX = 125  # of a ping, pong or close

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_DATA, _CONTROL = (CONTINUATION, TEXT, BINARY), (CLOSE, PING, PONG)

OK, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_TEXT = 1000, 1002, 1003, 1007
POLICY_VIOLATION, TOO_BIG, TRY_AGAIN_LATER = 1008, 1009, 1013
_CODES = frozenset([*range(1000, 1004), *range(1007, 1015)])  # and 3000 to 4999

KEY_BYTES = 4
HEAD_BYTES = 2 + KEY_BYTES  # in front of a short frame of a client
SHORT_MAX = 125  # bytes of a frame whose head is that short
WORD, ROW_MAX = 4, 0xFFFC  # of `rows_with_heads`

Array = npt.NDArray[Any]

_BINARY = np.uint32(0x80 | BINARY)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VISIBLE = frozenset([9, *range(32, 127), *range(128, 256)])


class BadRequest(RemoteProtocolError):
    """What came is not a request that this server answers otherwise than by 400."""


class Violation(RemoteProtocolError):
    """A frame that ends the connection with this WebSocket code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


# --- the handshake ---


class Request(NamedTuple):
    path: str
    headers: dict[str, str]  # names in lower case; values of repeated ones joined by a comma
    size: int  # bytes of it: what follows is frames

    @property
    def upgrades(self) -> bool:
        return "upgrade" in self.headers


def request_in(data: bytes | bytearray) -> Request | None:
    """The HTTP request that `data` begins with; None while it is not whole."""
    end = data.find(b"\r\n\r\n", 0, REQUEST_BYTES_MAX)
    if end < 0:
        if len(data) >= REQUEST_BYTES_MAX:
            raise BadRequest("the request is too long")
        return None
    first, *lines = bytes(data[:end]).split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[0] != b"GET" or not words[1] or words[2] != b"HTTP/1.1":
        raise BadRequest("only GET by HTTP/1.1")
    if len(lines) > HEADERS_MAX:
        raise BadRequest("too many headers")
    headers = _headers(lines)
    if "transfer-encoding" in headers or headers.get("content-length", "0").strip("0"):
        raise BadRequest("a request has no body")
    return Request(words[1].decode("latin-1"), headers, end + 4)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not name or not _TOKEN.issuperset(name) or not _VISIBLE.issuperset(value):
            raise BadRequest("a header that is none")
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def accept(request: Request) -> bytes:
    """The answer to a right upgrade."""
    said = request.headers
    if "websocket" not in _words(said.get("upgrade", "")) or "upgrade" not in _words(said.get("connection", "")):
        raise BadRequest("only to websocket is upgraded")
    if said.get("sec-websocket-version") != "13":
        raise BadRequest("only version 13 is spoken")
    key = said.get("sec-websocket-key", "").encode("latin-1")
    try:
        right = len(b64decode(key, validate=True)) == 16
    except binascii.Error:
        right = False
    if not right:
        raise BadRequest("a Sec-WebSocket-Key has 16 bytes in base64")
    proof = b64encode(sha1(key + _GUID).digest())  # noqa: S324 - the RFC's own choice, no secret
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )


def answer(status: str, body: bytes, kind: str = "text/plain") -> bytes:
    """An HTTP answer after which the connection ends; `status` as "404 Not Found"."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _words(value: str) -> list[str]:
    return [word.strip().lower() for word in value.split(",")]


# --- frames of clients ---


class Frame(NamedTuple):
    opcode: int
    fin: bool
    payload: bytes
    end: int  # where the next one begins


def frame_in(data: bytes | bytearray, at: int, payload_max: int) -> Frame | int:
    """The frame that begins at `at`. While it is not whole: how many bytes from `at` on there must be, at least."""
    have = len(data) - at
    if have < 2:
        return 2
    first, second = data[at], data[at + 1]
    length = second & 0x7F
    _check_head(first, second, length)
    size = 2
    if length >= 126:
        size = 4 if length == 126 else 10
        if have < size:
            return size
        shortest = 126 if length == 126 else 1 << 16
        length = int.from_bytes(data[at + 2 : at + size], "big")
        if length < shortest or length >> 63:
            raise Violation(PROTOCOL_ERROR, "a length that is not written in the shortest way")
    if length > payload_max and first & 0x0F in _DATA:
        raise Violation(TOO_BIG, f"a message has at most {payload_max} bytes")
    body = at + size + KEY_BYTES
    end = body + length
    if len(data) < end:
        return end - at
    payload = unmask(bytes(data[body:end]), bytes(data[at + size : body]))
    return Frame(first & 0x0F, first >= 0x80, payload, end)


def _check_head(first: int, second: int, length: int) -> None:
    opcode = first & 0x0F
    if first & 0x70:
        raise Violation(PROTOCOL_ERROR, "no extension was agreed on")
    if opcode not in _DATA and opcode not in _CONTROL:
        raise Violation(PROTOCOL_ERROR, "an opcode that does not exist")
    if not second & 0x80:
        raise Violation(PROTOCOL_ERROR, "a client masks its frames")
    if opcode in _CONTROL and (length > CONTROL_BYTES_MAX or first < 0x80):
        raise Violation(PROTOCOL_ERROR, "a control frame is short and in one piece")


def unmask(payload: bytes, key: bytes) -> bytes:
    """Exclusive or with the key, again and again; as two great numbers, which is the quick way."""
    size = len(payload)
    keys = (key * (size // KEY_BYTES + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")


def unmasked(raw: Array) -> Array:
    """The payloads of whole short frames of one length, a row for each."""
    payloads = raw[:, HEAD_BYTES:]
    return payloads ^ raw.take(2 + np.arange(payloads.shape[1]) % KEY_BYTES, axis=1)


def check_close(payload: bytes) -> None:
    """Is this the payload of a close that may be?"""
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or (code not in _CODES and not 3000 <= code < 5000):
        raise Violation(PROTOCOL_ERROR, "a close without a right code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(INVALID_TEXT, "a reason that is no text") from None


# --- frames of the server ---


def head(size: int, opcode: int = BINARY) -> bytes:
    """What goes in front of a frame of so many bytes."""
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return bytes((first, 126, size >> 8, size & 0xFF))
    return bytes((first, 127)) + size.to_bytes(8, "big")


def rows_with_heads(body: Blob, lengths: Array) -> tuple[Array, Array, Array]:
    """Many binary frames at once: `body` is their payloads, one behind the other, all multiples of WORD and at most
    ROW_MAX bytes long. The bytes (u8), where each frame begins in them, and how long it is.

    Before each payload a word of room for its head is made: that of a short one needs half of it."""
    count, sizes = len(lengths), lengths.astype(np.uint32)
    words = sizes // WORD
    at = np.cumsum(words, dtype=np.int64) - words + np.arange(count)  # of the heads, in words
    wire = np.empty(len(body) // WORD + count, "<u4")
    is_payload = np.ones(len(wire), bool)
    is_payload[at] = False
    wire[is_payload] = np.frombuffer(body, "<u4")
    is_short = sizes <= SHORT_MAX
    long = _BINARY | 126 << 8 | (sizes & 0xFF00) << 8 | sizes << 24
    wire[at] = np.where(is_short, _BINARY << 16 | sizes << 24, long)
    skipped = is_short * np.uint32(2)
    return wire.view(np.uint8), (at * WORD).astype(np.uint64) + skipped, sizes + np.uint32(WORD) - skipped


def close(code: int, reason: str) -> bytes:
    """A whole close frame; the reason is cut to what fits, between characters."""
    limit = CONTROL_BYTES_MAX - 2
    fits = reason.encode()
    if len(fits) > limit:
        fits = fits[:limit].decode(errors="ignore").encode()
    body = code.to_bytes(2, "big") + fits
    return head(len(body), CLOSE) + body
