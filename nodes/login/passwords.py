"""Password hashes: argon2id in a bounded pool of threads.

Owns the pool and the count of who waits for it. An unknown account, and one that only tickets open, cost the same
time as a wrong password: they are checked against a hash that nothing fits, so that the time of the answer does not
tell which accounts exist.
"""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mesh.errors import Code, RefusedError
from mesh.seat import Workers
from nodes.login.settings import LoginSettings

T = TypeVar("T")


class Passwords:
    """Makes and checks hashes beside the loop."""

    def __init__(self, workers: Workers, settings: LoginSettings) -> None:
        self.pending = 0  # waiting or being worked on
        self.done = 0
        self.refused = 0  # because too many were
        self._workers = workers
        self._queue_max = settings.hash_queue_max
        self._hasher = PasswordHasher(settings.argon_passes, settings.argon_memory_kib, settings.argon_lanes)
        self._nobody = ""

    async def open(self) -> None:
        """Make the hash that nothing fits. It has the parameters of all others, or its time would differ."""
        self._nobody = await self._workers.run(self._hasher.hash, secrets.token_hex(16))

    def close(self) -> None:
        self._workers.close()

    async def make(self, password: str) -> str:
        """The hash of a new password."""
        return await self._bounded(self._hasher.hash, password)

    async def fits(self, password_hash: str | None, password: str) -> bool:
        """Does the password fit the hash? None or "" is an account that no password opens."""
        fits = await self._bounded(_verify, self._hasher, password_hash or self._nobody, password)
        return fits and bool(password_hash)

    async def _bounded(self, function: Callable[..., T], *args: Any) -> T:
        if self.pending >= self._queue_max:
            self.refused += 1
            raise RefusedError(Code.UNAVAILABLE, "too many people are logging in with a password: try again")
        self.pending += 1
        try:
            return await self._workers.run(function, *args)
        finally:
            self.pending -= 1
            self.done += 1


def _verify(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
