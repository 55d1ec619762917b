"""Scenes whose process gives way to another one: their players stay where they are, under the same handles.

    scene -> gate   ChangeOver(hold)    what clients say to it is kept back; what it says goes on
                    ChangeOver(yield)   that was its last word; the process named there goes on
                    ChangeOver(stay)    nothing became of it: what was kept back goes to it

Owns which scenes that are. When the old process ends after `yield` nobody is told anything, and when its heir is linked
what was kept back goes there. When it does not come, or another process comes, the scene is lost like any other. When
it comes so late that it may have given this gate's players up, they are attached anew.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.control import Done
from mesh.protocol.succession import ChangeOver
from nodes.gate.sessions import Scene, Sessions

HOLD_S = 2.0  # for the scene to say what comes of it, as long as it is linked
YIELD_S = 8.0  # for its last word to be followed by its end: longer than the old process waits for anything
HEIR_S = 3.0  # for the heir to be linked after that
SURE_S = 2.5  # after the last word: the heir has given up no gate yet. It begins to wait for us later than that


@dataclass(slots=True, eq=False)
class Change:
    """One that is under way. `yielded`: the last word was said."""

    heir: int
    yielded: bool = False
    heard_at: float = 0.0  # the last word
    linked: bool = True  # to the old process


class Heirs:
    """`lose` is told of a scene that is lost after all, and of the process of it that may have its players (0: any,
    None: the one that was linked last); `wake` that something can be sent."""

    def __init__(
        self, node: Node, sessions: Sessions, lose: Callable[[str, int | None], None], wake: Callable[[], None]
    ) -> None:
        self.changed = 0
        self._node, self._sessions, self._lose, self._wake = node, sessions, lose, wake
        self._changes: dict[str, Change] = {}

    @on(ChangeOver)
    def on_change_over(self, said: ChangeOver, caller: Caller) -> Done:
        """It says what is to be."""
        change = self._changes.get(caller.peer)
        if said.stage == "stay":
            if change is not None:
                self._end(caller.peer)
        elif said.stage == "hold":
            self._begin(caller.peer, Change(said.heir))
        elif change is None or change.heir != said.heir:  # what was said since then would be lost
            raise RefusedError(Code.OUT_OF_ORDER, "nothing is kept back for this scene any more")
        else:
            self._begin(caller.peer, Change(said.heir, True, self._node.clock.now()))
        return Done()

    def lost(self, scene: str) -> bool:
        """The link to it broke. True: its heir is expected, and its players wait for that."""
        change = self._changes.get(scene)
        if change is None:
            return False
        if not change.yielded:
            self._end(scene)
            return False
        change.linked = False
        asyncio.get_running_loop().call_later(HEIR_S, self._too_late, scene, change)
        asyncio.get_running_loop().call_soon(self._dial, scene)
        return True

    def linked(self, scene: str, incarnation: int) -> None:
        """A process of it is there."""
        change = self._changes.get(scene)
        if change is None:
            return
        if change.heir == incarnation and self._node.clock.now() < change.heard_at + SURE_S:
            self.changed += 1
            self._end(scene)
        elif change.heir == incarnation:
            self._give_up(scene, incarnation)
        elif not change.linked:
            self._give_up(scene)

    def _begin(self, scene: str, change: Change) -> None:
        self._changes[scene] = change
        self._scene(scene).held = True
        wait_s = YIELD_S if change.yielded else HOLD_S
        asyncio.get_running_loop().call_later(wait_s, self._too_late, scene, change)

    def _too_late(self, scene: str, change: Change) -> None:
        if self._changes.get(scene) is not change:
            return
        if change.linked:
            self._end(scene)
        else:
            self._give_up(scene, 0)  # the old one or its heir: whoever comes yet is asked

    def _give_up(self, scene: str, process: int | None = None) -> None:
        del self._changes[scene]
        held = self._scene(scene)
        held.held = False
        held.unsaid.clear()
        self._lose(scene, process)

    def _end(self, scene: str) -> None:
        """What was kept back may go."""
        del self._changes[scene]
        held = self._scene(scene)
        held.held = False
        unsaid, held.unsaid = held.unsaid, []
        for said in unsaid:
            self._node.tell(scene, said)
        self._wake()

    def _dial(self, scene: str) -> None:
        """At once: its clients wait."""
        member = self._node.member(scene)
        if member is not None and scene in self._changes:
            self._node.switchboard.dial(scene, self._node.registry.address_of(member))

    def _scene(self, name: str) -> Scene:
        return self._sessions.scene(name)
