"""One line of one map: a closed piece of world with its players, NPCs and corpses, advanced tick by tick.

Owns the world's columns and everything that lives on them. Does no input or output: pieces go to `Outbound`, events
to `record`, a level that was reached to `advance`, a player who walked into a portal to `cross`. Time is an argument
(`now`, the game's time), so that a line can be slowed down as a whole.
"""

import math
from typing import Any

import numpy as np

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import HostedAt, LineAt
from mesh.protocol.placement import MemberAt
from mesh.protocol.play import Character, Corrected, Entered, EntityState, Portal
from mesh.protocol.sessions import Carried, Spot, Status
from mesh.topology.policy import FULL, Level
from nodes.scene import combat, movement
from nodes.scene.fights import Fights
from nodes.scene.frames import GateFrames, lay_out
from nodes.scene.loot import LOOT_RANGE_M, Corpse, Corpses
from nodes.scene.npcs import Npcs
from nodes.scene.outbound import view_piece
from nodes.scene.pairs import Pairs
from nodes.scene.portals import Portals
from nodes.scene.sessions import Session
from nodes.scene.settings import LINE_BITS, LINE_SLOTS, MapSettings
from nodes.scene.shared import Shared
from nodes.scene.sight import HYSTERESIS, Lap, Sight
from nodes.scene.talk import Talk
from nodes.scene.views import Views
from nodes.scene.whereabouts import Whereabouts
from nodes.scene.world import Array, Kind, World

SPARE_SLOTS = 256  # for those that rest for a tick
DEAD_S_MIN = 0.05  # who leaves dead, arrives dead, so that Respawned follows there in any case


