"""A sample from its plan: day after day, everything by one seed. The order of its steps, and nothing else."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from mesh.lake.lake import Lake
from tools.data.sample.deeds import Events, Rates, coming_and_going, fights, refusals, stays_in, talk, walks
from tools.data.sample.growth import Growth
from tools.data.sample.plan import BOT_EVERY_S, BOT_SHARE, DAY_MS, MINUTE_MS, Plan
from tools.data.sample.population import BOT, COLLECTOR, RICH, People, population
from tools.data.sample.population import name_of as name_of_account
from tools.data.sample.purses import Moves, Purses
from tools.data.sample.visits import Calendar, Visits
from tools.data.sample.writing import Writer

PER_SESSION = 14.0  # events of coming, going and changing maps
SAYS = 0.02  # a minute
HITS_PER_KILL = 3.0
PER_KILL = 1 + HITS_PER_KILL + 0.8
SHARE_OF_KILLS = 0.45  # of what is not coming and going; the rest are moves
KILLS_MAX = 1.2  # a minute
MOVES_MAX = 60.0
ATTACK_EVERY_DAYS = 9


class Made(msgspec.Struct):
    """What is in the sample that a report should find."""

    players: int
    sessions: int
    events: int
    bots: list[int]
    rich: list[int]
    collectors: list[int]
    forged: dict[int, int]  # account -> gold from nowhere
    attack_days: list[int]  # ms: somebody tried many passwords


def make_sample(lake: Lake, plan: Plan, wall_ms: int, tell: Callable[[int], None] = lambda _day: None) -> Made:
    """Fill an empty lake. `tell` hears of each day that is done."""
    rng = np.random.default_rng(plan.seed)
    people = population(rng, plan)
    calendar = Calendar(rng, plan, people)
    every_day = [calendar.day(day) for day in range(plan.days)]
    rates = rates_of(plan, people, every_day)
    names = np.array([name_of_account(account) for account in people.account.tolist()])
    logins = np.zeros(len(people), np.int64)
    growth, purses = Growth(rng, people), Purses(rng, plan, people)
    writer = Writer(rng, lake, wall_ms, plan.end_ms)
    moves: list[Moves] = purses.before()
    seen: dict[str, Events] = {}
    attacks = []
    for day, visits in enumerate(every_day):
        stays = stays_in(rng, visits)
        fought = fights(rng, people, visits, stays, rates)
        moved, traded = purses.day(day, visits, fought)
        begin_ms = plan.begin_ms + day * DAY_MS
        is_attack = day % ATTACK_EVERY_DAYS == ATTACK_EVERY_DAYS - 2
        attacks += [begin_ms] if is_attack else []
        happened = [
            *coming_and_going(rng, people, visits, stays, names, _sessions(people.account, visits, logins)),
            walks(rng, people, visits, stays, rates.moves),
            *fought.events,
            growth.levels(fought),
            *growth.company(visits, names),
            *talk(rng, people, visits, rates.says),
            *traded,
            refusals(rng, begin_ms, len(visits), max(50, len(visits)) if is_attack else 0),
        ]
        writer.put(happened)
        writer.flush(begin_ms + DAY_MS, [*moves, *moved])
        moves = []
        seen |= {some.kind: some for some in happened}
        tell(day)
    gold = purses.gold + people.forged
    writer.end(people.account, gold, purses.made, purses.destroyed, list(seen.values()))
    forged = {int(people.account[at]): int(people.forged[at]) for at in np.flatnonzero(people.forged).tolist()}
    bots, rich, collectors = (people.account[people.style == style].tolist() for style in (BOT, RICH, COLLECTOR))
    sessions = sum(len(visits) for visits in every_day)
    return Made(len(people), sessions, writer.events, bots, rich, collectors, forged, attacks)


def rates_of(plan: Plan, people: People, every_day: list[Visits]) -> Rates:
    """So that there are about as many events as were asked for."""
    sessions = sum(len(visits) for visits in every_day)
    minutes = bot_minutes = 0.0
    for visits in every_day:
        length = (np.minimum(visits.ended, plan.end_ms) - visits.began) / MINUTE_MS
        is_bot = people.style[visits.player] == BOT
        minutes, bot_minutes = minutes + float(length[~is_bot].sum()), bot_minutes + float(length[is_bot].sum())
    bot_every_s = float(np.clip(bot_minutes * 60 * PER_KILL / (plan.events * BOT_SHARE), *BOT_EVERY_S))
    by_bots = bot_minutes * 60 / bot_every_s * PER_KILL
    left = max(plan.events - sessions * PER_SESSION - by_bots, 0.0) / max(minutes + bot_minutes, 1.0)
    kills = min(left * SHARE_OF_KILLS / PER_KILL, KILLS_MAX)
    return Rates(kills, bot_every_s, HITS_PER_KILL, min(max(left - kills * PER_KILL - SAYS, 0.0), MOVES_MAX), SAYS)


def _sessions(accounts: Any, visits: Visits, logins: Any) -> Any:
    """A number for each session, as a DC gives them: the account and which of its logins."""
    first = np.concatenate(([True], visits.player[1:] != visits.player[:-1])) if len(visits) else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    place = np.arange(len(visits)) - np.repeat(starts, np.diff(np.append(starts, len(visits))))
    numbers = logins[visits.player] + place + 1
    np.add.at(logins, visits.player, 1)
    return (accounts[visits.player] << 24) | numbers
