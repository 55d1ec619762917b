"""The console behind a real socket: it opens, streams, stops quickly, and leaves the process's signals alone."""

import asyncio
import json
import signal
from pathlib import Path

import msgspec
import pytest

from mesh.clock import SystemClock
from mesh.errors import StorageError
from mesh.seat import ThreadWorkers
from mesh.testing.virtual import SilentLog
from nodes.ops.console.console import Console
from tests.ops.browser import CHEAP
from tests.ops.fake_sources import FakeSources

pytestmark = pytest.mark.cluster


def a_console(folder: Path, port: int = 0) -> Console:
    clock = SystemClock()
    settings = msgspec.structs.replace(CHEAP, port=port)
    return Console(FakeSources(clock), settings, clock, SilentLog(), ThreadWorkers, folder)


async def request(console: Console, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[bytes, bytes]:
    """Head and body of one answer over a connection of its own."""
    port = int(console.url.rsplit(":", 1)[1].strip("/"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {"Host": f"127.0.0.1:{port}", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    found, _, rest = answer.partition(b"\r\n\r\n")
    return found, rest


async def sign_in(console: Console, password: str) -> str:
    """The cookie."""
    body = json.dumps({"name": "admin", "password": password}).encode()
    origin = console.url.rstrip("/")
    head, _ = await request(
        console,
        "POST",
        "/api/sign-in",
        body,
        Content_Type="application/json",
        Origin=origin,
        Sec_Fetch_Site="same-origin",
    )
    assert head.startswith(b"HTTP/1.1 200"), head
    return head.split(b"set-cookie: ")[1].split(b";")[0].decode()


def test_it_opens_answers_streams_and_stops(tmp_path: Path) -> None:
    async def work() -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        console = a_console(tmp_path)
        password = await console.open()
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
        head, body = await request(console, "GET", "/")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"server:" not in head.lower()
        assert b"<title>" in body
        cookie = await sign_in(console, password)
        streaming = asyncio.ensure_future(request(console, "GET", "/api/live", Cookie=cookie))
        await asyncio.sleep(1.5)
        async with asyncio.timeout(5):
            await console.close()
            head, body = await streaming
        assert b"text/event-stream" in head
        assert b"event: pulse" in body
        assert b'event: end\ndata: {"code":"shutdown"}' in body

    asyncio.run(work())


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    async def work() -> None:
        first = a_console(tmp_path)
        await first.open()
        port = int(first.url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(StorageError, match=f"cannot listen at 127.0.0.1:{port}"):
            await a_console(tmp_path, port).open()
        await first.close()

    asyncio.run(work())
