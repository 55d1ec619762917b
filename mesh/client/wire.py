"""How the client's frames travel: one WebSocket connection. The client's only importer of picows.

A wire is what `player.py` needs of a connection; `dial` opens a real one, `mesh.testing` has one in memory.
"""

import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import picows

from mesh.errors import PeerLost

__all__ = ["Dial", "OnClosed", "OnFrame", "Wire", "dial"]

FRAME_BYTES_MAX = 1 << 20
"""Longer frames from a server end the connection; a gate sends at most 64 KiB."""
READ_BUFFER_BYTES = 2048
"""Grows when needed; picows' own default of 16 KiB is most of what a connection takes."""
CONNECT_S = 5.0

OnFrame = Callable[[bytes], None]
OnClosed = Callable[[str], None]


class Wire(Protocol):
    """A connection to a gate."""

    def send(self, frame: bytes) -> None:
        """One binary frame. After the connection is gone: nothing happens."""
        ...

    def close(self) -> None:
        """End it after what was sent. `on_closed` follows."""
        ...

    def abort(self) -> None:
        """Cut it off, as a broken network does. `on_closed` follows."""
        ...


class Dial(Protocol):
    """Opens a wire: PeerLost when there is nobody. `on_closed(reason)` is called once, whoever ended it."""

    def __call__(self, url: str, on_frame: OnFrame, on_closed: OnClosed) -> Awaitable[Wire]: ...


async def dial(url: str, on_frame: OnFrame, on_closed: OnClosed, *, tls: ssl.SSLContext | None = None) -> Wire:
    """Connect to `ws://host:port` or `wss://host:port`. `tls` replaces the default trust of wss."""
    made: list[_Listener] = []  # picows returns none when the connection ended right after the handshake

    def listener() -> _Listener:
        made.append(_Listener(on_frame, on_closed))
        return made[-1]

    try:
        await picows.ws_connect(
            listener,
            url,
            ssl_context=tls,
            websocket_handshake_timeout=CONNECT_S,
            max_frame_size=FRAME_BYTES_MAX,
            read_buffer_init_size=READ_BUFFER_BYTES,
            use_aiofastnet=False,
        )
    except (OSError, picows.WSError) as error:
        raise PeerLost(f"no connection to {url}: {error}") from None
    if not made:  # nor an error, when the server went away in the middle of the handshake
        raise PeerLost(f"no connection to {url}: it ended during the handshake")
    return made[-1]


class _Listener(picows.WSListener):
    """picows' callbacks; is the wire, too."""

    def __init__(self, on_frame: OnFrame, on_closed: OnClosed) -> None:
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.BINARY:
            self._on_frame(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._transport = None
        handshake = transport.close_handshake
        self._on_closed(handshake.recv.reason if handshake is not None and handshake.recv is not None else "")

    def pause_writing(self) -> None:
        """The caller's own pace is the limit: a client says little."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.send(picows.WSMsgType.BINARY, frame)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
