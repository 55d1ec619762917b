"""Checkers `bounds` and `one-writer`: what must hold at every moment, and not only at the end.

`bounds`: nothing that waits is more than its limit; whoever asks looks often, and says what it saw and what the limit
is. `one-writer`: of several that could each be in charge, at most one believes that it is.
"""

from collections.abc import Mapping, Sequence

from mesh.checking.records import Problem


def bounds(sizes: Mapping[str, tuple[int, int]]) -> list[Problem]:
    """`sizes`: what waits, by its name: how much, and how much may. A problem for each that is above its limit."""
    return [
        Problem("bounds", f"{what}: {size:,} wait, {limit:,} may")
        for what, (size, limit) in sorted(sizes.items())
        if size > limit
    ]


def one_at_a_time(writers: Sequence[str]) -> list[Problem]:
    """Who says at the same moment that what it has is the truth."""
    if len(writers) < 2:
        return []
    return [Problem("one-writer", f"{' and '.join(sorted(writers))} write at the same time")]


def copies(disks: Mapping[str, Mapping[str, Mapping[bytes, bytes]]]) -> list[Problem]:
    """Checker `copies`: `disks` is name -> table -> key -> value. A problem for each table that is not the same
    everywhere."""
    (first, tables), *others = sorted(disks.items())
    found = []
    for other, theirs in others:
        for table in sorted(tables.keys() | theirs.keys()):
            ours, copy = tables.get(table, {}), theirs.get(table, {})
            if ours != copy:
                differ = sum(ours.get(key) != copy.get(key) for key in ours.keys() | copy.keys())
                found.append(Problem("copies", f"{differ} rows of {table} are not the same at {first} and {other}"))
    return found
