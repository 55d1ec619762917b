"""What scenes have saved of characters (class C), as it was said and acknowledged, and what a crash of the DC has lost.

Owns every state that was said, by session. A state that was acknowledged has to be on the disk soon: when the DC dies
it is looked for, and how long before that the oldest newer one was acknowledged is what was lost. Only the newest
session of an account counts: what an older one saves is acknowledged, and rightly not taken.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from mesh.checking.cached import Saved, lost_s
from mesh.checking.records import Problem
from mesh.protocol.lanes import STATE
from mesh.protocol.records import SaveStates
from mesh.protocol.sessions import account_of, session_of
from nodes.dc.records import SESSIONS, STATES, StateRow
from nodes.dc.store import Store

LIMIT_S = 1.5
"""How old the oldest lost state may be: the second that is promised, and a slow commit or two."""

Content = tuple[Any, ...]
Numbers = list[tuple[int, int]]
"""Sessions, and which of their states."""


class CachedStates:
    """See the module."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.oldest_s = 0.0  # that was ever lost
        self._said: defaultdict[int, list[Content]] = defaultdict(list)  # by session
        self._acked: defaultdict[int, list[Saved]] = defaultdict(list)

    def said(self, saves: SaveStates) -> Numbers:
        """A scene has said this. What to give to `acked` when it is answered."""
        numbers = []
        states = np.frombuffer(saves.states, STATE)
        for session, state in zip(np.frombuffer(saves.sessions, "<u8").tolist(), states, strict=True):
            self._said[session].append((saves.map, *state.item()))
            numbers.append((session, len(self._said[session])))
        return numbers

    def acked(self, numbers: Numbers, now: float) -> None:
        """The scene was told that they are safe in a moment."""
        for session, number in numbers:
            self._acked[session].append(Saved(number, now))

    def crashed(self, store: Store, now: float, limit_s: float = LIMIT_S) -> None:
        """A DC is dead, and this is what its disk holds."""
        for session in _newest_sessions(store):
            if saves := self._acked.get(session):
                lost = lost_s(saves, self._number_on(store, session), now)
                self.oldest_s = max(self.oldest_s, lost)
                if lost > limit_s:
                    text = (
                        f"session {session} lost a state that was acknowledged {lost:.2f} s before: {limit_s:g} at most"
                    )
                    self.problems.append(Problem("cached", text))
        self._acked.clear()  # what was lost now is not lost again by the next crash

    def _number_on(self, store: Store, session: int) -> int:
        """Which of the session's states is on disk: the newest that looks like it; 0: none."""
        key = STATES.keys.pack(account_of(session))
        value = store.get(STATES.name, key)
        content = _content(STATES.unpack(key, value)) if value is not None else None
        said = self._said[session]
        return next((number for number in range(len(said), 0, -1) if said[number - 1] == content), 0)


def _content(row: StateRow) -> Content:
    return row.map, row.x, row.y, row.hp, row.heading, row.state, row.xp


def _newest_sessions(store: Store) -> Iterable[int]:
    for key, value in store.scan(SESSIONS.name):
        yield session_of(SESSIONS.keys.unpack(key), SESSIONS.unpack(key, value).epoch)
