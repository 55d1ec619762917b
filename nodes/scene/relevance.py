"""Who concerns whom on one line: who fought with it a moment ago, its party, its friends.

Owns the fights of the last seconds and where the accounts of the line are. Pure. What concerns an observer comes
before all others in its view, and is told in every tick; in a crowd nobody else can push it out. Asked for a few
observers at a time: those who see more than they can be told of and whose turn it is.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np

from nodes.scene.pairs import key_of
from nodes.scene.sessions import Session
from nodes.scene.world import Array

FIGHT_S = 5.0  # since the last blow
CONCERNS_MAX = 32  # of one observer: fights first, then the party, then friends


class Relevance:
    """`players` are the line's sessions by slot."""

    def __init__(self, players: dict[int, Session]) -> None:
        self._players = players
        self._slots: dict[int, int] = {}  # by account
        self._fights: dict[tuple[int, int], float] = {}  # (slot, other slot) -> until when; the oldest first
        self._foes: dict[int, dict[int, None]] = {}

    def came(self, session: Session) -> None:
        self._slots[session.account] = session.slot

    def went(self, session: Session) -> None:
        if self._slots.get(session.account) == session.slot:
            del self._slots[session.account]

    def forget(self, slot: int) -> None:
        """Another entity may be there soon."""
        for foe in list(self._foes.get(slot, ())):
            self._end(slot, foe)
            self._end(foe, slot)

    def fought(self, one: int, other: int, now: float) -> bool:
        """These slots exchanged a blow. Whether that is new."""
        new = (one, other) not in self._fights
        for pair in ((one, other), (other, one)):
            self._fights.pop(pair, None)
            self._fights[pair] = now + FIGHT_S
            self._foes.setdefault(pair[0], {})[pair[1]] = None
        return new

    def pass_by(self, now: float) -> None:
        """Fights that ended long ago concern nobody any more."""
        over = []
        for pair, until in self._fights.items():
            if until > now:
                break
            over.append(pair)
        for pair in over:
            self._end(*pair)

    def keys(self, observers: Sequence[int]) -> Array:
        """What concerns these observers (slots, ascending), as ascending keys of interest.py."""
        if not observers:
            return np.empty(0, np.uint32)
        found = [
            (observer, slot) for observer in observers for slot in sorted(islice(self._of(observer), CONCERNS_MAX))
        ]
        pairs = np.array(found, np.uint32).reshape(-1, 2)
        return np.unique(key_of(pairs[:, 0], pairs[:, 1]))

    def _of(self, observer: int) -> Iterator[int]:
        """Slots; perhaps one of them twice."""
        session = self._players.get(observer)
        accounts: list[int] = []
        if session is not None:
            if session.party is not None:
                accounts += session.party.members
            accounts += [one.account for one in session.friends if one.state == "friend"]
        here = (self._slots[account] for account in accounts if account in self._slots)
        return chain(self._foes.get(observer, ()), here)

    def _end(self, slot: int, foe: int) -> None:
        self._fights.pop((slot, foe), None)
        foes = self._foes.get(slot)
        if foes is not None:
            foes.pop(foe, None)
            if not foes:
                del self._foes[slot]
