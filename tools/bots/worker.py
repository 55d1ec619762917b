"""A bot process: `python -P -m tools.bots.worker`, started by run.py.

It speaks in lines. In: the plan (JSON), then `start <time>`, `measure`, `halt`, `finish`, `stop`; in a search for the
limit also `aim <players> <time> <step>` and `settle`, which ends the measuring of a step. Out: `ready`, then increments
(JSON). When its input ends the parent is gone, and it ends, too. It ignores Ctrl-C, which is the parent's to answer.
"""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import psutil
import uvloop

from mesh import keys
from mesh.clock import SystemClock
from tools.bots.crowd import Crowd
from tools.bots.increments import Increment
from tools.bots.neighbours import PLACE
from tools.bots.options import Plan

READY = b"ready\n"
LINE_MAX = 1 << 22  # bytes of one line: the plan with the addresses of all gates


async def work(commands: asyncio.StreamReader) -> None:
    """One run."""
    plan = msgspec.json.decode(await commands.readline(), type=Plan)
    places = np.memmap(plan.places_file, PLACE, "r+", shape=(plan.options.users,))
    crowd = Crowd(plan, keys.load(Path(plan.options.key_file)), places, SystemClock(), usage_of_this_process(), say)
    write(READY)
    playing: asyncio.Task[None] | None = None
    while words := (await commands.readline()).decode().split():
        match words:
            case ["start", at]:
                playing = asyncio.create_task(crowd.play(float(at)))
            case ["aim", wanted, at, step]:
                crowd.enter_phase("start", int(step))
                crowd.aim(int(wanted), float(at))
            case ["measure"]:
                gc.freeze()  # 2,000 players are half a million objects: looking through them takes 0.1 s each time
                crowd.begin()
            case ["settle"]:
                crowd.enter_phase("start", crowd.measures.step)
            case ["halt"]:
                crowd.rest()
            case ["finish"]:
                crowd.finish()
            case ["stop"]:
                await crowd.leave(plan.options.stop_timeout_s)
                if playing is not None:
                    playing.cancel()
                crowd.send_report(last=True)
                return


def say(increment: Increment) -> None:
    write(msgspec.json.encode(increment) + b"\n")


def write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def usage_of_this_process() -> Callable[[], tuple[float, int]]:
    """A function that tells CPU seconds and resident bytes so far."""
    process = psutil.Process()

    def usage() -> tuple[float, int]:
        cpu = process.cpu_times()
        return cpu.user + cpu.system, process.memory_info().rss

    return usage


def raise_descriptor_limit() -> int:
    """As far as the system lets us; how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


async def connected_to_stdin() -> None:
    """Read the commands, and work until they end."""
    commands = asyncio.StreamReader(limit=LINE_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await work(commands)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connected_to_stdin())


if __name__ == "__main__":
    main()
