"""One way into the console: a method and a path, who may go it, and the function that answers."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

from nodes.ops.console.asked import Asked


class Way(NamedTuple):
    """`answer` returns a value that travels as JSON, or a whole response."""

    method: Literal["GET", "POST"]
    path: str
    answer: Callable[[Asked], Awaitable[Any]]
    needs: Literal["", "viewer", "operator"] = "viewer"  # "": nobody has to be signed in
    is_shared: bool = False  # the same for everybody, and worked out once for all who ask within a second
