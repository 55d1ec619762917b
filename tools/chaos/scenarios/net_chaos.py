"""net-chaos: the network gets worse and better all the time, before the gates and behind them, while nodes are killed.

Latency, jitter, one direction that hears nothing, connections that are cut or reset, all by chance, one after another,
for a gate's clients and, on its own, for one connection between two nodes at a time; and every five seconds some node
is killed. In the end the weather is fair: everybody is back and there once, every checker agrees.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

from mesh.checking.records import Problem
from mesh.client import wire
from tools.bench.bench import Figure
from tools.chaos.players import Crowd
from tools.chaos.proxy import FAIR, ChaosProxy, Direction, Weather
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import roll_call
from tools.chaos.testimony import attest
from tools.chaos.zone import Shape, Zone, stop_all, zone

PLAYERS, PLAYERS_QUICK = 500, 24
BACK_S = 40.0
LASTS_S = (0.5, 2.0)  # a kind of weather
PATIENCE_S = 3.0  # of a client that hears nothing
KILL_EVERY_S = 5.0
ROLES = ("gate", "scene", "login", "center", "dc", "log")
DIALS = (
    *((gate, scene) for gate in ("gate.1", "gate.2") for scene in ("scene.1", "scene.2")),
    *((one, "dc.1") for one in ("scene.1", "scene.2", "login.1")),
    *((one, to) for one in ("gate.1", "gate.2", "scene.1", "scene.2") for to in ("center.1", "center.1.pub")),
)
"""The connections between nodes that have weather."""
SLOW = Weather(latency_s=0.05, jitter_s=0.15)


async def run(arena: Arena) -> Found:
    players = PLAYERS_QUICK if arena.quick else PLAYERS
    async with zone(arena, Shape(gates=2, scenes=2, dials=DIALS), 2 * players) as made, before_gates(made) as proxies:
        crowd = made.crowd(players, "hero", fighters=0.3)
        for hero in crowd.heroes:
            hero.patience_s = PATIENCE_S
        await crowd.come_in(BACK_S)
        began = made.now()
        worsened = await foul_weather(made, proxies)
        lasted_s = made.now() - began
        problems = await heal(made, crowd, proxies)
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    found.reached = {"away": float(sum(problem.checker == "back" for problem in problems)), "lasted_s": lasted_s}
    found.notes.append(f"the network got worse {worsened:,} times")
    found.notes.append(f"{sum(len(hero.player.losses) for hero in crowd.heroes):,} connections ended")
    return found


@contextlib.asynccontextmanager
async def before_gates(made: Zone) -> AsyncIterator[list[ChaosProxy]]:
    """One in front of each gate; clients that dial the gate's address get there through it."""
    proxies, ports = list[ChaosProxy](), dict[str, int]()
    try:
        for number, gate in enumerate(made.realm.gates):
            port = int(gate.rpartition(":")[2])
            proxies.append(ChaosProxy("127.0.0.1", port, made.arena.chance(f"proxy {number}")))
            ports[gate] = await proxies[-1].start()

        async def dial(url: str, on_frame: wire.OnFrame, on_closed: wire.OnClosed) -> wire.Wire:
            return await wire.dial(f"ws://127.0.0.1:{ports[url]}" if url in ports else url, on_frame, on_closed)

        made.realm = replace(made.realm, dial=dial)
        yield proxies
    finally:
        for proxy in proxies:
            await proxy.stop()


async def foul_weather(made: Zone, proxies: list[ChaosProxy]) -> int:
    """Until as many nodes were killed as there are to be faults; how often the network got worse meanwhile."""
    arena, chance = made.arena, made.arena.chance("kills")
    worse = count()
    places = {"weather": proxies, "weather between nodes": list(made.roads.proxies.values())}
    weather = [asyncio.create_task(change_weather(at, arena.chance(name), worse)) for name, at in places.items()]
    for number in range(1, arena.faults + 1):
        due = made.now() + KILL_EVERY_S
        node = chance.choice(made.of_role(chance.choice(ROLES)))
        made.kept[node].kill()
        arena.ground.say(f"{number} of {arena.faults}: {node} is killed")
        await asyncio.sleep(KILL_EVERY_S / 2)
        await made.ready(node)
        await asyncio.sleep(max(0.0, due - made.now()))
        if any(task.done() for task in weather):
            break  # by a mistake, which is raised now
    await stop_all(weather)
    return next(worse)


async def change_weather(proxies: list[ChaosProxy], chance: random.Random, worse: "count[int]") -> None:
    """One kind after the other, with fair weather only for a moment."""
    while True:
        proxy = chance.choice(proxies)
        match chance.choice(("slow", "deaf", "mute", "cut", "reset", "closed")):
            case "slow":
                proxy.change(SLOW)
            case "deaf":
                proxy.block(Direction.DOWN)
            case "mute":
                proxy.block(Direction.UP)
            case "cut":
                proxy.cut()
            case "reset":
                proxy.reset()
            case "closed":
                proxy.change(Weather(refuses=True))
                proxy.reset()
        next(worse)
        await asyncio.sleep(chance.uniform(*LASTS_S))
        proxy.change(FAIR)


async def heal(made: Zone, crowd: Crowd, proxies: list[ChaosProxy]) -> list[Problem]:
    """Fair weather; who is not back then, or there twice."""
    made.roads.mend()
    for proxy in proxies:
        proxy.change(FAIR)
    await asyncio.sleep(PATIENCE_S)  # whoever hears nothing since the last fault notices
    await crowd.wait_back(crowd.heroes, BACK_S)
    await made.settle()
    problems = [Problem("back", f"{hero.name} did not come back") for hero in crowd.heroes if not hero.back]
    return problems + await roll_call(made, crowd.names)


SCENARIO = Scenario(
    "net-chaos",
    "Bad weather before and behind gates, and kills: in the end everybody is there once, nothing lost.",
    (
        Figure("away", "players that did not come back", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure("lasted_s", "foul weather lasted", "s"),
    ),
    run,
    faults=120,
    faults_quick=3,
)
