"""Who may use the console: names, roles and password hashes, in one small file of the node's folder.

Owns that file and the threads that hash. A password is never stored, logged or shown, with one exception: one that is
made here, for the first operator or by another one, is returned once to whoever tells it; it is marked as temporary
until its owner has chosen another. A name that nobody has costs the same time as a wrong password: it is checked
against a hash that nothing fits, so that the time of an answer does not tell which names exist.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mesh.clock import Clock
from mesh.errors import Code, RefusedError, StorageError
from mesh.protocol.types import Name
from mesh.seat import Workers
from nodes.ops.console.settings import ConsoleSettings

Role = Literal["viewer", "operator"]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
FIRST = "admin"
OPERATORS_MAX = 1000
_MADE_BYTES = 12  # of randomness in a password that is made here: 16 characters

T = TypeVar("T")


class Operator(msgspec.Struct, frozen=True):
    """Somebody who may sign in. A viewer sees everything but addresses of players, and changes nothing."""

    name: Name
    role: Role
    password_hash: str
    made_s: float  # wall clock
    temporary: bool = False  # somebody else knows the password


class _File(msgspec.Struct, frozen=True):
    operators: list[Operator]


class Operators:
    """See the module. Names are the same in any case."""

    def __init__(self, path: Path, settings: ConsoleSettings, clock: Clock, workers: Workers) -> None:
        self._path, self._settings, self._clock, self._workers = path, settings, clock, workers
        self._hasher = PasswordHasher(settings.argon_passes, settings.argon_memory_kib, 1)
        self._known: dict[str, Operator] = {}
        self._nobody = ""
        self._hashing = 0  # waiting or being worked on
        self._changing = asyncio.Lock()

    async def open(self) -> str:
        """Read the file, or make it with a first operator; that one's password, "" when there was a file.

        StorageError when it cannot be read or written.
        """
        self._nobody = await self._workers.run(self._hasher.hash, secrets.token_hex(16))
        found = await self._workers.run(_read, self._path)
        if found is not None:
            self._known = {one.name.casefold(): one for one in found}
            return ""
        return await self.add(FIRST, "operator")

    def all(self) -> list[Operator]:
        """By name."""
        return [self._known[key] for key in sorted(self._known)]

    def find(self, name: str) -> Operator | None:
        return self._known.get(name.casefold())

    async def fits(self, name: str, password: str) -> Operator | None:
        """Who that is, if the password is right. RefusedError when too many are being checked."""
        known = self.find(name)
        fits = await self._hash(_verify, self._hasher, known.password_hash if known else self._nobody, password)
        return self.find(name) if fits and known is not None else None

    async def add(self, name: str, role: Role) -> str:
        """A further operator; the password made for it."""
        async with self._changing:
            if self.find(name) is not None:
                raise RefusedError(Code.EXISTS, f"there is an operator {name} already")
            if len(self._known) >= OPERATORS_MAX:
                raise RefusedError(Code.TOO_MANY, f"there are {OPERATORS_MAX} operators; remove one first")
            made = secrets.token_urlsafe(_MADE_BYTES)
            await self._keep(Operator(name, role, await self._hashed(made), self._clock.wall(), temporary=True))
            return made

    async def reset(self, name: str) -> str:
        """A new password for somebody who has lost the old one."""
        async with self._changing:
            known = self._named(name)
            made = secrets.token_urlsafe(_MADE_BYTES)
            hashed = await self._hashed(made)
            await self._keep(msgspec.structs.replace(known, password_hash=hashed, temporary=True))
            return made

    async def change(self, name: str, new: str) -> None:
        """The password that somebody has chosen. RefusedError when it is none to be chosen."""
        least = self._settings.password_chars_min
        if len(new) < least:
            raise RefusedError(Code.BAD_MESSAGE, f"a password has at least {least} characters")
        if new.casefold() == name.casefold() * (len(new) // len(name)):
            raise RefusedError(Code.BAD_MESSAGE, "a password is not made of the name")
        async with self._changing:
            known = self._named(name)
            hashed = await self._hashed(new)
            await self._keep(msgspec.structs.replace(known, password_hash=hashed, temporary=False))

    async def set_role(self, name: str, role: Role) -> None:
        async with self._changing:
            known = self._named(name)
            if role == "viewer":
                self._keep_one_operator(known)
            await self._keep(msgspec.structs.replace(known, role=role))

    async def remove(self, name: str) -> None:
        async with self._changing:
            known = self._named(name)
            self._keep_one_operator(known)
            await self._write({key: one for key, one in self._known.items() if one is not known})

    def _named(self, name: str) -> Operator:
        known = self.find(name)
        if known is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no operator {name}")
        return known

    def _keep_one_operator(self, leaving: Operator) -> None:
        if not any(one.role == "operator" for one in self._known.values() if one is not leaving):
            raise RefusedError(Code.NOT_ALLOWED, f"{leaving.name} is the only operator; make somebody else one first")

    async def _keep(self, changed: Operator) -> None:
        await self._write(self._known | {changed.name.casefold(): changed})

    async def _write(self, known: dict[str, Operator]) -> None:
        """Only what is on disk holds."""
        data = msgspec.json.format(msgspec.json.encode(_File(list(known.values()))))
        await self._workers.run(_replace, self._path, data)
        self._known = known

    async def _hashed(self, password: str) -> str:
        return await self._hash(self._hasher.hash, password)

    async def _hash(self, function: Callable[..., T], *args: Any) -> T:
        if self._hashing >= self._settings.hash_queue_max:
            raise RefusedError(Code.UNAVAILABLE, "too many passwords are being checked: try again in a moment")
        self._hashing += 1
        try:
            return await self._workers.run(function, *args)
        finally:
            self._hashing -= 1


def _verify(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _read(path: Path) -> list[Operator] | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).operators
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"the operators of the console cannot be read from {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        text = f"{path} is not a list of operators: {error}; repair it, or remove it to begin anew with {FIRST}"
        raise StorageError(text) from None


def _replace(path: Path, data: bytes) -> None:
    """A whole file or the one before, whatever happens; nobody else may read it."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageError(f"the operators of the console cannot be written to {path}: {error.strerror}") from None
