"""The WebSocket protocol as bytes: handshakes, frames cut anywhere, everything that the RFC forbids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.gate import websocket as ws

UPGRADE = (
    b"GET /play?x=1 HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
KEY = b"\x12\x34\x56\x78"


def said(payload, opcode=ws.BINARY, fin=True, key=KEY, rsv=0):
    """As a client sends it."""
    head = bytearray(ws.head(len(payload), opcode))
    head[0] = (0x80 if fin else 0) | rsv | opcode
    head[1] |= 0x80
    return bytes(head) + key + ws.unmask(payload, key)


def heard(data, most=65536):
    """All whole frames in it as (opcode, payload), and how many bytes they take."""
    frames, at = [], 0
    while not isinstance(found := ws.frame_in(data, at, most), int):
        frames.append((found.opcode, found.payload))
        at = found.end
    return frames, at


def test_the_example_of_the_rfc():
    request = ws.request_in(UPGRADE)
    assert request.path == "/play?x=1"
    assert request.upgrades
    assert request.size == len(UPGRADE)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in ws.accept(request)
    assert heard(b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == ([(ws.BINARY, b"Hello")], 11)


@given(st.integers(0, len(UPGRADE) - 1))
def test_a_request_that_is_not_whole_is_waited_for(size):
    assert ws.request_in(UPGRADE[:size]) is None


@pytest.mark.parametrize(
    "broken",
    [
        UPGRADE.replace(b"GET", b"PUT"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"GET /play?x=1", b"GET  /"),
        UPGRADE.replace(b"Host: here", b" Host: here"),
        UPGRADE.replace(b"Host: here", b"Host here"),
        UPGRADE.replace(b"Host: here", b"H\x00st: here"),
        UPGRADE.replace(b"Host: here", b"Host: \x01"),
        UPGRADE.replace(b"Host: here", b"Content-Length: 5"),
        UPGRADE.replace(b"Host: here", b"Content-Length: 0\r\nContent-Length: 7"),
        UPGRADE.replace(b"Host: here", b"Transfer-Encoding: chunked"),
        UPGRADE.replace(b"Host: here", b"a: b\r\n" * 200 + b"c: d"),
        b"x" * ws.REQUEST_BYTES_MAX,
    ],
)
def test_what_is_no_request(broken):
    with pytest.raises(ws.BadRequest):
        ws.request_in(broken)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"keep-alive, Upgrade", b"close"),
        (b"Version: 13", b"Version: 8"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZQ=="),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl IHNhbXBsZSBub25jZQ="),
        (b"Sec-WebSocket-Key", b"Sec-WebSocket-Lock"),
    ],
)
def test_what_is_no_upgrade_to_websocket(right, wrong):
    with pytest.raises(ws.BadRequest):
        ws.accept(ws.request_in(UPGRADE.replace(right, wrong)))


@given(st.lists(st.tuples(st.sampled_from([ws.BINARY, ws.TEXT]), st.binary(max_size=400))), st.data())
def test_frames_come_out_as_they_went_in_wherever_the_bytes_are_cut(frames, data):
    stream = b"".join(
        said(payload, opcode, key=bytes([n % 256, 7, 0, 255])) for n, (opcode, payload) in enumerate(frames)
    )
    cut = data.draw(st.integers(0, len(stream)))
    first, end = heard(stream[:cut])
    second, rest = heard(stream[end:])
    assert first + second == frames
    assert end + rest == len(stream)


@given(st.integers(0, 70_000))
def test_heads_of_every_size(size):
    stream = said(b"\0" * size)
    for have in (0, 1, 2, 5, len(stream) - 1):
        wanted = ws.frame_in(stream[:have], 0, 70_000)
        assert isinstance(wanted, int)
        assert have < wanted <= len(stream), "never more than there will be, always more than there is"
    assert ws.frame_in(stream, 0, 70_000).end == len(stream)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (ws.head(2) + b"hi", 1002),  # not masked
        (said(b"hi", rsv=0x40), 1002),
        (said(b"hi", rsv=0x10), 1002),
        (said(b"hi", opcode=0x3), 1002),
        (said(b"hi", opcode=0xB), 1002),
        (said(b"", opcode=ws.PING, fin=False), 1002),
        (said(b"x" * 126, opcode=ws.PING), 1002),
        (b"\x82\xfe\x00\x05" + KEY + b"hello", 1002),  # not the shortest way
        (b"\x82\xff" + (65535).to_bytes(8, "big") + KEY, 1002),
        (b"\x82\xff" + (1 << 63).to_bytes(8, "big") + KEY, 1002),
        (said(b"x" * 1001)[:4], 1009),  # known before it has come
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), 1009),
    ],
)
def test_what_no_client_may_send(stream, code):
    with pytest.raises(ws.Violation) as caught:
        ws.frame_in(stream, 0, 1000)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87", "\x03\xe9ü".encode()[:0]]
)
def test_right_closes(payload):
    ws.check_close(payload)


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xed", 1002), (b"\x00\x01", 1002), (b"\x13\x88", 1002), (b"\x03\xe8\xff", 1007)],
)
def test_wrong_closes(payload, code):
    with pytest.raises(ws.Violation) as caught:
        ws.check_close(payload)
    assert caught.value.code == code


def test_a_reason_is_cut_between_characters():
    frame = ws.close(1000, "ü" * 100)
    assert frame[1] == len(frame) - 2 <= 125
    assert frame[4:].decode() == "ü" * 61


@given(st.lists(st.integers(0, 90).map(lambda words: bytes(range(4)) * words), max_size=9))
def test_rows_are_laid_out_as_frames(rows):
    body, lengths = b"".join(rows), np.array([len(row) for row in rows], "<u4")
    wire, begins, sizes = ws.rows_with_heads(memoryview(body), lengths)
    whole = wire.tobytes()
    frames = [whole[begin : begin + size] for begin, size in zip(begins.tolist(), sizes.tolist(), strict=True)]
    assert frames == [ws.head(len(row)) + row for row in rows]


@pytest.mark.parametrize("size", [0, 120, 124, 128, 252, 256, ws.ROW_MAX - 4, ws.ROW_MAX])
def test_rows_of_all_sizes_have_the_heads_that_single_frames_have(size):
    wire, [begin], [length] = ws.rows_with_heads(memoryview(bytes(size)), np.array([size], "<u4"))
    assert wire[int(begin) : int(begin) + int(length)].tobytes() == ws.head(size) + bytes(size)


@given(st.lists(st.tuples(st.binary(min_size=10, max_size=10), st.binary(min_size=4, max_size=4)), min_size=1))
def test_many_frames_of_one_length_are_unmasked_together(frames):
    wires = b"".join(said(payload, key=key) for payload, key in frames)
    raw = np.frombuffer(wires, np.uint8).reshape(len(frames), 16)
    assert [row.tobytes() for row in ws.unmasked(raw)] == [payload for payload, _ in frames]
