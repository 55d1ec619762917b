"""Work that is finished even when nobody waits for its result any more.

A handler is cancelled when its asker's deadline passes. What changes where a player is must not stop half way for that:
it runs in a task of its own, which the handler only watches.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from mesh.errors import MeshError
from mesh.node import Node

T = TypeVar("T")


async def finish(node: Node, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or what it raised; `work` goes on when the caller is cancelled."""

    async def settled() -> tuple[T | None, MeshError | None]:
        try:
            return await work, None
        except MeshError as error:  # a task that raises it would count as a mistake of ours
            return None, error

    result, error = await asyncio.shield(node.spawn(settled()))
    if error is not None:
        raise error
    return cast(T, result)
