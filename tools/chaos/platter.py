"""What a disk may hold when the power is lost: everything up to the last sync, and any part of what came after it.

Pure. A trace of writes and syncs (src/tracer) is replayed onto it; at any place in it an image can be taken. The unit
is a page of 4 KiB: of what was not synced, each page is there or not, by chance, and so is the file's new length.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

PAGE = 4096
_HEADER = struct.Struct("<QdQQ")


@dataclass(frozen=True)
class Step:
    """One thing that was done to the file. `at` is on the monotonic clock, before it was done."""

    kind: Literal["write", "synced write", "sync"]
    at: float
    offset: int = 0
    data: bytes = b""


def steps_of(trace: bytes) -> Iterator[Step]:
    """The steps in order. The process may have been killed while it wrote the last one."""
    at = 0
    while at + _HEADER.size <= len(trace):
        kind, when, offset, length = _HEADER.unpack_from(trace, at)
        at += _HEADER.size
        if kind == ord("S"):
            yield Step("sync", when)
            continue
        data = trace[at : at + length]
        at += length
        if len(data) == length:
            yield Step("write" if kind == ord("W") else "synced write", when, offset, data)


@dataclass
class Platter:
    """The file on the disk, and what is only in the disk's memory or the system's."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, bytes]] = field(default_factory=list)  # pages or less, in order

    def do(self, step: Step) -> None:
        if step.kind == "sync":
            for offset, data in self.loose:
                put(self.safe, offset, data)
            self.loose.clear()
        elif step.kind == "synced write":
            put(self.safe, step.offset, step.data)
        else:
            self.loose += pieces(step.offset, step.data)

    def image(self, chance: random.Random) -> bytes:
        """One of the things that may be left. How much of what is loose is there is chance, too: little, half, most."""
        image, share = bytearray(self.safe), chance.random()
        for offset, data in self.loose:
            if chance.random() < share:
                put(image, offset, data)
        return bytes(image)


def put(file: bytearray, offset: int, data: bytes) -> None:
    """Write; what lies between the end of the file and the place is zero, as in a file with a hole."""
    if len(file) < offset:
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(data)] = data


def pieces(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut at the borders of pages."""
    at = 0
    while at < len(data):
        size = min(PAGE - (offset + at) % PAGE, len(data) - at)
        yield offset + at, data[at : at + size]
        at += size
