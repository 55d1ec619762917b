"""rolling-upgrade: every process of a zone is restarted from another installation, one after the other, under load.

`mesh upgrade` does it, there and back again, so that two versions of the code are in one mesh in between. Everybody
plays on: no durable operation fails, nobody is disconnected, and no answer takes longer than a second. A stall is the
longest time that anybody waited for an answer, of a scene or of the DC behind it, in one upgrade.
"""

import asyncio
import sys
from collections.abc import Iterable, Sequence

import msgspec

from mesh.checking.records import NEVER, Operation, Problem
from mesh.errors import Code
from tools.bench.bench import Figure
from tools.chaos.players import Crowd
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import roll_call
from tools.chaos.supervised import close, copy_code, supervised
from tools.chaos.testimony import attest
from tools.chaos.zone import WILDS, Shape, Zone
from tools.ctl.exits import CommandError
from tools.ctl.rollout import Stepped
from tools.demo.cluster import exit_code, run_mesh

PLAYERS, PLAYERS_QUICK = 100, 24
FIGHTERS = 0.5
BACK_S = 30.0
UPGRADE_S = 300.0
BETWEEN_S = 1.0
OTHER = "0.0.0+copy"  # what the other installation says it is
DURABLE = ("loot", "trade")
WAITING = ("ask", *DURABLE)  # whose answers come at once
OURS = (Code.UNAVAILABLE, Code.SHUTDOWN, Code.STALE_EPOCH, Code.DISK_FULL, Code.OP_CONFLICT, Code.OP_TOO_OLD,
        Code.INTERNAL)  # fmt: skip
"""With these codes the servers refuse, and not the rules of the game."""


class Report(msgspec.Struct):
    """What `mesh upgrade --json` prints, as far as it is needed here."""

    steps: list[Stepped]
    seconds: float


async def run(arena: Arena) -> Found:
    players = PLAYERS_QUICK if arena.quick else PLAYERS
    stalls, reports, problems = list[float](), list[Report](), list[Problem]()
    shape = Shape(gates=2, scenes=1 if arena.quick else 2, maps=WILDS)
    async with supervised(arena, shape, 2 * players) as made:
        pythons = (copy_code(arena.ground.folder / "copy", OTHER), sys.executable)
        crowd = made.crowd(players, "hero", fighters=FIGHTERS)
        await crowd.come_in(BACK_S)
        arena.ground.say(f"{players:,} players play")
        before = await versions(made)
        for number in range(1, arena.faults + 1):
            await asyncio.sleep(BETWEEN_S)
            began = made.now()
            reports.append(await upgrade(made, pythons[(number - 1) % 2]))
            await asyncio.sleep(BETWEEN_S)
            longest, kind = longest_ms(made.book.operations, began, made.now())
            stalls.append(longest)
            problems += wrong_versions(await versions(made), OTHER if number % 2 else before["dc.1"])
            text = f"{len(reports[-1].steps)} processes in {reports[-1].seconds:.1f} s"
            arena.ground.say(f"{number} of {arena.faults}: {text}, longest wait {longest:,.0f} ms ({kind})")
        await made.settle()
        problems += await roll_call(made, crowd.names)
        owed, twice = crowd.owed(), crowd.answered_twice
        problems += disconnected(crowd)
        found = attest(made.book.operations, owed, twice, await close(made), arena.faults, problems)
    found.recovery_ms = stalls
    found.reached = {
        "failed": float(len(failed(made.book.operations))),
        "disconnects": float(sum(problem.checker == "connected" for problem in problems)),
        "upgrade_s": max(report.seconds for report in reports),
    }
    found.notes += [f"{one.kind} was not carried out: {one.answer}" for one in failed(made.book.operations)[:3]]
    return found


async def upgrade(made: Zone, python: str) -> Report:
    """CommandError when it stopped, with its words."""
    words: list[str] = []
    command = ["upgrade", "--python", python, "-c", str(made.topology.runtime), "--json"]
    code, answer = await run_mesh(command, UPGRADE_S, words.append)
    if code:
        raise CommandError("\n".join(words), exit_code(code))
    return msgspec.json.decode(answer, type=Report)


async def versions(made: Zone) -> dict[str, str]:
    """What each node says that it is, "" of one that does not say."""
    found = {}
    for node in made.topology.nodes.values():
        said = await made.describe(node.short)
        found[node.short] = "" if said is None else str(said.facts.get("version", ""))
    return found


def wrong_versions(found: dict[str, str], wanted: str) -> list[Problem]:
    """Of the checker `version`: who runs something else after the upgrade."""
    return [Problem("version", f"{name} is {is_} and not {wanted}") for name, is_ in found.items() if is_ != wanted]


def disconnected(crowd: Crowd) -> list[Problem]:
    """Of the checker `connected`: whoever lost a connection, and not because it went to another gate."""
    return [Problem("connected", f"{hero.name} was disconnected") for hero in crowd.heroes if hero.player.losses]


def failed(operations: Iterable[Operation]) -> list[Operation]:
    """Durable ones that the servers did not carry out, or of which nobody knows."""
    return [
        one
        for one in operations
        if one.kind in DURABLE and (one.ended == "unknown" or (one.ended == "refused" and one.answer in OURS))
    ]


def longest_ms(operations: Sequence[Operation], began: float, end: float) -> tuple[float, str]:
    """Of the answers to what was asked in that time, with its kind; what was not answered counts until its end."""
    asked = [one for one in operations if one.kind in WAITING and began <= one.called <= end]
    waits = [(1000 * ((end if one.returned == NEVER else one.returned) - one.called), one.kind) for one in asked]
    return max(waits, default=(0.0, ""))


SCENARIO = Scenario(
    "rolling-upgrade",
    "Restart every process from another installation under load: no durable operation fails, nobody waits long.",
    (
        Figure("failed", "durable operations that failed", "", 0, better="less", quick=True),
        Figure("disconnects", "players that were disconnected", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure("recovery_max_ms", "longest wait for an answer", "ms", 1_000, better="less"),
        Figure("upgrade_s", "one upgrade of all processes, the longest", "s", better="less"),
    ),
    run,
    faults=10,
    faults_quick=1,
    what="upgrades",
    bound_ms=1_000,
)
