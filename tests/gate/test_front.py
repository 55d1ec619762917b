"""The real listening place and the real wire on loopback: frames both ways, everything that a client may do wrong."""

import asyncio
import functools
import http.client
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager

import picows
import pytest
import uvloop

from mesh.client.wire import dial
from mesh.errors import PeerLost, StorageError
from mesh.testing import wait_until as until
from nodes.gate.front import IGNORED_MAX, PINGS_PER_S_MAX, PONGS_PER_S_MAX, PicowsFront
from nodes.gate.settings import GateSettings


class Echo:
    """A guest that sends everything back."""

    def __init__(self):
        self.connections = []
        self.gone = []
        self.lets_in = True
        self.something = asyncio.Event()

    def connected(self, connection):
        if self.lets_in:
            self.connections.append(connection)
        return self.lets_in

    def received(self, connection, frame):
        connection.send(frame)

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
    guest, front = Echo(), PicowsFront(settings or GateSettings(), "127.0.0.1", 0)
    await front.open(guest, frame_bytes_max)
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
        assert connection.backlog() == 0


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
        for _ in range(IGNORED_MAX):
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
        while connection.backlog() < 64 * 1024 and sent < 16 << 20:
            connection.send(b"x" * 4096)
            sent += 4096
            if sent % 65536 == 0:
                await asyncio.sleep(0)
        assert connection.backlog() >= 64 * 1024
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
            await PicowsFront(GateSettings(), "127.0.0.1", port).open(Echo(), 65536)


@on_uvloop
async def test_nobody_there():
    async with listening() as (_, front, url):
        await front.stop_listening()
        with pytest.raises(PeerLost):
            await Client().connect(url)


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
        client.wire.send(b"secret")
        assert await client.frames.get() == b"secret"
        client.wire.close()
        await client.closed
        with pytest.raises(PeerLost):
            await Client().connect(f"wss://127.0.0.1:{front.port}")
    with pytest.raises(StorageError, match="certificate"):
        await PicowsFront(GateSettings(certificate="/nowhere.pem"), "127.0.0.1", 0).open(Echo(), 65536)
