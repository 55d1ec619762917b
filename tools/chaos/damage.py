"""What becomes of files on bad disks: a flipped bit, a page of zeros, an end that is missing. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = 4096
SHARES = ("bit",) * 40 + ("page",) * 10 + ("end",)
"""Of 51 damages: 200 bits, 50 pages and 5 ends in 255."""


@dataclass(frozen=True)
class Damage:
    """A file that is not what was written."""

    what: str
    image: bytes


def damages(count: int, file: bytes, chance: random.Random) -> Iterator[Damage]:
    """So many, each of a fresh copy."""
    for number in range(count):
        kind = SHARES[(number * 11 - 1) % len(SHARES)]  # 11 and 51 have no common divisor: few are of all kinds, too
        yield {"bit": flipped, "page": zeroed, "end": cut}[kind](file, chance)


def flipped(file: bytes, chance: random.Random) -> Damage:
    at, bit = chance.randrange(len(file)), chance.randrange(8)
    image = bytearray(file)
    image[at] ^= 1 << bit
    return Damage(f"bit {bit} of byte {at} (page {at // PAGE})", bytes(image))


def zeroed(file: bytes, chance: random.Random) -> Damage:
    page = chance.randrange(len(file) // PAGE)
    image = bytearray(file)
    image[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    return Damage(f"page {page} is zero", bytes(image))


def cut(file: bytes, chance: random.Random) -> Damage:
    length = chance.randrange(len(file) // 10, len(file))
    return Damage(f"cut after {length} of {len(file)} bytes", file[:length])
