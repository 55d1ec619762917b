"""Gold: what everybody has, and each of its moves as the ledger of a DC has it. Columns, a day at a time."""

from typing import Any, NamedTuple

import numpy as np

from tools.data.sample.deeds import NODES_OF_ZONE, SCENE, Events, Fights
from tools.data.sample.plan import DAY_MS, REPAIR, STARTING_GOLD, Plan
from tools.data.sample.population import BOT, COLLECTOR, Column, People
from tools.data.sample.visits import Visits

MINT, BURN = 0, -1
TRADES_PER_SESSION = 0.12
GIVEN = (0.02, 0.15)  # of what a player has, in one trade
BOT_KEEPS = 0.1


class Moves(NamedTuple):
    """Rows of the ledger, without their numbers."""

    ts: Column
    kind: str
    account: Column
    source: Column
    target: Column
    amount: Column


class Purses:
    """Owns what each player has. No purse is ever below zero."""

    def __init__(self, rng: np.random.Generator, plan: Plan, people: People) -> None:
        self._rng, self._plan, self._people = rng, plan, people
        self.gold = np.zeros(len(people), np.int64)
        self.made = self.destroyed = 0

    def before(self) -> list[Moves]:
        """Those who came before the period, with what they have earned since."""
        old = np.flatnonzero(self._people.joined_day < 0)
        age = -self._people.joined_day[old]
        earned = (
            self._rng.random(len(old)) ** 2 * 40 * age * self._people.loyalty[old] * self._people.skill[old]
        ).astype(np.int64)
        ts = self._people.joined[old]
        some = earned > 0
        later = np.minimum(ts[some] + DAY_MS, self._plan.begin_ms - 1)
        return [
            self._mint("create", old, ts, np.full(len(old), STARTING_GOLD)),
            self._mint("loot", old[some], later, earned[some]),
        ]

    def day(self, day: int, visits: Visits, fought: Fights) -> tuple[list[Moves], list[Events]]:
        """The moves of a day, and the trades as events."""
        people = self._people
        new = np.flatnonzero(people.joined_day == day)
        moves = [self._mint("create", new, people.joined[new], np.full(len(new), STARTING_GOLD))]
        given, events = self._trades(visits)
        moves += [given, self._repairs(visits)]
        inside = fought.looted_at < self._plan.end_ms
        moves.append(self._mint("loot", fought.looter[inside], fought.looted_at[inside], fought.gold[inside]))
        collected, more = self._collected(visits)
        return [*moves, *collected], events + more

    def _mint(self, kind: str, who: Column, ts: Column, amount: Column) -> Moves:
        np.add.at(self.gold, who, amount)
        self.made += int(amount.sum())
        account = self._people.account[who]
        return Moves(ts, kind, account, np.full(len(who), MINT), account, amount)

    def _repairs(self, visits: Visits) -> Moves:
        who, places = np.unique(visits.player, return_index=True)
        share = self._rng.uniform(*REPAIR, len(who))
        amount = (self.gold[who] * share).astype(np.int64)
        some = amount > 0
        who, amount, ts = who[some], amount[some], visits.ended[places][some] - 5_000
        kept = ts < self._plan.end_ms
        who, amount, ts = who[kept], amount[kept], ts[kept]
        self.gold[who] -= amount
        self.destroyed += int(amount.sum())
        account = self._people.account[who]
        return Moves(ts, "repair", account, account, np.full(len(who), BURN), amount)

    def _trades(self, visits: Visits) -> tuple[Moves, list[Events]]:
        """Between people who play on this day. Everybody gives a part of what he began the day with."""
        rng, people = self._rng, self._people
        count = rng.poisson(len(visits) * TRADES_PER_SESSION) if len(visits) > 1 else 0
        which = np.unique(rng.integers(0, max(1, len(visits)), count))  # one in a session
        giver, taker = visits.player[which], visits.player[rng.integers(0, max(1, len(visits)), len(which))]
        fine = (giver != taker) & (people.style[giver] != BOT) & (people.style[taker] != BOT)
        fine &= people.style[giver] != COLLECTOR
        which, giver, taker = which[fine], giver[fine], taker[fine]
        sessions = np.bincount(visits.player, minlength=len(people))
        amount = (self.gold[giver] * rng.uniform(*GIVEN, len(giver)) / np.maximum(sessions[giver], 1)).astype(np.int64)
        length = visits.ended[which] - visits.began[which]
        return self._give(
            giver, taker, visits.began[which] + (rng.random(len(which)) * length).astype(np.int64), amount
        )

    def _collected(self, visits: Visits) -> tuple[list[Moves], list[Events]]:
        """Bots bring what they have to a collector, some times a day."""
        people = self._people
        bots = np.unique(visits.player[people.style[visits.player] == BOT])
        collectors = np.flatnonzero(people.style == COLLECTOR)
        if not len(bots) or not len(collectors):
            return [], []
        taker = collectors[np.zeros(len(bots), np.int64)]
        until = np.array([visits.ended[visits.player == bot].max() for bot in bots.tolist()]) - 60_000
        amount = (self.gold[bots] * (1 - BOT_KEEPS)).astype(np.int64)
        moves, events = self._give(bots, taker, until, amount)
        return [moves], events

    def _give(self, giver: Column, taker: Column, ts: Column, amount: Column) -> tuple[Moves, list[Events]]:
        kept = (ts < self._plan.end_ms) & (amount > 0)
        giver, taker, ts, amount = giver[kept], taker[kept], ts[kept], amount[kept]
        np.subtract.at(self.gold, giver, amount)
        np.add.at(self.gold, taker, amount)
        people = self._people
        one, other = people.account[giver], people.account[taker]
        node = people.zone[giver] * NODES_OF_ZONE + SCENE
        nothing: Any = np.full(len(ts), '{"items":[]}')
        events = [
            Events("trade", one, ts, node, {"other": other, "gold": amount, "fields": nothing}),
            Events("trade", other, ts, node, {"other": one, "gold": np.zeros(len(ts), np.int64), "fields": nothing}),
        ]
        return Moves(ts, "trade", one, one, other, amount), events
