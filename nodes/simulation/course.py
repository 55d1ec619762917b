"""One course: a zone, its players, a storm of faults, healing, and the verdict of all checkers.

    storm     players play, faults happen                            STORM_S
    healing   no faults; whatever died is started; players come back  at most HEAL_S
    calm      nothing is wished any more; every request must end      CALM_S
    verdict   checkers over what was said, what is stored, and what the nodes think of each other

Everything is drawn from the seed, time is virtual, so a seed is a course, again and again.
"""

import asyncio
import hashlib
import os
import random
import tempfile
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from mesh import keys
from mesh.checking.belongings import COUNTED, MAIL, belongings
from mesh.checking.bounds import copies
from mesh.checking.damage import damage
from mesh.checking.epochs import epochs, fencing, sessions
from mesh.checking.parties import ALONE, parties
from mesh.checking.presence import endings, members, presence
from mesh.checking.records import Book, Problem
from mesh.checking.tenures import one_writer, zombies
from mesh.checking.verdicts import check_all
from mesh.checking.wishes import wishes
from mesh.testing.lives import LivingLoop
from mesh.topology import load
from nodes.dc.audit import Audit
from nodes.scene.settings import OPERATIONS
from nodes.simulation.faults import Faults
from nodes.simulation.harm import served
from nodes.simulation.looking import companies, membership, sight_of, state_of, tables_of, waiting
from nodes.simulation.plan import Plan, plan_of
from nodes.simulation.players import SimulatedPlayer
from nodes.simulation.watch import Watch
from nodes.simulation.witness import Witness
from nodes.simulation.zone import SimulatedZone

START_S = 10.0  # for all nodes to be Ready
HEAL_S = 25.0  # for nodes, players and the directory to be whole again
CALM_S = 1.0
LOOK_S = 0.25  # between two looks
COPY_LOOK_S = 0.01  # the same, at both disks of a pair
LIMIT_S = 120.0  # of a whole course
ADDRESSES = Path("/simulated")  # part of what nodes say, so the same in every course; nothing is there
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there, so that the files of nodes need no disk
EVENTS_MAX = 60  # that are shown when a checker found something

EXPECTED = ("the disk is full: changes are refused, reads go on",)
"""Errors in the log that a fault explains."""

ZONE = """
[cluster]
name = "simulated"
region = "eu"
zone = "one"
{processes}
[settings.login]
argon_memory_kib = 64
argon_passes = 1

[settings.dc]
mail_lifetime_s = 3.0
{standby}
[settings.gate]
movement_unread_bytes_max = 1024
bulk_unread_bytes_max = 1024
unread_bytes_max = 2048

[settings.center]
linkdead_s = {linkdead_s}
default_map = "meadow"
audit_s = 2.0

[settings.scene]
npc_level = 0
tick_hz = 5.0
{replicated}

[settings.scene.hosts]
"scene.1" = ["meadow:1"]
"scene.2" = ["forest:1"]

[settings.scene.maps.meadow]
size_m = 30.0
spawn_m = 12.0
npcs = 4
npc_respawn_s = 2.0
pvp = false
portals = [{{x = 27.0, y = 15.0, radius_m = 2.0, to = "forest", to_x = 15.0, to_y = 15.0}}]

[settings.scene.maps.forest]
size_m = 30.0
npcs = 4
npc_respawn_s = 2.0
pvp = false
portals = [{{x = 27.0, y = 15.0, radius_m = 2.0, to = "meadow", to_x = 15.0, to_y = 15.0}}]
"""


@dataclass(slots=True)
class Verdict:
    """What came of a seed."""

    seed: int
    digest: str = ""
    problems: list[Problem] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # the last ones, with their times
    messages: int = 0
    operations: int = 0  # durable ones that were acknowledged
    kinds: dict[str, int] = field(default_factory=dict)  # of these
    faults: dict[str, int] = field(default_factory=dict)
    virtual_s: float = 0.0
    pair: bool = False  # the DC had a standby
    switched_over: bool = False  # which wrote in the end, or in between
    lost_state_s: float = 0.0  # how old the oldest state (class C) was that a crash has lost
    replicated: bool = False  # what scenes asked for was of class R

    @property
    def ok(self) -> bool:
        return not self.problems


