"""Whose login is worked on next: in the order in which they came, so many at once.

A burst of thousands waits here, where one more costs a place in a list. Behind the gate they would all be under way
together, each a row of tasks and questions in five nodes, and the last ones' deadlines would pass before anybody had
looked at them. So a deadline counts from the turn on.

Each method has turns of its own: a flood of passwords, which are slow by design, keeps neither tickets waiting nor
players whose connection broke. Pure. Who has waited for too long is taken out. Bounded by twice the connections of the
gate: who hangs up again before its turn is forgotten when there are more of those than of the others.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from mesh.protocol.client import Login
from nodes.gate.sessions import Client, State

SWEEP_MIN = 256
"""Fewer that wait are not looked through."""


class Turn(NamedTuple):
    """One login."""

    client: Client
    said: Login
    at: float  # when it was said


class Turns:
    """See the module. `at_once`: turns of one method that are taken at the same time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: dict[str, deque[Turn]] = {}
        self._taken: dict[str, int] = {}
        self._sweep_at: dict[str, int] = {}  # when so many wait, it is time to look who has gone

    def __len__(self) -> int:
        """Who waits."""
        return sum(map(len, self._waiting.values()))

    @property
    def taken(self) -> int:
        """Logins that are worked on."""
        return sum(self._taken.values())

    def wait(self, turn: Turn) -> None:
        """Behind everybody who is there."""
        method = turn.said.method
        waiting = self._waiting.setdefault(method, deque())
        waiting.append(turn)
        if len(waiting) >= self._sweep_at.get(method, SWEEP_MIN):
            there = self._waiting[method] = deque(one for one in waiting if one.client.state is State.AUTHENTICATING)
            self._sweep_at[method] = max(SWEEP_MIN, 2 * len(there))

    def take(self, method: str) -> Iterator[Turn]:
        """Those whose turn it is now; each has to be given back."""
        waiting = self._waiting.get(method, ())
        while waiting and self._taken.get(method, 0) < self._at_once:
            turn = waiting.popleft()
            if turn.client.state is State.AUTHENTICATING:  # else it went away meanwhile
                self._taken[method] = self._taken.get(method, 0) + 1
                yield turn

    def give_back(self, method: str) -> None:
        """The login of this method is done, or failed."""
        self._taken[method] -= 1

    def expire(self, before: float) -> list[Turn]:
        """Taken out: who came before that and still waits."""
        found: list[Turn] = []
        for waiting in self._waiting.values():
            while waiting and waiting[0].at < before:
                turn = waiting.popleft()
                if turn.client.state is State.AUTHENTICATING:
                    found.append(turn)
        return found
