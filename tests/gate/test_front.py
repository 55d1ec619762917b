"""The real listening place and the real wire on loopback: frames both ways, everything that a client may do wrong."""

import asyncio
import functools
import http.client
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager

import numpy as np
import picows
import pytest
import uvloop

from mesh.client.wire import dial
from mesh.errors import PeerLost, StorageError
from mesh.testing import wait_until as until
from nodes.gate import websocket as ws
from nodes.gate.connection import IGNORED_BYTES_MAX, PINGS_PER_S_MAX, PONGS_PER_S_MAX
from nodes.gate.front import SocketFront
from nodes.gate.settings import GateSettings
from tests.gate.test_websocket import said


class Echo:
    """A guest that sends everything back."""

    def __init__(self):
        self.connections = []
        self.gone = []
        self.heard = []  # frames, and None for each look
        self.lets_in = True
        self.something = asyncio.Event()

    def connected(self, connection):
        if self.lets_in:
            connection.tag = 700 + connection.number
            self.connections.append(connection)
        return self.lets_in

    def received(self, connection, frame):
        self.heard.append(frame)
        connection.send(frame)

    def looked(self):
        self.heard.append(None)

    def records(self, tags, records):
        by_tag = {connection.tag: connection for connection in self.connections}
        for tag, record in zip(tags.tolist(), records, strict=True):
            self.received(by_tag[tag], record.tobytes())

    def closed(self, connection):
        self.gone.append(connection.number)
        self.something.set()

    def page(self, path):
        return b'{"gates": []}' if path == "/gates" else None


class Client:
    """The client's callbacks."""

    def __init__(self):
        self.frames = asyncio.Queue()
        self.closed = asyncio.get_running_loop().create_future()

    async def connect(self, url, **how):
        self.wire = await dial(url, self.frames.put_nowait, self.closed.set_result, **how)
        return self


@asynccontextmanager
async def listening(settings=None, frame_bytes_max=65536):
    guest, front = Echo(), SocketFront(settings or GateSettings(), "127.0.0.1", 0)
    await front.open(guest, frame_bytes_max, 10)
    try:
        yield guest, front, f"ws://127.0.0.1:{front.port}"
    finally:
        await front.close()


