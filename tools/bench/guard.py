"""Ends what a bench has left running when the bench itself was killed, which gives it no time to do so.

A process of its own in a session of its own, whose stdin is a pipe from the bench: a word on it means that all went
well, its end without one that the bench is gone. What the bench has started, clusters, references, the generator, is
known by the folder for notes in its environment, which no other process has.

    python -P -m tools.bench.guard NOTES

Rejected: a parent for every program to watch. The references are programs of others, and a supervisor is detached so
that it outlives who started it.
"""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

NOTES = "XDG_RUNTIME_DIR"
WELL = b"well"
STOP_S = 40.0  # a cluster's own stop in order takes seconds
KILLED_S = 5.0


@contextlib.contextmanager
def guarded(notes: Path) -> Iterator[None]:
    """While the body runs, somebody looks after it."""
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "tools.bench.guard", str(notes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate(WELL)


def main() -> int:
    if sys.stdin.buffer.read() != WELL:
        clear(Path(sys.argv[1]))
    return 0


def clear(notes: Path) -> None:
    """Supervisors stop their nodes in order; whoever is left after that is killed. Then the folder of the run goes."""
    found = started(notes)
    for process in found:
        if not is_node(process):
            with contextlib.suppress(psutil.Error):
                process.terminate()
    psutil.wait_procs(found, STOP_S)
    left = started(notes)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, KILLED_S)
    shutil.rmtree(notes.parent, ignore_errors=True)


def started(notes: Path) -> list[psutil.Process]:
    """Everybody with this folder for notes but this process."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != psutil.Process().pid and process.environ().get(NOTES) == str(notes):
                found.append(process)
    return found


def is_node(process: psutil.Process) -> bool:
    """One that its supervisor stops when it is its turn."""
    with contextlib.suppress(psutil.Error):
        return "nodes" in process.cmdline()
    return True


if __name__ == "__main__":
    sys.exit(main())
