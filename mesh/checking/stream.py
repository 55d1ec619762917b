"""Checker `stream`: what was published reaches everybody who listens, each once and in order.

A subscriber may lose publications on their way; it notices, and is given what it has missed. Whoever comes late hears
everything from some publication on. Publications are known by the numbers 1, 2, 3 ... that were said in them.
"""

from collections.abc import Sequence
from itertools import pairwise

from mesh.checking.records import Problem


def stream(who: str, heard: Sequence[int], newest: int, first: int | None = None) -> list[Problem]:
    """`heard`: the numbers in the order in which they were heard, up to `newest`. `first`: what must have been heard
    first, None for one that came late and may begin anywhere. At most one problem of each kind."""
    begin = first if first is not None else heard[0] if heard else newest + 1
    missing = sorted(set(range(begin, newest + 1)).difference(heard))
    twice = len(heard) - len(set(heard))
    late = [number for before, number in pairwise(heard) if number < before]
    found = []
    if missing:
        found.append(Problem("stream", f"{who} has not heard {len(missing)}, such as {missing[0]}"))
    if twice:
        found.append(Problem("stream", f"{who} has heard {twice} twice"))
    if late:
        found.append(Problem("stream", f"{who} has heard {late[0]} after a later one"))
    return found
