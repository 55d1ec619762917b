"""One course: a zone, its players, a storm of faults, healing, and the verdict of all checkers.

    storm     players play, faults happen                            STORM_S
    healing   no faults; whatever died is started; players come back  at most HEAL_S
    calm      nothing is wished any more; every request must end      CALM_S
    verdict   checkers over what was said, what is stored, and what the nodes think of each other

Everything is drawn from the seed, time is virtual, so a seed is a course, again and again.
"""

import asyncio
import hashlib
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from mesh import keys
from mesh.checking.belongings import belongings
from mesh.checking.epochs import epochs, fencing, sessions
from mesh.checking.presence import endings, members, presence
from mesh.checking.records import Book, Problem
from mesh.checking.verdicts import check_all
from mesh.testing.lives import LivingLoop
from mesh.topology import load
from nodes.dc.audit import Audit
from nodes.simulation.faults import Faults
from nodes.simulation.looking import membership, sight_of, state_of, waiting
from nodes.simulation.plan import NODES, Plan, plan_of
from nodes.simulation.players import SimulatedPlayer
from nodes.simulation.witness import Witness
from nodes.simulation.zone import SimulatedZone

START_S = 10.0  # for all nodes to be Ready
HEAL_S = 25.0  # for nodes, players and the directory to be whole again
CALM_S = 1.0
LOOK_S = 0.25  # between two looks
LIMIT_S = 120.0  # of a whole course
ADDRESSES = Path("/simulated")  # part of what nodes say, so the same in every course; nothing is there
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

[settings.center]
linkdead_s = {linkdead_s}
default_map = "meadow"
audit_s = 2.0

[settings.scene]
npc_level = 0

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
    faults: dict[str, int] = field(default_factory=dict)
    virtual_s: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.problems


def run_course(seed: int) -> Verdict:
    """The verdict on a seed; the same every time."""
    with (
        tempfile.TemporaryDirectory(prefix="zonemesh-") as folder,
        asyncio.Runner(loop_factory=LivingLoop) as runner,
    ):
        return runner.run(_run(plan_of(seed), Path(folder)))


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
        self.witness = Witness(self._loop.time)
        self.zone = self._make_zone(folder)
        self.faults = Faults(self.zone, plan)
        self.players = self._make_players()

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
        for short in NODES:
            await self.zone.end(short)
        self.zone.let_go()
        witness = self.witness
        return Verdict(
            self.plan.seed, witness.digest, self.problems, list(self.events), witness.messages,
            witness.book.count("ok"), self.faults.counts, self._loop.time(),
        )  # fmt: skip

    # --- the parts ---

    def _make_zone(self, folder: Path) -> SimulatedZone:
        processes = "".join(f'[[process]]\nnodes = ["{short}"]\n' for short in NODES)
        file = folder / "zone.toml"
        file.write_text(ZONE.format(processes=processes, linkdead_s=self.plan.linkdead_s))
        topology = structs.replace(load(file, runtime=ADDRESSES), runtime=folder / "run")
        for name in (keys.TICKETS, keys.RESUME):
            _write_key(topology.keys / name, self.plan.seed)
        zone = SimulatedZone(topology, folder / "data", self.plan, self.tell)
        zone.network.on_said, zone.network.on_heard = self.witness.said, self.witness.heard
        return zone

    def _make_players(self) -> list[SimulatedPlayer]:
        key = keys.load(self.zone.topology.keys / keys.TICKETS)
        return [
            SimulatedPlayer(self.zone, name, key, self.plan.seed * 100 + at, self.book)
            for at, name in enumerate(self.plan.names)
        ]

    def tell(self, text: str) -> None:
        self.events.append(f"{self._loop.time():8.3f} {text}")

    # --- the phases ---

    async def _play(self, tasks: list[asyncio.Task[None]]) -> None:
        for short in NODES:
            self.zone.begin(short)
        tasks.append(self._loop.create_task(self.faults.supervise()))
        tasks += [self._loop.create_task(player.live()) for player in self.players]
        await self.faults.storm()
        for player in self.players:
            player.calm = True
        await self.faults.heal()
        await self._settle()
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

    def _unsettled(self) -> list[Problem]:
        away = [Problem("liveness", f"{one.name} does not get in") for one in self.players if not one.playing]
        return [*away, *presence(sight_of(self.zone)), *members(*membership(self.zone))]

    # --- the verdict ---

    def _judge(self) -> None:
        state = state_of(self.zone.store)
        self.problems += check_all(self.witness.book.operations, state)
        self.problems += belongings(self.book.operations, state.ledger)
        self.problems += sessions(self.witness.sessions, state.ledger)
        self.problems += fencing(state.ledger)
        self.problems += epochs("the center", self.zone.epochs)
        for text in Audit(self.zone.store).run()["problems"]:
            self._found("audit", text)
        for _, text, fields in self.zone.internal_errors():
            if text not in EXPECTED:
                self._found("log", f"{text} {fields}")
        gaps = sum(player.gap_count() for player in self.players)
        if gaps:
            self._found("stream", f"players have missed {gaps} numbered messages")

    def _found(self, checker: str, text: str) -> None:
        self.problems.append(Problem(checker, text))


def _write_key(path: Path, seed: int) -> None:
    """A key is random in a real cluster; here it is part of the course."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(hashlib.sha256(f"{path.name} {seed}".encode()).hexdigest() + "\n")
