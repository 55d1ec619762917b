"""How messages travel, as the rest of the mesh sees it: links that carry rows of frames, and a publication stream.

Two implementations pass the same contract tests: ZeroMQ (`sockets.py`) and memory (`mesh/testing.py`).

What a transport promises: frames of one link arrive in order, whole, at most once. A link that breaks is reported and
never comes back: open a new one. `send` never blocks; it says whether the frames were taken, and taken frames may
still be lost when the link breaks. Only when a dialler hangs up, all that it said before is heard before `link_lost`.
"""

from collections.abc import Sequence
from typing import Protocol

Blob = bytes | bytearray | memoryview


class Listener(Protocol):
    """What a node does about its links. Called on the loop, must not block, must not raise."""

    def link_opened(self, link: int) -> None:
        """A link that we dialled is connected: say Hello."""
        ...

    def link_accepted(self, link: int, owner: str) -> None:
        """Somebody dialled us. `owner` is the name that the transport has proof of (CURVE), or ""."""
        ...

    def link_lost(self, link: int) -> None:
        """The other side is gone. Also for a link that we dialled and that never connected? No: that one goes on
        trying until `hang_up`."""
        ...

    def arrived(self, link: int, frames: list[bytes]) -> None:
        """A message."""
        ...

    def published(self, frame: bytes) -> None:
        """A publication of the center."""
        ...


class Endpoint(Protocol):
    """One node's door."""

    def bind(self, address: str) -> None:
        """Take links at this address; StorageError when the address is taken or cannot be."""
        ...

    def bind_publisher(self, address: str) -> None: ...

    def subscribe(self, address: str, peer: str = "") -> None: ...

    def dial(self, address: str, peer: str = "") -> int:
        """Open a link; it goes on trying until it is connected or hung up. Numbers are never used twice. `peer` is
        who must be there, for transports that can prove it (CURVE)."""
        ...

    def send(self, link: int, frames: Sequence[Blob]) -> bool: ...

    def publish(self, frame: Blob) -> bool: ...

    def hang_up(self, link: int) -> None:
        """End a link; `link_lost` is not called for it. What was sent before still leaves, if it can at once."""
        ...

    def close(self) -> None: ...


class Network(Protocol):
    """Where endpoints come from: an argument of every node."""

    def endpoint(self, name: str, incarnation: int, listener: Listener) -> Endpoint: ...
