"""How many behaviour events a log node takes, whether all arrive, and how quickly those of one player are found.

The sender is a scene that has nothing but a journal: the ways of ten thousand players in bulk, as scenes record them,
and between them single deeds. It sends as fast as the log node takes it. Then the questions that operators ask, each
of which is compared with what was recorded.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mesh.operator import Operator
from mesh.protocol.journal import Events, QueryEvents
from tools.bench import cores
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.cluster import Cluster
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.bench.result import Table
from tools.bench.standin import StandIn, stand_in
from tools.ctl.exits import CommandError
from tools.ctl.offline import run_offline

EVENTS, QUICK = 10_000_000, 1_000_000
PLAYERS = 10_000
FIRST = 100_000  # the account of the first of them
WALKERS = 1_000  # whose ways are recorded in one go: a tenth of them in each tick
DEEDS = 50  # recorded one by one in a tick
RARE_EVERY = 1_000  # ticks between two events of a player who is hardly ever there
RARE = FIRST + PLAYERS
WAIT_S = 0.001  # for the log node
LIMIT = 100_000  # of an answer; above what anybody has
WAITING_MAX = 100_000  # events in the sender's memory; its limit is well above
ASKED = 12  # players who are looked for
ANSWER_S = 60.0


class Sender(StandIn):
    ROLE = "scene"


@dataclass
class Deeds:
    """What was recorded, counted beside the journal."""

    chance: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))
    ticks: int = 0
    of: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(PLAYERS, np.int64))
    rare: int = 0
    trades: int = 0

    def __post_init__(self) -> None:
        self.accounts = np.arange(PLAYERS, dtype=np.uint64) + np.uint64(FIRST)
        self.at = self.chance.uniform(0.0, 2_000.0, (2, PLAYERS))

    def tick(self, sender: StandIn) -> None:
        """What a scene with PLAYERS players records in a tenth of a second."""
        begin = self.ticks * WALKERS % PLAYERS
        some = slice(begin, begin + WALKERS)
        self.at[:, some] += self.chance.uniform(-5.0, 5.0, (2, WALKERS))
        x, y = np.round(self.at[:, some], 2)
        sender.journal.record_many("move", self.accounts[some], x=x, y=y)
        self.of[some] += 1
        for number in range(DEEDS):
            player = (self.ticks * 37 + number * 191) % PLAYERS
            kind = "trade" if number == 0 and self.ticks % 100 == 0 else "attack"
            self.trades += kind == "trade"
            sender.journal.record(kind, FIRST + player, target=number, damage=number % 17)
            self.of[player] += 1
        if self.ticks % RARE_EVERY == 0:
            sender.journal.record("loot", RARE, item=self.ticks)
            self.rare += 1
        self.ticks += 1


@dataclass(frozen=True)
class Answer:
    """One question and what became of it."""

    what: str
    found: int
    expected: int
    seconds: float


@dataclass(frozen=True)
class Poured:
    """What it took to record and send so many events."""

    events: int
    dropped: int
    seconds: float
    recording_s: float  # of the sender's thread, without the sending


async def run(ground: Ground) -> Outcome:
    events = QUICK if ground.quick else EVENTS
    async with ground.cluster("bench", {}, (SERVER,)) as cluster, stand_in(cluster, Sender) as sender:
        cores.pin([os.getpid()], (GENERATOR,))
        try:
            deeds = Deeds()
            ground.say(f"{events:,} events")
            before = cluster.mark()
            poured = await pour(ground, sender, deeds, events)
            use = cluster.since(before)
            ground.say(f"{poured.events:,} are stored; now some of them are looked for")
            answers = await look(ground, cluster, deeds)
        finally:
            cores.unpin()
        on_disk, _ = run_offline("log", "stat", cluster.topology.data(cluster.topology.node("log.1")))
    rate = poured.events / poured.seconds
    here = [answer for answer in answers if answer.what.startswith("a player")]
    return Outcome(
        reached={
            "events_per_s": rate,
            "lost": float(poured.events - int(on_disk["events"]) + poured.dropped),
            "find_s": max(answer.seconds for answer in here),
            "wrong": float(sum(answer.found != answer.expected for answer in answers)),
            "log_us": use.cpu_s("log") / poured.events * 1e6,
            "sender_us": poured.recording_s / poured.events * 1e6,
            "disk_bytes": on_disk["bytes"] / poured.events,
            "rss_mb": use.rss_mb("log"),
        },
        tables=[table(answers)],
        processes=use.processes,
        invalid=use.invalid,
        notes=use.notes,
    )


async def pour(ground: Ground, sender: StandIn, deeds: Deeds, events: int) -> Poured:
    """Record as fast as the log node stores, until `events` are recorded; ends when all are stored."""
    journal, recording_s = sender.journal, 0.0
    recorded, dropped = journal.recorded, journal.dropped
    began = ground.clock.now()
    while journal.recorded - recorded < events:
        if journal.pending < WAITING_MAX:
            at = ground.clock.now()
            deeds.tick(sender)
            recording_s += ground.clock.now() - at
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(WAIT_S)
    if not await journal.flush(ANSWER_S):
        raise CommandError(f"{journal.pending:,} events were not stored within {ANSWER_S:.0f} s")
    seconds = ground.clock.now() - began
    lost = journal.dropped - dropped
    return Poured(journal.recorded - recorded - lost, lost, seconds, recording_s)


async def look(ground: Ground, cluster: Cluster, deeds: Deeds) -> list[Answer]:
    """Ask what operators ask, and compare with what was recorded."""
    questions = [
        (f"a player of every second ({player})", QueryEvents(FIRST + player, limit=LIMIT), int(deeds.of[player]))
        for player in range(0, PLAYERS, PLAYERS // ASKED)
    ]
    questions += [
        ("a player who is hardly ever there", QueryEvents(RARE, limit=LIMIT), deeds.rare),
        ("a player who never was", QueryEvents(RARE + 1, limit=LIMIT), 0),
        ("a kind that is rare", QueryEvents(kinds=["trade"], limit=LIMIT), deeds.trades),
        ("the newest hundred", QueryEvents(limit=100), 100),
    ]
    answers = []
    async with Operator(cluster.topology) as operator:
        for what, question, expected in questions:
            began = ground.clock.now()
            said = await operator.ask("log.1", question, ANSWER_S)
            assert isinstance(said, Events), "nothing else answers QueryEvents"
            answers.append(Answer(what, len(said.events), expected, ground.clock.now() - began))
    return answers


def table(answers: Sequence[Answer]) -> Table:
    rows = [[a.what, f"{a.found:,}", f"{a.expected:,}", f"{a.seconds:.3f}"] for a in answers]
    return Table("Finding events again", ["looked for", "found", "recorded", "s"], rows)


BENCH = Bench(
    "log",
    "Behaviour events into segments, and finding them again.",
    (
        Figure("events_per_s", "events stored", "/s", required=200_000, quick=True),
        Figure("lost", "events lost", "", required=0, better="less", quick=True),
        Figure("find_s", "the slowest search for one player", "s", required=1.0, better="less", quick=True),
        Figure("wrong", "answers that are not what was recorded", "", required=0, better="less", quick=True),
        Figure("log_us", "CPU of the log node for an event", "us"),
        Figure("sender_us", "CPU of the sender to record one, 5 % of them singly", "us"),
        Figure("disk_bytes", "an event on disk", "bytes"),
        Figure("rss_mb", "memory of the log node at the end", "MB"),
    ),
    run,
)
