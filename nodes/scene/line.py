"""One line of one map: a closed piece of world with its players, NPCs and corpses, advanced tick by tick.

Owns the world's columns and everything that lives on them. Does no input or output: pieces go to `Outbound`, events
to `record`, a level that was reached to `advance`. Time is an argument (`now`, the game's time), so that a line can
be slowed down as a whole.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import HostedAt, Status
from mesh.protocol.play import Advanced, Character, Corrected, Died, Entered, EntityState, Hit, Respawned, Said
from nodes.scene import combat, movement
from nodes.scene.frames import GateFrames, lay_out
from nodes.scene.interest import Interest, Pairs
from nodes.scene.loot import LOOT_RANGE_M, Corpse, Corpses
from nodes.scene.npcs import Npcs
from nodes.scene.outbound import Outbound, view_piece
from nodes.scene.sessions import Session
from nodes.scene.settings import LINE_BITS, LINE_SLOTS, MapSettings, SceneSettings
from nodes.scene.views import Views
from nodes.scene.world import Array, Kind, World

HYSTERESIS = 1.1  # what is seen is lost at that many times the distance at which it is found
SPARE_SLOTS = 256  # for those that rest for a tick

Record = Callable[..., None]  # (kind, account, **fields)
Advance = Callable[[Session, int], None]  # (session, its new level)
Lap = Callable[[str], None]  # called with the name of the part of a tick that has just ended


class Line:
    """See the module. `index` is its place among the lines of the scene and gives its handles their range."""

    def __init__(
        self,
        index: int,
        name: str,
        number: int,
        settings: MapSettings,
        scene: SceneSettings,
        scene_name: str,
        chance: random.Random,
        out: Outbound,
        record: Record,
        advance: Advance,
    ) -> None:
        self.index, self.name, self.number, self.map, self.scene = index, name, number, settings, scene
        self._scene_name, self._chance, self._out, self._record, self._advance = (
            scene_name,
            chance,
            out,
            record,
            advance,
        )
        capacity = min(LINE_SLOTS, settings.players_max + settings.npcs + scene.corpses_max + SPARE_SLOTS)
        unit = settings.unit_m
        self.world = World(index << LINE_BITS, settings.units, capacity)
        aoi = settings.aoi_m / unit
        self.interest = Interest(settings.units, aoi, HYSTERESIS * aoi, settings.view_max)
        self.moves = movement.Moves(capacity)
        seed = chance.getrandbits(63)
        self.npcs = Npcs(self.world, settings.npcs, scene.npc_level, settings.npc_respawn_s, unit, seed)
        self.corpses = Corpses(scene.corpses_max, scene.corpse_s)
        self.players: dict[int, Session] = {}
        self.views = Views(self.world, self.players, out)
        self.corrected = 0
        self.records_sent = 0
        self._speed = settings.speed_mps / unit
        self._reach = combat.ATTACK_RANGE_M / unit
        self._arriving: dict[int, Session] = {}  # attached, waiting for the tick that shows them the world
        self._dead: dict[int, Session] = {}

    # --- coming and going ---

    @property
    def full(self) -> bool:
        return len(self.players) >= self.map.players_max or self.world.full

    def enter(self, number: int, status: Status, now: float, operation: int) -> Session:
        """Put a character where its status says, or at a spawn point when it was never here. The dead come back."""
        known = status.map == self.name and status.hp > 0 and math.isfinite(status.x) and math.isfinite(status.y)
        x, y = self._units(status) if known else self.spawn_point()
        level = max(1, status.level)
        hp_max = combat.hp_max_of(level)
        hp = min(status.hp, hp_max) or hp_max
        slot = self.world.add(Kind.PLAYER, status.name, x, y, hp=hp, hp_max=hp_max, level=level)
        self.world.heading[slot], self.world.xp[slot] = status.heading, status.xp
        self.world.unsaved[slot] = True
        movement.settle(self.world, slot, now, self._speed)
        chat = Bucket(self.scene.chat_per_s, self.scene.chat_burst, now)
        session = Session(number, status.name, self.index, slot, self.world.number(slot), operation, chat)
        session.region, session.attributes, session.friends = status.region, status.attributes, status.friends
        session.gold, session.items = status.gold, {item.id: item for item in status.items}
        self.players[slot] = session
        self._record("enter", session.account, name=status.name, map=self.name, line=self.number)
        return session

    def leave(self, session: Session) -> None:
        """Take a character out."""
        self.detach(session)
        del self.players[session.slot]
        self._dead.pop(session.slot, None)
        self.world.remove(session.slot)
        self._record("leave", session.account, map=self.name, line=self.number)

    def attach(self, session: Session) -> None:
        """Its session was attached: the next tick sends Entered."""
        slot = session.slot
        self.world.gate[slot] = self._out.index(session.gate)
        self.world.watching[slot] = False
        session.waiting = True
        self._arriving[slot] = session

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
        )  # fmt: skip

    def hosted(self, session: Session) -> HostedAt:
        return HostedAt(session.number, self.status_of(session), self.name, self.number)

    def spawn_point(self) -> tuple[int, int]:
        units = self.map.units
        side = round(self.map.spawn_m / self.map.unit_m) or units
        low = (units - side) // 2
        return low + self._chance.randint(0, side), low + self._chance.randint(0, side)

    # --- what players do ---

    def attack(self, session: Session, target: int, now: float) -> None:
        """`target` is an entity's number. RefusedError when it may not be."""
        slot = self.world.slot_of(target)
        combat.check_attack(self.world, session.slot, slot, now, self._reach, self.map.pvp)
        if self.world.kind[slot] == Kind.NPC:
            self.npcs.provoke(slot, session.handle)
        self._strike(session.slot, slot, now)

    def say(self, session: Session, text: str, now: float) -> None:
        """To those who see the speaker, and to itself."""
        if not session.chat.take(now):
            raise RefusedError(Code.TOO_MANY, "not so fast")
        said = Said(session.handle, session.name, text)
        self.views.notice(session.slot, said, session.slot, bulk=True)
        if session.attached:
            self._out.bulk(session.gate, session.handle, encode(said))
        self._record("say", session.account, text=text)

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

    def advance(self, session: Session, level: int, now: float) -> None:
        """A level is on disk."""
        slot = session.slot
        self.world.level[slot] = level
        self.world.hp_max[slot] = combat.hp_max_of(level)
        self.world.unsaved[slot] = True
        self._out.event(session, Advanced(int(self.world.xp[slot]), level, combat.hp_max_of(level)), now)
        self._record("level", session.account, level=level)
        self._check_level(session)

    # --- the tick ---

    def tick(self, now: float, tick: int, lap: Lap) -> list[GateFrames]:
        """Everything that happens in one step; control pieces are in `Outbound` then, movement is returned."""
        world = self.world
        self._move(now)
        lap("move")
        self._live(now)
        lap("live")
        self.views.tell_notices(self.interest)
        arriving = self._welcome()
        lap("tell")
        if not (arriving or world.arrived or world.refresh.any() or world.changed.any()):
            return []
        pairs = self._look(arriving, lap)
        frames = list(lay_out(pairs, world.record, world.ids, world.gate, tick))
        lap("frames")
        self.records_sent += sum(one.records for one in frames)
        world.changed[:] = world.refresh[:] = world.arrived = False
        world.release()
        return frames

    def walkers(self, part: int, parts: int) -> list[tuple[Session, float, float]]:
        """Those of one part of the players who walked since they were asked for the last time, and where they are."""
        slots = self._part(self.world.walked, part, parts)
        self.world.walked[slots] = False
        unit = self.map.unit_m
        rows = zip(slots.tolist(), self.world.x[slots].tolist(), self.world.y[slots].tolist(), strict=True)
        return [(self.players[slot], x * unit, y * unit) for slot, x, y in rows]

    def unsaved(self, part: int = 0, parts: int = 1) -> Array:
        """The slots of one part of the players whose state the DC should hear of."""
        return self._part(self.world.unsaved, part, parts)

    def _part(self, flags: Array, part: int, parts: int) -> Array:
        slots = np.flatnonzero(flags & (self.world.kind == Kind.PLAYER))
        mine: Array = slots[slots % parts == part]
        return mine

    def _move(self, now: float) -> None:
        slots, records = self.moves.take()
        if not len(slots):
            return
        refused, stamps = movement.apply(self.world, slots, records, now, self._speed)
        for slot, stamp in zip(refused.tolist(), stamps.tolist(), strict=True):
            self.corrected += 1
            session = self.players[slot]
            if session.attached:
                body = encode(Corrected(int(self.world.x[slot]), int(self.world.y[slot]), stamp))
                self._out.control(session.gate, session.handle, view_piece(body))

    def _live(self, now: float) -> None:
        """The dead come back, NPCs act, old corpses go."""
        for session in [one for one in self._dead.values() if one.dead_until <= now]:
            self._respawn(session, now)
        for corpse in self.corpses.overdue(now):
            self.remove_corpse(corpse)
        self.npcs.respawn(now)
        for npc, target in self.npcs.step(now, self.interest.watched(self.world.capacity)):
            if now >= self.world.ready_at[npc] and not self.world.dead(target):
                self._strike(npc, target, now)

    def _welcome(self) -> dict[int, Session]:
        """Who arrives in this tick, as many as a tick can bear."""
        slots = list(self._arriving)[: self.scene.enters_per_tick]
        arriving = {slot: self._arriving.pop(slot) for slot in slots}
        self.world.watching[slots] = True
        return arriving

    def _look(self, arriving: dict[int, Session], lap: Lap) -> Pairs:
        """Tell what came and went; the pairs that need an update."""
        world = self.world
        observers = np.flatnonzero(world.watching).astype(np.int32)
        fresh = np.fromiter(arriving, np.int32, len(arriving))
        changes = self.interest.update(world.x, world.y, world.active(), observers, fresh)
        lap("look")
        self.views.tell_vanished(changes.vanished)
        self.views.tell_appeared(changes.appeared, arriving, self._entered)
        lap("tell")
        stayed = changes.stayed
        due = world.changed[stayed.entities] | world.refresh[stayed.observers]
        return Pairs(stayed.observers[due], stayed.entities[due])

    # --- fights ---

    def _strike(self, attacker: int, target: int, now: float) -> None:
        world = self.world
        blow = combat.strike(world, attacker, target, now, self._chance)
        said = Hit(world.number(attacker), world.number(target), blow.damage, blow.hp)
        self._tell_both(attacker, target, said, now)
        by, to = self.players.get(attacker), self.players.get(target)
        if by is not None:
            self._record("hit", by.account, target=said.target, damage=blow.damage, other=to.account if to else 0)
        if blow.died:
            self._tell_both(attacker, target, Died(said.target, said.attacker), now)
            if to is not None:
                self._player_died(to, by, now)
            else:
                self._npc_died(target, by, now)

    def _tell_both(self, attacker: int, target: int, said: Hit | Died, now: float) -> None:
        for slot in (attacker, target):
            session = self.players.get(slot)
            if session is not None:
                self._out.event(session, said, now)
        self.views.notice(target, said, attacker, target)

    def _player_died(self, session: Session, by: Session | None, now: float) -> None:
        session.dead_until = now + self.map.respawn_s
        self._dead[session.slot] = session
        self._record("death", session.account, killer=by.account if by else 0)
        if by is not None:
            self._record("kill", by.account, what="player", other=session.account)

    def _npc_died(self, slot: int, by: Session | None, now: float) -> None:
        world = self.world
        name, x, y = world.names[slot], int(world.x[slot]), int(world.y[slot])
        self.npcs.died(slot, now)
        world.remove(slot)
        if by is None:
            return
        self._record("kill", by.account, what=name)
        if not world.full:
            body = world.add(Kind.CORPSE, name, x, y, hp=0, hp_max=0, level=int(world.level[slot]))
            self.corpses.add(world.number(body), body, by.account, now, self._chance)
        self._gain(by, combat.NPC_XP, now)

    def _gain(self, session: Session, xp: int, now: float) -> None:
        world, slot = self.world, session.slot
        level = int(world.level[slot])
        world.xp[slot] = min(int(world.xp[slot]) + xp, 0xFFFF_FFFF)
        world.unsaved[slot] = True
        self._out.event(session, Advanced(int(world.xp[slot]), level, int(world.hp_max[slot])), now)
        self._check_level(session)

    def _check_level(self, session: Session) -> None:
        level = int(self.world.level[session.slot])
        reached = combat.level_for(int(self.world.xp[session.slot]), level)
        if reached != level and not session.advancing:
            self._advance(session, reached)

    def _respawn(self, session: Session, now: float) -> None:
        world, slot = self.world, session.slot
        del self._dead[slot]
        x, y = self.spawn_point()
        combat.revive(world, slot, x, y)
        movement.settle(world, slot, now, self._speed)
        said = Respawned(session.handle, x, y, int(world.hp[slot]))
        self._out.event(session, said, now)
        self.views.notice(slot, said, slot)

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
        )  # fmt: skip

    def _units(self, status: Status) -> tuple[int, int]:
        x, y = (round(value / self.map.unit_m) for value in (status.x, status.y))
        return min(max(x, 0), self.map.units), min(max(y, 0), self.map.units)

    def describe(self) -> dict[str, Any]:
        return {
            "map": self.name,
            "line": self.number,
            "players": len(self.players),
            "npcs": int((self.npcs.slot >= 0).sum()),
            "corpses": len(self.corpses),
        }
