"""Until when somebody waits for what is being done: the deadline of a request goes along with the work for it.

A handler works for an asker whose patience ends at some time on this node's clock. What it asks others meanwhile is
asked with what is left of that time, so that the last node of a row does not begin what the first one has given up. It
is a context variable: it follows `await`. A task of its own (`Node.spawn`) does not have it: whoever spawns means work
that goes on by itself, and so does a handler that goes to the end.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from math import inf
from typing import Any

UNTIL: ContextVar[float] = ContextVar("until", default=inf)


def left_s(timeout_s: float, now: float) -> float:
    """How long an answer can be waited for from now on; 0 or less: it is of no use to anybody."""
    return min(timeout_s, UNTIL.get() - now)


def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task for which nobody's patience ends."""
    context = copy_context()
    context.run(UNTIL.set, inf)
    return asyncio.get_running_loop().create_task(work, context=context)
