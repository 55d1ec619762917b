"""A node watches its own pressure: measures, has `core/pressure.py` decide, tells everybody.

Owns the timer and what is known of the peers' levels. Each look measures how late it is, and how long the loop takes
to come round once more: in an idle loop that is nothing, in one that is never idle it is the turn that everything has
to wait for. The links' refused sends are a signal of every node; others come from the role (`Node.signals`).

A level that changes is logged, told on every link (and first of all on one that comes up), shown in the registry, in
Description.facts and in /metrics. What follows from it is the role's business (`Node.level_changed`).
"""

import asyncio
from itertools import count
from typing import Any, Protocol

from mesh.clock import Clock
from mesh.core.links import Caller, Link
from mesh.core.pressure import OPERATOR, Pressure, Step
from mesh.dispatch import Dispatch
from mesh.errors import Code, RefusedError
from mesh.handlers import on
from mesh.metrics import Metrics
from mesh.protocol.control import Done, PinLevel, PressureChanged, State
from mesh.seat import Logger
from mesh.switchboard import Switchboard
from mesh.topology import Topology
from mesh.topology.policy import Level

FALLEN = "the pressure has fallen"  # the reason of a step down
LAG = "loop lag"
BACKLOG = "send backlog"
LOOK_S = 0.06, 0.18  # between two looks: irregular, or a tick of 100 ms would always or never be met
GOLDEN = 0.618034  # multiples of it, modulo 1, fill the range evenly
LAG_S, LAG_LEFT_OUT_S = 0.03, 0.018
"""At the limit: an attack and its Hit pass four loops, and are to take less than 150 ms together. Where players miss
something already, fights are not to be late on top of that; and it is no use to go back to where it is just enough."""
REFUSED = 2.0  # the signal of a look during which a link took no more


class Watched(Protocol):
    """The node."""

    name: str
    state: State
    clock: Clock
    log: Logger
    metrics: Metrics
    topology: Topology
    switchboard: Switchboard
    dispatch: Dispatch

    def signals(self) -> dict[str, float]: ...
    def level_changed(self) -> None: ...
    def peer_level_changed(self, peer: str) -> None: ...


