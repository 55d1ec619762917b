"""The offline command `compact`: a compaction as a process of its own, that steps back behind everything else.

It runs with the lowest priority for processor and disk, beside nodes that players wait for. `--parent` makes it end
when the log node that has started it is gone. Exit codes: 0, 1 it could not be done, 2 the extra `data` is missing.
"""

import argparse
import contextlib
import gc
import importlib.util
import os
from pathlib import Path
from typing import Any

import msgspec
import psutil

from mesh.clock import SystemClock
from mesh.errors import StorageError

OK, FAILED, USAGE = 0, 1, 2
NEEDS = "pyarrow"
MISSING = "to make Parquet files takes pyarrow: pip install 'zonemesh[data]'"
NICE = 19


def is_possible() -> bool:
    """Whether the extra is installed. Loads nothing."""
    return importlib.util.find_spec(NEEDS) is not None


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, action="append", metavar="DIR", help="can be repeated")
    command.add_argument("--lake", type=Path, required=True, metavar="DIR")
    command.add_argument("--days", type=float, default=0.0, help="of the lake: older hours go; 0: none do")
    command.add_argument("--bytes", type=int, default=0, help="of the lake: the oldest hours go above it; 0: none do")
    command.add_argument("--wait", action="store_true", help="when the lake is being written by another process")
    command.add_argument("--parent", type=int, default=0, metavar="PID", help="end when this process has ended")


def compact(asked: argparse.Namespace) -> tuple[Any, int]:
    """What was done, and the exit code."""
    if not is_possible():
        return {"error": MISSING}, USAGE
    _step_back()
    from mesh.lake.lake import Lake
    from mesh.lake.pruning import prune
    from nodes.log.compaction import Compaction, StoppedError

    wall_ms = int(SystemClock().wall() * 1000)
    with Lake(asked.lake, wall_ms, wait=asked.wait) as lake:
        work = Compaction(lake, wall_ms, lambda: bool(asked.parent) and os.getppid() != asked.parent)
        try:
            done = work.run(asked.data)
        except StoppedError:
            return {"error": "whoever started this is gone"}, FAILED
        except StorageError as error:
            return msgspec.structs.asdict(work.done) | {"error": str(error)}, FAILED
        pruned = prune(lake, wall_ms, asked.days, asked.bytes)
        facts = {"files": len(lake.manifest.files), "bytes": lake.manifest.bytes}
    return msgspec.structs.asdict(done) | {"pruned": msgspec.structs.asdict(pruned), **facts}, OK


def _step_back() -> None:
    """Nobody waits for this. It makes no cycles, so nobody need look for them."""
    import pyarrow

    gc.disable()
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    with contextlib.suppress(psutil.Error, OSError, AttributeError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