class Line:
    """See the module. `index` is its place among the lines of the scene and gives its handles their range, whose
    `generation` goes on from one line in that place to the next. `fixed`: named by the topology."""

    def __init__(
        self,
        index: int,
        name: str,
        number: int,
        settings: MapSettings,
        shared: Shared,
        generation: Array | None = None,
        fixed: bool = True,
    ) -> None:
        self.index, self.name, self.number, self.map, self.fixed = index, name, number, settings, fixed
        self.scene, self._scene_name = shared.settings, shared.name
        self._chance, self._out, self._record, self._cross = shared.chance, shared.out, shared.record, shared.cross
        self._now, self._has_entered = shared.now, shared.entered
        unit, scene = settings.unit_m, shared.settings
        capacity = min(LINE_SLOTS, settings.players_max + settings.npcs + scene.corpses_max + SPARE_SLOTS)
        self.world = World(index << LINE_BITS, settings.units, capacity, generation)
        self.moves = movement.Moves(capacity)
        seed = self._chance.getrandbits(63)
        self.npcs = Npcs(self.world, settings.npcs, scene.npc_level, settings.npc_respawn_s, unit, seed)
        self.corpses = Corpses(scene.corpses_max, scene.corpse_s)
        self.portals = Portals(settings.portals, unit, capacity)
        self.whereabouts = Whereabouts(capacity)
        self.quality = FULL  # what the scene leaves out
        self.gates_held: set[int] = set()  # that want no movement just now, by their index
        self.gate_levels: dict[int, Level] = {}  # what gates leave out besides, by their index in the columns
        self.players: dict[int, Session] = {}
        self.views = Views(self.world, self.players, self._out, self.gate_levels)
        self.sight = Sight(
            self.world, self.players, self.views, settings, scene.tick_hz, self.gate_levels, self.gates_held
        )
        self.talk = Talk(self.views, shared, self.levels)
        self.fights = Fights(
            self.world, self.players, self.npcs, self.corpses, self.views, settings, shared, self._respawn,
            self.sight.fought,
        )  # fmt: skip
        self.corrected = 0
        self.records_sent = 0
        self.pace = 1.0  # by how much players may be faster just now
        self._speed = settings.speed_mps / unit
        self._shown = [Portal(*self._units(one.x, one.y), one.radius_m, one.to) for one in settings.portals]
        self._arriving: dict[int, Session] = {}  # attached, waiting for the tick that shows them the world

    # --- coming and going ---

    @property
    def full(self) -> bool:
        return len(self.players) >= self.map.players_max or self.world.full

    def enter(
        self,
        number: int,
        status: Status,
        now: float,
        operation: int,
        spot: Spot | None = None,
        carried: Carried | None = None,
    ) -> Session:
        """Put a character at that spot of this map, else where its status says, else (it was never here) at a spawn
        point. The dead come back, except those who are on their way from another line."""
        dead = carried is not None and carried.dead_s > 0 and status.hp == 0
        x, y = self._place_for(status, spot, dead)
        level = max(1, status.level)
        hp_max = combat.hp_max_of(level)
        hp = 0 if dead else min(status.hp, hp_max) or hp_max
        slot = self.world.add(Kind.PLAYER, status.name, x, y, hp=hp, hp_max=hp_max, level=level)
        self.world.heading[slot], self.world.xp[slot] = status.heading, status.xp
        self.world.unsaved[slot] = True
        self._settle(slot, x, y, now)
        chat = Bucket(self.scene.chat_per_s, self.scene.chat_burst, self._now())
        session = Session(number, status.name, self.index, slot, self.world.number(slot), operation, chat)
        session.region, session.attributes, session.mute = status.region, status.attributes, status.mute
        session.befriend(status.friends)
        session.gold, session.items = status.gold, {item.id: item for item in status.items}
        if carried is not None:
            self._carry_on(session, carried, now)
        if carried is not None and dead:
            self.fights.stays_dead(session, now + carried.dead_s)
        self.players[slot] = session
        self.world.account[slot] = session.account
        self.sight.relevance.came(session)
        self._record("enter", session.account, name=status.name, map=self.name, line=self.number)
        return session

    def _carry_on(self, session: Session, carried: Carried, now: float) -> None:
        session.carry_on(carried, self._now(), now)
        if carried.offences is not None:
            session.offences = Bucket(self.scene.bad_messages_per_s, self.scene.bad_messages_burst, self._now())
            session.offences.fill(carried.offences)

    def leave(self, session: Session) -> None:
        """Take a character out."""
        self.detach(session)
        del self.players[session.slot]
        self.sight.relevance.went(session)
        self.fights.forget(session)
        self.world.remove(session.slot)
        self._record("leave", session.account, map=self.name, line=self.number)

    def attach(self, session: Session) -> None:
        """A connection carries its session from now on: the next tick sends Entered."""
        self.world.gate[session.slot] = self._out.index(session.gate)
        self.world.budget[session.slot] = self.map.budget_bytes_s  # until its gate says how much it can bear
        self.show(session)

    def show(self, session: Session) -> None:
        """Its client knows nothing, or nothing any more."""
        slot = session.slot
        self.world.watching[slot] = False
        session.waiting = True
        self._arriving[slot] = session

    @property
    def arriving(self) -> list[int]:
        """The slots of those who wait for that."""
        return list(self._arriving)

    def detach(self, session: Session) -> None:
        """Nobody looks through its eyes any more."""
        self._arriving.pop(session.slot, None)
        self.world.watching[session.slot] = False
        self.world.gate[session.slot] = -1
        session.detach()

    def status_of(self, session: Session) -> Status:
        """The character as the DC will know it."""
        world, slot = self.world, session.slot
        return Status(
            session.account, session.name, int(world.level[slot]), int(world.xp[slot]), int(world.hp[slot]),
            session.attributes, self.name, int(world.x[slot]) * self.map.unit_m, int(world.y[slot]) * self.map.unit_m,
            int(world.heading[slot]), session.region, session.gold, list(session.items.values()), session.friends,
            session.mute,
        )  # fmt: skip

    def carried_of(self, session: Session, now: float) -> Carried:
        """What it takes along to another line besides its status."""
        dead = self.world.dead(session.slot)
        return session.carried(self._now(), now, max(DEAD_S_MIN, session.dead_until - now) if dead else 0.0)

    def hosted(self, session: Session) -> HostedAt:
        status, attached = self.status_of(session), bool(session.gate)
        return HostedAt(session.number, status, self.name, self.number, False, session.party, attached, session.nonce)

    def at(self) -> LineAt:
        """As the center is told of it."""
        return LineAt(self.name, self.number, len(self.players), self.map.soft, self.map.players_max, self.fixed)

    def spawn_point(self) -> tuple[int, int]:
        units = self.map.units
        side = round(self.map.spawn_m / self.map.unit_m) or units
        low = (units - side) // 2
        return low + self._chance.randint(0, side), low + self._chance.randint(0, side)

    # --- what is left out under pressure ---

    def degrade(self, level: Level) -> None:
        """The scene is at this level from now on."""
        self.quality = level
        self.sight.stir()

    def degrade_gate(self, gate: int, level: Level) -> None:
        """The gate with this index is at this level: its clients are told by whichever is the stricter."""
        if level == FULL:
            self.gate_levels.pop(gate, None)
        else:
            self.gate_levels[gate] = level
        self.sight.stir()

    def hold_gate(self, gate: int, held: bool) -> None:
        """The gate with this index wants no movement for a while, or wants it again."""
        (self.gates_held.add if held else self.gates_held.discard)(gate)
        self.sight.stir()

    def levels(self, slot: int) -> tuple[Level, Level]:
        """That of the scene, and that of the gate of whoever is in this slot."""
        return self.quality, self.gate_levels.get(int(self.world.gate[slot]), FULL)

    # --- what players do ---

    def reserve(self, session: Session, number: int, now: float) -> Corpse:
        """Take a corpse's loot for this player, until the DC has done it; RefusedError when it may not be."""
        slot = self.world.slot_of(number)
        if self.world.dead(session.slot):
            raise RefusedError(Code.OUT_OF_ORDER, "the dead do not loot")
        if slot < 0 or self.world.kind[slot] != Kind.CORPSE:
            raise RefusedError(Code.NOT_FOUND, "there is no such corpse")
        if self.world.distance(session.slot, slot) * self.map.unit_m > LOOT_RANGE_M:
            raise RefusedError(Code.OUT_OF_RANGE, "too far away")
        return self.corpses.take(number, session.account, now)

    def remove_corpse(self, corpse: Corpse) -> None:
        if self.corpses.find(corpse.number) is corpse:
            self.corpses.remove(corpse)
            self.world.remove(corpse.slot)

    def near(self, one: Session, other: Session) -> bool:
        """Whether they are in view of each other, the border included."""
        distance = self.world.distance(one.slot, other.slot) * self.map.unit_m
        return one.line == other.line and distance <= self.map.aoi_m * HYSTERESIS

    def members_near(self, slot: int, members: list[Session]) -> list[Session]:
        """Those of these sessions who are on this line and see what is in that slot."""
        reach, world = self.map.aoi_m / self.map.unit_m, self.world
        return [one for one in members if one.line == self.index and world.distance(one.slot, slot) <= reach]

    # --- the tick ---

    def tick(self, now: float, tick: int, lap: Lap) -> list[GateFrames]:
        """Everything that happens in one step; control pieces are in `Outbound` then, movement is returned."""
        self._move(now)
        lap("move")
        self._live(now)
        lap("live")
        self.views.tell_notices(self.sight.interest, self.quality)
        arriving = self._welcome() if not self.sight.rests(tick) else {}
        lap("tell")
        pairs = self.sight.look(arriving, self._entered, self.quality, now, tick, lap)
        for session in arriving.values():
            self._has_entered(session)
        return self._frames(pairs, tick, lap)

    def later(self, now: float, tick: int, lap: Lap) -> list[GateFrames]:
        """The half of the players that is told between two ticks, with what has moved until now."""
        self._move(now)
        lap("move")
        pairs = self.sight.later()
        lap("due")
        return self._frames(pairs, tick, lap)

    def _frames(self, pairs: Pairs, tick: int, lap: Lap) -> list[GateFrames]:
        world = self.world
        frames = lay_out(pairs, world.record[: world.used], world.ids, world.gate, tick)
        lap("frames")
        self.records_sent += sum(one.records for one in frames)
        return frames

    def walkers(self, part: int, parts: int) -> tuple[Array, Array, Array]:
        """Those of one part of the players who walked since they were asked for the last time: their accounts, and
        where they are in metres."""
        slots = self._part(self.world.walked, part, parts)
        self.world.walked[slots] = False
        x, y = (np.round(column[slots] * self.map.unit_m, 2) for column in (self.world.x, self.world.y))
        return self.world.account[slots], x, y

    def seen(self, part: int = 0, parts: int = 1) -> tuple[Array, list[MemberAt]]:
        """One part of the members of parties of whom something changed; their slots, and what the center is told."""
        slots, world, unit = self.whereabouts.changed(self.world, part, parts), self.world, self.map.unit_m
        if not len(slots):
            return slots, []
        columns = (world.x, world.y, world.hp, world.hp_max)
        rows = zip(slots.tolist(), *(column[slots].tolist() for column in columns), strict=True)
        members = [MemberAt(self.players[slot].number, x * unit, y * unit, hp, top) for slot, x, y, hp, top in rows]
        return slots, members

    def unsaved(self, part: int = 0, parts: int = 1) -> Array:
        """The slots of one part of the players whose state the DC should hear of."""
        return self._part(self.world.unsaved, part, parts)

    def _part(self, flags: Array, part: int, parts: int) -> Array:
        slots: Array = np.flatnonzero(flags[part : self.world.used : parts]) * parts + part
        mine: Array = slots[self.world.kind[slots] == Kind.PLAYER]
        return mine

    def _move(self, now: float) -> None:
        slots, records = self.moves.take()
        if not len(slots):
            return
        refused, stamps = movement.apply(self.world, slots, records, now, self._speed * self.pace)
        for slot, portal in self.portals.entered(slots, self.world.x[slots], self.world.y[slots]):
            if slot in self.players:
                self._cross(self.players[slot], portal)
        for slot, stamp in zip(refused.tolist(), stamps.tolist(), strict=True):
            self.corrected += 1
            session = self.players[slot]
            if session.attached:
                body = encode(Corrected(int(self.world.x[slot]), int(self.world.y[slot]), stamp))
                self._out.control(session.gate, session.handle, view_piece(body))

    def _live(self, now: float) -> None:
        """The dead come back, NPCs act, old corpses go."""
        self.fights.respawn(now)
        for corpse in self.corpses.overdue(now):
            self.remove_corpse(corpse)
        if not self.map.npcs:
            return
        self.npcs.respawn(now)
        for npc, target in self.npcs.step(now, self.sight.interest.watched(), self.quality.npcs):
            self.fights.bite(npc, target, now)

    def _welcome(self) -> dict[int, Session]:
        """Who arrives in this tick, as many as a tick can bear."""
        slots = list(self._arriving)[: self.scene.enters_per_tick]
        arriving = {slot: self._arriving.pop(slot) for slot in slots}
        self.world.watching[slots] = True
        return arriving

    # --- places ---

    def _place_for(self, status: Status, spot: Spot | None, dead: bool) -> tuple[int, int]:
        x, y = (spot.x, spot.y) if spot is not None else (status.x, status.y)
        known = spot is not None or (status.map == self.name and (status.hp > 0 or dead))
        return self._units(x, y) if known and math.isfinite(x) and math.isfinite(y) else self.spawn_point()

    def _respawn(self, slot: int, now: float) -> tuple[int, int]:
        """Back to life, at a spawn point."""
        x, y = self.spawn_point()
        combat.revive(self.world, slot, x, y)
        self._settle(slot, x, y, now)
        return x, y

    def _settle(self, slot: int, x: int, y: int, now: float) -> None:
        """A player starts here."""
        movement.settle(self.world, slot, now, self._speed)
        self.portals.settle(slot, x, y)

    def _units(self, x_m: float, y_m: float) -> tuple[int, int]:
        x, y = (round(value / self.map.unit_m) for value in (x_m, y_m))
        return min(max(x, 0), self.map.units), min(max(y, 0), self.map.units)

    # --- what a player is told of itself ---

    def _entered(self, session: Session, view: list[EntityState]) -> Entered:
        world, slot, one = self.world, session.slot, self.map
        you = Character(
            session.handle, session.name, int(world.level[slot]), int(world.xp[slot]), int(world.hp[slot]),
            int(world.hp_max[slot]), session.attributes, session.gold, list(session.items.values()),
        )  # fmt: skip
        return Entered(
            self._scene_name, self.name, self.number, one.size_m, one.unit_m, self.scene.tick_hz, one.aoi_m,
            one.speed_mps, int(world.x[slot]), int(world.y[slot]), you, view, session.processed, session.resumed,
            self._shown, session.anew, True,
        )  # fmt: skip

    def describe(self) -> dict[str, Any]:
        return {
            "map": self.name,
            "line": self.number,
            "players": len(self.players),
            "players_soft": self.map.soft,
            "players_max": self.map.players_max,
            "fixed": self.fixed,
            "npcs": int((self.npcs.slot >= 0).sum()),
            "corpses": len(self.corpses),
        }
