"""Carries out the faults of a plan, heals everything when the storm is over, and is the supervisor meanwhile.

A node has at most one fault at a time: one that meets another is left out, so that the end of the first does not undo
the second. What is said about links has no such limit.
"""

import asyncio
from collections.abc import Callable

from mesh.failpoints import Armed
from nodes.simulation.plan import STORM_S, Fault, Plan
from nodes.simulation.zone import SimulatedZone

LOOK_S = 0.1  # between two looks of the supervisor
AGAIN_S = 0.1  # until a process that ended by itself is started again
TROUBLES = ("stop", "slow disk", "full disk")
SLOW_S = 0.3  # the most that a slow disk takes longer


class Faults:
    """See the module. `reads` has a player stop reading what it is sent, or begin again."""

    def __init__(self, zone: SimulatedZone, plan: Plan, reads: Callable[[str, bool], None]) -> None:
        self._zone, self._plan, self._reads = zone, plan, reads
        self._busy: set[str] = set()  # nodes with a fault
        self._tasks: list[asyncio.Task[None]] = []
        self._returns_s: dict[str, float] = {}  # how long a node is dead after its failpoint
        self._troubled: set[str] = set()
        self.counts: dict[str, int] = {}
        zone.on_failpoint = self._died
        for fault in plan.faults:
            if fault.kind == "failpoint":
                zone.armed.setdefault(fault.who, {})[fault.point] = Armed("kill", fault.count)
                self._returns_s[fault.who] = fault.lasts_s

    def have_troubled(self, short: str) -> bool:
        """Has this node stood still, or had a bad disk? Then what it does in time it may have done late."""
        return short in self._troubled

    async def storm(self) -> None:
        """All of them, each at its time; returns when the storm is over."""
        begun = asyncio.get_running_loop().time()
        for fault in self._plan.faults:
            if fault.kind == "failpoint":
                continue
            await asyncio.sleep(max(0.0, begun + fault.at_s - asyncio.get_running_loop().time()))
            self._spawn(fault)
        await asyncio.sleep(max(0.0, begun + STORM_S - asyncio.get_running_loop().time()))

    async def heal(self) -> None:
        """The end of every fault; returns when all nodes are up."""
        self._zone.disarm()
        await asyncio.sleep(0)  # one that struck just now is told in this turn
        await asyncio.gather(*self._tasks)
        self._zone.network.lossy.clear()
        self._zone.tell("healing begins")
        while not all(self._zone.is_up(short) for short in self._plan.nodes):  # noqa: ASYNC110 - nobody sets it
            await asyncio.sleep(LOOK_S)

    async def supervise(self) -> None:
        """Start again whoever ended by itself; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            for short in self._plan.nodes:
                if short not in self._busy and self._zone.has_failed(short):
                    self._zone.tell(f"{short} ends by itself: {self._zone.nodes[short].failure}")
                    await self._kill(short, AGAIN_S)

    def _spawn(self, fault: Fault) -> None:
        if fault.who in self._busy and fault.kind in ("kill", "restart", "stop"):
            return
        self._zone.tell(str(fault))
        self.counts[fault.kind] = self.counts.get(fault.kind, 0) + 1
        self._tasks.append(asyncio.get_running_loop().create_task(self._carry_out(fault)))

    async def _carry_out(self, fault: Fault) -> None:
        zone = self._zone
        if fault.kind in TROUBLES:
            self._troubled.add(fault.who)
        match fault.kind:
            case "kill":
                await self._kill(fault.who, fault.lasts_s)
            case "restart":
                self._busy.add(fault.who)
                await zone.ask_to_stop(fault.who)
                await self._kill(fault.who, fault.lasts_s)
            case "sever":
                zone.network.sever(zone.name(fault.who), zone.name(fault.other))
            case "gap":
                zone.network.lossy[zone.name(fault.who)] = fault.count
            case _:
                self._turn(fault, True)
                await asyncio.sleep(fault.lasts_s)
                self._turn(fault, False)

    def _turn(self, fault: Fault, on: bool) -> None:
        """A fault that lasts begins or ends."""
        zone, network = self._zone, self._zone.network
        way = zone.name(fault.who) if fault.other else "", zone.name(fault.other) if fault.other else ""
        match fault.kind:
            case "stop":
                (self._busy.add if on else self._busy.discard)(fault.who)
                (zone.stand_still if on else zone.go_on)(fault.who)
            case "cut" | "part":
                for one, other in (way, way[::-1])[: 1 if fault.kind == "cut" else 2]:
                    (network.cut if on else network.mend)(one, other)
            case "full link":
                network.narrow(*way, narrow=on)
            case "slow disk":
                zone.disks[fault.who].slow_s = SLOW_S if on else 0.0
            case "full disk":
                zone.stores[fault.who].fill(on)
            case "clock":
                zone.clocks[fault.who].jump_s = fault.count if on else 0.0
            case "slow reader":
                self._reads(fault.who, not on)

    async def _kill(self, short: str, lasts_s: float) -> None:
        self._busy.add(short)
        await self._zone.end(short)
        await asyncio.sleep(lasts_s)
        self._zone.begin(short)
        self._busy.discard(short)

    def _died(self, short: str) -> None:
        """By a failpoint. When another fault has it, that one ends and begins it anyway."""
        self.counts["failpoint"] = self.counts.get("failpoint", 0) + 1
        self._tasks.append(asyncio.get_running_loop().create_task(self._bury(short)))

    async def _bury(self, short: str) -> None:
        while short in self._busy:  # noqa: ASYNC110 - a stopped process dies when it goes on
            await asyncio.sleep(0.05)
        if self._zone.lives[short] in self._zone.doomed:
            await self._kill(short, self._returns_s.get(short, 0.1))
