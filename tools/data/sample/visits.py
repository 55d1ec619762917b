"""Who is in the world from when to when. Columns, one entry a session, in the order of players and times."""

from typing import NamedTuple

import numpy as np

from tools.data.sample.plan import (
    DAY_MS,
    HOUR_MS,
    LENGTH_MAX_MIN,
    LENGTH_MEDIAN_MIN,
    LENGTH_SPREAD,
    MINUTE_MS,
    PAUSE_MIN,
    RETURN_D1,
    RETURN_FALL,
    SESSIONS_MORE,
    WEEKDAY,
    Plan,
)
from tools.data.sample.population import BOT, COLLECTOR, RICH, Column, People, evening_hours

SHIFTS = 8  # passes in which sessions of one player give way to each other


class Visits(NamedTuple):
    """Sessions of one day."""

    player: Column  # place in People
    began: Column  # ms
    ended: Column

    def __len__(self) -> int:
        return len(self.player)


class Calendar:
    """Makes the sessions of one day after the other. Owns until when each player is in the world."""

    def __init__(self, rng: np.random.Generator, plan: Plan, people: People) -> None:
        self._rng, self._plan, self._people = rng, plan, people
        self._busy_until = np.zeros(len(people), np.int64)

    def day(self, day: int) -> Visits:
        """All sessions that begin on this day of the period."""
        who = self._who(day)
        rng, people = self._rng, self._people
        counts = 1 + rng.poisson(SESSIONS_MORE * np.minimum(people.loyalty[who], 2.0))
        counts[people.style[who] == BOT] = 1
        player = np.repeat(who, counts)
        style = people.style[player]
        midnight = self._plan.begin_ms + day * DAY_MS
        began = midnight + (evening_hours(rng, len(player)) * HOUR_MS).astype(np.int64)
        minutes = rng.lognormal(np.log(LENGTH_MEDIAN_MIN), LENGTH_SPREAD, len(player)) * people.loyalty[player] ** 0.3
        length = (np.clip(minutes, 0.5, LENGTH_MAX_MIN) * MINUTE_MS).astype(np.int64)
        began = np.maximum(began, people.joined[player] + 20_000)
        is_bot = style == BOT
        began[is_bot] = np.maximum(
            midnight + rng.integers(0, HOUR_MS, int(is_bot.sum())), people.joined[player[is_bot]]
        )
        length[is_bot] = rng.integers(21 * HOUR_MS, 22 * HOUR_MS, int(is_bot.sum()))
        order = np.lexsort((began, player))
        return self._apart(Visits(player[order], began[order], began[order] + length[order]))

    def _who(self, day: int) -> Column:
        people = self._people
        age = day - people.joined_day
        base = np.where(age > 0, RETURN_D1 / np.maximum(age, 1) ** RETURN_FALL, 0.0) * WEEKDAY[self._plan.weekday(day)]
        chance = np.minimum(base * people.loyalty, 0.97)
        chance[people.style == BOT] = 1.0
        chance[(people.style == COLLECTOR) | (people.style == RICH)] = 0.9
        comes = (self._rng.random(len(people)) < chance) & (age > 0)
        return np.flatnonzero(comes | (age == 0))

    def _apart(self, visits: Visits) -> Visits:
        """Nobody is in the world twice: who would be comes later."""
        player, began, ended = visits
        pause = int(PAUSE_MIN * MINUTE_MS)
        length = ended - began
        first = np.concatenate(([True], player[1:] != player[:-1])) if len(player) else np.zeros(0, bool)
        began = np.where(first, np.maximum(began, self._busy_until[player] + pause), began)
        for _ in range(SHIFTS):
            free = np.concatenate(([0], (began + length)[:-1] + pause))
            began = np.where(first, began, np.maximum(began, free)) if len(player) else began
        ended = began + length
        kept = began < self._plan.end_ms
        player, began, ended = player[kept], began[kept], ended[kept]
        np.maximum.at(self._busy_until, player, ended)
        return Visits(player, began, ended)
