"""The load generator in Python: `python -P -m tools.bench.pythonclients`, for machines without a C compiler.

Takes the options of `src/main.c`, hears the commands of `src/commands.c` on stdin, and says the lines of
`src/report.c`; it speaks our own protocol only, by the real client library. One process carries some hundred players,
where the C program carries ten thousand: it says itself when it was not in time. What only the C program can is
refused: clients that do not read, flood, or vanish.
"""

import argparse
import asyncio
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

from mesh.clock import SystemClock
from tools.bench.pythonclients.crowd import Crowd
from tools.bench.said import Done, Said, Trouble

ONLY_IN_C = ("stall", "flood", "vanish")
NEEDS_C = "is something that only the C program can do: it needs a C compiler"


def say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def carry_out(crowd: Crowd, line: str) -> bool:
    """One command; False: it was the last one."""
    name, *words = line.split() or [""]
    commands: dict[str, tuple[range, Callable[..., None]]] = {
        "clients": (range(1, 3), lambda count, rate=0.0: crowd.aim(int(count), rate)),
        "measure": (range(1), crowd.measure),
        "end": (range(1), crowd.end),
        "shout": (range(1), crowd.shout),
        "hz": (range(1, 2), crowd.set_hz),
        "circle": (range(1, 2), crowd.circle),
        "observers": (range(2, 3), lambda first, behind: crowd.observe(int(first), int(behind))),
        "attack": (range(1, 2), crowd.attack),
        "track": (range(1, 2), lambda every: crowd.track(int(every))),
    }
    if name == "quit":
        return False
    if name in ONLY_IN_C:
        say(Trouble(f"{name} {NEEDS_C}"))
    elif name not in commands:
        say(Trouble("no such command"))
    elif len(words) not in commands[name][0]:
        say(Trouble("a command with too few or too many words"))
    else:
        try:
            commands[name][1](*map(float, words))
        except ValueError as error:
            say(Trouble(str(error)))
        else:
            if name not in ("clients", "measure", "end", "shout"):
                say(Done(name))
    return True


async def serve(crowd: Crowd) -> None:
    """Until stdin ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running = asyncio.create_task(crowd.run())
    async for line in lines:
        if not carry_out(crowd, line.decode()):
            break
    running.cancel()
    crowd.close()


def crowd_of(words: Sequence[str]) -> Crowd:
    parser = argparse.ArgumentParser(prog="pythonclients")
    for name, kind, default in (
        ("gates", str, None), ("tickets", str, None), ("protocol", str, "zone"), ("hz", float, 10.0),
        ("pace", float, 0.9), ("login-s", float, 60.0), ("seed", int, 1), ("side", float, 0.0), ("clients", int, 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default, required=default is None)
    asked = parser.parse_args(words)
    tickets = Path(asked.tickets).read_text().split()
    gates, wanted = asked.gates.split(","), asked.clients or len(tickets)
    how = {"hz": asked.hz, "pace": asked.pace, "patience_s": asked.login_s, "seed": asked.seed}
    if asked.protocol != "zone":
        raise ValueError(f"the protocol {asked.protocol} {NEEDS_C}")
    if wanted > len(tickets):
        raise ValueError("there are fewer tickets than clients")
    return Crowd(gates, tickets[:wanted], SystemClock(), say, **how)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has started us answers it
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        crowd = crowd_of(sys.argv[1:])
    except (ValueError, OSError) as error:
        say(Trouble(str(error)))
        return 2
    uvloop.run(serve(crowd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