def run_course(seed: int) -> Verdict:
    """The verdict on a seed; the same every time."""
    return run_plan(plan_of(seed))


def run_plan(plan: Plan) -> Verdict:
    """The same, of a plan that may have been changed."""
    with (
        tempfile.TemporaryDirectory(prefix="zonemesh-", dir=_fast_folder()) as folder,
        asyncio.Runner(loop_factory=LivingLoop) as runner,
    ):
        return runner.run(_run(plan, Path(folder)))


async def _run(plan: Plan, folder: Path) -> Verdict:
    return await _Course(plan, folder).run()


class _Course:
    """See the module."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.events: deque[str] = deque(maxlen=EVENTS_MAX)
        self.problems: list[Problem] = []
        self.book = Book()  # what players wanted, and what they were told
        self._loop = asyncio.get_running_loop()
        self.witness = Witness(self._loop.time, lambda name: self.zone.epoch_of(name))
        self.zone = self._make_zone(folder)
        self.watch = Watch(self.zone)
        self.players = self._make_players()
        self.faults = Faults(self.zone, plan, self._reads)

    async def run(self) -> Verdict:
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._play(tasks)
        except TimeoutError:
            self._found("course", f"it did not get so far within {LIMIT_S:.0f} virtual seconds")
        self._judge()
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                self._found("course", f"a task ended: {ended!r}")
        for short in self.plan.nodes:
            await self.zone.end(short)
        self.zone.let_go()
        witness = self.witness
        acked = Counter(one.kind for one in witness.book.acknowledged())
        switched_over = any(short == "dc.2" for short, _ in self.zone.offices)
        return Verdict(
            self.plan.seed, witness.digest, self.problems, list(self.events), witness.messages, acked.total(), acked,
            self.faults.counts, self._loop.time(), self.plan.pair, switched_over, witness.cached.oldest_s,
            self.plan.replicated,
        )  # fmt: skip

    # --- the parts ---

    def _make_zone(self, folder: Path) -> SimulatedZone:
        processes = "".join(f'[[process]]\nnodes = ["{short}"]\n' for short in self.plan.nodes)
        file = folder / "zone.toml"
        standby = 'standby = {"dc.1" = "dc.2"}' if self.plan.pair else ""
        kinds = f"replicated = {list(OPERATIONS)}" if self.plan.replicated else ""
        linkdead_s = self.plan.linkdead_s
        file.write_text(ZONE.format(processes=processes, linkdead_s=linkdead_s, standby=standby, replicated=kinds))
        topology = structs.replace(load(file, runtime=ADDRESSES), runtime=folder / "run")
        for name in (keys.TICKETS, keys.RESUME):
            _write_key(topology.keys / name, self.plan.seed)
        zone = SimulatedZone(topology, folder / "data", self.plan, self.tell)
        zone.on_crash = self._dc_died
        zone.network.on_said, zone.network.on_heard = self.witness.said, self.witness.heard
        return zone

    def _make_players(self) -> list[SimulatedPlayer]:
        key = keys.load(self.zone.topology.keys / keys.TICKETS)
        return [
            SimulatedPlayer(self.zone, name, self.plan.names, key, self.plan.seed * 100 + at, self.book)
            for at, name in enumerate(self.plan.names)
        ]

    def _reads(self, name: str, reads: bool) -> None:
        """A player of that name stops reading, or begins again."""
        next(player for player in self.players if player.name == name).read(reads)

    def _dc_died(self, short: str) -> None:
        """Of a pair it is the other one that goes on, so what this one holds does not matter."""
        if not self.plan.pair and not self.faults.have_troubled(short):
            self.witness.cached.crashed(self.zone.stores[short], self._loop.time())

    def tell(self, text: str) -> None:
        self.events.append(f"{self._loop.time():8.3f} {text}")

    # --- the phases ---

    async def _play(self, tasks: list[asyncio.Task[None]]) -> None:
        for short in self.plan.nodes:
            self.zone.begin(short)
        tasks += [self._loop.create_task(work) for work in (self.faults.supervise(), self.watch.run())]
        tasks += [self._loop.create_task(player.live()) for player in self.players]
        await self.faults.storm()
        for player in self.players:
            player.calm = True
        await self.faults.heal()
        await self._settle()
        await self._copied()
        for player in self.players:
            if player.playing and not await player.prove_alive():
                self._found("liveness", f"{player.name} is in the world and gets no answer")

    async def _settle(self) -> None:
        """Until everybody is back and everything has ended, or HEAL_S are over: then what is left is wrong."""
        until = self._loop.time() + HEAL_S
        least = waiting(self.zone)
        while self._loop.time() < until:
            least = {what: min(count, least.get(what, count)) for what, count in waiting(self.zone).items()}
            if not self._unsettled() and not any(least.values()):
                await asyncio.sleep(CALM_S)  # nothing that is still under way may undo it
                if not self._unsettled():
                    return
            await asyncio.sleep(LOOK_S)
        self.problems += [*self._unsettled(), *endings(least)]

    async def _copied(self) -> None:
        """Until both disks of a pair are the same: mails come back by themselves, so a commit may be under way."""
        until = self._loop.time() + CALM_S
        while (found := self._differing()) and self._loop.time() < until:  # noqa: ASYNC110 - nobody sets it
            await asyncio.sleep(COPY_LOOK_S)
        self.problems += found

    def _differing(self) -> list[Problem]:
        return copies({short: tables_of(disk) for short, disk in self.zone.stores.items()})

    def _unsettled(self) -> list[Problem]:
        away = [Problem("liveness", f"{one.name} does not get in") for one in self.players if not one.playing]
        told = {
            one.name: one.diary.with_whom if len(one.diary.with_whom) > 1 else ALONE
            for one in self.players
            if one.playing
        }
        zone = self.zone
        return [*away, *presence(sight_of(zone)), *members(*membership(zone)), *parties(*companies(zone), told)]

    # --- the verdict ---

    def _judge(self) -> None:
        store, witness = self.zone.store, self.witness
        state = state_of(store)
        self.problems += [*self.watch.problems, *witness.problems, *witness.cached.problems]
        self.problems += check_all(witness.book.operations, state)
        self.problems += belongings(self.book.operations, state.ledger, (*COUNTED, *MAIL))
        self.problems += wishes(witness.wishes, witness.confirmed, state.applied)
        self.problems += sessions(witness.sessions, state.ledger)
        self.problems += fencing(state.ledger)
        self.problems += epochs("the center", self.zone.epochs)
        if self.plan.pair:
            self.problems += one_writer([tenure for _, tenure in self.zone.offices], state.ledger)
            self.problems += zombies(witness.answers, state.ledger)
        for text in Audit(store).run()["problems"]:
            self._found("audit", text)
        self.problems += damage(served(store, random.Random(self.plan.seed)))
        for _, text, fields in self.zone.internal_errors():
            if text not in EXPECTED:
                self._found("log", f"{text} {fields}")
        gaps = sum(player.gap_count() for player in self.players)
        if gaps:
            self._found("stream", f"players have missed {gaps} numbered messages")

    def _found(self, checker: str, text: str) -> None:
        self.problems.append(Problem(checker, text))


def _fast_folder() -> Path | None:
    return MEMORY if os.access(MEMORY, os.W_OK) else None


def _write_key(path: Path, seed: int) -> None:
    """A key is random in a real cluster; here it is part of the course."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(hashlib.sha256(f"{path.name} {seed}".encode()).hexdigest() + "\n")
