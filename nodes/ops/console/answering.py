"""How the console answers: JSON for values, {code, text} for everything that went wrong, and nothing that is kept."""

from typing import Any

import msgspec
from starlette.responses import Response

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError, StorageError

SIGNED_OUT = "signed_out"  # nobody is signed in, or not any more
_JSON = "application/json"
_STATUSES: dict[str, int] = {
    SIGNED_OUT: 401,
    Code.BAD_CREDENTIALS: 401,
    Code.BAD_MESSAGE: 400,
    Code.OUT_OF_RANGE: 400,
    Code.NOT_ALLOWED: 403,
    Code.NOT_FOUND: 404,
    Code.TOO_LARGE: 413,
    Code.TOO_MANY: 429,
    Code.UNAVAILABLE: 503,
    Code.SHUTDOWN: 503,
    Code.DISK_FULL: 503,
    Code.INTERNAL: 500,
}
_CONFLICT = 409  # every other reason to refuse: the world is not so that it could be done
_encode = msgspec.json.Encoder().encode


class Problem(msgspec.Struct, frozen=True):
    """What is said instead of an answer."""

    code: str
    text: str


def encoded(value: Any) -> bytes:
    """As it travels: structs as objects, NaN as null."""
    return _encode(value)


def answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, _JSON)


def problem(code: str, text: str, status: int) -> Response:
    return answer(encoded(Problem(code, text)), status)


def refusal(error: MeshError) -> Response:
    """Whatever could not be answered or done, as a status and a sentence for people."""
    if isinstance(error, RefusedError):
        return problem(error.code, error.text or str(error), _STATUSES.get(error.code, _CONFLICT))
    code, status = code_of(error)
    return problem(code, str(error), status)


def code_of(error: MeshError) -> tuple[str, int]:
    """Of an error that is not a refusal."""
    if isinstance(error, DeadlineExceeded):
        return "deadline", 504
    if isinstance(error, PeerLost):
        return "peer_lost", 503
    if isinstance(error, StorageError):
        return "storage", 503
    return Code.INTERNAL, 500
