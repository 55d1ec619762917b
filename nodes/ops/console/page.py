"""The files of the page, read once at the start and served from memory: what is not among them does not exist."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from mesh.errors import Code
from nodes.ops.console.answering import problem

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
PREFIX = "page/"
SECTIONS = frozenset(
    (
        "",
        "overview",
        "nodes",
        "charts",
        "world",
        "incidents",
        "traces",
        "search",
        "players",
        "actions",
        "audit",
        "account",
    )
)
"""What the first word of an address of the page may be; each is the same index.html, which finds its way by itself."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class File(NamedTuple):
    type: str
    body: bytes
    packed: bytes  # gzip
    etag: str


class Page:
    """See the module."""

    def __init__(self, files: dict[str, File]) -> None:
        self._files = files
        every = "".join(f"{name} {file.etag}\n" for name, file in sorted(files.items()))
        self.version = hashlib.sha256(every.encode()).hexdigest()[:12]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Page":
        """Everything in the folder that has a known type."""
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES]
        return cls({path.relative_to(folder).as_posix(): _file(path) for path in paths})

    def answer(self, request: Request) -> Response:
        """Of GET, for everything that is not /api/."""
        path = request.path_params["path"]
        if path.startswith(PREFIX):
            file = self._files.get(path.removeprefix(PREFIX))
        else:
            file = self._files[INDEX] if path.split("/", 1)[0] in SECTIONS else None
        if file is None:
            return problem(Code.NOT_FOUND, f"there is no /{path[:100]}", 404)
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(None, 304, headers)
        body = file.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = file.packed
            headers["Content-Encoding"] = "gzip"
        return Response(body, 200, headers | {"Content-Type": file.type})


def _file(path: Path) -> File:
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return File(_TYPES[path.suffix], body, gzip.compress(body, mtime=0), etag)
