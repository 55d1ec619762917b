"""What a scenario is made of: the body that a bot lends to its mind, and minds that decide what to do with it.

A mind is told every message that its player hears, and is asked twice a second what it wants. It never waits and
never touches the network: it tells the body where to walk and what to say. Walking itself is not its business, all
bots of a worker are moved together (columns.py).

Scenarios of users are minds, too (docs/load-testing.md): what is in here is what they may rely on.
"""

import random
from collections.abc import Mapping
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
    options: Mapping[str, str]  # -o KEY=VALUE of the command line

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

    def watch(self, x: int, y: int, radius_m: float) -> None:
        """Call `reached` of the mind whenever this bot steps into that circle (map units); radius 0: into none."""
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

    def count(self, name: str, by: int = 1) -> None:
        """Something happened: added up over all bots and shown in the report."""
        ...


class Mind:
    """The simplest scenario: does nothing but be there and walk. Others override what they need."""

    hears_updates = False
    hears_always = False
    """Messages also while the player is on its way to another place, when nothing may be said."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def begin(self, now: float) -> None:
        """The measuring begins; who comes later is told when it comes."""

    def think(self, now: float) -> None:
        """Decide; called every THINK_S while the bot is in the world and alive."""

    def hear(self, said: Message, now: float) -> None:
        """Take notice of a message."""

    def reached(self, now: float) -> None:
        """The bot has just stepped into the circle that its body watches."""

    def updated(self, now: float) -> None:
        """Movement of others was heard. Called for every piece of it when the class says so with `hears_updates`."""

    def finish(self, now: float) -> None:
        """The measuring is over, the bot is still in the world: record what is known only at the end."""
