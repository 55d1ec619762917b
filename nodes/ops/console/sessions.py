"""Who is signed in: sessions of the console, in memory. A restart of the node signs everybody out.

The key is in a cookie that scripts cannot read; here only its hash is kept, so that nothing that is read out of this
process opens a session. The token is what a page has to say with everything that it asks to be done: another site
whose page a browser shows does not know it. Pure but for the randomness of keys: the time is an argument.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from mesh.core.bucket import Bucket
from nodes.ops.console.settings import ConsoleSettings

_KEY_BYTES = 32


class Session(msgspec.Struct, eq=False):
    """One browser of one operator."""

    name: str
    token: str
    begun_at: float
    used_at: float
    actions: Bucket


class Sessions:
    """See the module."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._open: OrderedDict[bytes, Session] = OrderedDict()  # the one that was unused for longest first

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, name: str, now: float) -> tuple[str, Session]:
        """The key for the cookie, and the session."""
        key = secrets.token_urlsafe(_KEY_BYTES)
        told = self._settings
        session = Session(
            name, secrets.token_urlsafe(_KEY_BYTES), now, now, Bucket(told.actions_per_s, told.actions_max, now)
        )
        self._open[_hashed(key)] = session
        while len(self._open) > told.sessions_max:
            self._open.popitem(last=False)
        return key, session

    def find(self, key: str, now: float) -> Session | None:
        """The session of this key, if it has not ended; from now on it is used."""
        hashed = _hashed(key)
        session = self._open.get(hashed)
        if session is None:
            return None
        if self._is_over(session, now):
            del self._open[hashed]
            return None
        session.used_at = now
        self._open.move_to_end(hashed)
        return session

    def end(self, key: str) -> None:
        self._open.pop(_hashed(key), None)

    def end_all(self, name: str, but: Session | None = None) -> int:
        """Of an operator, except this one; how many."""
        return self._drop(lambda one: one is not but and one.name.casefold() == name.casefold())

    def tend(self, now: float) -> int:
        """Forget those that are over; how many."""
        return self._drop(lambda one: self._is_over(one, now))

    def _drop(self, is_meant: Callable[[Session], bool]) -> int:
        found = [hashed for hashed, session in self._open.items() if is_meant(session)]
        for hashed in found:
            del self._open[hashed]
        return len(found)

    def _is_over(self, session: Session, now: float) -> bool:
        told = self._settings
        return now - session.used_at >= told.session_idle_s or now - session.begun_at >= told.session_life_s


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
