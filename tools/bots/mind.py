"""What a scenario is made of: the body that a bot lends to its mind, and minds that decide what to do with it.

A mind is told every message that its player hears, and is asked twice a second what it wants. It never waits and
never touches the network: it tells the body where to walk and what to say. Walking itself is not its business, all
bots of a worker are moved together (columns.py).
"""

import random
from typing import Protocol

from mesh.client.player import Player
from mesh.protocol.catalogue import Message

THINK_S = 0.5
"""How often a mind is asked."""

GAME_ANSWERS = frozenset(
    {"out_of_range", "too_many", "not_found", "out_of_order", "not_allowed", "insufficient", "cancelled"}
)
"""Refusals that belong to play among others: the NPC has died, the partner trades already. They are counted as
failures of what was tried, not as errors of the run."""


class Body(Protocol):
    """What a mind may know and do."""

    number: int  # of the bot in the run
    player: Player
    random: random.Random

    @property
    def entity(self) -> int:
        """Its own entity's number."""
        ...

    def place(self) -> tuple[int, int]:
        """Where it is, in map units."""
        ...

    def centre(self) -> tuple[int, int]:
        """The middle of the map, in map units."""
        ...

    def metres(self, units: float) -> float:
        """Map units as metres."""
        ...

    def seek(self, x: int, y: int) -> None:
        """Walk to these map units and stay about there."""
        ...

    def wander(self) -> None:
        """Walk about, as at the beginning."""
        ...

    def follow(self, entity: int) -> None:
        """Keep the place of this entity in `seen_at` up to date; 0 for none."""
        ...

    def seen_at(self) -> tuple[int, int] | None:
        """Where the followed entity was last, in map units."""
        ...

    def record(self, series: str, seconds: float) -> None:
        """Something was done and took so long."""
        ...

    def fail(self, series: str, code: str) -> None:
        """Something was refused. A code that is not a GAME_ANSWER is an error of the run."""
        ...


class Mind:
    """The simplest scenario: does nothing but be there and walk. Others override what they need."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def think(self, now: float) -> None:
        """Decide; called every THINK_S while the bot is in the world and alive."""

    def hear(self, said: Message, now: float) -> None:
        """Take notice of a message."""
