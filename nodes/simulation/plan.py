"""What happens in a course, drawn from its seed before anything runs. Pure.

A plan is the same for the same seed whatever the nodes do, so that a course can be told from its number: who plays, how
slow the network is, whether the DC has a standby, and every fault with its time. Faults end by themselves; when the
storm is over nothing new begins.
"""

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "kill", "restart", "stop", "cut", "part", "sever", "full link", "gap", "slow disk", "full disk",
    "clock", "slow reader", "failpoint",
]  # fmt: skip

SINGLE = ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
PAIRED = ("center.1", "dc.1", "dc.2", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
NAMES = ("anna", "bob", "cora", "dirk", "emil")
STORM_S = 7.0
HITS_MAX = 20
QUIET_S = 1.0  # at the beginning, for players to get in
FAULTS = (2, 3, 4, 5, 8)  # in a course
HOUR_S = 3600.0  # that a wall clock jumps
PAIR_PART = 0.4  # of the courses: the DC has a standby
REPLICATED_PART = 0.5  # of these: what scenes ask for waits for it (class R)

VICTIMS = ("dc.1", "dc.1", "scene.1", "scene.2", "scene.1", "scene.2", "gate.1", "gate.2", "center.1", "login.1")
VICTIMS_PAIRED = (*VICTIMS, "dc.1", "dc.2", "dc.2", "center.1")
LINKS = (
    ("scene.1", "dc.1"), ("scene.2", "dc.1"), ("login.1", "dc.1"), ("center.1", "scene.1"), ("center.1", "scene.2"),
    ("center.1", "gate.1"), ("center.1", "login.1"), ("gate.1", "scene.1"), ("gate.2", "scene.2"),
    ("gate.2", "scene.1"), ("gate.1", "login.1"), ("scene.1", "log.1"), ("center.1", "dc.1"),
)  # fmt: skip
LINKS_PAIRED = (
    *LINKS, ("dc.1", "dc.2"), ("dc.2", "dc.1"), ("center.1", "dc.1"), ("center.1", "dc.2"), ("scene.1", "dc.2"),
)  # fmt: skip
POINTS = (
    ("dc.1", "dc.in-commit"), ("dc.1", "dc.after-commit"), ("dc.1", "dc.before-acknowledge"),
    ("dc.1", "dc.before-commit"), ("dc.1", "dc.acknowledged"), ("dc.1", "dc.before-commit"),
    ("dc.1", "dc.operation-heard"), ("dc.1", "dc.states-taken"), ("dc.1", "dc.in-commit"),
    ("scene.1", "scene.operation-asked"), ("scene.1", "scene.operation-heard"), ("scene.1", "scene.departed"),
    ("scene.1", "scene.entering"), ("scene.2", "scene.departing"), ("scene.2", "scene.operation-heard"),
    ("center.1", "center.entering"), ("center.1", "center.entered"), ("center.1", "center.departed"),
    ("center.1", "center.arrived"), ("gate.1", "gate.logged-in"), ("gate.2", "gate.attaching"),
    ("gate.1", "gate.attached"), ("gate.2", "gate.moves-waiting"),
)  # fmt: skip
KINDS: dict[Kind, int] = {
    "kill": 8, "restart": 3, "stop": 3, "cut": 3, "part": 2, "sever": 3, "full link": 2, "gap": 2, "slow disk": 1,
    "full disk": 1, "clock": 2, "slow reader": 1, "failpoint": 7,
}  # fmt: skip
"""How often each is drawn, relative to the others."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    at_s: float  # since the storm began
    kind: Kind
    who: str  # a node; of "slow reader": a player
    other: str = ""  # the other end of a link
    lasts_s: float = 0.0  # until it is mended; of a node: until it is started again
    count: int = 0  # publications that are lost; the hit of a failpoint; seconds that a clock jumps
    point: str = ""

    def __str__(self) -> str:
        """For people who read what led to a failure."""
        where = f"{self.who} -> {self.other}" if self.other else self.who
        how = f" at hit {self.count} of {self.point}" if self.point else f" x {self.count}" if self.count else ""
        return f"{self.kind} {where}{how} for {self.lasts_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module."""

    seed: int
    latency_s: tuple[float, float]  # of a message, from and to
    disk_s: tuple[float, float]  # of a commit, from and to
    linkdead_s: float
    names: tuple[str, ...]
    faults: tuple[Fault, ...]  # in their order
    pair: bool = False  # has the DC a standby?
    replicated: bool = False  # is what scenes ask for of class R?

    @property
    def nodes(self) -> tuple[str, ...]:
        return PAIRED if self.pair else SINGLE

    @property
    def met(self) -> frozenset[str]:
        """What its faults meet: kind, and the node or the failpoint."""
        return frozenset(f"{fault.kind} {fault.point or fault.who}" for fault in self.faults)


def plan_of(seed: int) -> Plan:
    """The same for the same seed."""
    rolls = random.Random(seed)
    low = rolls.uniform(0.0002, 0.001)
    latency = low, low + rolls.choice((0.0005, 0.003, 0.02))
    disk = 0.0005, rolls.choice((0.002, 0.01, 0.03))
    names = NAMES[: rolls.choice((3, 4, 4, 5))]
    pair = rolls.random() < PAIR_PART
    count = rolls.choice(FAULTS)
    faults = sorted((_fault(rolls, pair, names) for _ in range(count)), key=lambda fault: fault.at_s)
    linkdead_s = rolls.choice((2.0, 60.0))
    replicated = pair and rolls.random() < REPLICATED_PART
    return Plan(seed, latency, disk, linkdead_s, names, tuple(faults), pair, replicated)


def _fault(rolls: random.Random, pair: bool, names: tuple[str, ...]) -> Fault:
    at = rolls.uniform(QUIET_S, STORM_S)
    kind = rolls.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    victims, links = (VICTIMS_PAIRED, LINKS_PAIRED) if pair else (VICTIMS, LINKS)
    nodes = PAIRED if pair else SINGLE
    match kind:
        case "kill":
            return Fault(at, kind, rolls.choice(victims), lasts_s=rolls.choice((0.05, 0.3, 1.0, 3.0 if pair else 1.0)))
        case "restart":
            return Fault(at, kind, rolls.choice(victims), lasts_s=rolls.choice((0.05, 0.5)))
        case "stop":
            return Fault(at, kind, rolls.choice(victims), lasts_s=rolls.choice((0.3, 1.0, 2.5, 4.0)))
        case "failpoint":
            who, point = rolls.choice(POINTS)
            lasts_s, hit = rolls.choice((0.05, 0.5)), rolls.randint(1, HITS_MAX)
            return Fault(0.0, kind, who, lasts_s=lasts_s, count=hit, point=point)
        case "gap":
            return Fault(at, kind, rolls.choice(nodes[1:]), count=rolls.randint(1, 4))
        case "slow disk":
            return Fault(at, kind, _dc(rolls, pair), lasts_s=rolls.uniform(0.3, 2.0))
        case "full disk":
            return Fault(at, kind, _dc(rolls, pair), lasts_s=rolls.uniform(0.1, 1.0))
        case "clock":
            jump = round(rolls.choice((-HOUR_S, HOUR_S)))
            return Fault(at, kind, rolls.choice(nodes), lasts_s=rolls.uniform(0.5, 4.0), count=jump)
        case "slow reader":
            return Fault(at, kind, rolls.choice(names), lasts_s=rolls.uniform(2.0, 5.0))
    one, other = rolls.choice(links)
    if rolls.random() < 0.5:
        one, other = other, one
    return Fault(at, kind, one, other, 0.0 if kind == "sever" else rolls.choice((0.2, 1.0, 2.0, 3.0)))


def _dc(rolls: random.Random, pair: bool) -> str:
    return rolls.choice(("dc.1", "dc.2")) if pair else "dc.1"
