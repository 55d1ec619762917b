"""What keeps a cluster from carrying more players: the busiest part of it, named (pure)."""

import msgspec

from tools.bots.result import ServerUse
from tools.bots.servers import Ticks

CPU_FULL = 0.85  # of a core: one process has one loop
MACHINE_FULL = 0.92  # of all cores
TICK_FULL = 0.8  # of a tick's period, p99
SKIPPED = 0.01  # of the ticks


class Load(msgspec.Struct, frozen=True):
    """How everything was during one step."""

    servers: list[ServerUse]
    ticks: list[Ticks]
    tick_ms: float  # a tick's period
    busy: float  # the machine, all cores together
    cores: int
    bots: float  # CPU of all bot processes together, in cores


def bottlenecks(load: Load) -> list[str]:
    """The worst first; when nothing is full the list has the busiest process, with the word that it is not."""
    full: list[tuple[float, str]] = [
        (use.cpu, f"{use.name} CPU {use.cpu * 100:.0f} %") for use in load.servers if use.cpu >= CPU_FULL
    ]
    for tick in load.ticks:
        share = tick.p99_ms / load.tick_ms
        if share >= TICK_FULL or tick.skipped > SKIPPED * tick.count:
            text = f"{tick.node} ticks of up to {tick.p99_ms:.0f} ms, every {load.tick_ms:.0f} ms"
            full.append((min(share, 1.0) - 0.01, text + (f", {tick.skipped} skipped" if tick.skipped else "")))
    found = [text for _, text in sorted(full, key=lambda one: -one[0])]
    if load.busy >= MACHINE_FULL:
        servers = sum(use.cpu for use in load.servers)
        text = f"the machine: {load.busy * 100:.0f} % of {load.cores} cores busy"
        found.append(f"{text} ({servers * 100:.0f} % servers, {load.bots * 100:.0f} % bots, of one core)")
    if found:
        return found
    busiest = max(load.servers, key=lambda use: use.cpu, default=None)
    if busiest is None:
        return ["not known: no server process could be looked at"]
    return [f"none in sight: {busiest.name} is the busiest with CPU {busiest.cpu * 100:.0f} %"]
