"""Wall clocks of single processes that can be made to jump: a small library is preloaded into each of them.

Everything in the process sees the wrong date, also what does not ask `mesh/clock.py` for it. Rejected: a setting of the
nodes, which would only be heard by code that reads the clock as it should; and time namespaces of the kernel, which
move the monotonic clock and not the date.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from tools.bench.build import build

SOURCES = Path(__file__).parent / "src" / "clock"
LIBRARY = ("-shared", "-fPIC")
VARIABLE = "MESH_CLOCK"
_SHIFT = struct.Struct("=q")


class WallClocks:
    """One for each process, by its name. CommandError where there is no C compiler."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._library = build(SOURCES, "clock", os.environ, LIBRARY)
        self._files = {name: folder / f"{name}.clock" for name in names}
        for file in self._files.values():
            file.write_bytes(_SHIFT.pack(0))

    def environments(self) -> dict[str, dict[str, str]]:
        """What each process must be started with."""
        preloaded = {"LD_PRELOAD": str(self._library)}
        return {name: {**preloaded, VARIABLE: str(file)} for name, file in self._files.items()}

    def wrong_s(self, name: str) -> int:
        """How far it is ahead of the right time."""
        (seconds,) = _SHIFT.unpack(self._files[name].read_bytes())
        return int(seconds)

    def jump(self, name: str, wrong_s: int) -> None:
        """From now on it is ahead by so much."""
        with self._files[name].open("r+b") as file:  # in place: the processes have it mapped
            file.write(_SHIFT.pack(wrong_s))
