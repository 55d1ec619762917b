"""center-kill: kill -9 for the center while players log in and out and go from line to line.

Play goes on without it. Afterwards its directory is whole again: whoever is in the world is known, is on one scene, and
nobody was disconnected. A recovery lasts from the signal until the center says that it knows whom all scenes have.
"""

import asyncio
import contextlib
from itertools import count

from mesh.checking.records import Operation, Problem
from mesh.errors import MeshError
from mesh.protocol.placement import FindPlayer, PlayerFound
from tools.bench.bench import Figure
from tools.bots.roll import PAUSE_S, TRIES
from tools.chaos.players import Crowd, Hero
from tools.chaos.recorded import RecordedPlayer
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import roll_call
from tools.chaos.testimony import Window, attest, ratio
from tools.chaos.zone import Shape, Zone, stop_all, zone

PLAYERS, PLAYERS_QUICK = 200, 24
SWITCHERS = 0.25  # of them
COMERS, COMERS_QUICK = 16, 4  # loops of logins and logouts
WHOLE_S = 20.0
BETWEEN_S = 2.0
ANSWER_S = 8.0  # for a login or a switch: the center may be away in the middle
POLL_S = 0.02
WARM_S = 2.0


class Traffic:
    """Logins and transfers, so that there are always some under way."""

    def __init__(self, made: Zone, crowd: Crowd, comers: int) -> None:
        self._made, self._numbers = made, count(1)
        switchers = crowd.heroes[: round(len(crowd.heroes) * SWITCHERS)]
        self._loops = [self._switch(hero) for hero in switchers] + [self._come_and_go() for _ in range(comers)]
        self._tasks: list[asyncio.Task[None]] = []
        self.switched = 0
        self.stayers = crowd.heroes[len(switchers) :]  # who is where it came in

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(loop) for loop in self._loops]

    async def end(self) -> None:
        await stop_all(self._tasks)

    async def _switch(self, hero: Hero) -> None:
        while True:
            await asyncio.sleep(hero.chance.uniform(0.3, 1.0))
            entered = hero.player.session.entered
            if hero.back and entered is not None:
                with contextlib.suppress(MeshError):
                    await hero.player.switch_line(3 - entered.line, ANSWER_S)
                    self.switched += 1

    async def _come_and_go(self) -> None:
        realm = self._made.realm
        while True:
            name = f"comer-{next(self._numbers)}"
            player = RecordedPlayer(realm.book, realm.clock, dial=realm.dial)
            player.leaving = True
            try:
                await player.join(realm.gates[0], "", realm.ticket(name), method="ticket", timeout_s=ANSWER_S)
                await asyncio.sleep(0.1)
                await player.logout(ANSWER_S)
            except MeshError:
                await asyncio.sleep(0.1)
            finally:
                player.close()


async def run(arena: Arena) -> Found:
    players, comers = (PLAYERS_QUICK, COMERS_QUICK) if arena.quick else (PLAYERS, COMERS)
    # Nobody waits between two switches, so that always some are on their way.
    shape = Shape(scenes=2, settings={"center.switch_s": "0.0"})
    away, problems = list[Window](), list[Problem]()
    async with zone(arena, shape, players + comers) as made:
        crowd = made.crowd(players, "hero", asks_s=0.5)
        await crowd.come_in(WHOLE_S)
        traffic = Traffic(made, crowd, comers)
        traffic.begin()
        await asyncio.sleep(WARM_S)
        problems = await kills(made, crowd, traffic.stayers, away)
        await traffic.end()
        await made.settle()
        problems += [*await roll_call(made, crowd.names), *await look_up(made, crowd.heroes)]
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    found.recovery_ms = [(end - at) * 1000 for at, end in away]
    lost = [hero.name for hero in crowd.heroes if hero.player.losses]
    found.problems += [Problem("connected", f"{name} was disconnected") for name in lost]
    found.reached = {"disconnects": float(len(lost)), "ratio": ratio(made.book.operations, away)}
    came = logins(made.book.operations) - players
    found.notes.append(f"{traffic.switched:,} switches of lines and {came:,} logins went through meanwhile")
    if not came or not traffic.switched:
        found.invalid.append("no login or no switch of lines went through, so that none was under way")
    return found


async def kills(made: Zone, crowd: Crowd, stayers: list[Hero], away: list[Window]) -> list[Problem]:
    """Each when the one before is over."""
    arena, chance = made.arena, made.arena.chance("kills")
    problems: list[Problem] = []
    for number in range(1, arena.faults + 1):
        at = made.kept["center.1"].kill()
        if not await whole(made, at):
            return [*problems, Problem("whole", f"kill {number}: the directory was not whole within {WHOLE_S:.0f} s")]
        away.append((at, made.now()))
        problems += await look_up(made, stayers)
        await made.ready("center.1")
        await asyncio.sleep(BETWEEN_S * chance.uniform(0.5, 1.5))
        problems += await roll_call(made, crowd.names)
        took = (away[-1][1] - at) * 1000
        arena.ground.say(f"{number} of {arena.faults}: whole after {took:,.0f} ms")
    return problems


async def whole(made: Zone, killed_at: float) -> bool:
    """Until a new center says so."""
    life = made.kept["center.1"].life
    while made.now() < killed_at + WHOLE_S:
        said = await made.describe("center.1", 0.5)
        if said is not None and said.pid != life.pid and said.facts.get("whole"):
            return True
        await asyncio.sleep(POLL_S)
    return False


async def look_up(made: Zone, heroes: list[Hero]) -> list[Problem]:
    """Of the checker `directory`: whom of these the center does not know, or believes to be elsewhere. Who is on the
    way at this moment is asked for again."""

    async def patient(hero: Hero) -> Problem | None:
        for _ in range(TRIES - 1):
            if await one(hero) is None:
                return None
            await asyncio.sleep(PAUSE_S)
        return await one(hero)

    async def one(hero: Hero) -> Problem | None:
        entered = hero.player.session.entered
        assert entered is not None
        try:
            said = await made.operator.ask("center.1", FindPlayer(hero.name), ANSWER_S)
        except MeshError as error:
            return Problem("directory", f"the center was asked for {hero.name}: {error}")
        assert isinstance(said, PlayerFound)
        if (said.placement.scene, said.placement.line) == (entered.scene, entered.line):
            return None
        place = f"{said.placement.scene}, line {said.placement.line}"
        return Problem("directory", f"{hero.name} is on {entered.scene}, line {entered.line}, not on {place}")

    return [found for found in await asyncio.gather(*map(patient, heroes)) if found is not None]


def logins(operations: list[Operation]) -> int:
    return sum(one.kind == "login" and one.ended == "ok" for one in operations)


SCENARIO = Scenario(
    "center-kill",
    "Kill the center during logins and transfers: play goes on, nobody is there twice.",
    (
        Figure("disconnects", "players that were disconnected", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure("ratio", "answers of scenes without a center, p99, against with one", "x", 1.2, better="less"),
        Figure("recovery_p99_ms", "directory whole, p99", "ms", 5_000, better="less"),
    ),
    run,
    faults=20,
    faults_quick=2,
    bound_ms=5_000,
)
