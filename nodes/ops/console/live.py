"""What every open console is told each second, worked out and encoded once for all of them.

Nothing is queued: a console that has not taken a frame when the next one comes gets the newer one instead, and is told
how many it missed; one that takes nothing for `slow_s` is cut. Nobody looks: nothing is worked out. A stream ends with
the session that it belongs to, and with the node; its last word says why, so that the page need not guess.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from mesh.clock import Clock
from mesh.errors import Code, MeshError, RefusedError
from mesh.seat import Logger
from nodes.ops.console.answering import SIGNED_OUT, Problem, encoded
from nodes.ops.console.settings import ConsoleSettings

MAKE_S = 5.0  # how long a frame may take
AGAIN_MS = 2000  # how long a browser waits before it opens a broken stream again
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy in between passes it on at once
]


class Viewer:
    """One open console. At most one frame waits for it."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self.holds = holds  # is its session still open?
        self.frame = b""
        self.missed = 0  # frames since the last one that it took
        self.over = ""  # why it ends
        self.wake = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        self.missed += bool(self.frame)
        self.frame = frame
        self.wake.set()

    def end(self, why: str) -> None:
        self.over = self.over or why
        self.wake.set()

    def take(self) -> bytes:
        """What is to be sent now; may be nothing."""
        self.wake.clear()
        frame, missed = self.frame, self.missed
        self.frame, self.missed = b"", 0
        return (event("missed", encoded({"frames": missed})) if missed else b"") + frame


class Live:
    """The frames, and who gets them."""

    def __init__(
        self, make: Callable[[], Awaitable[bytes]], settings: ConsoleSettings, clock: Clock, log: Logger
    ) -> None:
        self._make, self._settings, self._clock, self._log = make, settings, clock, log
        self.viewers: set[Viewer] = set()
        self.frames = 0
        self.missed = 0
        self.cut = 0
        self._telling: asyncio.Task[None] | None = None
        self._last = (0.0, b"")
        self._is_closed = False
        self._in_trouble = False

    def stream(self, holds: Callable[[], bool]) -> "Stream":
        """For one more console. RefusedError when there are too many."""
        if self._is_closed:
            raise RefusedError(Code.SHUTDOWN, "the console stops")
        if len(self.viewers) >= self._settings.viewers_max:
            raise RefusedError(Code.TOO_MANY, f"{self._settings.viewers_max} consoles are open; close one first")
        return Stream(self, Viewer(holds), self._settings.slow_s)

    def join(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        at, frame = self._last
        if frame and self._clock.now() - at < 2 * self._settings.frame_s:
            viewer.offer(frame)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell_on())

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)

    async def close(self) -> None:
        """Every console hears that it ends."""
        self._is_closed = True
        for viewer in self.viewers:
            viewer.end(Code.SHUTDOWN)
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
            self._telling = None

    async def _tell_on(self) -> None:
        """As long as somebody looks."""
        next_at = self._clock.now()
        while self.viewers:
            frame = await self._frame()
            self._last = (self._clock.now(), frame)
            self.frames += 1
            for viewer in list(self.viewers):
                if not viewer.holds():
                    viewer.end(SIGNED_OUT)
                    continue
                self.missed += bool(viewer.frame)
                viewer.offer(frame)
            next_at = max(next_at + self._settings.frame_s, self._clock.now())
            await asyncio.sleep(next_at - self._clock.now())

    async def _frame(self) -> bytes:
        """What the sources say, or why they do not."""
        try:
            async with asyncio.timeout(MAKE_S):
                frame = event("pulse", await self._make())
        except (MeshError, TimeoutError) as error:
            text = str(error) or f"nothing was heard within {MAKE_S:.0f} s"
            if not self._in_trouble:
                self._log.warning("consoles cannot be told how the mesh is", reason=text)
            self._in_trouble = True
            return event("trouble", encoded(Problem(Code.UNAVAILABLE, text)))
        except Exception:  # noqa: BLE001 - a mistake of ours: told, logged once, and the next one may be better
            if not self._in_trouble:
                self._log.exception("a live frame could not be made")
            self._in_trouble = True
            return event("trouble", encoded(Problem(Code.INTERNAL, "a mistake of the console; it was logged")))
        self._in_trouble = False
        return frame


class Stream:
    """The answer to one console: server-sent events, until somebody ends it. An ASGI application."""

    def __init__(self, live: Live, viewer: Viewer, slow_s: float) -> None:
        self._live, self._viewer, self._slow_s = live, viewer, slow_s

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        viewer = self._viewer
        listening = asyncio.get_running_loop().create_task(self._wait_gone(receive))
        self._live.join(viewer)
        try:
            async with asyncio.timeout(self._slow_s):
                await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
                await send(_part(f"retry: {AGAIN_MS}\n\n".encode()))
            while not viewer.over:
                await viewer.wake.wait()
                said = viewer.take()
                if said and not viewer.over:
                    async with asyncio.timeout(self._slow_s):
                        await send(_part(said))
            async with asyncio.timeout(self._slow_s):
                await send(_part(event("end", encoded({"code": viewer.over})), more=False))
        except TimeoutError:
            self._live.cut += 1  # the connection ends with this call, in whose middle it is
        except OSError:
            pass  # it went away while it was told something
        finally:
            self._live.leave(viewer)
            listening.cancel()

    async def _wait_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._viewer.end("gone")


def event(name: str, data: bytes) -> bytes:
    """One server-sent event; JSON has no line breaks of its own."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _part(body: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
