"""log-outage: the only log node is killed and stays away for a while, again and again, while players talk and fight.

Nobody waits for it: answers take as long as ever. What the nodes could not bring to it they keep, and what found no
room they have counted: every word that was carried out is in the log once afterwards, or among the dropped.
"""

import asyncio

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.bots.roll import Words, read_words
from tools.bots.scrape import pick, read_page
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.testimony import Window, attest, ratio
from tools.chaos.zone import Shape, Zone, zone

PLAYERS, PLAYERS_QUICK = 200, 24
AWAY_S, AWAY_QUICK_S = 5.0, 2.0
BETWEEN_S = 2.0
BACK_S = 20.0
STORED_S = 15.0  # for what has waited to be stored
SAY_S = 1.3  # a scene takes one word a second for long
TAG = "chaos"
POLL_S = 0.1
CLOCK_SLACK_MS = 60_000


async def run(arena: Arena) -> Found:
    players, away_s = (PLAYERS_QUICK, AWAY_QUICK_S) if arena.quick else (PLAYERS, AWAY_S)
    away: list[Window] = []
    began_ms = round(arena.ground.clock.wall() * 1000) - CLOCK_SLACK_MS
    async with zone(arena, Shape(scenes=2), players) as made:
        crowd = made.crowd(players, "hero", fighters=0.3, asks_s=0.5)
        await crowd.enter()
        if not await crowd.wait_back(crowd.heroes, BACK_S):
            return Found(faults=0, invalid=["not everybody came into the world", *crowd.failures[:3]])
        talking = [asyncio.create_task(talk(hero)) for hero in crowd.heroes]
        for number in range(1, arena.faults + 1):
            await asyncio.sleep(BETWEEN_S)
            away.append(await one_outage(made, away_s))
            arena.ground.say(f"{number} of {arena.faults} outages")
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await made.settle()
        dropped = await stored(made)
        until_ms = round(arena.ground.clock.wall() * 1000) + CLOCK_SLACK_MS
        words = await read_words(made.operator, made.topology, TAG, began_ms, until_ms)
        problems = problems_of(crowd, words, dropped)
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    heard = sum(hero.words_heard for hero in crowd.heroes)
    found.reached = {"missing": float(max(0, heard - words.carried_out)), "ratio": ratio(made.book.operations, away)}
    found.notes.append(
        f"{words.carried_out:,} words logged, {heard:,} heard, {dropped:,.0f} events dropped and counted"
    )
    return found


async def talk(hero: Hero) -> None:
    """Numbered words, each its own."""
    number = 0
    while True:
        await asyncio.sleep(SAY_S * hero.chance.uniform(0.9, 1.2))
        if hero.back:
            number += 1
            hero.player.say(f"{TAG} {number}")


async def one_outage(made: Zone, away_s: float) -> Window:
    log = made.kept["log.1"]
    log.hold()
    at = log.kill()
    await asyncio.sleep(away_s)
    log.release()
    end = made.now()
    await made.ready("log.1")
    return at, end


async def stored(made: Zone) -> float:
    """Until nothing waits to be stored; how many events were dropped."""
    end = made.now() + STORED_S
    while True:
        pending = dropped = 0.0
        for kept in made.kept.values():
            page = await read_page(f"http://{kept.process.host}:{kept.process.metrics_port}/metrics")
            pending += sum(pick(page, "mesh_events_pending").values())
            dropped += sum(pick(page, "mesh_events_dropped_total").values())
        if not pending or made.now() >= end:
            return dropped
        await asyncio.sleep(POLL_S)


def problems_of(crowd: Crowd, words: Words, dropped: float) -> list[Problem]:
    """Of the checker `log`: words that are missing and were not counted, and words that are there twice."""
    heard = sum(hero.words_heard for hero in crowd.heroes)
    found = []
    if heard - words.carried_out > dropped:
        text = f"{heard} words were heard, {words.carried_out} are logged, {dropped:.0f} events were counted as dropped"
        found.append(Problem("log", text))
    if words.twice:
        found.append(Problem("log", f"{words.twice} words are logged twice"))
    return found


SCENARIO = Scenario(
    "log-outage",
    "Take the log node away for seconds: nobody waits for it, and what is missing then was counted.",
    (
        Figure("missing", "words that are not logged", ""),
        LOST,
        DOUBLED,
        Figure("ratio", "answers of scenes without a log node, p99, against with one", "x", 1.05, better="less"),
    ),
    run,
    faults=10,
    faults_quick=1,
    what="outages",
)
