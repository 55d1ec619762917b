"""Debian's real Prometheus and Alertmanager on free ports of loopback, in a folder of the test; and a webhook."""

import json
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mesh.clock import SystemClock

NAMES = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
MISSING = [name for name in NAMES if shutil.which(name) is None]
needs_engines = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} not installed: apt-get install prometheus prometheus-alertmanager",
)
DEADLINE_S = 60.0


def tool(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """promtool or amtool; what it says is the message when it fails."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def wait_for(what: str, look: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Until it is something; looks twice a second at most."""
    clock, pause = SystemClock(), threading.Event()
    end = clock.now() + deadline_s
    while True:
        found = look()
        if found:
            return found
        assert clock.now() < end, f"{what} did not happen within {deadline_s:g} s"
        pause.wait(0.25)


class Engine:
    """A server of ours: its process, its log, its HTTP interface."""

    def __init__(self, name: str, port: int, folder: Path, *words: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([name, *words], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        wait_for(f"the start of {name}", self._is_ready)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).status == 200)
        except OSError:
            return False

    def ask(self, path: str, body: Any = None, **words: str) -> Any:
        """GET, or POST with a body."""
        query = f"?{urllib.parse.urlencode(words)}" if words else ""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"{self.url}{path}{query}", data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {words}: {error.read().decode()}") from None

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Prometheus(Engine):
    """`folder` has prometheus.yml."""

    def __init__(self, port: int, folder: Path) -> None:
        words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
        super().__init__("prometheus", port, folder, *words, f"--web.listen-address=127.0.0.1:{port}")

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What it says now; AssertionError with its words when it does not understand."""
        return list(self.ask("/api/v1/query", query=expr)["data"]["result"])

    def value(self, expr: str) -> float:
        """Of one number; 0 when there is none."""
        found = self.query(expr)
        return float(found[0]["value"][1]) if found else 0.0

    def targets(self) -> dict[str, str]:
        """Process -> up, down or unknown."""
        found = self.ask("/api/v1/targets", state="active")["data"]["activeTargets"]
        return {one["labels"]["process"]: one["health"] for one in found}

    def words(self) -> list[str]:
        """Its log: warnings and worse."""
        return self.log.read_text().splitlines()


class Alertmanager(Engine):
    """`folder` has alertmanager.yml."""

    def __init__(self, port: int, folder: Path) -> None:
        words = ["--config.file=alertmanager.yml", "--storage.path=alertmanager-data", "--cluster.listen-address="]
        super().__init__("prometheus-alertmanager", port, folder, *words, f"--web.listen-address=127.0.0.1:{port}")

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.ask("/api/v2/alerts"))


class Webhook:
    """Keeps what Alertmanager says."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        said = self.said

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """To nobody."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def alert(self, name: str, status: str, **labels: str) -> dict[str, Any] | None:
        """The first one with these labels that was told with this status."""
        wanted = {"alertname": name, **labels}.items()
        every = (alert for message in self.said for alert in message["alerts"])
        return next((one for one in every if one["status"] == status and wanted <= one["labels"].items()), None)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
