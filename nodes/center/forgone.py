"""Connections whose logins came to nothing as far as their gates know: nobody is to stand in the world by one of them.

A login node that dies or hangs behind the center's answer leaves a gate without one, and the center with a session at a
connection that never heard of it. So the gate says that it has given the login up. That may overtake the login itself,
which goes the longer way: it is remembered for KEEP_S, more than a login node asks for. Pure and bounded: of more than
FORGONE_MAX the oldest are forgotten.
"""

from collections import OrderedDict

KEEP_S = 60.0
FORGONE_MAX = 10_000


class Forgone:
    """See the module."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, int], float] = OrderedDict()

    def add(self, gate: str, connection: int, now: float) -> None:
        """A gate has given up the login of this connection."""
        self._until.pop((gate, connection), None)
        self._until[gate, connection] = now + KEEP_S
        if len(self._until) > FORGONE_MAX:
            self._until.popitem(last=False)

    def has(self, gate: str, connection: int, now: float) -> bool:
        """Did it, a moment ago?"""
        return self._until.get((gate, connection), now) > now

    def lose_gate(self, gate: str) -> None:
        """This gate is gone, and the next one of its name counts its connections anew."""
        for one in [one for one in self._until if one[0] == gate]:
            del self._until[one]
