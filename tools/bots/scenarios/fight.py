"""Scenario fight: go to the nearest NPC, hit it until it dies, take what it leaves, go on to the next one.

Measured: `attack` (Attack until the Hit is heard) and `loot` (Loot until Looted: it was on disk by then).
"""

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind

REACH_M = 2.5  # attacks and looting work up to 3 m
ATTACK_S = 1.1
GIVE_UP_S = 20.0  # for a target that others hit, or that cannot be reached
DEAD = 0x80


class Fight(Mind):
    """One target at a time: first an NPC, then its corpse."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self.kills = 0
        self.looted = 0
        self._target = 0
        self._corpse = 0
        self._since = 0.0
        self._attacked_at = 0.0
        self._attack_due = 0.0
        self._asked: dict[int, str] = {}  # sequence -> series
        self._looting_since = 0.0

    def think(self, now: float) -> None:
        if self._corpse:
            self._go_loot(now)
        elif self._target:
            self._go_attack(now)
        else:
            self._choose(now)

    def hear(self, said: Message, now: float) -> None:
        match said:
            case play.Hit(attacker=attacker) if attacker == self.body.entity and self._attacked_at:
                self.body.record("attack", now - self._attacked_at)
                self._attacked_at = 0.0
            case play.Died(id=dead, killer=killer) if dead == self._target:
                self._won() if killer == self.body.entity else self._forget()
            case play.Vanished(ids=ids) if self._target in ids or self._corpse in ids:
                self._forget()
            case play.Appeared(entities=entities) if self._target == 0 and self._corpse == 0:
                self._notice_corpse(entities, now)
            case play.Looted(corpse=corpse) if corpse == self._corpse:
                self.body.record("loot", now - self._looting_since)
                self.looted += 1
                self._forget()
            case play.Died(id=dead) if dead == self.body.entity:
                self._forget()
            case play.PlayDenied(sequence=sequence, code=code) if sequence in self._asked:
                self._denied(self._asked.pop(sequence), code)

    def _choose(self, now: float) -> None:
        """The nearest living NPC in view."""
        x, y = self.body.place()
        npcs = [e for e in self.body.player.session.view.values() if e.kind == "npc" and not e.state & DEAD]
        if not npcs:
            self.body.wander()
            return
        nearest = min(npcs, key=lambda e: (e.x - x) ** 2 + (e.y - y) ** 2)
        self._target, self._since = nearest.id, now
        self.body.follow(nearest.id)
        self.body.seek(nearest.x, nearest.y)

    def _go_attack(self, now: float) -> None:
        if now - self._since > GIVE_UP_S:
            self.body.player.session.view.pop(self._target, None)
            self._forget()
        elif self._approach() <= REACH_M and now >= self._attack_due:
            self._attack_due = now + ATTACK_S / self.body.player.session.dilation
            self._attacked_at = now
            self._note(self.body.player.attack(self._target), "attack")

    def _go_loot(self, now: float) -> None:
        if now - self._since > GIVE_UP_S:
            self._forget()
        elif not self._looting_since and self._approach() <= REACH_M:
            self._looting_since = now
            self._note(self.body.player.loot(self._corpse), "loot")

    def _approach(self) -> float:
        """Walk to where the target was last seen; metres from here to there."""
        x, y = self.body.place()
        seen = self.body.seen_at() or (x, y)
        self.body.seek(*seen)
        return self.body.metres(((seen[0] - x) ** 2 + (seen[1] - y) ** 2) ** 0.5)

    def _won(self) -> None:
        """The corpse appears right after the death."""
        self.kills += 1
        self._target = 0
        self.body.wander()

    def _notice_corpse(self, entities: list[play.EntityState], now: float) -> None:
        if self.kills == self.looted:
            return
        x, y = self.body.place()
        corpses = [e for e in entities if e.kind == "corpse"]
        if corpses:
            nearest = min(corpses, key=lambda e: (e.x - x) ** 2 + (e.y - y) ** 2)
            self._corpse, self._since, self._looting_since = nearest.id, now, 0.0
            self.body.follow(nearest.id)
            self.body.seek(nearest.x, nearest.y)

    def _denied(self, series: str, code: str) -> None:
        """Too far away means to go nearer, too early to wait; otherwise the target is lost."""
        self.body.fail(series, code)
        if series == "attack":
            self._attacked_at = 0.0
        if series == "loot" and code == "out_of_range":
            self._looting_since = 0.0
        elif code not in ("out_of_range", "too_many"):
            self._forget()

    def _note(self, sequence: int, series: str) -> None:
        self._asked[sequence] = series
        while len(self._asked) > 16:  # refusals come at once; older ones were granted
            del self._asked[next(iter(self._asked))]

    def _forget(self) -> None:
        if self._corpse or self.kills > self.looted:
            self.looted = self.kills  # what is left behind is not waited for
        self._target = self._corpse = 0
        self._looting_since = self._attacked_at = 0.0
        self.body.follow(0)
        self.body.wander()
