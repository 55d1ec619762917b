"""Notices reach people: over HTTP, SMTP and programs, with retries, time-outs and bounds; secrets are shown nowhere."""

import asyncio
import http.server
import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mesh.errors import StorageError
from nodes.ops.analysis.channels import Alertmanager, AnyChannel, Command, Email, Webhook
from nodes.ops.analysis.outbox import FIRST_S, TRIES_MAX, WAITING_MAX, Outbox
from nodes.ops.analysis.secret import Secret, read_secret
from nodes.ops.analysis.sending import Sender, SendingError, deliver, delivery_of
from tests.ops.analysis.test_notices import alert, notice

T = TypeVar("T")


def test_an_outbox_tries_again_with_growing_pauses_and_gives_up() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.put("a", 0.0)
    now, pauses = 0.0, []
    while True:
        item = outbox.due(now)
        assert item == "a"
        if not outbox.fail(item, now):
            break
        began = now
        while outbox.due(now) is None:
            now += 1.0
        pauses.append(now - began)
    assert pauses[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert (len(outbox), outbox.failed, outbox.dropped) == (0, TRIES_MAX, 1)


def test_an_outbox_is_bounded_and_drops_the_oldest() -> None:
    outbox: Outbox[int] = Outbox()
    for number in range(WAITING_MAX + 5):
        outbox.put(number, 0.0)
    assert (len(outbox), outbox.dropped, outbox.due(0.0)) == (WAITING_MAX, 5, 5)


def test_what_fails_does_not_hold_up_the_next() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.put("a", 0.0)
    outbox.put("b", 0.0)
    outbox.fail("a", 0.0)
    assert outbox.due(0.5) == "b"
    outbox.done("b")
    assert outbox.due(0.5) is None
    assert outbox.due(FIRST_S) == "a"
    assert outbox.sent == 1


# --- real deliveries ---


class Desk(http.server.BaseHTTPRequestHandler):
    """Answers POSTs with the status that the server has."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class MailDesk(socketserver.StreamRequestHandler):
    """As much of SMTP as a letter needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        inside = False
        for line in self.rfile:
            self.server.heard.append(line)  # type: ignore[attr-defined]
            if inside:
                inside = line != b".\r\n"
                answer = b"" if inside else b"250 taken\r\n"
            else:
                word = line[:4].upper()
                inside = word == b"DATA"
                answer = b"354 go on\r\n" if inside else b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n"
            self.wfile.write(answer)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], Any]]:
    """Starts a server on a free port; all are ended with the test."""
    servers: list[tuple[Any, threading.Thread]] = []

    def start(handler: Any) -> Any:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.heard, server.status = [], 200  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_webhook_is_posted(serve: Callable[[Any], Any], tmp_path: Path) -> None:
    server = serve(Desk)
    (tmp_path / "url").write_text(f"http://127.0.0.1:{server.server_address[1]}/hooks/secret-1\n")
    (tmp_path / "token").write_text("token-1\n")
    channel = Webhook(url_file=str(tmp_path / "url"), token_file=str(tmp_path / "token"))
    deliver(delivery_of(channel, notice(), "main", 0.0), 5.0)
    ((path, headers, body),) = server.heard
    assert path == "/hooks/secret-1"
    assert headers["Authorization"] == "Bearer token-1"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["key"] == "i-1"


@pytest.mark.parametrize("status", [500, 404, 302])
def test_another_answer_is_a_failure_and_no_secret_is_told(serve: Callable[[Any], Any], status: int) -> None:
    server = serve(Desk)
    server.status = status
    post = delivery_of(Webhook(url=f"http://127.0.0.1:{server.server_address[1]}/secret-1"), notice(), "main", 0.0)
    with pytest.raises(SendingError, match=f"it was answered with {status}") as caught:
        deliver(post, 5.0)
    assert "secret-1" not in str(caught.value)
    assert len(server.heard) == 1


def test_nobody_there(unused_ports: list[int]) -> None:
    post = delivery_of(Webhook(url=f"http://127.0.0.1:{unused_ports[0]}/secret-1"), notice(), "main", 0.0)
    with pytest.raises(SendingError, match="no answer: ConnectionRefusedError"):
        deliver(post, 5.0)


def test_an_address_from_a_file_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("file:///etc/passwd")
    with pytest.raises(SendingError, match="must begin with http"):
        deliver(delivery_of(Webhook(url_file=str(tmp_path / "url")), notice(), "main", 0.0), 5.0)


def test_a_letter_is_sent(serve: Callable[[Any], Any]) -> None:
    server = serve(MailDesk)
    channel = Email(
        host="127.0.0.1", port=server.server_address[1], security="none", sender="m@example.org", to=("o@example.org",)
    )
    deliver(delivery_of(channel, notice(), "main", 0.0), 5.0)
    heard = b"".join(server.heard)
    assert b"rcpt to:<o@example.org>" in heard.lower()
    assert b"Subject: [main] critical: the disk of machine a is slow" in heard


