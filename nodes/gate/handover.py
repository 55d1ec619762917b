"""How a gate becomes empty without anybody losing a word: clients are asked to go to other gates, a few at a time.

    gate -> client        MoveGate(url)        play goes on here
    client -> other gate  Login (resume)       on a second connection; the center takes the session over
    center -> gate        Kick (taken_over)    it has gone: both ways stay open until the client ends the connection

Whoever waits in the queue keeps its place there and is told MoveGate as the last word: it sends the same Login at the
other gate. Whoever is just logging in finishes first. Owns whom it has asked. Clients that stay are left alone when the
time is up: they are told `shutdown` when the gate stops, and resume.
"""

import asyncio
from collections.abc import Callable
from itertools import count

from mesh.errors import Code
from mesh.node import Node
from mesh.protocol.catalogue import Message
from mesh.protocol.client import Goodbye, MoveGate
from mesh.protocol.control import Drained
from nodes.gate.sessions import Client, Sessions, State
from nodes.gate.settings import GateSettings

STEP_S = 0.025
UNDER_WAY_MAX = 40  # asked and still here: more at once would make each of them wait for the others
UNDER_WAY_S = 1.0  # who needs longer does not keep others from going
AGAIN_S = 5.0  # a client that has not gone by then is asked again, perhaps to go to another gate

Say = Callable[[Client, Message], None]
Dismiss = Callable[[Client, str, str, Message], None]


class HandOver:
    """See the module. `others` are the addresses of the gates that are Ready, without this one."""

    def __init__(
        self,
        node: Node,
        settings: GateSettings,
        sessions: Sessions,
        others: Callable[[], list[str]],
        say: Say,
        dismiss: Dismiss,
    ) -> None:
        self.asked: dict[int, tuple[float, str]] = {}  # when, and to go where, by connection
        self.moved = 0
        self._node, self._settings, self._sessions, self._others = node, settings, sessions, others
        self._say, self._dismiss = say, dismiss
        self._turn = count()
        self._under_way: asyncio.Task[Drained] | None = None

    async def run(self) -> Drained:
        """Until nobody is left, or `drain_s` have passed. Asked again meanwhile, it is the same work."""
        if self._under_way is None:
            self._under_way = self._node.spawn(self._run())
        return await asyncio.shield(self._under_way)

    def is_moving(self, client: Client) -> bool:
        """It is taken over: because it was asked to go?"""
        if client.number not in self.asked:
            return False
        self.moved += 1
        return True

    def forget(self, client: Client) -> None:
        """Its connection is gone."""
        self.asked.pop(client.number, None)

    async def _run(self) -> Drained:
        before, until = self.moved, self._node.clock.now() + self._settings.drain_s
        text, budget = "", 0.0
        try:
            while len(self._sessions) and self._node.clock.now() < until:
                others = self._others()
                if not others:
                    text = "no other gate is Ready: nobody can go anywhere"
                    break
                budget = min(budget, 1.0) + self._settings.moves_per_s * STEP_S
                budget -= self._ask_some(others, int(budget))
                self._end_rest()
                await asyncio.sleep(STEP_S)
            left = sum(client.state not in (State.MOVED, State.LEAVING) for client in self._sessions)
            return Drained(self.moved - before, left, text or ("" if not left else "these clients did not go"))
        finally:
            self._under_way = None

    def _ask_some(self, others: list[str], most: int) -> int:
        """Ask up to `most` clients to go, evenly to the others. Returns how many were asked."""
        now, done = self._node.clock.now(), 0
        most = min(most, UNDER_WAY_MAX - sum(when > now - UNDER_WAY_S for when, _ in self.asked.values()))
        for client in self._sessions:
            if done >= most:
                break
            when, where = self.asked.get(client.number, (-AGAIN_S, ""))
            if client.is_in(State.QUEUED):
                self._dismiss(client, Code.SHUTDOWN, "", MoveGate(self._elsewhere(others)))
            elif client.is_in(State.PLAYING) and when <= now - AGAIN_S:
                there = self._elsewhere(others, but=where)
                self.asked[client.number] = now, there
                self._say(client, MoveGate(there))
            else:
                continue
            done += 1
        return done

    def _elsewhere(self, others: list[str], but: str = "") -> str:
        """One after the other; not the same one again, where it did not succeed."""
        turn = next(self._turn)
        chosen = others[turn % len(others)]
        return chosen if chosen != but else others[(turn + 1) % len(others)]

    def _end_rest(self) -> None:
        """Nobody is left but connections on which nothing was said yet."""
        if all(client.is_in(State.CONNECTED, State.LEAVING) for client in self._sessions):
            for client in self._sessions:
                last = Goodbye(Code.SHUTDOWN, "this gate is being emptied: go to another one")
                self._dismiss(client, Code.SHUTDOWN, "", last)
