"""One request to the console: who asks, and what, read with a limit on everything."""

import re
from contextlib import aclosing
from typing import TypeVar, get_args

import msgspec
from starlette.requests import ClientDisconnect, Request

from mesh.errors import Code, RefusedError
from nodes.ops.console.desk import Desk
from nodes.ops.console.operators import Operator
from nodes.ops.console.sessions import Session

BODY_BYTES_MAX = 64 * 1024
TEXT_MAX = 256  # characters of a parameter
MANY_MAX = 64  # values of one parameter
_JSON = "application/json"
_LABEL = re.compile(r"^([A-Za-z_][A-Za-z0-9_]{0,63}):(.{0,128})\Z")

T = TypeVar("T")


class Asked:
    """See the module. Whatever is wrong is a RefusedError that names the parameter."""

    def __init__(
        self, desk: Desk, request: Request, cookie: str, key: str, session: Session | None, by: Operator | None
    ) -> None:
        self.desk, self.request = desk, request
        self.cookie, self.key = cookie, key  # the name of the cookie, and what it holds
        self._session, self._by = session, by

    @property
    def session(self) -> Session:
        assert self._session is not None, "asked only where somebody is signed in"
        return self._session

    @property
    def by(self) -> Operator:
        assert self._by is not None, "asked only where somebody is signed in"
        return self._by

    @property
    def address(self) -> str:
        """Of the browser, or of the proxy that is not believed."""
        return self.request.client.host if self.request.client else ""

    def path(self, name: str) -> str:
        """A part of the path."""
        return _fits(name, str(self.request.path_params[name]), TEXT_MAX)

    def text(self, name: str, default: str = "") -> str:
        return _fits(name, self.request.query_params.get(name, default), TEXT_MAX)

    def need(self, name: str) -> str:
        text = self.text(name)
        if not text:
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is missing")
        return text

    def texts(self, name: str) -> list[str]:
        found = self.request.query_params.getlist(name)
        if len(found) > MANY_MAX:
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is there {len(found)} times; at most {MANY_MAX} times")
        return [_fits(name, one, TEXT_MAX) for one in found]

    def labels(self, name: str) -> dict[str, str]:
        """`where=node:scene.1` as {"node": "scene.1"}."""
        found = {}
        for text in self.texts(name):
            match = _LABEL.match(text)
            if match is None:
                raise RefusedError(Code.BAD_MESSAGE, f"{name} is label:value, such as node:scene.1, not {text!r}")
            found[match[1]] = match[2]
        return found

    def flag(self, name: str) -> bool:
        return self.text(name) in ("1", "true", "yes")

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is a number, not {text!r}") from None
        if not least <= value <= most:  # also true of nan
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is from {least:g} to {most:g}, not {text}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.number(name, default, least, most)
        if value != int(value):
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is a whole number, not {value:g}")
        return int(value)

    def one_of(self, name: str, words: object, default: str) -> str:
        """`words`: a Literal."""
        text, known = self.text(name, default), get_args(words)
        if text not in known:
            raise RefusedError(Code.BAD_MESSAGE, f"{name} is one of {', '.join(known)}, not {text!r}")
        return text

    def check_rate(self) -> None:
        """RefusedError when this session asks for more actions than anybody needs."""
        if not self.session.actions.take(self.desk.clock.now()):
            raise RefusedError(Code.TOO_MANY, "too many actions in a short time: wait a few seconds")

    async def body(self, struct: type[T]) -> T:
        """What was sent, as this struct."""
        if self.request.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
            raise RefusedError(Code.BAD_MESSAGE, f"the body is to be {_JSON}")
        data = await self._read()
        try:
            return msgspec.json.decode(data, type=struct)
        except msgspec.ValidationError as error:
            text, _, at = str(error).partition(" - at `$.")
            name = at.removesuffix("`")
            raise RefusedError(Code.BAD_MESSAGE, f"{name}: {text}" if name else text) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RefusedError(Code.BAD_MESSAGE, "the body is not JSON") from None

    async def _read(self) -> bytes:
        data = bytearray()
        try:
            async with aclosing(self.request.stream()) as parts:
                async for part in parts:
                    data += part
                    if len(data) > BODY_BYTES_MAX:
                        raise RefusedError(Code.TOO_LARGE, f"a body has at most {BODY_BYTES_MAX} bytes")
        except ClientDisconnect:
            raise RefusedError(Code.CANCELLED, "the browser went away") from None
        return bytes(data)


def _fits(name: str, text: str, most: int) -> str:
    if len(text) > most:
        raise RefusedError(Code.BAD_MESSAGE, f"{name} has at most {most} characters, not {len(text)}")
    return text
