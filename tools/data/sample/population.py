"""Who plays: when each player came, how much it likes the game, who cheats. Columns, one entry a player."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tools.data.sample.plan import CAME_BEFORE, CAMPAIGN_DAY, EARLIEST_DAY, Plan

HUMAN, BOT, RICH, COLLECTOR = 0, 1, 2, 3
FIRST_ACCOUNT = 1001
NAMES = (
    "anna", "bela", "cora", "dirk", "edda", "falk", "gera", "hilda", "ivo", "jara", "kuno", "lena", "milo", "nora",
    "otto", "pia", "rolf", "sina", "tilo", "ulla", "vera", "wim", "yara", "zeno",
)  # fmt: skip

Column = npt.NDArray[Any]


class People(NamedTuple):
    """In the order in which they came, which is that of their accounts."""

    account: Column
    joined: Column  # ms
    joined_day: Column  # of the period; below zero: before it
    loyalty: Column  # times as likely to play as others
    skill: Column  # times as many kills in an hour
    zone: Column  # 0 or 1
    style: Column  # HUMAN, BOT, RICH or COLLECTOR
    forged: Column  # gold that it has from nowhere

    def __len__(self) -> int:
        return len(self.account)


def name_of(account: int) -> str:
    """Anna1001, Bela1002 ..."""
    return f"{NAMES[account % len(NAMES)].capitalize()}{account}"


def population(rng: np.random.Generator, plan: Plan) -> People:
    """Everybody, cheaters among those who came in the first half of the period."""
    count = plan.players
    before = int(count * CAME_BEFORE)
    weights = np.ones(plan.days)
    campaign = int(plan.days * CAMPAIGN_DAY)
    weights[campaign : campaign + 3] = 3.0
    days = np.concatenate(
        (
            -np.ceil(rng.random(before) ** 1.5 * -EARLIEST_DAY),
            rng.choice(plan.days, count - before, p=weights / weights.sum()),
        )
    )
    days = np.sort(days).astype(np.int64)
    joined = plan.begin_ms + days * 86_400_000 + (_evening(rng, count) * 3_600_000).astype(np.int64)
    joined = np.minimum(np.sort(joined), plan.end_ms - 1)
    days = (joined - plan.begin_ms) // 86_400_000
    style, forged = _cheaters(rng, plan, days)
    return People(
        np.arange(FIRST_ACCOUNT, FIRST_ACCOUNT + count),
        joined,
        days,
        np.clip(rng.lognormal(-0.15, 0.55, count), 0.2, 4.0),
        np.clip(rng.lognormal(0.0, 0.45, count), 0.2, 5.0),
        (rng.random(count) < 0.3).astype(np.int64),
        style,
        forged,
    )


def evening_hours(rng: np.random.Generator, count: int) -> Column:
    """Times of the day, in hours, when people begin to play: most in the evening, some at noon, few at night."""
    return _evening(rng, count)


def _evening(rng: np.random.Generator, count: int) -> Column:
    which = rng.random(count)
    evening, noon, any_time = rng.normal(19.8, 2.3, count), rng.normal(13.0, 2.5, count), rng.random(count) * 24
    return np.where(which < 0.62, evening, np.where(which < 0.85, noon, any_time)) % 24


def _cheaters(rng: np.random.Generator, plan: Plan, days: Column) -> tuple[Column, Column]:
    style, forged = np.zeros(len(days), np.int64), np.zeros(len(days), np.int64)
    wanted = plan.cheaters
    total = wanted.bots + wanted.rich + wanted.collectors + wanted.forgers
    candidates = np.flatnonzero((days >= 0) & (days <= max(0, plan.days // 2)))
    chosen = rng.permutation(candidates)[:total] if len(candidates) >= total else candidates[:0]
    bots, rich, collectors, forgers = np.split(
        chosen, np.cumsum([wanted.bots, wanted.rich, wanted.collectors]).clip(0, len(chosen))
    )
    style[bots], style[rich], style[collectors] = BOT, RICH, COLLECTOR
    forged[forgers] = rng.integers(5_000, 50_000, len(forgers))
    return style, forged
