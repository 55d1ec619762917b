"""log-outage: log nodes of a group of two are away for a while, again and again, while players talk and fight.

In turn one is killed and stays away, one stands still, and both are killed. Nobody waits for them: answers take as long
as ever. The other one takes over; what none of them takes the senders keep, as much as is set, which is so little here
that there is no room for all of it, and what finds none they count. So afterwards every word that was carried out is
shown once, or was counted, and by the numbers of the events the group has exactly what each sender says it has brought
there.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from signal import Signals
from typing import NamedTuple

from mesh.checking.records import Problem
from mesh.core.log_group import DROPPED, Sum, sums
from mesh.protocol.journal import Events, ListStored, QueryEvents, StoredList
from tools.bench.bench import Figure
from tools.bots.roll import Words, read_words
from tools.bots.scrape import pick, read_page
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.testimony import Window, attest, ratio
from tools.chaos.zone import Shape, Zone, stop_all, zone

LOGS = 2
KINDS = ("one is killed", "one stands still", "all are killed")
PLAYERS, PLAYERS_QUICK = 200, 24
AWAY_S, AWAY_QUICK_S = 5.0, 2.0
BETWEEN_S = 2.0
BACK_S = 20.0
EVENTS_KEPT, EVENTS_KEPT_QUICK = 500, 16  # by a node: fewer than a scene has to say while all log nodes are away
STORED_S = 15.0  # for what has waited to be stored
SAY_S = 1.3  # a scene takes one word a second for long
TAG = "chaos"
POLL_S = 0.1
NOTICES = QueryEvents(kinds=[DROPPED], limit=100_000)
CLOCK_SLACK_MS = 60_000


class Brought(NamedTuple):
    """What a sender counts: its events of this life."""

    recorded: int
    stored: int
    dropped: int
    pending: int


SAMPLES = ("recorded_total", "stored_total", "dropped_total", "pending")


async def run(arena: Arena) -> Found:
    players, away_s, events = PLAYERS, AWAY_S, EVENTS_KEPT
    if arena.quick:
        players, away_s, events = PLAYERS_QUICK, AWAY_QUICK_S, EVENTS_KEPT_QUICK
    away: list[Window] = []
    chance = arena.chance("log nodes")
    began_ms = round(arena.ground.clock.wall() * 1000) - CLOCK_SLACK_MS
    async with zone(arena, Shape(scenes=2, logs=LOGS, events_kept=events), players) as made:
        crowd = made.crowd(players, "hero", fighters=0.3, asks_s=0.5)
        await crowd.come_in(BACK_S)
        talking = [asyncio.create_task(talk(hero)) for hero in crowd.heroes]
        for number in range(arena.faults):
            await asyncio.sleep(BETWEEN_S)
            kind = KINDS[number % len(KINDS)]
            away.append(await one_outage(made, kind, away_s, chance))
            arena.ground.say(f"{number + 1} of {arena.faults} outages, the last: {kind}")
        await stop_all(talking)
        await made.settle()
        brought = await stored(made)
        found_there = await group_sums(made)
        until_ms = round(arena.ground.clock.wall() * 1000) + CLOCK_SLACK_MS
        words = await read_words(made.operator, made.topology, TAG, began_ms, until_ms)
        dropped = sum(one.dropped for one in brought.values())
        problems = [*problems_of(crowd, words, dropped), *unexplained(brought, found_there)]
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    heard = sum(hero.words_heard for hero in crowd.heroes)
    found.reached = {"missing": float(max(0, heard - words.carried_out)), "ratio": ratio(made.book.operations, away)}
    found.reached["dropped"] = float(dropped)
    found.notes.append(f"{words.carried_out:,} words logged, {heard:,} heard, {dropped:,} events dropped and counted")
    events, twice_there = (sum(getattr(one, name) for one in found_there) for name in ("stored", "twice"))
    found.notes.append(f"{events:,} events in the group, of these {twice_there:,} with both, and shown once")
    return found


async def talk(hero: Hero) -> None:
    """Numbered words, each its own."""
    number = 0
    while True:
        await asyncio.sleep(SAY_S * hero.chance.uniform(0.9, 1.2))
        if hero.back:
            number += 1
            hero.player.say(f"{TAG} {number}")


async def one_outage(made: Zone, kind: str, away_s: float, chance: random.Random) -> Window:
    """From when to when they were away; when they serve again."""
    logs = made.of_role("log")
    hit = logs if kind == "all are killed" else [chance.choice(logs)]
    at = made.now()
    for name in hit:
        if kind == "one stands still":
            made.kept[name].signal(Signals.SIGSTOP)
        else:
            made.kept[name].hold()
            made.kept[name].kill()
    await asyncio.sleep(away_s)
    for name in hit:
        made.kept[name].signal(Signals.SIGCONT)
        made.kept[name].release()
    end = made.now()
    await made.ready(*hit)
    return at, end


async def stored(made: Zone) -> dict[str, Brought]:
    """Until nothing waits to be stored: what each sender has brought to log nodes, by its own count."""
    end = made.now() + STORED_S
    while True:
        found = dict[str, Brought]()
        for kept in made.kept.values():
            page = await read_page(f"http://{kept.process.host}:{kept.process.metrics_port}/metrics")
            samples = pick(page, *(f"mesh_events_{name}" for name in SAMPLES))
            for node in {node for _, node, _ in samples}:
                found[made.full(node)] = Brought(*(int(samples[f"mesh_events_{name}", node, ""]) for name in SAMPLES))
        if not any(one.pending for one in found.values()) or made.now() >= end:
            return found
        await asyncio.sleep(POLL_S)


async def group_sums(made: Zone) -> list[Sum]:
    """What the log nodes have, together."""
    lists, notices = list[StoredList](), []
    for name in made.of_role("log"):
        there = await made.operator.ask(name, ListStored(), STORED_S)
        told = await made.operator.ask(name, NOTICES, STORED_S)
        assert isinstance(there, StoredList)
        assert isinstance(told, Events)
        lists.append(there)
        notices += told.events
    return sums(lists, notices)


def unexplained(brought: Mapping[str, Brought], there: Sequence[Sum]) -> list[Problem]:
    """Of the checker `log`: senders that have brought another number of events than the group has of their newest life,
    or have dropped another number than they say in it, and numbers that nobody has."""
    newest = {one.sender: one for one in sorted(there, key=lambda one: one.incarnation)}
    found = [Problem("log", f"{one.missing} events of {one.sender} are with nobody") for one in there if one.missing]
    for sender, own in sorted(brought.items()):
        if ".log." in sender:
            continue  # its newest life may have had nothing to say yet
        has = newest.get(sender, Sum(sender, 0, 0, 0, 0, 0))
        if own.recorded != own.stored + own.dropped + own.pending or own.pending:
            found.append(Problem("log", f"{sender} counts {own}"))
        if (has.stored, has.dropped) != (own.stored, own.dropped):
            found.append(Problem("log", f"{sender} counts {own}, the group has {has.stored} and {has.dropped} dropped"))
    return found


def problems_of(crowd: Crowd, words: Words, dropped: int) -> list[Problem]:
    """Of the checker `log`: words that are missing and were not counted, and words that are there twice."""
    heard = sum(hero.words_heard for hero in crowd.heroes)
    found = []
    if heard - words.carried_out > dropped:
        text = f"{heard} words were heard, {words.carried_out} are logged, {dropped} events were counted as dropped"
        found.append(Problem("log", text))
    if words.twice:
        found.append(Problem("log", f"{words.twice} words are logged twice"))
    return found


SCENARIO = Scenario(
    "log-outage",
    "Take log nodes of a group away: nobody waits, another one takes over, what is missing was counted.",
    (
        Figure("missing", "words that are not logged", ""),
        Figure("dropped", "events that found no room at their sender, each counted", "", 1, quick=True),
        LOST,
        DOUBLED,
        Figure("ratio", "answers of scenes while log nodes are away, p99, against else", "x", 1.05, better="less"),
    ),
    run,
    faults=12,
    faults_quick=3,
    what="outages",
)
