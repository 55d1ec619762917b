"""The HTTP door of a process: /metrics, /-/healthy, /-/ready. GET only, one short answer for each connection.

A web framework would add 20 MB to each of many small processes for three constant answers.
"""

import asyncio
from collections.abc import Callable

REQUEST_BYTES_MAX = 8192
REQUEST_S_MAX = 5.0
CONNECTIONS_MAX = 64  # at a time; more are closed unheard

Page = Callable[[], tuple[int, str, bytes]]  # status, content type, body

_REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    400: "Bad Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class HttpDoor:
    """Serves `pages` by path."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open = 0

    async def open(self, host: str, port: int) -> None:
        """OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=REQUEST_BYTES_MAX)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > CONNECTIONS_MAX:
                return
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer(head))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks badly gets nothing
        finally:
            self._open -= 1
            writer.close()

    def answer(self, head: bytes) -> bytes:
        """The whole response to a request head."""
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3:
            return _response(400, "text/plain", b"not HTTP\n")
        if words[0] != b"GET":
            return _response(405, "text/plain", b"only GET\n")
        page = self._pages.get(words[1].split(b"?", 1)[0].decode("latin-1"))
        if page is None:
            return _response(404, "text/plain", b"there are " + " ".join(self._pages).encode() + b"\n")
        try:
            return _response(*page())
        except Exception as error:  # noqa: BLE001 - one figure that cannot be read must not look like a dead process
            return _response(500, "text/plain", f"this page failed: {error!r}\n".encode())


def _response(status: int, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
