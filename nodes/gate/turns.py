"""Whose login is worked on next: in the order in which they came, so many at once.

When more come than can be let in, that order would serve nobody in the end: whoever is in front has waited almost as
long as people wait at all, and is gone before the nodes behind are done. So while the waiting is long, whoever came
last is taken first: those still are there when they are let in. The others have their turn when it is quieter.

A burst of thousands waits here, where one more costs a place in a list. Behind the gate they would all be under way
together, each a row of tasks and questions in five nodes, and the last ones' deadlines would pass before anybody had
looked at them. So a deadline counts from the turn on.

How many are under way together follows how long a turn takes. When the nodes behind are slow, more under way would only
wait there, where nobody takes the last first, and whoever comes when it is quiet again would stand behind all of them.
So each turn that takes much longer than the shortest ones makes fewer of them, and each that does not makes more, up to
the limit.

Each method has turns of its own: a flood of passwords, which are slow by design, keeps neither tickets waiting nor
players whose connection broke. Pure. Who has waited for too long is taken out. Bounded by twice the connections of the
gate: who hangs up again before its turn is forgotten when there are more of those than of the others.

While the nodes behind refuse newcomers because those who are in the world wait for too long (`mesh/core/admission.py`),
a refusal frees a turn at once, and everybody who stands here in good order would be refused within a moment. So after
a refusal nobody's turn comes for as long as that rule lets others wait, and then that of a few, until one is let in.
Players whose connection broke are no newcomers: theirs go on.
"""

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from mesh.core.admission import TARGET_S
from mesh.protocol.client import Login
from nodes.gate.sessions import Client, State

SWEEP_MIN = 256
"""Fewer that wait are not looked through."""
PAUSE_S = TARGET_S
"""After a refusal behind, until somebody is tried again."""
PROBES = 2
"""Turns at once until one of them is let in: the first might wait for an answer that was lost."""
LATE_S = 0.75
"""Between the first and the last who wait: above, the last come first."""
SLOW_S, SLOWER = 0.5, 3.0
"""A turn is slow that takes longer than this, and so many times as long as the shortest."""
STEP = 0.5
"""Turns at once, more or fewer, for each that was taken."""
OLDER = 1.001
"""The shortest is forgotten by so much with each turn: the way to the nodes behind may have become longer for good."""
RESUME = "resume"
"""The method of those who are in the world already."""


class Turn(NamedTuple):
    """One login."""

    client: Client
    said: Login
    at: float  # when it was said


class Window:
    """How many turns of one method are taken at the same time: at most `at_once`."""

    __slots__ = ("_at_once", "_least_s", "_size")

    def __init__(self, at_once: int) -> None:
        self._at_once, self._size, self._least_s = at_once, float(at_once), inf

    @property
    def size(self) -> int:
        return int(self._size)

    def took(self, seconds: float) -> None:
        """A turn did."""
        self._least_s = min(seconds, self._least_s * OLDER)
        is_slow = seconds > max(SLOW_S, SLOWER * self._least_s)
        self._size = max(min(PROBES, self._at_once), min(self._at_once, self._size + (-STEP if is_slow else STEP)))


class Turns:
    """See the module. `at_once`: turns of one method that are taken at the same time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: dict[str, deque[Turn]] = {}
        self._taken: dict[str, int] = {}
        self._windows: dict[str, Window] = {}
        self._sweep_at: dict[str, int] = {}  # when so many wait, it is time to look who has gone
        self._refused: dict[str, bool] = {}  # methods whose last one was refused behind: is it time to try again?

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
        waiting, at_once = self._waiting.get(method, deque()), self._window(method).size
        if method in self._refused:
            at_once = PROBES if self._refused[method] else 0
        while waiting and self._taken.get(method, 0) < at_once:
            turn = _next(waiting)
            if turn.client.state is State.AUTHENTICATING:  # else it went away meanwhile
                self._taken[method] = self._taken.get(method, 0) + 1
                yield turn

    def give_back(self, method: str, took_s: float = 0.0) -> None:
        """The login of this method is done, or failed. Players whose connection broke have as many turns as ever."""
        self._taken[method] -= 1
        if method != RESUME:
            self._window(method).took(took_s)

    def _window(self, method: str) -> Window:
        return self._windows.setdefault(method, Window(self._at_once))

    def refused(self, method: str) -> bool:
        """The nodes behind take no newcomers. True: a pause has begun, and somebody has to `try_again` after it."""
        if method == RESUME or self._refused.get(method) is False:
            return False
        self._refused[method] = False
        return True

    def try_again(self, method: str) -> None:
        """The pause is over, unless somebody was let in meanwhile and there is none any more."""
        if method in self._refused:
            self._refused[method] = True

    def let_in(self, method: str) -> None:
        """They take them."""
        self._refused.pop(method, None)

    def expire(self, before: float) -> list[Turn]:
        """Taken out: who came before that and still waits."""
        found: list[Turn] = []
        for waiting in self._waiting.values():
            while waiting and waiting[0].at < before:
                turn = waiting.popleft()
                if turn.client.state is State.AUTHENTICATING:
                    found.append(turn)
        return found


def _next(waiting: deque[Turn]) -> Turn:
    """Taken out. Who went away in front of the others does not make the waiting long."""
    while len(waiting) > 1 and waiting[0].client.state is not State.AUTHENTICATING:
        waiting.popleft()
    return waiting.pop() if waiting[-1].at - waiting[0].at > LATE_S else waiting.popleft()
