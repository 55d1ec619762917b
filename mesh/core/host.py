"""Whom a switchboard works for, and what it counts: the plain shapes around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mesh.core.links import Link
from mesh.protocol.envelope import Envelope


class Host(Protocol):
    """Whom a switchboard works for."""

    def may_link(self, peer: str, role: str) -> bool: ...
    def link_up(self, link: Link) -> None: ...
    def link_down(self, link: Link) -> None: ...
    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None: ...
    def batch_arrived(self, link: Link, lane: int, blobs: list[bytes]) -> None: ...
    def published(self, frame: bytes) -> None: ...


@dataclass(slots=True)
class Counts:
    """What happened on the links, in plain ints."""

    said: int = 0
    heard: int = 0
    batches_said: int = 0
    batches_heard: int = 0
    refused: int = 0  # sends that a full or missing link did not take
    full: int = 0  # of these, those of a link that was there: the other side does not take as much as we say
    misaddressed: int = 0  # meant for another incarnation
    malformed: int = 0
    late: int = 0  # answers to requests that had ended
    hopeless: int = 0  # requests that were not sent, since nobody waited for their answer any more