def test_a_mail_server_that_offers_no_encryption_gets_nothing(serve: Callable[[Any], Any], tmp_path: Path) -> None:
    server = serve(MailDesk)
    (tmp_path / "password").write_text("pass-1")
    channel = Email(
        host="127.0.0.1", port=server.server_address[1], sender="m@example.org", to=("o@example.org",), user="m",
        password_file=str(tmp_path / "password"),
    )  # fmt: skip
    with pytest.raises(SendingError) as caught:
        deliver(delivery_of(channel, notice(), "main", 0.0), 5.0)
    assert "pass-1" not in str(caught.value)
    assert b"pass-1" not in b"".join(server.heard)
    assert b"DATA" not in b"".join(server.heard)


def test_a_program_is_run(tmp_path: Path) -> None:
    script = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read())"
    deliver(delivery_of(Command(argv=(sys.executable, "-c", script)), notice(), "main", 0.0), 20.0)
    assert json.loads((tmp_path / "got").read_text())["state"] == "firing"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), "ended with 3"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "took longer than 0.5 s"),
        (("/does/not/exist",), "could not be started: No such file"),
    ],
)
def test_a_program_that_fails(argv: tuple[str, ...], said: str) -> None:
    with pytest.raises(SendingError, match=said):
        deliver(delivery_of(Command(argv=argv), notice(), "main", 0.0), 20.0 if "3)" in argv[-1] else 0.5)


def test_secrets() -> None:
    assert "abc" not in repr(Secret("abc"))
    assert "abc" not in f"{Secret('abc')}"
    assert Secret("abc") == Secret("abc")


def test_a_secret_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        read_secret(str(tmp_path / "none"))
    (tmp_path / "empty").write_text("\nsecond line")
    with pytest.raises(StorageError, match="is empty"):
        read_secret(str(tmp_path / "empty"))


# --- the sender ---


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


class Workers:
    """Runs it at once, or fails."""

    def __init__(self) -> None:
        self.done: list[tuple[AnyChannel, Any]] = []
        self.error: Exception | None = None

    async def run(self, _function: Callable[..., T], *args: Any) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.done.append((args[0], args[1]))

    def close(self) -> None:
        pass


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, text: str, **fields: Any) -> None:
        self.lines.append((text, fields))

    warning = error = exception = info


class Desks:
    """A sender with two channels and all that it has around it."""

    def __init__(self, **channels: AnyChannel) -> None:
        self.clock, self.workers, self.log = Clock(), Workers(), Log()
        self.sender = Sender(channels, "main", self.workers, self.clock, self.log)

    def tick(self, after_s: float = 1.0) -> None:
        self.clock.at += after_s
        asyncio.run(self.sender.tick())


def test_each_channel_gets_what_is_meant_for_it() -> None:
    team, pager = Webhook(url="http://x/"), Command(argv=("page",), severity="critical")
    desks = Desks(team=team, pager=pager)
    desks.sender.put([notice(severity="warning"), notice()], [])
    desks.tick()
    desks.tick()
    assert [channel for channel, _ in desks.workers.done].count(team) == 2
    assert [channel for channel, _ in desks.workers.done].count(pager) == 1
    assert desks.sender.counts()[("team", "sent")] == 2


def test_a_channel_that_fails_is_told_of_once_and_tried_again() -> None:
    desks = Desks(team=Webhook(url="http://x/"))
    desks.workers.error = SendingError("no answer: TimeoutError")
    desks.sender.put([notice()], [])
    for _ in range(20):
        desks.tick()
    assert [text for text, _ in desks.log.lines] == ["a notice could not be sent"]
    assert desks.log.lines[0][1] == {"channel": "team", "reason": "no answer: TimeoutError", "again": True}
    desks.workers.error = None
    for _ in range(40):
        desks.tick()
    assert len(desks.workers.done) == 1
    assert desks.log.lines[-1][0] == "notices can be sent again"


def test_alertmanager_hears_of_what_fires_again_and_again() -> None:
    desks = Desks(am=Alertmanager(url="http://x:9093"))
    some = [alert("a"), alert("b", silence="s-1"), alert("c", state="pending"), alert("d", state="resolved")]
    for _ in range(121):
        desks.sender.put([], some)
        desks.tick()
    assert len(desks.workers.done) in (2, 3)
    assert [one.rule for one in desks.workers.done[0][1].alerts] == ["a", "d"]
    desks.sender.put([notice()], some)
    desks.tick()
    assert len(desks.workers.done) in (3, 4)
