"""Blows of the Python clients, each looked for at both ends: as `src/combat.c`.

The sides are the even and the odd numbers. Each attack is kept until the attacker and the target have heard of the
blow, or the attacker that it was refused; what is neither after a while is missing. The two ends tell the same number
of points left, or the order of one of them was changed.
"""

from dataclasses import dataclass, field

from tools.bench.pythonclients.counting import Measures, Times
from tools.bench.said import Combat

KEPT = 8  # attacks of one client: at one a second the answer has so many seconds
REACH_M = 2.4  # of the scene's 3: it knows where both were a moment ago
OVERDUE_S = 2.0
EARLY = 0.98  # of the pause between two attacks of one client
ATTACKER, TARGET = 0, 1


@dataclass
class Attack:
    sequence: int
    target: int
    at: float
    heard: list[bool] = field(default_factory=lambda: [False, False])
    hp: int = 0


class Fights:
    """Of all clients, by the number of the attacker."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._open: dict[int, list[Attack]] = {}
        self._last: dict[int, float] = {}
        self.begin()

    def begin(self) -> None:
        """A window begins. What is under way is counted in it."""
        self.attacks = self.denied = self.disordered = self.unexpected = self.looked_on = self.alone = self.deaths = 0
        self._missing, self._hits = [0, 0], (Times(), Times())

    def may_attack(self, row: int, pause_s: float, now: float) -> bool:
        return now - self._last.get(row, 0.0) >= EARLY * pause_s

    def attacked(self, row: int, target: int, sequence: int, now: float) -> None:
        kept = self._open.setdefault(row, [])
        if len(kept) >= KEPT:
            self._forget(kept.pop(0))
        kept.append(Attack(sequence, target, now))
        self._last[row] = now
        self.attacks += 1

    def hit(self, end: int, attacker: int, target: int, hp: int, now: float) -> None:
        """Somebody whom it concerns heard of a blow; the oldest that it may be of is it."""
        kept = self._open.get(attacker, [])
        waiting = [one for one in kept if not one.heard[end]]
        one = next((one for one in waiting if one.target == target), None)
        if one is None:
            self.unexpected += 1
            return
        self.disordered += end == ATTACKER and one is not waiting[0]
        self.disordered += one.heard[1 - end] and one.hp != hp
        one.hp, one.heard[end] = hp, True
        self._hits[end].add(now - one.at)
        self._measures.second_hits.add(now - one.at)
        if one.heard[1 - end]:
            kept.remove(one)

    def refused(self, row: int, sequence: int) -> None:
        kept = self._open.get(row, [])
        for one in [one for one in kept if one.sequence == sequence]:
            kept.remove(one)
            self.denied += 1

    def settle(self, now: float) -> None:
        """What should have been heard by now is missing."""
        for kept in self._open.values():
            for one in [one for one in kept if now - one.at > OVERDUE_S]:
                kept.remove(one)
                self._forget(one)

    def told(self) -> Combat:
        return Combat(
            attacks=self.attacks,
            denied=self.denied,
            missing_at_attacker=self._missing[ATTACKER],
            missing_at_target=self._missing[TARGET],
            disordered=self.disordered,
            unexpected=self.unexpected,
            looked_on=self.looked_on,
            alone=self.alone,
            deaths=self.deaths,
            at_attacker=self._hits[ATTACKER].told(),
            at_target=self._hits[TARGET].told(),
        )

    def _forget(self, one: Attack) -> None:
        for end in (ATTACKER, TARGET):
            self._missing[end] += not one.heard[end]
