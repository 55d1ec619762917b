"""What a bench stands on: clusters, load, programs, cores, a folder, the clock. It is all that a bench is given."""

import asyncio
import contextlib
import itertools
import os
import resource
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mesh.clock import Clock
from tools.bench import cores as machine
from tools.bench.cluster import Cluster, running
from tools.ctl.exits import CommandError

if TYPE_CHECKING:
    from tools.bench.generator import Generator, LoadSpec

DESCRIPTORS_SPARE = 300  # of a gate besides its clients: libraries, logs, links
SERVER, GENERATOR = 0, 1
"""The usual cores."""

STOP_S = 5.0


@dataclass(frozen=True)
class Ground:
    """See the module. `quick` is for seconds and few players, else it is the whole thing."""

    quick: bool
    players: int | None  # as the user wants it; None for what the bench means
    clock: Clock
    folder: Path  # deleted afterwards
    base_port: int
    say: Callable[[str], None]  # a sentence about what happens now
    notes: list[str] = field(default_factory=list)  # what whoever reads the result has to know of it
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextlib.asynccontextmanager
    async def cluster(
        self, topology: str, settings: Mapping[str, str] | None = None, cores: Sequence[int] = ()
    ) -> AsyncIterator[Cluster]:
        """A topology that comes along or a file, with `--set` settings, Ready and pinned; stopped at the end."""
        runtime = self.folder / f"c{next(self._numbers)}"  # short: the path of a socket has room for 107 bytes
        started = running(topology, settings or {}, cores, runtime, self.base_port, self.clock, self.say)
        async with started as cluster:
            yield cluster

    def load(
        self, spec: "LoadSpec", core: int | None = GENERATOR
    ) -> contextlib.AbstractAsyncContextManager["Generator"]:
        """A generator with nobody in the world yet, on this core, or on any (None)."""
        from tools.bench.generator import Generator  # not every bench has players

        return Generator(spec, core, self.note)

    def note(self, text: str) -> None:
        """Say it, and keep it for the result; once."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)

    @contextlib.asynccontextmanager
    async def program(
        self, command: Sequence[str], cores: Sequence[int] = (), environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Another program with its stdin, stdout and stderr as pipes; ended at the end. `environment`: what it has more
        than we have."""
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be started: {error.strerror}") from None
        try:
            if cores:
                machine.pin([child.pid], cores)
            yield child
        finally:
            await asyncio.shield(_stop(child))

    def need_clients(self, count: int) -> None:
        """CommandError when a process of ours may not have so many connections."""
        need_descriptors(count + DESCRIPTORS_SPARE)


async def _stop(child: asyncio.subprocess.Process) -> None:
    for stop in (child.terminate, child.kill):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), STOP_S)


def need_descriptors(count: int) -> None:
    """Raise the soft limit here, which children inherit; CommandError when the hard one is in the way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise CommandError(
            f"this run needs {count:,} open files in one process, and the limit is {hard:,} (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
