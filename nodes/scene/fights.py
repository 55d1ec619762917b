"""What fights do on one line: blows, deaths, corpses, experience, coming back to life.

Owns who is dead and until when, on the clock of the game: `now` is its time. The rules and the arithmetic are in
combat.py; here is what follows from a blow, and who is told. Levels are durable: one that was reached is handed to
`advance`, and counts when it is on disk.
"""

from collections.abc import Callable

from mesh.protocol.play import Advanced, Died, Hit, Respawned
from nodes.scene import combat
from nodes.scene.loot import Corpses
from nodes.scene.npcs import Npcs
from nodes.scene.sessions import Session
from nodes.scene.settings import MapSettings
from nodes.scene.shared import Shared
from nodes.scene.views import Views
from nodes.scene.world import Kind, World

Fought = Callable[[int, int, float], None]  # (slot, other slot, now): a blow was exchanged
Respawn = Callable[[int, float], tuple[int, int]]  # (slot, now): puts it at a spawn point, which is returned


class Fights:
    """Of one line. `players` are its sessions by slot."""

    def __init__(
        self,
        world: World,
        players: dict[int, Session],
        npcs: Npcs,
        corpses: Corpses,
        views: Views,
        settings: MapSettings,
        shared: Shared,
        respawn: Respawn,
        fought: Fought,
    ) -> None:
        self._world, self._players, self._npcs, self._corpses = world, players, npcs, corpses
        self._views, self._map, self._put, self._fought = views, settings, respawn, fought
        self._out, self._chance, self._now = shared.out, shared.chance, shared.now
        self._record, self._advance = shared.record, shared.advance
        self._reach = combat.ATTACK_RANGE_M / settings.unit_m
        self._dead: dict[int, Session] = {}

    def attack(self, session: Session, target: int, now: float) -> None:
        """`target` is an entity's number. RefusedError when it may not be."""
        slot = self._world.slot_of(target)
        combat.check_attack(self._world, session.slot, slot, now, self._reach, self._map.pvp)
        if self._world.kind[slot] == Kind.NPC:
            self._npcs.provoke(slot, session.handle)
        self._strike(session.slot, slot, now)

    def bite(self, npc: int, target: int, now: float) -> None:
        """An NPC (both are slots) is close enough to its foe."""
        if now >= self._world.ready_at[npc] and not self._world.dead(target):
            self._strike(npc, target, now)

    def stays_dead(self, session: Session, until: float) -> None:
        """It came dead from another line."""
        session.dead_until = until
        self._dead[session.slot] = session

    @property
    def dead(self) -> list[int]:
        """The slots of those who are."""
        return list(self._dead)

    def forget(self, session: Session) -> None:
        """It leaves the line."""
        self._dead.pop(session.slot, None)

    def respawn(self, now: float) -> None:
        """Those whose time has come are back."""
        for session in [one for one in self._dead.values() if one.dead_until <= now]:
            del self._dead[session.slot]
            x, y = self._put(session.slot, now)
            said = Respawned(session.handle, x, y, int(self._world.hp[session.slot]))
            self._out.event(session, said, self._now())
            self._views.notice(session.slot, said, session.slot)

    def advance(self, session: Session, level: int) -> None:
        """A level is on disk."""
        world, slot = self._world, session.slot
        world.level[slot] = level
        world.hp_max[slot] = combat.hp_max_of(level)
        world.unsaved[slot] = True
        self._out.event(session, Advanced(int(world.xp[slot]), level, combat.hp_max_of(level)), self._now())
        self._record("level", session.account, level=level)
        self._check_level(session)

    def _strike(self, attacker: int, target: int, now: float) -> None:
        world = self._world
        blow = combat.strike(world, attacker, target, now, self._chance)
        said = Hit(world.number(attacker), world.number(target), blow.damage, blow.hp)
        self._tell_both(attacker, target, said)
        self._fought(attacker, target, now)
        by, to = self._players.get(attacker), self._players.get(target)
        if by is not None:
            by.fought_at = now
            self._record("hit", by.account, target=said.target, damage=blow.damage, other=to.account if to else 0)
        if to is not None:
            to.fought_at = now
        if blow.died:
            self._tell_both(attacker, target, Died(said.target, said.attacker))
            if to is not None:
                self._player_died(to, by, now)
            else:
                self._npc_died(target, by, now)

    def _tell_both(self, attacker: int, target: int, said: Hit | Died) -> None:
        for slot in (attacker, target):
            session = self._players.get(slot)
            if session is not None:
                self._out.event(session, said, self._now())
        self._views.notice(target, said, attacker, target)

    def _player_died(self, session: Session, by: Session | None, now: float) -> None:
        self.stays_dead(session, now + self._map.respawn_s)
        self._record("death", session.account, killer=by.account if by else 0)
        if by is not None:
            self._record("kill", by.account, what="player", other=session.account)

    def _npc_died(self, slot: int, by: Session | None, now: float) -> None:
        world = self._world
        name, x, y = world.names[slot], int(world.x[slot]), int(world.y[slot])
        self._npcs.died(slot, now)
        world.remove(slot)
        if by is None:
            return
        self._record("kill", by.account, what=name)
        if not world.full:
            body = world.add(Kind.CORPSE, name, x, y, hp=0, hp_max=0, level=int(world.level[slot]))
            self._corpses.add(world.number(body), body, by.account, now, self._chance, by.party)
        self._gain(by, combat.NPC_XP)

    def _gain(self, session: Session, xp: int) -> None:
        world, slot = self._world, session.slot
        level = int(world.level[slot])
        world.xp[slot] = min(int(world.xp[slot]) + xp, 0xFFFF_FFFF)
        world.unsaved[slot] = True
        self._out.event(session, Advanced(int(world.xp[slot]), level, int(world.hp_max[slot])), self._now())
        self._check_level(session)

    def _check_level(self, session: Session) -> None:
        level = int(self._world.level[session.slot])
        reached = combat.level_for(int(self._world.xp[session.slot]), level)
        if reached != level and not session.advancing:
            self._advance(session, reached)
