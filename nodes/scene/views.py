"""Tells the observers of one line what came into view, what left it and what happened to what they see.

Owns the notices that wait for the tick. Writes pieces to `Outbound` and nothing else. What concerns the one who did
it or suffered it is an EVENT and goes out at once; what onlookers see goes out with the tick, since who looks on is
known per tick.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import msgspec
import numpy as np

from mesh.protocol.catalogue import Message, encode
from mesh.protocol.play import Entered, EntityState
from nodes.scene.appearance import appeared, encode_states, vanished
from nodes.scene.interest import Interest, Pairs
from nodes.scene.outbound import Outbound, view_piece
from nodes.scene.sessions import Session
from nodes.scene.world import Array, World

VIEW_BYTES = 32_000  # of a view inside Entered; what is above follows as Appeared

MakeEntered = Callable[[Session, list[EntityState]], Entered]


class Notice(NamedTuple):
    """Something about an entity, for those who see it."""

    entity: int  # slot
    body: bytes
    told: tuple[int, ...]  # slots of those who know already
    bulk: bool
    speaker: int  # an account: those who block it are not told; 0 for nobody


class Views:
    """`players` are the line's sessions by slot."""

    def __init__(self, world: World, players: dict[int, Session], out: Outbound) -> None:
        self._world, self._players, self._out = world, players, out
        self._notices: list[Notice] = []
        self.entered = 0  # full views sent

    def notice(self, entity: int, said: Message, *told: int, bulk: bool = False, speaker: int = 0) -> None:
        """Tell everybody who sees this entity, with the next tick."""
        self._notices.append(Notice(entity, encode(said), told, bulk, speaker))

    def tell_notices(self, interest: Interest) -> None:
        """To those who saw the entities until now."""
        if not self._notices:
            return
        notices, self._notices = self._notices, []
        wanted = np.zeros(self._world.capacity, "?")
        wanted[[one.entity for one in notices]] = True
        pairs = interest.watchers(wanted)
        order = np.argsort(pairs.entities, kind="stable")
        entities, observers = pairs.entities[order], pairs.observers[order].tolist()
        for one in notices:
            low, high = np.searchsorted(entities, [one.entity, one.entity + 1]).tolist()
            self._tell(one, observers[low:high])

    def tell_vanished(self, pairs: Pairs) -> None:
        for observer, entities in _grouped(pairs):
            session = self._players.get(observer)
            if session is not None and session.attached:
                for body in vanished(self._world.ids[entities].tolist()):
                    self._out.control(session.gate, session.handle, view_piece(body))

    def tell_appeared(self, pairs: Pairs, arriving: dict[int, Session], make: MakeEntered) -> None:
        """Appeared, or Entered with the whole view for those who arrive in this tick."""
        states = encode_states(self._world, np.unique(pairs.entities))
        whole: dict[int, list[bytes]] = {}
        for observer, entities in _grouped(pairs):
            seen = [states[entity] for entity in entities.tolist()]
            if observer in arriving:
                whole[observer] = seen
                continue
            session = self._players[observer]
            for body in appeared(seen):
                self._out.control(session.gate, session.handle, view_piece(body))
        for slot, session in arriving.items():
            self._enter(session, whole.get(slot, []), make)

    def _tell(self, one: Notice, observers: list[int]) -> None:
        made = b"" if one.bulk else view_piece(one.body)
        for observer in observers:
            session = self._players.get(observer)
            if session is None or observer in one.told or one.speaker in session.blocked:
                continue
            # Whoever changes the gate in this tick still hears what is said: it goes out behind its Entered.
            if not (session.attached or (one.bulk and session.gate)):
                continue
            if one.bulk:
                self._out.bulk(session.gate, session.handle, one.body)
            else:
                self._out.control(session.gate, session.handle, made)

    def _enter(self, session: Session, states: list[bytes], make: MakeEntered) -> None:
        """The whole view, then what the client has missed."""
        sizes = np.cumsum([len(state) for state in states])
        first = int(np.searchsorted(sizes, VIEW_BYTES, side="right"))
        raws = [msgspec.Raw(state) for state in states[:first]]
        bodies = [encode(make(session, cast(list[EntityState], raws))), *appeared(states[first:])]
        session.waiting = False
        self.entered += 1
        for body in bodies:
            self._out.control(session.gate, session.handle, view_piece(body))
        for made in session.replay():
            self._out.control(session.gate, session.handle, made)


def _grouped(pairs: Pairs) -> list[tuple[int, Array]]:
    """Each observer with its entities."""
    if not len(pairs.observers):
        return []
    begins = np.flatnonzero(np.diff(pairs.observers, prepend=-1))
    observers = pairs.observers[begins].tolist()
    ends = [*begins[1:].tolist(), len(pairs.observers)]
    return [
        (observer, pairs.entities[begin:end])
        for observer, begin, end in zip(observers, begins.tolist(), ends, strict=True)
    ]