def on_uvloop(test):
    """Run on the loop that gates run on."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        async def bounded():
            async with asyncio.timeout(10):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())

    return run


@on_uvloop
async def test_frames_both_ways():
    async with listening() as (guest, _, url):
        client = await Client().connect(url)
        for frame in (b"\x01", b"x" * 125, b"x" * 126, b"y" * 65536):
            client.wire.send(frame)
            assert await client.frames.get() == frame
        [connection] = guest.connections
        assert (connection.number, connection.address) == (1, "127.0.0.1")
        connection.send(memoryview(b"abcdef")[2:4])
        assert await client.frames.get() == b"cd"
        client.wire.close()
        await until(lambda: guest.gone == [1])
        await client.closed
        connection.send(b"into the void")
        client.wire.send(b"into the void")
        assert connection.backlog == 0


@on_uvloop
async def test_who_looks_by_the_clock_says_so_after_each_look():
    async with listening() as (guest, _, url):
        client = await Client().connect(url)
        for number in range(40):
            client.wire.send(bytes([number]))
            assert await client.frames.get() == bytes([number])
        assert [frame[0] for frame in guest.heard if frame] == list(range(40))
        await until(lambda: guest.heard[-1] is None)
        assert all(guest.heard[at + 1] is None for at in range(20, len(guest.heard)) if guest.heard[at])
        assert guest.heard[:2] == [b"\x00", b"\x01"], "who has just begun is heard at once"


@on_uvloop
async def test_the_gate_closes_after_what_it_sent():
    async with listening() as (guest, _, url):
        client = await Client().connect(url)
        await until(lambda: guest.connections)
        client.wire.send(b"this is on its way")
        guest.connections[0].send(b"goodbye")
        guest.connections[0].close("logged_out")
        assert await client.frames.get() == b"goodbye"
        assert await client.closed == "logged_out"
        await until(lambda: guest.gone == [1])


@on_uvloop
async def test_cut_connections_are_noticed_on_the_other_side():
    async with listening() as (guest, _, url):
        first, second = await Client().connect(url), await Client().connect(url)
        await until(lambda: len(guest.connections) == 2)
        first.wire.abort()
        await until(lambda: guest.gone == [1])
        guest.connections[1].abort()
        await second.closed
        await until(lambda: guest.gone == [1, 2])


@on_uvloop
async def test_a_refused_client_is_not_heard_of_again():
    async with listening() as (guest, _, url):
        guest.lets_in = False
        client = await Client().connect(url)
        assert await client.closed == "try another gate, or later"
        assert guest.gone == []


class Raw(picows.WSListener):
    """A client that does what ours never would."""

    async def connect(self, url):
        self.code = asyncio.get_running_loop().create_future()
        self.heard, self.pongs, self.answers_close = [], [], True
        self.transport, _ = await picows.ws_connect(lambda: self, url, use_aiofastnet=False)
        return self

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.code.set_result(frame.get_close_code())
            if self.answers_close:
                transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.PONG:
            self.pongs.append(frame.get_payload_as_bytes())
        else:
            self.heard.append(frame.get_payload_as_bytes())


@on_uvloop
async def test_what_is_no_binary_frame_ends_the_connection_with_the_code_for_it():
    async with listening(frame_bytes_max=2048) as (guest, _, url):
        binary, text = picows.WSMsgType.BINARY, picows.WSMsgType.TEXT
        for kind, body, fin, code in ((text, b"hi", True, 1003), (binary, b"half", False, 1003)):
            raw = await Raw().connect(url)
            raw.transport.send(kind, body, fin)
            assert await raw.code == code
        raw = await Raw().connect(url)
        raw.transport.send(binary, b"x" * 2049)
        assert await raw.code == 1009
        await until(lambda: guest.gone == [1, 2, 3])


@on_uvloop
async def test_a_client_that_does_not_answer_a_close_is_cut():
    async with listening(GateSettings(close_s=0.1)) as (guest, _, url):
        raw = await Raw().connect(url)
        raw.transport.underlying_transport.pause_reading()
        await until(lambda: guest.connections)
        guest.connections[0].close()
        await until(lambda: guest.gone == [1])
        raw.transport.disconnect(graceful=False)


@on_uvloop
async def test_pings_are_answered_up_to_a_rate():
    async with listening() as (guest, _, url):
        raw = await Raw().connect(url)
        for number in range(100):
            raw.transport.send_ping(b"%d" % number)
        raw.transport.send(picows.WSMsgType.BINARY, b"the end")
        await until(lambda: raw.heard)
        assert raw.pongs == [b"%d" % number for number in range(PONGS_PER_S_MAX)]
        raw.transport.disconnect(graceful=False)
        await until(lambda: guest.gone == [1])


@on_uvloop
async def test_a_flood_of_pings_ends_the_connection():
    async with listening(GateSettings(close_s=30.0)) as (guest, _, url):
        raw = await Raw().connect(url)
        for _ in range(PINGS_PER_S_MAX + 1):
            raw.transport.send_ping(b"x" * 125)
        assert await raw.code == 1008
        await until(lambda: guest.gone == [1])


@on_uvloop
async def test_who_floods_on_after_the_goodbye_is_cut():
    async with listening(GateSettings(close_s=30.0)) as (guest, _, url):
        raw = await Raw().connect(url)
        raw.answers_close = False
        await until(lambda: guest.connections)
        guest.connections[0].close()
        for _ in range(IGNORED_BYTES_MAX // 7 + 1):
            raw.transport.send(picows.WSMsgType.BINARY, b"\xff")
        await until(lambda: guest.gone == [1])
        assert raw.heard == []
        raw.transport.disconnect(graceful=False)


@on_uvloop
async def test_what_a_client_does_not_read_shows_in_the_backlog():
    async with listening() as (guest, _, url):
        raw = await Raw().connect(url)
        await until(lambda: guest.connections)
        raw.transport.underlying_transport.pause_reading()
        [connection] = guest.connections
        sent = 0
        while connection.backlog < 64 * 1024 and sent < 16 << 20:
            connection.send(b"x" * 4096)
            sent += 4096
            if sent % 65536 == 0:
                await asyncio.sleep(0)
        assert connection.backlog >= 64 * 1024
        connection.abort()
        await until(lambda: guest.gone == [1])
        raw.transport.disconnect(graceful=False)


@on_uvloop
async def test_plain_http():
    async with listening() as (guest, front, _):

        def get(path):
            connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            found = answer.status, answer.getheader("Content-Type"), answer.read()
            connection.close()
            return found

        assert await asyncio.to_thread(get, "/gates?x=1") == (200, "application/json", b'{"gates": []}')
        assert (await asyncio.to_thread(get, "/secrets"))[0] == 404
        assert guest.connections == guest.gone == []


@on_uvloop
async def test_strangers_that_talk_nonsense_or_nothing_are_gone_soon():
    async with listening(GateSettings(handshake_s=0.1)) as (guest, front, _):
        for words in (b"", b"\x16\x03\x01 hello TLS", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(words)
            await reader.read()  # ends: the gate hung up
            writer.close()
        assert guest.connections == guest.gone == []


@on_uvloop
async def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"127\.0\.0\.1:{port}"):
            await SocketFront(GateSettings(), "127.0.0.1", port).open(Echo(), 65536, 10)


@on_uvloop
async def test_nobody_there():
    async with listening() as (_, front, url):
        await front.stop_listening()
        with pytest.raises(PeerLost):
            await Client().connect(url)


RECORD = b"0123456789"  # as long as what `listening` calls a record
HELLO = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def shaken(front):
    """A socket behind the handshake: what it writes is not looked at by any library."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(HELLO)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    return reader, writer


