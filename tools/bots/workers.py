"""The worker processes of a run, from the outside: started, spoken to in lines, listened to, ended.

Owns the processes. They run in sessions of their own, since Ctrl-C is for the parent.
"""

import asyncio
import contextlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from tools.bots.increments import Increment
from tools.bots.options import Options, Plan
from tools.bots.worker import LINE_MAX, READY
from tools.ctl.exits import CommandError, Exit

LOAD_S = 60.0  # to import what they need, on a busy machine
DESCRIPTORS_SPARE = 100  # of one worker, besides its bots


class Worker:
    """One bot process."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self.number = number
        self.process = process
        self.ended = ""  # why it went without a last word

    def tell(self, line: str) -> None:
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(line.encode() + b"\n")

    async def listen(self, heard: Callable[[Increment], None]) -> None:
        """Until it ends."""
        assert self.process.stdout is not None
        finished = False
        while line := await self.process.stdout.readline():
            said = msgspec.json.decode(line, type=Increment)
            finished = finished or said.last
            heard(said)
        code = await self.process.wait()
        if not finished:
            self.ended = f"bot process {self.number} ended early with exit code {code}"


class Workers:
    """All of them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._workers: list[Worker] = []
        self._listening: list[asyncio.Task[None]] = []

    async def start(self, places_file: Path) -> None:
        """They are ready when this returns. CommandError when one of them is not."""
        check_descriptors(self._options)
        for number in range(self._options.processes):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "tools.bots.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, also while a worker is still being loaded
                limit=LINE_MAX,
            )
            worker = Worker(number, process)
            self._workers.append(worker)
            worker.tell(msgspec.json.encode(Plan(self._options, number, str(places_file))).decode())
        try:
            async with asyncio.timeout(LOAD_S):
                for worker in self._workers:
                    assert worker.process.stdout is not None
                    if await worker.process.stdout.readline() != READY:
                        raise CommandError(f"bot process {worker.number} did not start; see its words above")
        except TimeoutError:
            raise CommandError(f"the bot processes did not start within {LOAD_S:.0f} s", Exit.TIMED_OUT) from None

    def listen(self, tasks: asyncio.TaskGroup, heard: Callable[[Increment], None]) -> None:
        """Hear what they say, until they end."""
        self._listening = [tasks.create_task(worker.listen(heard)) for worker in self._workers]

    def tell(self, line: str) -> None:
        for worker in self._workers:
            worker.tell(line)

    @property
    def over(self) -> bool:
        """All have ended."""
        return all(task.done() for task in self._listening)

    async def wait_ended(self, timeout_s: float) -> None:
        """Those that take longer are killed."""
        _, late = await asyncio.wait(self._listening, timeout=timeout_s)
        if late:
            self.kill()
            await asyncio.wait(late)

    def kill(self) -> None:
        for worker in self._workers:
            if worker.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()

    def troubles(self) -> list[str]:
        """Why some went without a last word."""
        return [worker.ended for worker in self._workers if worker.ended]


def check_descriptors(options: Options) -> None:
    """Each bot takes one; better to say so now than to fail at the thousandth."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = -(-options.users // options.processes) + DESCRIPTORS_SPARE
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise CommandError(
            f"{needed} file descriptors are needed per bot process and the limit is {hard}: "
            f"use --processes {-(-options.users // (hard - DESCRIPTORS_SPARE))}, or raise `ulimit -Hn`",
            Exit.USAGE,
        )
