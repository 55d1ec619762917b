"""clock-jump: the wall clocks of single processes jump by an hour, there and back, while players play, come and go.

Leases, heartbeats, deadlines and ticks use the monotonic clock, so that nobody notices: no node is taken for dead, no
request ends early or never, nobody is disconnected, everybody with a good ticket or token gets in at once, and nobody
with one that is over. At any time several processes have different dates.
"""

import asyncio
import contextlib
from collections import Counter
from itertools import count

from mesh import keys
from mesh.checking.records import Problem
from mesh.client.player import Player
from mesh.errors import Code, MeshError, PeerLost, RefusedError
from mesh.protocol.types import LoginMethod
from mesh.tickets import sign_ticket
from tools.bench.bench import Figure
from tools.bots.scrape import pick, read_page
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import roll_call
from tools.chaos.testimony import attest
from tools.chaos.wallclocks import WallClocks
from tools.chaos.zone import Shape, Zone, stop_all, zone

PLAYERS, PLAYERS_QUICK = 100, 16
COMERS, COMERS_QUICK = 8, 3  # loops of logins, resumes and logouts
HOUR_S = 3600
LASTS_S, LASTS_QUICK_S = (1.0, 4.0), (0.8, 1.5)  # the longest lease is 3 s
BACK_S = 20.0
ANSWER_S = 10.0
PAUSE_S = 0.1
POLL_S = 0.01
OVER_S = 2 * HOUR_S + 600  # a ticket that is over by so much is over for every clock here
COUNTERS = {
    "mesh_errors_total": "handlers failed",
    "mesh_given_up_total": "handlers were not in time",
    "mesh_overdue_total": "requests came too late",
    "mesh_late_answers_total": "answers came too late",
}
"""What no jump may raise."""
LEASE_WORDS = ("a lease ended", "a scene was given up", "another DC writes", "this scene was replaced")


class Comers:
    """Who logs in, loses the connection, resumes, and logs out, all the time. `problems` are those who could not."""

    def __init__(self, made: Zone, loops: int) -> None:
        self.problems: list[Problem] = []
        self.came: Counter[str] = Counter()
        self._made, self._loops, self._numbers = made, loops, count(1)
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(self._come_and_go()) for _ in range(self._loops)]

    async def end(self) -> None:
        await stop_all(self._tasks)

    async def _come_and_go(self) -> None:
        while True:
            name = f"comer-{next(self._numbers)}"
            player = Player(clock=self._made.realm.clock)
            try:
                await self._one(name, player)
            except MeshError as error:
                self.problems.append(Problem("clock", f"{name} could not come, resume or leave: {error}"))
            finally:
                player.close()
            await asyncio.sleep(PAUSE_S)

    async def _one(self, name: str, player: Player) -> None:
        realm = self._made.realm
        await player.join(realm.gates[0], "", realm.ticket(name), method="ticket", timeout_s=ANSWER_S)
        self.came["logins"] += 1
        await asyncio.sleep(PAUSE_S)
        player.drop()
        while player.connected:  # noqa: ASYNC110 - the end of a connection has no event here, and comes soon
            await asyncio.sleep(POLL_S)
        await player.resume(realm.gates[-1], ANSWER_S)
        self.came["resumes"] += 1
        token = player.session.token
        await player.logout(ANSWER_S)
        await self._expect(name, "the token of a session that has ended", "resume", token, Code.RESUME_GONE)
        await self._expect(name, "a ticket that is over", "ticket", self._old_ticket(name), Code.BAD_CREDENTIALS)

    async def _expect(self, name: str, what: str, method: LoginMethod, secret: str, code: Code) -> None:
        player = Player(clock=self._made.realm.clock)
        try:
            await player.join(self._made.realm.gates[0], "", secret, method=method, timeout_s=ANSWER_S)
        except RefusedError as error:
            if error.code == code:
                self.came["refusals"] += 1
                return
            self.problems.append(Problem("clock", f"{name} got {error.code} for {what}"))
        else:
            self.problems.append(Problem("clock", f"{name} got in with {what}"))
        finally:
            player.close()

    def _old_ticket(self, name: str) -> str:
        topology, wall = self._made.topology, self._made.arena.ground.clock.wall
        return sign_ticket(keys.load(topology.keys / keys.TICKETS), name, wall() - OVER_S)