@on_uvloop
async def test_many_small_frames_at_once_and_one_bit_by_bit():
    async with listening() as (guest, front, _):
        reader, writer = await shaken(front)
        writer.write(said(RECORD) * 300)
        for byte in said(b"slowly"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        answer = await reader.readexactly(12 * 300 + 8)
        assert answer == (b"\x82\x0a" + RECORD) * 300 + b"\x82\x06slowly"
        writer.close()
        await until(lambda: guest.gone == [1])


@on_uvloop
async def test_what_follows_the_handshake_in_one_write_is_heard():
    async with listening() as (_, front, _url):
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(HELLO + said(b"already") + said(RECORD)[:9])
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(9) == b"\x82\x07already"
        writer.write(said(RECORD)[9:])
        assert await reader.readexactly(12) == b"\x82\x0a" + RECORD
        writer.close()


both_ways = pytest.mark.parametrize("io_uring", [True, False])
"""Where the kernel has no io_uring, both are the same."""


@both_ways
@on_uvloop
async def test_records_of_many_clients_and_what_only_looks_like_one(io_uring):
    """A frame as long as a record, but of another kind, is treated as what it is."""
    async with listening(GateSettings(io_uring=io_uring)) as (guest, front, _):
        clients = [await shaken(front) for _ in range(30)]
        for number, (_, writer) in enumerate(clients):
            writer.write(said(RECORD, ws.TEXT if number == 7 else ws.PING if number == 8 else ws.BINARY))
        for number, (reader, writer) in enumerate(clients):
            first = {7: b"\x88", 8: b"\x8a"}.get(number, b"\x82")
            assert (await reader.readexactly(2))[:1] == first
            writer.close()
        await until(lambda: len(guest.gone) == 30)


@on_uvloop
async def test_last_words_and_the_end_that_arrive_together_are_both_heard():
    """The front is told of a socket once: whoever reads the words must look for the end, too."""
    async with listening() as (guest, front, _):
        heard = []
        guest.received = lambda connection, frame: heard.append((connection.number, frame))
        clients = [await shaken(front) for _ in range(3)]
        for (_, writer), words in zip(clients, (said(RECORD), said(b"bye"), said(RECORD) * 100), strict=True):
            writer.write(words)
            writer.write_eof()
        await until(lambda: sorted(guest.gone) == [1, 2, 3])
        assert heard.count((3, RECORD)) == 100
        assert sorted(one for one in heard if one[0] < 3) == [(1, RECORD), (2, b"bye")]
        for _, writer in clients:
            writer.close()


@on_uvloop
async def test_the_close_is_answered_and_nothing_behind_it_is_heard():
    async with listening() as (guest, front, _):
        reader, writer = await shaken(front)
        writer.write(said(b"last") + said((1000).to_bytes(2, "big") + b"bye", ws.CLOSE) + said(b"too late"))
        assert await reader.read() == b"\x82\x04last" + ws.close(1000, "")
        await until(lambda: guest.gone == [1])
        writer.close()


@on_uvloop
@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x82\x02hi", 1002),
        (b"\xc2\x80abcd", 1002),
        (said(b"\x03", ws.CLOSE), 1002),
        (said(b"\x03\xe8\xff", ws.CLOSE), 1007),
    ],
)
async def test_a_violation_is_told_and_ends_the_connection(stream, code):
    async with listening() as (guest, front, _):
        reader, writer = await shaken(front)
        writer.write(stream + said(b"unheard"))
        told = await reader.read()  # ends: the gate closed its half
        assert (told[0], int.from_bytes(told[2:4], "big")) == (0x88, code)
        writer.close()
        await until(lambda: guest.gone == [1])


