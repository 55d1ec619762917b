"""The cluster of a bench: real processes under the usual supervisor, pinned to cores, with an eye on what they use.

Owns what it started: the folder is new and its name unique, so whoever works in it at the end is ours and is ended,
also after Ctrl-C, and also when `mesh down` could not do it. Pinned after the start, so that a start is quick.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh import keys, tickets
from mesh.clock import Clock
from mesh.topology import Topology
from tools.bench import cores as machine
from tools.bench import usage
from tools.ctl.exits import CommandError
from tools.demo.cluster import DemoCluster

TICKET_LIFE_S = 3600.0  # what the login nodes accept at most is longer
AGAIN_S = 1.0  # a supervisor that was interrupted at its very start can be found after that
ENDED_S = 3.0


@dataclass(frozen=True)
class Cluster:
    """One that is up and Ready."""

    topology: Topology
    pids: dict[str, int]  # by process name; the supervisor is not among them: it does nothing while players play
    cores: tuple[int, ...]  # where they were pinned to; () for wherever they like
    folder: Path
    clock: Clock

    @property
    def gates(self) -> list[str]:
        """Where the gates take players, as HOST:PORT."""
        return [f"127.0.0.1:{self.topology.base_port + gate.number - 1}" for gate in self.topology.of_role("gate")]

    def tickets(self, count: int, prefix: str = "bench") -> Path:
        """A file with so many tickets, one a line. The accounts are made when they are used for the first time."""
        key = keys.load(self.topology.keys / keys.TICKETS)
        expires = self.clock.wall() + TICKET_LIFE_S
        path = self.folder / f"{prefix}-{count}.tickets"
        lines = (tickets.sign_ticket(key, f"{prefix}-{number}", expires) for number in range(count))
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        return path

    def mark(self) -> usage.Mark:
        return usage.mark(self.pids, self.cores, self.clock.now())

    def since(self, before: usage.Mark, guests_s: float | None = 0.0) -> usage.Use:
        """What was used since the mark. `guests_s` as in `usage.between`."""
        return usage.between(before, self.mark(), self.pids, guests_s)


@contextlib.asynccontextmanager
async def running(
    topology: str,
    settings: Mapping[str, str],
    cores: Sequence[int],
    runtime: Path,
    base_port: int,
    clock: Clock,
    say: Callable[[str], None],
) -> AsyncIterator[Cluster]:
    """Started here, stopped there, whatever happens between."""
    words: list[str] = []
    started = DemoCluster(topology, runtime, base_port, os.environ, words.append, settings)
    try:
        try:
            loaded = await started.start()
        except CommandError as error:
            raise CommandError("\n".join(reason(words) or [str(error)]), error.exit_code) from None
        pids = {name: pid for pid, name in started.pids().items() if name != "supervisor"}
        short = {"+".join(n.name for n in p.nodes): p.name for p in loaded.processes}
        pids = {short[name]: pid for name, pid in pids.items()}
        if cores:
            machine.pin(pids.values(), cores)
        yield Cluster(loaded, pids, tuple(cores), runtime, clock)
    finally:
        await asyncio.shield(end(started, say))


def reason(words: list[str]) -> list[str]:
    """Of what was said about a start that failed: the last sentence, with the last words of whoever ended it."""
    begins = [at for at, line in enumerate(words) if "did not start" in line]
    return words[begins[-1] :] if begins else words


async def end(started: DemoCluster, say: Callable[[str], None]) -> None:
    """Stop it; then whoever is left in its folder, a supervisor first."""
    left = await started.stop()
    if left:
        await asyncio.sleep(AGAIN_S)
        left = await started.stop()
    for line in left:
        say(f"{line} did not stop and is ended")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.partition(" ")[0]), signal.SIGKILL)
    waited = 0.0
    while started.alive() and waited < ENDED_S:
        await asyncio.sleep(0.1)
        waited += 0.1
    started.remove()
