"""pubsub-gap: nodes lose a part of what the center publishes, or come late, while it publishes all the time.

A recovery lasts from the moment at which a subscriber's network is well again (or at which a new one is Ready) until
it has the whole stream up to what was published by then. Every other time nothing more is published after that, so that
nothing shows the gap by itself. After each fault everybody's list of members is compared with the center's snapshot,
and at the end everybody has heard every announcement once and in order.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from itertools import count, cycle
from typing import Literal

from mesh.checking.records import Problem
from mesh.checking.stream import stream
from mesh.operator import Operator
from mesh.protocol.cluster import Publicise
from mesh.protocol.control import GetSnapshot, Member, Snapshot
from mesh.topology import load
from tools.bench.bench import Figure
from tools.chaos.household import household
from tools.chaos.listeners import TAG, Ear, Hall, without_load
from tools.chaos.proxy import FAIR, Direction, Weather
from tools.chaos.scenario import Arena, Found, Scenario
from tools.ctl.clusters import topology_file
from tools.ctl.exits import CommandError

LISTENERS, LISTENERS_QUICK = 12, 4
FIRST = 11  # their numbers; the topology's own nodes have lower ones
PER_S = 100.0  # announcements
RESTLESS = 10  # one in so many goes with a change of what somebody says about itself
LASTS_S = (0.2, 2.5)
EQUAL_S = 5.0  # longer is never
POLL_S = 0.002
SAY_EVERY = 10

Kind = Literal["cut", "late", "cut, silent", "deaf", "deaf, silent"]
KINDS: tuple[Kind, ...] = ("cut", "late", "cut, silent", "deaf", "deaf, silent")
"""In turn. After a silent one nothing more is published for now."""


class Chatter:
    """The center publishes: announcements with numbers, and members that change. `pause` ends what is under way."""

    def __init__(self, operator: Operator, ears: list[Ear], chance: random.Random) -> None:
        self.newest = 0
        self._operator, self._ears, self._chance = operator, ears, chance
        self._free = asyncio.Event()
        self._idle = asyncio.Event()
        self._free.set()

    def go_on(self) -> None:
        self._free.set()

    async def pause(self) -> None:
        self._free.clear()
        await self._idle.wait()

    async def run(self) -> None:
        for number in count(1):
            self._idle.set()
            await self._free.wait()
            self._idle.clear()
            await self._operator.ask("center.1", Publicise(TAG, f"{TAG} {number}"))
            self.newest = number
            if number % RESTLESS == 0:
                self._chance.choice(self._ears).listener.turn()
            self._idle.set()
            await asyncio.sleep(1 / PER_S)


class Trial:
    """Everybody who listens, and what became of it."""

    def __init__(self, arena: Arena, hall: Hall, ears: list[Ear], chatter: Chatter) -> None:
        self.recovery_ms: list[float] = []
        self.problems: list[Problem] = []
        self._arena, self._hall, self._ears, self._chatter = arena, hall, ears, chatter
        self._chance = arena.chance("faults")
        self._late = count(FIRST + len(ears))
        self.missed = 0  # publications that did not come by themselves

    async def run(self) -> int:
        """All faults, or until one leaves something behind; how many."""
        for number, kind in zip(range(1, self._arena.faults + 1), cycle(KINDS), strict=False):
            await self._one_fault(kind)
            if self.problems:
                return number
            if number % SAY_EVERY == 0:
                took = self.recovery_ms[-1]
                self._arena.ground.say(f"{number} of {self._arena.faults}: the last was equal after {took:.0f} ms")
        return self._arena.faults

    async def _one_fault(self, kind: Kind) -> None:
        if kind == "late":
            async with self._hall.ear(next(self._late), late=True) as late:
                await self._equal([late], self._arena.ground.clock.now())
                await self._compare([late])
            return
        hit = self._chance.sample(self._ears, self._chance.randint(1, max(1, len(self._ears) // 2)))
        await self._spoil(hit, is_deaf="deaf" in kind, is_silent="silent" in kind)
        await self._equal(hit, self._arena.ground.clock.now())
        await self._compare(self._ears)

    async def _spoil(self, hit: list[Ear], *, is_deaf: bool, is_silent: bool) -> None:
        """From now on they hear nothing, until this returns; then their network is as good as ever."""
        for ear in hit:
            if is_deaf:
                ear.proxy.block(Direction.DOWN)
            else:
                ear.proxy.change(Weather(refuses=True))
                ear.proxy.reset()
        await asyncio.sleep(self._chance.uniform(*LASTS_S))
        if is_silent:
            await self._chatter.pause()
        reference = await self._snapshot()
        self.missed += sum(max(0, reference.sequence - ear.listener.place[1]) for ear in hit)
        for ear in hit:
            ear.proxy.change(FAIR)

    async def _equal(self, hit: list[Ear], healed_at: float) -> None:
        """Until each has heard what was published up to now."""
        now, until, left = self._arena.ground.clock.now, healed_at + EQUAL_S, list(hit)
        reference = await self._snapshot()
        target = reference.epoch, reference.sequence
        while left and now() < until:
            for ear in [ear for ear in left if ear.listener.place >= target]:
                left.remove(ear)
                self.recovery_ms.append((now() - healed_at) * 1000)
            await asyncio.sleep(POLL_S)
        self.problems += [Problem("equal", f"{ear.name} had not all of it after {EQUAL_S:.0f} s") for ear in left]

    async def _compare(self, ears: list[Ear]) -> None:
        """Their members with the center's, while nothing is announced. Somebody may still be about to change, so that
        a copy has some time to be the same."""
        await self._chatter.pause()
        now = self._arena.ground.clock.now
        until, left = now() + EQUAL_S, list(ears)
        while left and now() < until:
            reference = await self._snapshot()
            listed = without_load(reference.members)
            left = [ear for ear in left if ear.listener.members != listed]
            await asyncio.sleep(POLL_S)
        self.problems += [
            Problem("equal", f"{ear.name} is wrong about {differences(ear.listener.members, listed)}") for ear in left
        ]
        newest = self._chatter.newest
        for ear in ears:
            self.problems += stream(ear.name, ear.listener.numbers, newest, ear.first)
        self._chatter.go_on()

    async def _snapshot(self) -> Snapshot:
        said = await self._ears[0].listener.ask("center", GetSnapshot(0, 0))
        assert isinstance(said, Snapshot), "nothing else answers GetSnapshot"
        return said


async def run(arena: Arena) -> Found:
    ground, listeners = arena.ground, LISTENERS_QUICK if arena.quick else LISTENERS
    topology = load(topology_file("bench"), base_port=ground.base_port, runtime=ground.folder / "c")
    async with (
        household(ground, topology, ("center.1", "dc.1")) as kept,
        Operator(topology) as operator,
        contextlib.AsyncExitStack() as stack,
    ):
        for one in kept.values():
            if not await one.wait_ready():
                raise CommandError(f"{one.process.name} did not start: {' '.join(one.words())}")
        hall = Hall(topology, ground.folder, ground.clock, arena.chance("network"))
        ears = [await stack.enter_async_context(hall.ear(FIRST + n)) for n in range(listeners)]
        ground.say(f"{listeners} listen")
        chatter = Chatter(operator, ears, arena.chance("chatter"))
        trial = Trial(arena, hall, ears, chatter)
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(chatter.run())
            carried_out = await trial.run()
            talking.cancel()
    heard = sum(len(ear.listener.numbers) for ear in ears)
    found = Found(faults=carried_out, acked=heard, applied=heard, problems=trial.problems)
    found.lost, found.recovery_ms = len(trial.problems), trial.recovery_ms
    found.reached = {"missed": float(trial.missed)}
    found.notes.append(f"{chatter.newest:,} announcements, heard {heard:,} times")
    return found


def differences(known: Mapping[str, Member], listed: Mapping[str, Member]) -> str:
    """The names of those of whom a copy of the list knows something else than the center, or nothing."""
    return ", ".join(sorted(name for name in known.keys() | listed.keys() if known.get(name) != listed.get(name)))


SCENARIO = Scenario(
    "pubsub-gap",
    "Nodes lose publications of the center, or come late: in a moment they know what everybody knows.",
    (
        Figure("lost", "subscribers that missed something in the end", "", 0, better="less", quick=True),
        Figure("missed", "publications that did not come by themselves", ""),
        Figure("recovery_p50_ms", "equal to the snapshot, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "equal to the snapshot, p99", "ms", 500, better="less"),
    ),
    run,
    faults=100,
    faults_quick=5,
    what="gaps and late comers",
    bound_ms=500,
)