class PressureWatch:
    """See the module. `number` is the level, `level` what it leaves out."""

    def __init__(self, node: Watched) -> None:
        self._node = node
        self.policy = node.topology.policy
        self.core = Pressure(len(self.policy) - 1)
        self.why = ""  # the reason of the level
        self._peers: dict[str, PressureChanged] = {}  # what those above 0 said last
        self._turn_s = self._late_s = 0.0
        self._full = 0
        self._looks = count(1)
        self._due = 0.0
        reads, core = node.metrics.reads, self.core
        values = {1: "1.0 is the limit of what is not felt.", 2: "Level of the policy: what is left out, 0: nothing."}
        reads("mesh_pressure", values[1], lambda: {(k,): v for k, v in core.values.items()}, "signal")
        reads("mesh_level", values[2], lambda: core.level)
        changes = "Steps from one level to the next."
        reads("mesh_level_changes_total", changes, lambda: {(k,): n for k, n in core.changes.items()}, "direction")
        late = "How late the loop was, or how long one turn of it took: what everything has to wait for."
        self._lag_seconds = node.metrics.histogram("mesh_loop_lag_seconds", late)
        reads("mesh_pauses_total", "Times that the process stood still.", lambda: core.pauses)

    @property
    def number(self) -> int:
        return self.core.level

    @property
    def level(self) -> Level:
        return self.policy[self.core.level]

    @property
    def pinned(self) -> bool:
        """Does an operator hold it at a level? Not where there is only one."""
        return self.core.pinned and len(self.policy) > 1

    def of(self, peer: str) -> int:
        """The level of another node, as far as there is a link to it."""
        said = self._peers.get(peer)
        return min(said.level, len(self.policy) - 1) if said is not None else 0

    def is_held(self, peer: str) -> bool:
        """Is its level, above 0, an operator's order?"""
        said = self._peers.get(peer)
        return said is not None and said.reason == OPERATOR

    def describe(self) -> dict[str, Any]:
        """For Description.facts."""
        signals = {name: round(value, 3) for name, value in self.core.values.items()}
        shown = {"level": self.number, "name": self.level.name, "score": round(self.core.score, 3), "signals": signals}
        return shown | {"reason": self.why if self.number else "", "pinned": self.pinned}

    # --- looking ---

    def begin(self) -> None:
        """Look from now on, until the node ends."""
        low, high = LOOK_S
        wait_s = low + (high - low) * (next(self._looks) * GOLDEN % 1)
        self._due = self._node.clock.now() + wait_s
        asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        if self._node.state == "Shutdown":
            return
        now = self._node.clock.now()
        self._late_s = now - self._due
        asyncio.get_running_loop().call_soon(self._turned, now)

    def _turned(self, began: float) -> None:
        self._turn_s = self._node.clock.now() - began
        if self._node.state != "Shutdown":
            self._node.dispatch.guard(self._look)
            self.begin()

    def _look(self) -> None:
        node, refused = self._node, self._node.switchboard.counts.full
        signals = node.signals()
        late_s = max(self._late_s, self._turn_s)
        self._lag_seconds.observe(late_s)
        signals[LAG] = late_s / (LAG_LEFT_OUT_S if self.number else LAG_S)
        signals[BACKLOG] = max(signals.get(BACKLOG, 0.0), REFUSED if refused > self._full else 0.0)
        self._full = refused
        delay_s = max(late_s, node.switchboard.waited_s)
        node.dispatch.admission.look(delay_s, node.clock.now())
        node.switchboard.waited_s = 0.0
        step = self.core.look(signals, node.clock.now(), self._late_s + self._turn_s)
        if step is not None:
            self._stepped(step)

    def _stepped(self, step: Step) -> None:
        """The reason of a level is what last led up to it, also when it is one on the way down."""
        up, ordered = step.level > step.before, step.reason == OPERATOR
        if up or ordered:
            self.why = step.reason
        elif self.why == OPERATOR:
            self.why = ""
        values = {name.replace(" ", "_"): round(value, 2) for name, value in step.values.items()}
        reason = step.reason if up or ordered else FALLEN
        write = self._node.log.warning if up else self._node.log.info
        write(
            "more is left out" if up else "less is left out",
            level=step.level, name=self.policy[step.level].name, before=step.before, reason=reason,
            score=round(step.score, 2), **values,
        )  # fmt: skip
        self._tell_all()
        self._node.level_changed()

    # --- the others ---

    def link_up(self, link: Link) -> None:
        """Whoever is at the other end begins with 0."""
        self.link_down(link)
        if self.number:
            self._tell(link)

    def link_down(self, link: Link) -> None:
        """What it said holds no more."""
        if self._peers.pop(link.peer, None) is not None:
            self._node.dispatch.guard(self._node.peer_level_changed, link.peer)

    def _tell_all(self) -> None:
        for link in list(self._node.switchboard.links.up.values()):
            self._tell(link)

    def _tell(self, link: Link) -> None:
        if link.role != "ctl":
            self._node.switchboard.tell(link.peer, PressureChanged(self.number, self.core.score, self.why))

    @on(PressureChanged)
    def on_pressure_changed(self, said: PressureChanged, caller: Caller) -> None:
        """Another node works at another level."""
        self._node.switchboard.links.press(caller.peer, said.level > 0)
        if said.level:
            self._peers[caller.peer] = said
        else:
            self._peers.pop(caller.peer, None)
        self._node.peer_level_changed(caller.peer)

    @on(PinLevel)
    def on_pin_level(self, said: PinLevel, caller: Caller) -> Done:
        """`mesh pressure NODE --level`."""
        if said.level is not None and said.level >= len(self.policy):
            names = ", ".join(f"{number} {level.name}" for number, level in enumerate(self.policy))
            raise RefusedError(Code.OUT_OF_RANGE, f"there is no level {said.level}; the policy has {names}")
        self._node.log.warning("an operator set the level", level=said.level, operator=caller.peer)
        step = self.core.pin(said.level)
        if step is not None:
            self._stepped(step)
        elif said.level and self.why != OPERATOR:  # it was there already, and is to stay now
            self.why = OPERATOR
            self._tell_all()
        return Done()
