"""Whether the DC may open its file after the program has died of it.

A damaged page can make the database library end the process, in the middle of a read as well as of a write. The
supervisor starts the DC again and again, and it dies again and again. So a process writes down how it dies of an error
in compiled code (the kernel's SIGKILL is none: after that the next start is as quick as ever), into a file beside the
data, and whoever opens the data next looks at that first:

- the check of the whole file is run in a process of its own, which may die in our place; when it does, or cannot open
  the file, the DC does not start, and says so with the exit code that tells its supervisor to leave it alone
- rows that are merely damaged are no reason: they are refused one by one, and the others are served
- after three such deaths within an hour it does not start whatever the check says

Rejected: to count starts. A machine whose DC is killed often is no reason to refuse its players.
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
DEATH = b"Fatal Python error"  # how each begins in that file
DEATHS_MAX = 3
FORGOTTEN_S = 3600.0
FINE = (0, 6)  # exit codes of the check: nothing, or something that is refused row by row
CHECK_S = 600.0


async def opened(seat: Seat, open_store: Callable[[], Store]) -> Store:
    """The store, or StorageError when the program would only die of it again."""
    await look(
        seat.data, seat.clock.wall(), [sys.executable, "-P", "-m", "nodes", "dc", "--offline", "check", "--data"]
    )
    store = open_store()
    seat.crashes_into(seat.data / FILE)
    return store


async def look(data: Path, wall: float, check: Sequence[str]) -> None:
    """StorageError when what is written down here, or the check (a command, the folder follows), speaks against it."""
    deaths = deaths_in(data / FILE, wall)
    if not deaths:
        return
    how = f"{data}: the program has died of a damaged file {deaths} times"
    remedy = f"restore it from a backup; to try once more all the same, delete {data / FILE}"
    if deaths >= DEATHS_MAX:
        raise StorageError(f"{how}; {remedy}")
    if (code := await _run([*check, str(data)])) not in FINE:
        raise StorageError(f"{how}, and the check of it does not come to its end either ({code}); {remedy}")


def deaths_in(file: Path, wall: float) -> int:
    """How often the program died lately. What is long ago is forgotten."""
    with contextlib.suppress(OSError):
        if wall - file.stat().st_mtime <= FORGOTTEN_S:
            return file.read_bytes().count(DEATH)
        file.unlink()
    return 0


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
