"""The messages that a client may say and hear, as numbers and one decoder."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from mesh.protocol.catalogue import CATALOGUE, Message, decoder

__all__ = ["Vocabulary", "vocabulary"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """See the module."""

    to_scene: frozenset[int]
    to_center: frozenset[int]
    heard: frozenset[int]
    decode: Callable[[bytes | memoryview], Message]


def vocabulary() -> Vocabulary:
    """Of the catalogue as it is now: a game may declare its own messages after this module was imported."""
    return _of(len(CATALOGUE))


@functools.cache
def _of(size: int) -> Vocabulary:
    assert len(CATALOGUE) == size
    said = {
        target: frozenset(n for n, d in CATALOGUE.items() if (d.source, d.target) == ("client", target))
        for target in ("scene", "center")
    }
    heard = {n: d.type for n, d in CATALOGUE.items() if d.target == "client"}
    return Vocabulary(said["scene"], said["center"], frozenset(heard), decoder(heard.values()))