@on_uvloop
async def test_a_bad_request_is_answered():
    async with listening() as (guest, front, _):
        for words in (b"POST / HTTP/1.1\r\n\r\n", HELLO.replace(b"13", b"12"), b"x" * 20_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(words)
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            writer.close()
        assert guest.connections == guest.gone == []


@on_uvloop
async def test_what_was_kept_back_is_read_whole_and_in_order_when_the_client_reads_again():
    async with listening() as (guest, front, _):
        reader, writer = await shaken(front)
        writer.transport.pause_reading()
        [connection] = guest.connections
        count = 0
        while connection.backlog < 200_000:
            front.send_all([connection], [b"%08d" % count * 100])
            count += 1
        assert connection.queued() >= connection.backlog
        writer.transport.resume_reading()
        for number in range(count):
            assert (await reader.readexactly(804))[4:12] == b"%08d" % number
        assert connection.backlog == 0
        connection.send(b"and on")
        assert await reader.readexactly(8) == b"\x82\x06and on"
        writer.close()


@both_ways
@on_uvloop
async def test_the_same_for_many_at_once_while_others_vanish(io_uring):
    async with listening(GateSettings(io_uring=io_uring)) as (guest, front, _):
        clients = [await shaken(front) for _ in range(20)]
        for _, writer in clients:
            writer.transport.pause_reading()
        first = list(guest.connections)
        count = 0
        while min(connection.backlog for connection in first) < 50_000:
            lines = [b"%02d-%06d" % (connection.number, count) * 100 for connection in first]
            if count % 7 == 0:  # two frames of one client, one behind the other
                front.send_all([first[0], *first], [lines[0], *lines])
            else:
                front.send_all(first, lines)
            count += 1
        clients[5][1].transport.abort()
        clients[6][1].transport.abort()
        await until(lambda: len(guest.gone) == 2)
        front.send_all(first, [b"the last words"] * 20)
        for at, (reader, writer) in enumerate(clients):
            if at in (5, 6):
                continue
            writer.transport.resume_reading()
            for number in range(count):
                for _ in range(2 if at == 0 and number % 7 == 0 else 1):
                    assert (await reader.readexactly(904))[4:13] == b"%02d-%06d" % (at + 1, number)
            assert await reader.readexactly(16) == b"\x82\x0ethe last words"
            writer.close()


@both_ways
@on_uvloop
async def test_rows_reach_those_who_take_them_and_the_others_are_named(io_uring):
    """Straight from a batch to many sockets. Whoever is not ready for that is left for `send_all`."""
    async with listening(GateSettings(io_uring=io_uring)) as (guest, front, _):
        clients = [await shaken(front) for _ in range(20)]
        tags = np.array([connection.tag for connection in guest.connections])
        rows = [bytes([number]) * (4 * (1 + 13 * number)) for number in range(20)]  # heads of both lengths
        lengths, body = np.array([len(row) for row in rows], np.uint32), memoryview(b"".join(rows))
        wanted = tags.copy()
        wanted[[3, 19]] = -1
        sent = front.send_rows(wanted, lengths, body)
        expected = [] if front.calls == "sockets" else [number for number in range(20) if number not in (3, 19)]
        assert np.flatnonzero(sent).tolist() == expected
        rest = [number for number in range(20) if number not in expected]
        front.send_all([guest.connections[number] for number in rest], [rows[number] for number in rest])
        for (reader, _), row in zip(clients, rows, strict=True):
            assert await reader.readexactly(len(ws.head(len(row))) + len(row)) == ws.head(len(row)) + row
        assert not front.send_rows(tags, lengths - 1, body[:-20]).any(), "rows that are not made of whole words"
        for _, writer in clients:
            writer.close()


@on_uvloop
async def test_of_a_row_that_is_taken_in_part_the_rest_follows():
    async with listening() as (guest, front, _):
        if front.calls == "sockets":
            pytest.skip("no io_uring here")
        reader, writer = await shaken(front)
        writer.transport.pause_reading()
        [connection] = guest.connections
        tags, count = np.array([connection.tag]), 0
        while not connection.backlog:
            row = b"%08d" % count * 1000
            assert front.send_rows(tags, np.array([len(row)], np.uint32), memoryview(row)).all()
            count += 1
        assert not front.send_rows(tags, np.array([8], np.uint32), memoryview(b"too late")).any()
        writer.transport.resume_reading()
        for number in range(count):
            assert (await reader.readexactly(8004))[4:] == b"%08d" % number * 1000
        assert connection.backlog == 0
        assert front.send_rows(tags, np.array([8], np.uint32), memoryview(b"in time!")).all()
        assert await reader.readexactly(10) == b"\x82\x08in time!"
        connection.close()
        assert not front.send_rows(tags, np.array([8], np.uint32), memoryview(b"over now")).any()
        writer.close()


@on_uvloop
async def test_without_its_ring_the_front_goes_on_one_by_one(monkeypatch):
    async with listening() as (_, front, _url):
        if front.calls == "sockets":
            pytest.skip("no io_uring here")
        clients = [await shaken(front) for _ in range(20)]
        monkeypatch.setattr(front._together._ring, "_call", lambda *_: -1)
        for _, writer in clients:
            writer.write(said(RECORD))
        for reader, _ in clients:
            assert await reader.readexactly(12) == b"\x82\x0a" + RECORD
        assert front.calls == "sockets"
        for _, writer in clients:
            writer.close()


@on_uvloop
async def test_hundreds_that_connect_and_vanish_leave_nothing_behind():
    async with listening() as (guest, front, _):
        stays, writer = await shaken(front)
        for number in range(300):
            gone = socket.create_connection(("127.0.0.1", front.port))
            gone.setblocking(False)
            if number % 3:
                gone.send(HELLO if number % 2 else HELLO[:40])
            if number % 5 == 0:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()
            if number % 20 == 0:
                writer.write(said(b"still here"))
                assert await stays.readexactly(12) == b"\x82\x0astill here"
        await until(lambda: len(front._by_fd) == 1)
        assert sorted(guest.gone) == [connection.number for connection in guest.connections[1:]]
        writer.close()


@pytest.fixture
def certificate(tmp_path):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl command")
    return GateSettings(certificate=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))


@on_uvloop
async def test_tls(certificate):
    async with listening(certificate) as (_, front, _url):
        trust = ssl.create_default_context(cafile=certificate.certificate)
        client = await Client().connect(f"wss://127.0.0.1:{front.port}", tls=trust)
        for frame in (b"secret", b"0123456789", b"x" * 65536):
            client.wire.send(frame)
            assert await client.frames.get() == frame
        client.wire.close()
        await client.closed
        with pytest.raises(PeerLost):
            await Client().connect(f"wss://127.0.0.1:{front.port}")
    with pytest.raises(StorageError, match="certificate"):
        await SocketFront(GateSettings(certificate="/nowhere.pem"), "127.0.0.1", 0).open(Echo(), 65536, 10)
