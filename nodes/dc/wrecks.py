"""Whether the DC may open its file after the program has died of it. The one guard against dying of a file for ever.

Two deaths make a file suspect. A damaged page can make the database library end the process, in the middle of a read as
well as of a write; and a commit that fails ends it by our own rule, because nobody knows what is on disk then. The
supervisor starts the DC again and again, and it dies again and again. So a process writes both down, into a file beside
the data (the kernel's SIGKILL is no such death: after that the next start is as quick as ever), and whoever opens the
data next looks at that first:

- the check of the whole file is run in a process of its own, which may die in our place; when it does, or cannot open
  the file, the DC does not start, and says so with the exit code that tells its supervisor to leave it alone
- rows that are merely damaged are no reason: they are refused one by one, and the others are served
- after three such deaths within an hour it does not start whatever the check says: it does not read what only a write
  needs, and a disk that fails again and again is none to play on
- the file is forgotten when another database takes the place of this one (`restoring.py`)

A process with failpoints armed fails because somebody wants it to, so its failed commits are not written down.

Rejected: to count starts. A machine whose DC is killed often is no reason to refuse its players. And to count deaths in
the supervisor: it knows neither whether the file had to do with them nor, started anew itself, that there were any.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mesh.errors import StorageError
from mesh.seat import Seat
from nodes.dc.store import Store

FILE = "crashes.txt"
DEATH = b"Fatal Python error"  # how one of compiled code begins in that file
FAILED = b"A commit failed"  # and one of ours
DEATHS_MAX = 3
FORGOTTEN_S = 3600.0
FINE = (0, 6)  # exit codes of the check: nothing, or something that is refused row by row
CHECK_S = 600.0
REASON_BYTES_MAX = 300


async def opened(seat: Seat, open_store: Callable[[], Store]) -> Store:
    """The store, or StorageError when the program would only die of it again."""
    await look(
        seat.data, seat.clock.wall(), [sys.executable, "-P", "-m", "nodes", "dc", "--offline", "check", "--data"]
    )
    if is_there := seat.data.is_dir():  # else there is nothing that could be damaged
        with contextlib.suppress(OSError):  # to open the store says what is wrong with the folder
            seat.crashes_into(seat.data / FILE)
    store = open_store()
    if not is_there:
        seat.crashes_into(seat.data / FILE)
    return store


def commit_failed(seat: Seat, why: str) -> None:
    """The process is about to end because of this."""
    if not seat.failpoints.armed:
        with contextlib.suppress(OSError), (seat.data / FILE).open("ab") as file:
            file.write(FAILED + f": {why}\n".encode())


async def look(data: Path, wall: float, check: Sequence[str]) -> None:
    """StorageError when what is written down here, or the check (a command, the folder follows), speaks against it."""
    deaths = deaths_in(data / FILE, wall)
    if not deaths:
        return
    how = f"{data}: the program has died of this database {deaths} times of late ({_last_in(data / FILE)})"
    remedy = f"restore it from a backup; to try once more all the same, delete {data / FILE}"
    if deaths >= DEATHS_MAX:
        raise StorageError(f"{how}; {remedy}")
    if (code := await _run([*check, str(data)])) not in FINE:
        raise StorageError(f"{how}, and the check of it does not come to its end either ({code}); {remedy}")


def deaths_in(file: Path, wall: float) -> int:
    """How often the program died lately. What is long ago is forgotten."""
    with contextlib.suppress(OSError):
        if wall - file.stat().st_mtime <= FORGOTTEN_S:
            return sum(map(file.read_bytes().count, (DEATH, FAILED)))
        file.unlink()
    return 0


def _last_in(file: Path) -> str:
    """How it died last, for people."""
    lines = [line for line in file.read_bytes().splitlines() if line.startswith((DEATH, FAILED))]
    return lines[-1][:REASON_BYTES_MAX].decode(errors="replace")


async def _run(command: Sequence[str]) -> int:
    """The exit code; below zero when it was ended by a signal, or took too long."""
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        return await asyncio.wait_for(child.wait(), CHECK_S)
    except TimeoutError:
        return -1
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
