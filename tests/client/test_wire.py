"""The wire on real sockets: what a gate does that dies at the wrong moment."""

import asyncio
import base64
import hashlib
from typing import Any

import picows
import pytest

from mesh.client.player import Player
from mesh.errors import PeerLost

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


async def shake_hands_and_die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the upgrade and ends the connection in the same breath."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b":")[1].strip() for line in request.split(b"\r\n") if b"-Key" in line)
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    writer.close()


def test_a_gate_that_dies_right_after_the_handshake_is_a_lost_peer() -> None:
    async def story() -> None:
        server = await asyncio.start_server(shake_hands_and_die, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for _ in range(20):
                with pytest.raises(PeerLost):
                    await Player.login(url, "anna", "secret")

    asyncio.run(asyncio.wait_for(story(), 20.0))


def test_a_wire_is_ours_whatever_the_library_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library forgets its listener when the connection ends between the handshake and its own return."""
    connect = picows.ws_connect

    async def forgetful(*arguments: Any, **options: Any) -> tuple[Any, None]:
        transport, _ = await connect(*arguments, **options)
        return transport, None

    async def story() -> None:
        server = await asyncio.start_server(shake_hands_and_die, "127.0.0.1", 0)
        monkeypatch.setattr(picows, "ws_connect", forgetful)
        async with server:
            with pytest.raises(PeerLost):
                await Player.login(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "anna", "secret")

    asyncio.run(asyncio.wait_for(story(), 20.0))


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the connection and ends it without a word, as a process does that is killed."""
    writer.transport.abort()


async def stammer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Dies in the middle of its answer to the upgrade."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Pro")
    writer.close()


@pytest.mark.parametrize("behaviour", [hang_up, stammer])
def test_a_gate_that_dies_in_the_middle_of_the_handshake_is_a_lost_peer(behaviour: Any) -> None:
    """The library then reports no error, and has made no listener either."""

    async def story() -> None:
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with server:
            with pytest.raises(PeerLost):
                await Player.login(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "anna", "secret")

    asyncio.run(asyncio.wait_for(story(), 20.0))