async def run(arena: Arena) -> Found:
    players, loops = (PLAYERS_QUICK, COMERS_QUICK) if arena.quick else (PLAYERS, COMERS)
    shape = Shape(gates=2, scenes=2, standby=True)
    clocks = WallClocks(arena.ground.folder, shape.names())
    async with zone(arena, shape, players + 3 * loops, clocks.environments()) as made:
        crowd = made.crowd(players, "hero", fighters=0.3, asks_s=0.5)
        await crowd.come_in(BACK_S)
        before, comers = await counters(made), Comers(made, loops)
        comers.begin()
        await jumps(made, clocks)
        await comers.end()
        await made.settle()
        lost = [hero.name for hero in crowd.heroes if hero.player.losses]
        problems = comers.problems + [Problem("connected", f"{name} was disconnected") for name in lost]
        problems += await roll_call(made, crowd.names)
        problems += marks(made, before, await counters(made))
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    found.reached = {"disconnects": float(len(lost)), "wrong": float(len(problems))}
    found.notes.append(", ".join(f"{number:,} {what}" for what, number in comers.came.items()))
    if not comers.came["refusals"]:
        found.invalid.append("nobody came all the way in and out")
    return found


async def jumps(made: Zone, clocks: WallClocks) -> None:
    """Every process in turn, in an order that is chance; each other time it is one that is wrong and becomes right."""
    arena, chance = made.arena, made.arena.chance("jumps")
    order: list[str] = []
    for number in range(1, arena.faults + 1):
        wrong = [name for name in made.kept if clocks.wrong_s(name)]
        if wrong and chance.random() < 0.5:
            name, to_s = chance.choice(wrong), 0
        else:
            order = order or chance.sample(list(made.kept), len(made.kept))
            name = order.pop()
            to_s = -clocks.wrong_s(name) or chance.choice((-HOUR_S, HOUR_S))
        by_s = to_s - clocks.wrong_s(name)
        clocks.jump(name, to_s)
        arena.ground.say(f"{number} of {arena.faults}: the clock of {name} went by {by_s:+,} s")
        await asyncio.sleep(chance.uniform(*(LASTS_QUICK_S if arena.quick else LASTS_S)))


async def counters(made: Zone) -> dict[str, float]:
    """All nodes together."""
    found = dict.fromkeys(COUNTERS, 0.0)
    for kept in made.kept.values():
        with contextlib.suppress(PeerLost):  # it ended, which is found out otherwise
            page = await read_page(f"http://{kept.process.host}:{kept.process.metrics_port}/metrics")
            for name in COUNTERS:
                found[name] += sum(pick(page, name).values())
    return found


def marks(made: Zone, before: dict[str, float], after: dict[str, float]) -> list[Problem]:
    """Of the checker `clock`: what the nodes themselves have noticed."""
    found = [
        Problem("clock", f"{after[name] - before[name]:.0f} {words}")
        for name, words in COUNTERS.items()
        if after[name] > before[name]
    ]
    for name, kept in made.kept.items():
        if len(kept.lives) > 1:
            found.append(Problem("clock", f"{name} ended with {kept.lives[0].code}: {' '.join(kept.words()[-2:])}"))
        said = made.topology.log_file(kept.process).read_text(encoding="utf-8")
        found += [Problem("clock", f"{name} said: {words}") for words in LEASE_WORDS if words in said]
    return found


SCENARIO = Scenario(
    "clock-jump",
    "The wall clocks of single processes jump by an hour: nobody is taken for dead, nobody is kept out.",
    (
        Figure("disconnects", "players that were disconnected", "", 0, better="less", quick=True),
        Figure("wrong", "leases, time-outs, logins and tokens that went wrong", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
    ),
    run,
    faults=60,
    faults_quick=6,
    what="jumps",
)
