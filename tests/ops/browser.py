"""A browser that is none: cookies, the token of its page and the headers that browsers send, straight into the app."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from mesh.testing.virtual import InlineWorkers, ManualClock, SilentLog, run
from nodes.ops.console.console import Console
from nodes.ops.console.settings import ConsoleSettings
from tests.ops.fake_sources import FakeSources

PORT = 7990
HOST = f"127.0.0.1:{PORT}"
CHEAP = ConsoleSettings(argon_memory_kib=8, argon_passes=1)

T = TypeVar("T")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    def as_(self, kind: type[T]) -> T:
        return msgspec.json.decode(self.body, type=kind)


class Browser:
    """One person's. `host` is what the address bar says."""

    def __init__(self, app: Any, address: str = "10.0.0.9", host: str = HOST, scheme: str = "http") -> None:
        self.app, self.address, self.host, self.scheme = app, address, host, scheme
        self.cookies: dict[str, str] = {}
        self.token = ""

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, query: str = ""
    ) -> Answer:
        """One request, one answer."""
        parts: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            parts.append(dict(message))

        await self.app(self.scope(method, path, headers or {}, query), receive, send)
        start = parts[0]
        found = {key.decode(): value.decode() for key, value in start["headers"]}
        if "set-cookie" in found:
            name, _, rest = found["set-cookie"].partition("=")
            self.cookies[name] = rest.split(";")[0].strip('"')
        return Answer(start["status"], found, b"".join(part.get("body", b"") for part in parts[1:]))

    def scope(self, method: str, path: str, headers: dict[str, str], query: str) -> dict[str, Any]:
        sent = {"host": self.host, **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": self.scheme,
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(key.lower().encode(), value.encode()) for key, value in sent.items() if value],
            "client": (self.address, 50_000), "server": ("127.0.0.1", PORT),
        }  # fmt: skip

    async def get(self, path: str, **params: Any) -> Answer:
        return await self.ask("GET", path, query=urlencode(params, doseq=True))

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """As the page does it; `headers` replace what it sends, "" leaves one out."""
        sent = {
            "content-type": "application/json", "origin": f"{self.scheme}://{self.host}",
            "sec-fetch-site": "same-origin", "x-mesh-token": self.token,
            **{key.replace("_", "-"): value for key, value in headers.items()},
        }  # fmt: skip
        return await self.ask("POST", path, json.dumps({} if body is None else body).encode(), sent)

    async def sign_in(self, name: str, password: str) -> Answer:
        answer = await self.post("/api/sign-in", {"name": name, "password": password})
        if answer.status == 200:
            self.token = answer.said["token"]
        return answer


class Place:
    """A console without a network, on virtual time."""

    def __init__(self, folder: Path, settings: ConsoleSettings = CHEAP) -> None:
        self.clock = ManualClock(asyncio.get_running_loop())
        self.log = SilentLog()
        self.folder = folder
        self.sources = FakeSources(self.clock)
        self.console = Console(self.sources, settings, self.clock, self.log, InlineWorkers, folder)
        self.desk = self.console.desk
        self.password = ""

    async def open(self) -> "Place":
        await self.desk.audit.open()
        self.password = await self.desk.operators.open()
        return self

    def browser(self, address: str = "10.0.0.9", **more: Any) -> Browser:
        return Browser(self.console.app, address, **more)

    async def admin(self) -> Browser:
        """Signed in as the first operator."""
        browser = self.browser()
        assert (await browser.sign_in("admin", self.password)).status == 200
        return browser

    async def viewer(self) -> Browser:
        password = await self.desk.operators.add("vera", "viewer")
        browser = self.browser("10.0.0.10")
        assert (await browser.sign_in("vera", password)).status == 200
        return browser


def in_place(
    folder: Path, work: Callable[[Place], Awaitable[None]], settings: ConsoleSettings = CHEAP, limit_s: float = 1e7
) -> None:
    """Run a test in one."""

    async def inside() -> None:
        await work(await Place(folder, settings).open())

    run(inside(), limit_s=limit_s)
