"""double-login: the same account twice at the same moment, at two gates, again and again.

Half of the races are two logins, half a resume against a login. Whatever wins, afterwards one connection plays, the
character is in the world once, and it is the newest session of the account that has it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable

from mesh.checking.records import Problem
from mesh.errors import MeshError
from tools.bench.bench import Figure
from tools.chaos.recorded import RecordedPlayer
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenefaults import roll_call
from tools.chaos.testimony import attest
from tools.chaos.zone import Shape, Zone, zone

AT_ONCE, AT_ONCE_QUICK = 50, 10
SETTLE_S = 8.0  # until a race is decided for everybody; a resume waits for a scene that is asked
APART_S = (0.0, 0.03, 0.3)  # between the two, at most: in the same moment, in the middle of it, just behind it
POLL_S = 0.02
LOGIN_S = 15.0


class Race:
    """Two connections for one account."""

    def __init__(self, made: Zone, name: str, chance: random.Random) -> None:
        self.name, self._made, self._chance = name, made, chance
        realm = made.realm
        self.players = [RecordedPlayer(realm.book, realm.clock, dial=realm.dial) for _ in range(2)]
        for player in self.players:
            player.leaving = True  # to lose the connection is part of the race

    async def run(self, resumes: bool) -> None:
        """Both are in, or refused, or cut off."""
        first, second = self.players
        if resumes:
            await self._login(first, 0)
            first.drop()
        away = first.resume(self._made.realm.gates[1], LOGIN_S) if resumes else self._login(first, 0)
        apart_s = self._chance.choice(APART_S)
        await asyncio.gather(self._soon(away, apart_s), self._soon(self._login(second, 1), apart_s))

    async def _login(self, player: RecordedPlayer, gate: int) -> None:
        ticket = self._made.realm.ticket(self.name)
        await player.join(self._made.realm.gates[gate], "", ticket, method="ticket", timeout_s=LOGIN_S)

    async def _soon(self, attempt: Awaitable[None], apart_s: float) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, apart_s))
        with contextlib.suppress(MeshError):  # noted in the book
            await attempt

    async def decided(self) -> None:
        """Until one plays, or the time is over."""
        end = self._made.now() + SETTLE_S
        while self.owners() != 1 and self._made.now() < end:  # noqa: ASYNC110 - it has an end
            await asyncio.sleep(POLL_S)

    def owners(self) -> int:
        return sum(player.playing for player in self.players)

    def problems(self) -> list[Problem]:
        """Of the checker `one-owner`."""
        if self.owners() != 1:
            return [Problem("one-owner", f"{self.name}: {self.owners()} of two connections play")]
        winner = next(player for player in self.players if player.playing)
        newest = max(player.session.session for player in self.players)
        if winner.session.session != newest:
            return [Problem("one-owner", f"{self.name}: an older session plays, the newest is {newest}")]
        return []

    async def end(self) -> None:
        for player in self.players:
            with contextlib.suppress(MeshError):
                await player.logout()
            player.close()


async def run(arena: Arena) -> Found:
    at_once = min(AT_ONCE_QUICK if arena.quick else AT_ONCE, arena.faults)
    chance, problems, done = arena.chance("races"), list[Problem](), 0
    async with zone(arena, Shape(gates=2, scenes=2), 2 * at_once) as made:
        while done < arena.faults:
            problems += await one_round(made, chance, min(at_once, arena.faults - done), done)
            done += min(at_once, arena.faults - done)
            arena.ground.say(f"{done:,} of {arena.faults:,} races, {len(problems)} problems")
        found = attest(made.book.operations, [], 0, await made.close(), arena.faults, problems)
    found.reached = {"owners": float(sum(problem.checker in ("one-owner", "roll") for problem in problems))}
    return found


async def one_round(made: Zone, chance: random.Random, count: int, first: int) -> list[Problem]:
    """So many races at once; what is wrong afterwards."""
    races = [Race(made, f"racer-{n}", random.Random(chance.getrandbits(48))) for n in range(count)]
    await asyncio.gather(*(race.run((first + n) % 2 == 1) for n, race in enumerate(races)))
    await asyncio.gather(*(race.decided() for race in races))
    problems = [problem for race in races for problem in race.problems()]
    problems += await roll_call(made, [race.name for race in races])
    await asyncio.gather(*(race.end() for race in races))
    return problems


SCENARIO = Scenario(
    "double-login",
    "Log an account in twice at the same moment: one owner each time.",
    (Figure("owners", "races without exactly one owner", "", 0, better="less", quick=True),),
    run,
    faults=1_000,
    faults_quick=20,
    what="races",
)
