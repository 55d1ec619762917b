"""The console as the node has it: its parts, made in one place, and the web server that runs in the node's own loop.

    console = Console(sources, settings, clock, log, workers, folder)
    password = await console.open()      # of the first operator; "" when there are operators already
    ...
    await console.close()

The web server is uvicorn without its signal handlers: when a process ends is not its business. Nothing of requests is
logged; what operators do is in the audit trail.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn

from mesh.clock import Clock
from mesh.errors import StorageError
from mesh.seat import Logger, Workers
from nodes.ops.console.answering import encoded
from nodes.ops.console.answers import Pulse
from nodes.ops.console.app import make_app
from nodes.ops.console.audit import Audit
from nodes.ops.console.desk import Desk
from nodes.ops.console.guesses import Guesses
from nodes.ops.console.live import Live
from nodes.ops.console.operators import Operators
from nodes.ops.console.page import Page
from nodes.ops.console.sessions import Sessions
from nodes.ops.console.settings import ConsoleSettings
from nodes.ops.console.shared import Shared
from nodes.ops.console.sources import Sources

OPERATORS_FILE = "operators.json"
AUDIT_FILE = "audit.jsonl"
BACKLOG = 128  # connections that wait to be taken
UNREAD_S_MAX = 60  # the system ends a connection whose other end takes nothing for so long
STOP_S = 2  # for answers under way
KEEP_ALIVE_S = 30  # an idle connection
TEND_S = 60.0
HASHING_THREADS = 1


class Console:
    """See the module."""

    def __init__(
        self,
        sources: Sources,
        settings: ConsoleSettings,
        clock: Clock,
        log: Logger,
        workers: Callable[[int], Workers],
        folder: Path,
    ) -> None:
        self.url = ""  # where it is, once it is open
        self._hashing, self._writing = workers(HASHING_THREADS), workers(1)
        self._page = Page.load()
        self.desk = Desk(
            settings,
            clock,
            log,
            sources,
            Operators(folder / OPERATORS_FILE, settings, clock, self._hashing),
            Sessions(settings),
            Guesses(settings),
            Audit(folder / AUDIT_FILE, clock, self._writing),
            Shared(clock, settings.shared_s),
            Live(self._pulse, settings, clock, log),
        )
        self.app = make_app(self.desk, self._page)
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> str:
        """Listen. The password of the first operator when there was none yet: it is told here and nowhere else.

        StorageError when a file cannot be used or the port is taken.
        """
        await self.desk.audit.open()
        password = await self.desk.operators.open()
        settings = self.desk.settings
        listening = _listen(settings.host, settings.port)
        port = listening.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{shown}:{port}/"
        self._server = _Server(_config(self, settings))
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._server.serve([listening])), loop.create_task(self._tend())]
        await self._server.is_up.wait()
        if not self._server.started:
            await self._tasks[0]  # it says why
        return password

    async def close(self) -> None:
        """Consoles hear that it ends; answers under way have STOP_S."""
        await self.desk.live.close()
        if self._server is not None:
            self._server.should_exit = True
            serving, tending = self._tasks
            await serving
            tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending
            self._server = None
        self._hashing.close()
        self._writing.close()

    async def _pulse(self) -> bytes:
        sources = self.desk.sources
        overview, alerts, incidents = await asyncio.gather(
            sources.overview(), sources.alerts(), sources.open_incidents()
        )
        return encoded(Pulse(self._page.version, overview, list(alerts), list(incidents)))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            self.desk.sessions.tend(self.desk.clock.now())


class _Server(uvicorn.Server):
    """Of a process whose signals are somebody else's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.is_up.set()


def _config(console: Console, settings: ConsoleSettings) -> uvicorn.Config:
    return uvicorn.Config(
        console.app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        limit_concurrency=settings.connections_max,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


def _listen(host: str, port: int) -> socket.socket:
    """StorageError when that is not possible, with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # what is accepted here has it, too
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S_MAX * 1000)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        text = f"the console cannot listen at {host}:{port}: {error.strerror}; choose another settings.ops.console.port"
        raise StorageError(text) from None
    return listening
