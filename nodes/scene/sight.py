"""What the players of one line see in a tick, put together: who is in view, what each is told, what it may be told.

Owns the tick of every entity's last change, whom whose fight concerns, and whether there is anything to do at all: on a
line where nothing has moved for a while nobody looks around. Everything it works with is in files of its own:
interest.py finds the pairs, budgets.py says what each observer may get, views.py tells what came and went.

Where a gate has many to tell of movement in every tick, half of all are told half a tick later (`later`), with what has
moved until then. Each is told as often as before. But the gate is done with one half before the other comes, so that
nobody waits for the frames of everybody else: with 5,500 players the p99 from a move to its neighbour's receipt was
147 ms instead of 206 (medians of three runs). It costs next to nothing, since who is told of what is looked up once for
each, and seen is what was found in the tick.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from mesh.topology.policy import Level
from nodes.scene.budgets import Budgets, Terms
from nodes.scene.interest import HALVES, Changes, Interest
from nodes.scene.pairs import Pairs, key_of, nobody, those
from nodes.scene.relevance import Relevance
from nodes.scene.sessions import Session
from nodes.scene.settings import MapSettings
from nodes.scene.views import MakeEntered, Views
from nodes.scene.world import Array, Kind, World

HYSTERESIS = 1.1  # what is seen is lost at that many times the distance at which it is found
HALVED_MIN = 2_500  # observers of one gate, from which on half of all are told later: with fewer it is done soon anyway
QUIET_TICKS = 200  # without any change, until nobody looks around: longer than any period and any turn

Lap = Callable[[str], None]  # called with the name of the part of a tick that has just ended


class _Later(NamedTuple):
    """Who is told half a tick later, and of what."""

    split: int  # the first slot of theirs
    terms: Terms
    changes: Changes
    half: int


class Sight:
    """`gate_levels` is what gates leave out, by their index; `gates_held` are those that want no movement now."""

    def __init__(
        self,
        world: World,
        players: dict[int, Session],
        views: Views,
        settings: MapSettings,
        tick_hz: float,
        gate_levels: Mapping[int, Level],
        gates_held: Collection[int] = (),
    ) -> None:
        self._world, self._views = world, views
        self._budgets = Budgets(settings.view_max, tick_hz)
        self._gate_levels, self._gates_held = gate_levels, gates_held
        reach = settings.aoi_m / settings.unit_m
        self.interest = Interest(settings.units, reach, HYSTERESIS * reach, world.capacity)
        self.relevance = Relevance(players)
        self._changed_at = np.zeros(world.capacity, np.int32)
        self._quiet = 0
        self._beat = 1  # see budgets.py
        self._missed: dict[int, int] = {}  # looks for which gates were held, by their index
        self._waiting: _Later | None = None  # the half of this tick that was not told yet
        self._untold = key_of(*nobody())  # appeared for it, and was gone before it was told

    def stir(self) -> None:
        """Something that decides what is seen is different now."""
        self._quiet = 0
        self._beat = 1

    def rests(self, tick: int) -> bool:
        """Nobody is told anything of what is in view in this tick; who arrives waits for the next one."""
        return tick % self._beat != 0

    def fought(self, one: int, other: int, now: float) -> None:
        """These slots exchanged a blow: if that is new, both look around soon and see each other before all others."""
        if self.relevance.fought(one, other, now):
            self.interest.urgent.update({one: None, other: None})

    def look(
        self, arriving: dict[int, Session], make: MakeEntered, quality: Level, now: float, tick: int, lap: Lap
    ) -> Pairs:
        """Tell what came and went. The pairs that need an update of movement."""
        world, interest, views = self._world, self.interest, self._views
        if self.rests(tick) or not self._anything(arriving):
            return nobody()
        half = HALVES * tick
        self._tell_waiting()  # nothing, unless a mistake has kept `later` from it
        used = world.used
        self._mark(used, half)
        self.relevance.pass_by(now)
        fresh = np.sort(np.fromiter(arriving, np.int32, len(arriving)))
        self._forget(fresh)
        if world.refresh[:used].any():
            interest.again(world.refresh)
        may = self._budgets.terms(
            world.budget[:used], world.gate[:used], tick, quality, self._gate_levels, self._gates_held, self._missed
        )
        for gate in self._gates_held:
            self._missed[gate] = self._missed.get(gate, 0) + 1
        self._beat = may.beat
        watching, concerns = world.watching[:used], self.relevance.keys
        changes = interest.look(world.x, world.y, world.active(), watching, fresh, may, concerns, half)
        lap("look")
        split = self._halved(may, watching)
        self._waiting = None
        if split < used:
            changes, later = changes.split(split, fresh)
            self._waiting = _Later(split, may, later, half + 1)
        views.tell_vanished(changes.vanished)
        views.tell_appeared(changes.appeared, arriving, make)
        lap("tell")
        due = interest.due(self._changed_at, may, half, 0, split)
        world.refresh[:used] = world.arrived = False
        world.release()
        lap("due")
        return due

    @property
    def is_halved(self) -> bool:
        """Is there a half that was not told yet?"""
        return self._waiting is not None

    def later(self) -> Pairs:
        """The other half of this tick: what was found for them, then the pairs that need an update."""
        waiting = self._tell_waiting()
        if waiting is None:
            return nobody()
        world = self._world
        if self._mark(world.used, waiting.half):
            self._quiet = 0
        pairs = self.interest.due(self._changed_at, waiting.terms, waiting.half, waiting.split)
        return those(pairs, world.watching[pairs.observers])  # not who left since the tick

    def _tell_waiting(self) -> "_Later | None":
        """What was found for the half that is told later. Who has left since then, or waits for the whole view, is told
        nothing; of an entity that has left nobody is, nor that it is gone."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._views.tell_vanished(waiting.changes.vanished)
            pairs, world = waiting.changes.appeared, self._world
            there = world.kind[pairs.entities] != Kind.FREE
            self._untold = key_of(*those(pairs, ~there))
            self._views.tell_appeared(those(pairs, there & world.watching[pairs.observers]), {}, None)
        return waiting

    def _mark(self, used: int, half: int) -> bool:
        """What has changed since this was asked, has changed now. Whether there is any."""
        changed = np.flatnonzero(self._world.changed[:used])
        self._changed_at[changed] = half
        self._world.changed[changed] = False
        return len(changed) > 0

    def _halved(self, may: Terms, watching: Array) -> int:
        """The slot from which on observers are told later."""
        observers = np.flatnonzero(watching)
        if may.every > 1 or len(observers) < HALVED_MIN or _most(self._world.gate[observers]) < HALVED_MIN:
            return len(watching)
        return int(observers[len(observers) // 2])

    def _forget(self, fresh: Array) -> None:
        """Those who left are lost at once: their slots will be others'. Newcomers never saw them."""
        gone = self._world.resting
        if len(gone):
            for slot in gone.tolist():
                self.relevance.forget(slot)
            lost = self.interest.forget(gone)
            told = ~np.isin(lost.observers, fresh) & ~np.isin(key_of(*lost), self._untold)
            self._views.tell_vanished(those(lost, told))
        self._untold = key_of(*nobody())

    def _anything(self, arriving: dict[int, Session]) -> bool:
        world = self._world
        self._quiet += 1
        used = world.used
        if arriving or world.arrived or world.changed[:used].any() or world.refresh[:used].any():
            self._quiet = 0
        return self._quiet < QUIET_TICKS + self.interest.cycle


def _most(gates: Array) -> int:
    """How many times the most frequent of these indices is there; -1 does not count."""
    return int(np.bincount(gates + 1)[1:].max(initial=0))
