"""What all lines of a scene share: the settings, the way out, and whom they tell what they cannot do themselves.

Owns nothing.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session
from nodes.scene.settings import PortalSettings, SceneSettings

Record = Callable[..., None]  # (kind, account, **fields): a row of the behaviour log
Advance = Callable[[Session, int], None]  # (session, its new level)
Cross = Callable[[Session, PortalSettings], None]  # it walked into that portal
Entered = Callable[[Session], None]  # its client is told the world with this tick


@dataclass(frozen=True, slots=True)
class Shared:
    """See the module."""

    settings: SceneSettings
    name: str  # of the node
    chance: random.Random
    out: Outbound
    record: Record
    advance: Advance
    cross: Cross
    now: Callable[[], float]  # the machine's clock; what happens in the world is on the game's
    entered: Entered
