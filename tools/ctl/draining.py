"""Emptying one node of a running cluster, and telling how far it is: for `mesh drain` and `mesh scale`.

The node does it, and goes on when nobody listens any more. It is asked again as long as that gets it further.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

from mesh.clock import Clock
from mesh.errors import DeadlineExceeded, MeshError, PeerLost, RefusedError
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description, Drain, Drained
from mesh.topology import SINGLE, NodeSpec, Topology
from tools.ctl import state
from tools.ctl.asking import expect
from tools.ctl.control import Request, ask
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import say

TIMEOUT_S = 60.0
FIRST_ANSWER_S = 3.0  # a node that says nothing within this is not asked to drain
WATCH_S = 0.25
AGAIN_S = 0.5
MARK_S = 3.0
CONTENTS = {"gate": "clients", "scene": "players", "login": "requests", "log": "events"}

Told = Callable[[Description], Awaitable[None]]


async def drain_node(operator: Operator, node: NodeSpec, timeout_s: float, clock: Clock, told: Told) -> Drained:
    """Until it is empty, or gets no further. `told` hears what the node says of itself on the way. Raises RefusedError
    in the node's words, CommandError when it does not answer."""
    end = clock.now() + timeout_s
    try:
        before = expect(await operator.ask(node.name, Describe(), min(FIRST_ANSWER_S, timeout_s)), Description)
    except (PeerLost, DeadlineExceeded):
        text = f"{node.short} does not answer; `mesh status` shows whether it runs"
        raise CommandError(text, Exit.UNHEALTHY) from None
    watching = asyncio.create_task(_watch(operator, node, told))
    left: int | None = None
    try:
        while True:
            done = await _ask(operator, node, max(WATCH_S, end - clock.now()))
            if not done.left or (left is not None and done.left >= left) or clock.now() + AGAIN_S >= end:
                return Drained(max(done.moved, before.load.players - done.left), done.left, done.text)
            left = done.left
            await asyncio.sleep(AGAIN_S)
    except DeadlineExceeded:
        text = (
            f"{node.short} is not empty after {timeout_s:.0f} s; it goes on, and `mesh drain {node.short}` waits for it"
        )
        raise CommandError(text, Exit.TIMED_OUT) from None
    except PeerLost as error:
        raise CommandError(f"{node.short} ended while it was drained: {error}", Exit.UNHEALTHY) from None
    finally:
        watching.cancel()


async def _ask(operator: Operator, node: NodeSpec, timeout_s: float) -> Drained:
    """One turn. A node that could take over may have become Ready just now, and this one learns of it in a moment: a
    refusal is asked about a second time."""
    try:
        return expect(await operator.ask(node.name, Drain(), timeout_s), Drained)
    except RefusedError:
        if node.role in SINGLE:
            raise
    await asyncio.sleep(AGAIN_S)
    return expect(await operator.ask(node.name, Drain(), timeout_s), Drained)


async def _watch(operator: Operator, node: NodeSpec, told: Told) -> None:
    while True:
        await asyncio.sleep(WATCH_S)
        with contextlib.suppress(MeshError):
            await told(expect(await operator.ask(node.name, Describe(), FIRST_ANSWER_S), Description))


def contents(role: str, count: int) -> str:
    """ "812 clients" """
    word = CONTENTS.get(role, "parts")
    return f"{count} {word[:-1] if count == 1 else word}"


class Progress:
    """A line on the terminal that shows who is left, and nothing anywhere else. `marked` is called once, when the node
    has begun."""

    def __init__(self, node: NodeSpec, marked: Callable[[], Awaitable[None]]) -> None:
        self._node = node
        self._marked = marked
        self._begun = False
        self._most = 0
        self._shown = False

    async def told(self, said: Description) -> None:
        """What the node says of itself at the moment."""
        if said.state != "Draining":
            return
        await self.begin()
        self._most = max(self._most, said.load.players)
        if self._most and sys.stderr.isatty():
            self._shown = True
            moved = f"{self._most - said.load.players} of {contents(self._node.role, self._most)} moved"
            print(f"\r\x1b[2Kmesh: {self._node.short}: {moved}", end="", file=sys.stderr, flush=True)

    async def begin(self) -> None:
        """It drains: its supervisor has to know."""
        if not self._begun:
            self._begun = True
            await self._marked()

    def end(self) -> None:
        """Leave the line to whoever writes next."""
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


async def mark(topology: Topology, node: NodeSpec) -> None:
    """Tell the supervisor not to start this node again when it ends. What shares its process with others is started
    again with them, and what is looked after by somebody else, by that."""
    process = topology.process_of(node)
    known = state.processes_of(topology).get(node.short)
    if len(process.nodes) > 1 or known is None or not state.is_whole(topology):
        return
    try:
        await ask(topology, Request("drain", process.name), MARK_S)
    except CommandError as error:
        say(f"mesh: {error}; when {node.short} ends, it is started again")


async def drain_shown(topology: Topology, node: NodeSpec, timeout_s: float, clock: Clock) -> Drained:
    """The whole of it: how many moved, how many are left."""
    progress = Progress(node, lambda: mark(topology, node))
    try:
        async with Operator(topology) as operator:
            done = await drain_node(operator, node, timeout_s, clock, progress.told)
        await progress.begin()
    finally:
        progress.end()
    return done


async def drain_and_show(topology: Topology, node: NodeSpec, timeout_s: float, clock: Clock) -> Drained:
    """The same; CommandError when somebody is left, with the node's words."""
    done = await drain_shown(topology, node, timeout_s, clock)
    if done.left:
        why = f": {done.text}" if done.text else ""
        text = f"{node.short} still has {contents(node.role, done.left)}{why}"
        raise CommandError(f"{text}; a restart makes it serve again", Exit.UNHEALTHY)
    return done


async def empty_first(topology: Topology, node: NodeSpec, timeout_s: float, clock: Clock) -> Drained:
    """Before a restart: one that does not become empty in time is restarted all the same."""
    try:
        return await drain_shown(topology, node, timeout_s, clock)
    except CommandError as error:
        if error.exit_code is not Exit.TIMED_OUT:
            raise
        say(f"mesh: {node.short} is not empty after {timeout_s:.0f} s, and is restarted all the same")
        return Drained(0, 0)
