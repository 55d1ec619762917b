"""Processes on one loop: what belongs to one can stand still, as after SIGSTOP, or end, as after SIGKILL.

Whose a callback is, is found in its context, which every task and timer inherits from whoever began it: a node is made
and started inside `Life.context`, and all that it ever does belongs to it. Callbacks of a life that stands still wait,
timers that are due included, and go on in their order; those of one that is over never run. Rejected: a loop for each
process, which needs a scheduler of loops to stay deterministic.
"""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, TypeVarTuple

from mesh.testing.virtual import VirtualLoop

Ts = TypeVarTuple("Ts")

LIFE: contextvars.ContextVar["Life | None"] = contextvars.ContextVar("life", default=None)


class Life:
    """One process."""

    __slots__ = ("_held", "context", "is_over", "stands")

    def __init__(self) -> None:
        self.context = contextvars.copy_context()
        self.context.run(LIFE.set, self)
        self.stands = self.is_over = False
        self._held: list[_Step] = []

    def stand_still(self) -> None:
        self.stands = True

    def go_on(self) -> None:
        self.stands = False
        held, self._held = self._held, []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LivingLoop)
        for step in held:
            loop.again(step)

    def end(self) -> None:
        """Nothing of it runs any more."""
        self.is_over = True
        self._held.clear()

    def hold(self, step: "_Step") -> None:
        if not self.is_over:
            self._held.append(step)


class _Step:
    """A callback of a life. `handle` is what its owner may cancel, before it runs and while it is held."""

    __slots__ = ("_arguments", "_callback", "_life", "context", "handle")

    def __init__(
        self, life: Life, callback: Callable[..., object], arguments: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self._life, self._callback, self._arguments, self.context = life, callback, arguments, context
        self.handle: asyncio.Handle | None = None

    def run(self) -> None:
        if self._life.stands or self._life.is_over:
            self._life.hold(self)
        elif self.handle is None or not self.handle.cancelled():
            self._callback(*self._arguments)


class LivingLoop(VirtualLoop):
    """Virtual time for several lives."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        life = context.get(LIFE)
        if life is None:
            return super().call_soon(callback, *args, context=context)
        step = _Step(life, callback, args, context)
        step.handle = super().call_soon(step.run, context=context)
        return step.handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        life = context.get(LIFE)
        if life is None:
            return super().call_at(when, callback, *args, context=context)
        step = _Step(life, callback, args, context)
        timer = super().call_at(when, step.run, context=context)
        step.handle = timer
        return timer

    def again(self, step: _Step) -> None:
        """A callback that was held goes on."""
        super().call_soon(step.run, context=step.context)
