"""Checker `cached`: of what was only said to be in memory, a crash loses the last moment and nothing older.

Class C: an acknowledged state is on disk within a second. Every character's states are numbered in the order in which
they were saved; what is stored is one of them, and all that were acknowledged long enough before the crash are not
newer than it.
"""

from collections.abc import Sequence

import msgspec

from mesh.checking.records import Problem


class Saved(msgspec.Struct, frozen=True, gc=False):
    """One acknowledged save of everybody: its number, and when it was acknowledged."""

    number: int
    at: float


def lost_s(saves: Sequence[Saved], stored: int, crashed_at: float) -> float:
    """How long before the crash the oldest acknowledged save was made that is newer than what is stored (s); 0 when
    nothing was lost."""
    return max((crashed_at - save.at for save in saves if save.number > stored), default=0.0)


def cached(saves: Sequence[Saved], stored: dict[int, int], crashed_at: float, limit_s: float) -> list[Problem]:
    """`stored` is character -> number. A problem for each that lost more than `limit_s`, or has what nobody saved."""
    newest = max((save.number for save in saves), default=0)
    found = []
    for who, number in stored.items():
        lost = lost_s(saves, number, crashed_at)
        if lost > limit_s:
            found.append(Problem("cached", f"character {who} lost {lost:.2f} s, at most {limit_s:g} s"))
        if number > newest + 1:  # one more may have been under way
            found.append(Problem("cached", f"character {who} has state {number}, the last that was saved is {newest}"))
    return found
