"""What the players of one line see in a tick, put together: who is in view, what each is told, what it may be told.

Owns the tick of every entity's last change, whom whose fight concerns, and whether there is anything to do at all: on a
line where nothing has moved for a while nobody looks around. Everything it works with is in files of its own:
interest.py finds the pairs, budgets.py says what each observer may get, views.py tells what came and went.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from mesh.topology.policy import Level
from nodes.scene.budgets import terms
from nodes.scene.interest import Interest
from nodes.scene.pairs import Pairs
from nodes.scene.relevance import Relevance
from nodes.scene.sessions import Session
from nodes.scene.settings import MapSettings
from nodes.scene.views import MakeEntered, Views
from nodes.scene.world import Array, World

HYSTERESIS = 1.1  # what is seen is lost at that many times the distance at which it is found
QUIET_TICKS = 200  # without any change, until nobody looks around: longer than any period and any turn

Lap = Callable[[str], None]  # called with the name of the part of a tick that has just ended


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
        self._world, self._views, self._map, self._tick_hz = world, views, settings, tick_hz
        self._gate_levels, self._gates_held = gate_levels, gates_held
        reach = settings.aoi_m / settings.unit_m
        self.interest = Interest(settings.units, reach, HYSTERESIS * reach, world.capacity)
        self.relevance = Relevance(players)
        self._changed_at = np.zeros(world.capacity, np.int32)
        self._quiet = 0
        self._beat = 1  # see budgets.py
        self._missed: dict[int, int] = {}  # looks for which gates were held, by their index

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
            return Pairs(*np.zeros((2, 0), np.int32))
        self._changed_at[world.changed] = tick
        self.relevance.pass_by(now)
        fresh = np.sort(np.fromiter(arriving, np.int32, len(arriving)))
        self._forget(fresh)
        if world.refresh.any():
            interest.again(world.refresh)
        may = terms(
            world.budget, world.gate, self._map.view_max, self._tick_hz, tick, quality, self._gate_levels,
            self._gates_held, self._missed,
        )  # fmt: skip
        for gate in self._gates_held:
            self._missed[gate] = self._missed.get(gate, 0) + 1
        self._beat = may.beat
        changes = interest.look(world.x, world.y, world.active(), world.watching, fresh, may, self.relevance.keys, tick)
        lap("look")
        views.tell_vanished(changes.vanished)
        views.tell_appeared(changes.appeared, arriving, make)
        lap("tell")
        due = interest.due(self._changed_at, may, tick)
        world.changed[:] = world.refresh[:] = world.arrived = False
        world.release()
        lap("due")
        return due

    def _forget(self, fresh: Array) -> None:
        """Those who left are lost at once: their slots will be others'. Newcomers never saw them."""
        gone = self._world.resting
        if len(gone):
            for slot in gone.tolist():
                self.relevance.forget(slot)
            lost = self.interest.forget(gone)
            told = ~np.isin(lost.observers, fresh)
            self._views.tell_vanished(Pairs(lost.observers[told], lost.entities[told]))

    def _anything(self, arriving: dict[int, Session]) -> bool:
        world = self._world
        self._quiet += 1
        if arriving or world.arrived or world.changed.any() or world.refresh.any():
            self._quiet = 0
        return self._quiet < QUIET_TICKS + self.interest.cycle
