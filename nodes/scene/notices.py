"""What happened to entities, told to those who see them: blows, deaths, what was said.

Owns the notices that wait for the tick. Whoever did it or suffered it was told at once (an EVENT, never left out);
these are for onlookers, who are known per tick. All of a tick are laid out together, without a step per onlooker: in a
battle of a thousand a hundred blows a tick have five hundred onlookers each.

An onlooker hears of at most NOTICES_MAX in a tick, the nearest first, times the share of its budget that its levels
leave it; the others are dropped and counted. Deaths and returns are never among these. What is missed is seen all the
same, later: movement has everybody's place and state, the next blow has the points that are left.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mesh.protocol.catalogue import Message, encode
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.protocol.play import Died, Respawned
from mesh.topology.policy import Level
from nodes.scene.interest import Interest
from nodes.scene.outbound import Outbound, Rows
from nodes.scene.sessions import Session
from nodes.scene.world import Array, World

NOTICES_MAX = 16  # in one tick for one onlooker: more than anybody can read
NOTICES_MIN = 4  # at any level
_NOBODY = -1


class Notice(NamedTuple):
    """Something about an entity, for those who see it."""

    entity: int  # slot
    made: bytes  # the piece
    told: tuple[int, ...]  # slots of those who know already, at most two
    bulk: bool
    speaker: int  # an account: those who block it are not told; 0 for nobody
    cosmetic: bool  # not told at gates that leave such out
    lasting: bool  # never left out


class Notices:
    """`players` are the line's sessions by slot, `gate_levels` what gates leave out, by their index."""

    def __init__(
        self, world: World, players: dict[int, Session], out: Outbound, gate_levels: Mapping[int, Level]
    ) -> None:
        self._world, self._players, self._out, self._gate_levels = world, players, out, gate_levels
        self._waiting: list[Notice] = []
        self.dropped = 0  # one for each onlooker who is not told

    def add(
        self, entity: int, said: Message, *told: int, bulk: bool = False, speaker: int = 0, cosmetic: bool = False
    ) -> None:
        """Tell everybody who sees this entity, with the next tick."""
        assert len(told) <= 2, "one who did it, one who suffered it"
        cls = PieceClass.COSMETIC if cosmetic else PieceClass.CHAT if bulk else PieceClass.VIEW
        made = piece(PieceLane.BULK if bulk else PieceLane.CONTROL, cls, encode(said))
        lasting = isinstance(said, Died | Respawned)
        self._waiting.append(Notice(entity, made, told, bulk, speaker, cosmetic, lasting))

    def tell(self, interest: Interest, quality: Level) -> None:
        """To those who saw the entities until now. `quality` is the scene's."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for bulk in (False, True):
            some = [one for one in waiting if one.bulk == bulk]
            if some:
                self._tell(some, bulk, interest, quality)

    def _tell(self, notices: list[Notice], bulk: bool, interest: Interest, quality: Level) -> None:
        """Notices of one lane."""
        observers, which = self._onlookers(notices, bulk, interest)
        if bulk and len(which):
            heard = self._heard(notices, observers, which)
            observers, which = observers[heard], which[heard]
        if not len(which):
            return
        chosen = self._chosen(notices, observers, which, quality)
        self.dropped += len(which) - len(chosen)
        ordered = np.sort(observers[chosen] << 32 | which[chosen])  # for each onlooker as it happened
        observers, which = ordered >> 32, ordered & 0xFFFF_FFFF
        lengths = np.array([len(one.made) for one in notices])
        table = np.frombuffer(b"".join(one.made for one in notices), "u1")
        starts = np.cumsum(lengths) - lengths
        carrier = self._world.gate[observers]
        for gate in np.unique(carrier).tolist():
            mine = np.flatnonzero(carrier == gate)
            self._out.rows(gate, self._rows(observers[mine], which[mine], starts, lengths, table), bulk=bulk)

    def _onlookers(self, notices: list[Notice], bulk: bool, interest: Interest) -> tuple[Array, Array]:
        """(observer, which notice), ascending by observer, without those who know or cannot be told."""
        world = self._world
        entities = np.array([one.entity for one in notices])
        told = np.array([(*one.told, _NOBODY, _NOBODY)[:2] for one in notices])
        wanted = np.zeros(world.capacity, "?")
        wanted[entities] = True
        pairs = interest.watchers(wanted)
        # Whoever changes the gate in this tick still hears what is said: it goes out behind its Entered.
        here = (world.gate[pairs.observers] >= 0) & (bulk | world.watching[pairs.observers])
        observers, seen = pairs.observers[here].astype(np.int64), pairs.entities[here]
        order = np.argsort(entities, kind="stable")
        first, last = (np.searchsorted(entities[order], seen, side=side) for side in ("left", "right"))
        counts = last - first
        observers = np.repeat(observers, counts)
        which = order[np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(observers))]
        news = (observers != told[which, 0]) & (observers != told[which, 1])
        return observers[news], which[news]

    def _heard(self, notices: list[Notice], observers: Array, which: Array) -> Array:
        """Where nobody blocks the speaker, and no gate leaves it out."""
        cosmetic = np.array([one.cosmetic for one in notices])[which]
        mute = [gate for gate, level in self._gate_levels.items() if not level.cosmetics]
        heard = ~(cosmetic & np.isin(self._world.gate[observers], mute))
        speakers = [one.speaker for one in notices]
        for observer in np.unique(observers).tolist():
            blocked = self._players[observer].blocked
            if blocked:
                mine = np.flatnonzero(observers == observer)
                heard[mine] &= [speakers[at] not in blocked for at in which[mine].tolist()]
        return heard

    def _chosen(self, notices: list[Notice], observers: Array, which: Array, quality: Level) -> Array:
        """The places of those who are told."""
        world = self._world
        shares = {gate: min(quality.budget, level.budget) for gate, level in self._gate_levels.items()}
        most = np.full(len(self._out.names), _most(quality.budget))
        for gate, share in shares.items():
            most[gate] = _most(share)
        counts = np.bincount(observers, minlength=world.capacity)
        over = counts[observers] > most[world.gate[observers]]
        kept = ~over
        if over.any():
            some = np.flatnonzero(over)
            kept[some[self._nearest(notices, observers[some], which[some], most)]] = True
        return np.flatnonzero(kept)

    def _nearest(self, notices: list[Notice], observers: Array, which: Array, most: Array) -> Array:
        """Of onlookers of too many: what lasts, then the nearest."""
        world = self._world
        lasting = np.array([one.lasting for one in notices])[which]
        slots = np.array([one.entity for one in notices])[which]
        dx = world.x[observers].astype(np.float32) - world.x[slots]
        dy = world.y[observers].astype(np.float32) - world.y[slots]
        near = np.where(lasting, 0, 1 + np.hypot(dx, dy) / 2).astype(np.uint64)
        order = (observers.astype(np.uint64) << np.uint64(48)) | (near << np.uint64(32))
        order |= np.arange(len(observers), dtype=np.uint64)
        order.sort()
        at = (order & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        begins = np.flatnonzero(np.diff(observers, prepend=_NOBODY))
        place = np.arange(len(observers)) - np.repeat(begins, np.diff(begins, append=len(observers)))
        chosen: Array = at[(place < most[world.gate[observers]]) | lasting[at]]
        return chosen

    def _rows(self, observers: Array, which: Array, starts: Array, lengths: Array, table: Array) -> Rows:
        """One row of pieces for each onlooker."""
        spans = lengths[which]
        begins = np.flatnonzero(np.diff(observers, prepend=_NOBODY))
        at = np.repeat(starts[which] - (np.cumsum(spans) - spans), spans)
        at += np.arange(len(at))
        return Rows(
            self._world.ids[observers[begins]], np.add.reduceat(spans, begins).astype("<u4"), table.take(at).tobytes()
        )


def _most(share: float) -> int:
    return max(NOTICES_MIN, round(NOTICES_MAX * share))
