"""What lies in corpses, and who may take it.

Owns the corpses of one line. Pure. The killer alone (and its party, when that shares its loot) may take for the first
EXCLUSIVE_S, then everybody who is near. Who that is, is decided by the kill: a leader who changes the party afterwards
takes nothing away from anybody. A corpse is taken once: `take` reserves it while the DC makes the gold and the
item, `give_back` ends that when the DC said no.
"""

import random
from dataclasses import dataclass

from mesh.errors import Code, RefusedError
from mesh.protocol.sessions import PartyAt

EXCLUSIVE_S = 30.0
LOOT_RANGE_M = 3.0
GOLD_MAX = 20
ITEM_CHANCE = 0.25
ITEM_KINDS = ("pelt", "fang", "herb", "ring")


@dataclass(slots=True)
class Corpse:
    number: int  # of the entity
    slot: int
    killer: int  # an account
    free_at: float
    gone_at: float
    gold: int
    item: str  # its kind, "" for none
    party: int  # the killer's, when it shared its loot then; 0 for none
    heirs: frozenset[int]  # whose it is until `free_at`: the killer, and who was in that party then
    taken: bool = False


class Corpses:
    """By entity number, oldest first."""

    def __init__(self, corpses_max: int, keep_s: float) -> None:
        self.corpses_max = corpses_max
        self.keep_s = keep_s
        self._by_number: dict[int, Corpse] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def add(
        self, number: int, slot: int, killer: int, now: float, chance: random.Random, party: PartyAt | None = None
    ) -> Corpse:
        """An NPC died here, killed by a member of that party. The caller made room: see `overdue`."""
        item = chance.choice(ITEM_KINDS) if chance.random() < ITEM_CHANCE else ""
        gold = chance.randint(1, GOLD_MAX)
        shared = party.party if party is not None and party.shared else 0
        heirs = frozenset((killer, *party.members)) if party is not None and shared else frozenset((killer,))
        corpse = Corpse(number, slot, killer, now + EXCLUSIVE_S, now + self.keep_s, gold, item, shared, heirs)
        self._by_number[number] = corpse
        return corpse

    def find(self, number: int) -> Corpse | None:
        return self._by_number.get(number)

    def take(self, number: int, account: int, now: float) -> Corpse:
        """Reserve what it has for this account; RefusedError when it is not there or not for it."""
        corpse = self._by_number.get(number)
        if corpse is None or corpse.taken:
            raise RefusedError(Code.NOT_FOUND, "there is nothing to take")
        if now < corpse.free_at and account not in corpse.heirs:
            raise RefusedError(Code.NOT_ALLOWED, "only its killer may take this now")
        corpse.taken = True
        return corpse

    def give_back(self, corpse: Corpse) -> None:
        """The DC did not do it: somebody may try again."""
        corpse.taken = False

    def remove(self, corpse: Corpse) -> None:
        self._by_number.pop(corpse.number, None)

    def overdue(self, now: float) -> list[Corpse]:
        """Those that must go: too old, or the oldest of too many. A corpse that is being taken stays until then."""
        too_many = len(self._by_number) - self.corpses_max + 1
        gone = []
        for corpse in self._by_number.values():
            if corpse.gone_at > now and too_many <= 0:
                break
            if not corpse.taken:
                gone.append(corpse)
                too_many -= 1
        return gone
