"""Carries out an upgrade: one process after the other, and none before the cluster is well again.

Owns the steps and what became of each. At the first failure it stops: a process that did not come up from another
installation is put back onto the one that it ran from, and the words say where the upgrade stands, how it goes on and
how it is taken back. It never restarts two at once, and knows neither sockets nor the supervisor: `Hands` does what it
decides, so every rule is tested with hands that follow a script.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.protocol.control import Description, Drained
from mesh.topology import NodeSpec, Topology
from tools.ctl.draining import contents
from tools.ctl.exits import CommandError, Exit, exit_of
from tools.ctl.output import span
from tools.ctl.upgrading import Answers, Step, complaints, links_of, missing_links, version_of

HEALTH_S = 30.0  # for the cluster to be well again after a restart
POLL_S = 0.1
STAYED = {"gate": "come back with their tokens", "scene": "go on as soon as another one takes them"}


class Hands(Protocol):
    """What is done to a cluster."""

    async def describe(self) -> dict[str, Description | MeshError]:
        """What each node that is meant to run says of itself, by full name."""
        ...

    async def empty(self, node: NodeSpec) -> Drained:
        """Move what it has to others of its role; how many stayed. CommandError when it does not answer."""
        ...

    async def restart(self, process: str, python: str) -> None:
        """Returns when it is Ready again; CommandError when it is not."""
        ...

    def runs_from(self, process: str) -> str:
        """The Python that starts it, or has started it."""
        ...


class Stepped(msgspec.Struct, frozen=True):
    """A step that was done; the field names are what scripts rely on."""

    process: str
    seconds: float  # for the restart, until all was well again
    moved: int  # clients or players that went to other nodes before
    version_before: str
    version: str


@dataclass
class Rollout:
    """One upgrade. `python`: of the other installation, "" for the one that each process has."""

    topology: Topology
    steps: Sequence[Step]
    python: str
    hands: Hands
    clock: Clock
    say: Callable[[str], object]

    async def run(self) -> list[Stepped]:
        """All of it; CommandError that says where it stopped."""
        done: list[Stepped] = []
        for step in self.steps:
            try:
                done.append(await self._step(step))
            except MeshError as error:
                raise await self._stopped(step, [one.process for one in done], error) from None
            except asyncio.CancelledError:
                standing = self._standing([one.process for one in done])
                self.say(f"interrupted at {step.process.name}, which may be restarted already; {standing}")
                self.say(self._how_on())
                raise
            self._tell(done[-1], len(done))
        return done

    async def _step(self, step: Step) -> Stepped:
        before = await self.hands.describe()
        moved = sum([await self._empty(node) for node in step.emptied])
        for gate in step.alone:
            self._warn(gate, before)
        links = links_of(self.topology, step.process.nodes, before)
        began = self.clock.now()
        await self.hands.restart(step.process.name, self.python)
        now = await self._wait_well(links, step)
        first = step.process.nodes[0].name
        took_s = round(self.clock.now() - began, 3)
        return Stepped(step.process.name, took_s, moved, version_of(before.get(first)), version_of(now.get(first)))

    async def _empty(self, node: NodeSpec) -> int:
        """Who does not go has its way when the node ends: no reason to wait."""
        done = await self.hands.empty(node)
        if done.left:
            self.say(f"{contents(node.role, done.left)} of {node.short} did not go: they {STAYED[node.role]}")
        return done.moved

    def _warn(self, gate: NodeSpec, answers: Answers) -> None:
        said = answers.get(gate.name)
        if isinstance(said, Description) and said.load.players:
            text = (
                f"{gate.short} is the only gate of its zone: {contents('gate', said.load.players)} lose the connection"
            )
            self.say(f"{text} for a moment, and come back with their tokens")

    async def _wait_well(self, links: dict[str, set[str]], step: Step) -> Answers:
        """Until every node is well, and linked as before."""
        end = self.clock.now() + HEALTH_S
        while True:
            answers = await self.hands.describe()
            there = links_of(self.topology, step.process.nodes, answers)
            wrong = complaints(self.topology, answers) + missing_links(self.topology, links, there)
            if not wrong:
                return answers
            if self.clock.now() >= end:
                raise CommandError(f"not well after {HEALTH_S:.0f} s: {'; '.join(wrong)}", Exit.UNHEALTHY)
            await asyncio.sleep(POLL_S)

    def _tell(self, one: Stepped, number: int) -> None:
        versions = list(dict.fromkeys(version for version in (one.version_before, one.version) if version))
        version = f" ({' -> '.join(versions)})" if versions else ""
        role = one.process.partition(".")[0]
        moved = f", {contents(role, one.moved)} moved before" if one.moved else ""
        self.say(f"{number} of {len(self.steps)}: {one.process} is well after {span(one.seconds)}{version}{moved}")

    async def _stopped(self, step: Step, done: list[str], error: MeshError) -> CommandError:
        """What to tell. The process that failed serves from its old installation first, if it can."""
        name = step.process.name
        lines = [f"the upgrade stopped at {name}, {len(done) + 1} of {len(self.steps)}: {error}"]
        if self.python and step.before and step.before != self.python:
            lines.append(await self._put_back(step))
        elif step.emptied:
            lines.append(f"it may be empty, and take nobody: `mesh restart {name}` has it serve again")
        if any(node.role == "scene" for node in step.process.nodes):
            lines.append("between versions that cannot hand a scene over, `--cold` empties it first")
        lines.append(self._standing(done))
        lines.append(f"when the reason is gone (`mesh logs {name}`), {self._how_on()}")
        if done and self.python and step.before:
            lines.append(f"`mesh upgrade --python {step.before}` takes it back")
        return CommandError("\n".join(lines), exit_of(error))

    def _standing(self, done: Sequence[str]) -> str:
        rest = [one.process.name for one in self.steps[len(done) :]]
        return f"upgraded: {', '.join(done) or 'none'}; not upgraded: {', '.join(rest)}"

    def _how_on(self) -> str:
        if self.python:
            return f"`mesh upgrade --python {self.python}` goes on with these"
        return "`mesh upgrade` begins anew"

    async def _put_back(self, step: Step) -> str:
        """One that was emptied takes nobody until it is restarted, from wherever it runs."""
        process, before = step.process.name, step.before
        if not step.emptied and self.hands.runs_from(process) == before:
            return f"{process} still serves from {before}"
        try:
            await self.hands.restart(process, before)
        except MeshError as error:
            return f"{process} does not come up from {before} either: {error}"
        return f"{process} serves from {before} again"
