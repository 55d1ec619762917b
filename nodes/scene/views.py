"""Tells the observers of one line what came into view, what left it and what happened to what they see.

Owns nothing but the parts that do it. Writes pieces to `Outbound` and nothing else. What concerns the one who did it or
suffered it is an EVENT and goes out at once; what onlookers see goes out with the tick, since who looks on is known per
tick.
"""

from collections.abc import Callable, Mapping
from typing import cast

import msgspec
import numpy as np

from mesh.protocol.catalogue import Message, encode
from mesh.protocol.play import Entered, EntityState
from mesh.topology.policy import Level
from nodes.scene.appearance import States
from nodes.scene.interest import Interest
from nodes.scene.notices import Notices
from nodes.scene.outbound import Outbound, Rows, view_piece
from nodes.scene.pairs import Pairs
from nodes.scene.sessions import Session
from nodes.scene.world import Array, World

VIEW_BYTES = 32_000  # of a view inside Entered; what is above follows as Appeared

MakeEntered = Callable[[Session, list[EntityState]], Entered]


class Views:
    """`players` are the line's sessions by slot, `gate_levels` what gates leave out, by their index."""

    def __init__(
        self, world: World, players: dict[int, Session], out: Outbound, gate_levels: Mapping[int, Level]
    ) -> None:
        self._world, self._out = world, out
        self._states = States(world)
        self.notices = Notices(world, players, out, gate_levels)
        self.entered = 0  # full views sent

    def notice(
        self, entity: int, said: Message, *told: int, bulk: bool = False, speaker: int = 0, cosmetic: bool = False
    ) -> None:
        """Tell everybody who sees this entity, with the next tick."""
        self.notices.add(entity, said, *told, bulk=bulk, speaker=speaker, cosmetic=cosmetic)

    def tell_notices(self, interest: Interest, quality: Level) -> None:
        """To those who saw the entities until now. `quality` is the scene's."""
        self.notices.tell(interest, quality)

    def tell_vanished(self, pairs: Pairs) -> None:
        """To those who are still there and have seen the world."""
        self._to_gates(pairs, self._world.watching[pairs.observers], self._states.vanished)

    def tell_appeared(self, pairs: Pairs, arriving: dict[int, Session], make: MakeEntered | None) -> None:
        """Appeared, or Entered with the whole view for those who arrive in this tick."""
        if not arriving or make is None:
            self._to_gates(pairs, np.ones(len(pairs.observers), "?"), self._states.appeared)
            return
        new = np.zeros(self._world.capacity, "?")
        new[list(arriving)] = True
        whole = new[pairs.observers]
        self._to_gates(pairs, ~whole, self._states.appeared)
        self._enter(arriving, Pairs(pairs.observers[whole], pairs.entities[whole]), make)

    def _to_gates(self, pairs: Pairs, told: Array, lay_out: Callable[[Pairs], Rows]) -> None:
        carrier = self._world.gate[pairs.observers]
        for gate in np.unique(carrier[told]).tolist():
            mine = np.flatnonzero(told & (carrier == gate))
            if gate >= 0:
                self._out.rows(gate, lay_out(Pairs(pairs.observers[mine], pairs.entities[mine])))

    def _enter(self, arriving: dict[int, Session], pairs: Pairs, make: MakeEntered) -> None:
        """For each the whole view, then what its client has missed."""
        seen = np.unique(pairs.entities)
        states = dict(zip(seen.tolist(), self._states.encoded(seen.astype(np.int64)), strict=True))
        later: list[Pairs] = []
        for slot, session in arriving.items():
            low, high = np.searchsorted(pairs.observers, [slot, slot + 1]).tolist()
            view = [states[entity] for entity in pairs.entities[low:high].tolist()]
            if sum(map(len, view)) > VIEW_BYTES:
                first = int(np.searchsorted(np.cumsum(list(map(len, view))), VIEW_BYTES, side="right"))
                later.append(Pairs(pairs.observers[low + first : high], pairs.entities[low + first : high]))
                view = view[:first]
            self._show(session, view, make)
        for rest in later:
            self._to_gates(rest, np.ones(len(rest.observers), "?"), self._states.appeared)
        for session in arriving.values():
            for made in session.replay():
                self._out.control(session.gate, session.handle, made)

    def _show(self, session: Session, view: list[bytes], make: MakeEntered) -> None:
        raws = [msgspec.Raw(state) for state in view]
        body = encode(make(session, cast(list[EntityState], raws)))
        session.waiting = False
        self.entered += 1
        self._out.control(session.gate, session.handle, view_piece(body))
