"""What players of tests and simulations do with their feet and eyes. Owns nothing."""

import asyncio
from collections.abc import Callable

from mesh.client.player import Player

DEAD = 1 << 7  # the bit of EntityState.state
STEP_S = 0.1
CAUTION = 0.9  # of the distance that is allowed


def creatures(player: Player) -> list[int]:
    """Living creatures in view, nearest first."""
    own = player.session
    living = [e for e in own.view.values() if e.kind == "npc" and not e.state & DEAD]
    return [e.id for e in sorted(living, key=lambda e: (e.x - own.x) ** 2 + (e.y - own.y) ** 2)]


def step(player: Player, x: int, y: int, seconds: float = STEP_S) -> float:
    """As far towards that place as one may get in that time; how far it was, in map units."""
    entered = player.session.entered
    assert entered is not None, "only who is in the world can walk"
    dx, dy = x - player.session.x, y - player.session.y
    distance = float((dx * dx + dy * dy) ** 0.5)
    if distance >= 1:
        part = min(1.0, CAUTION * seconds * entered.speed_mps / entered.unit_m / distance)
        player.move(round(player.session.x + dx * part), round(player.session.y + dy * part))
    return distance


async def walk_to(
    player: Player, x: int, y: int, *, stop: Callable[[], object] = lambda: False, steps_max: int = 10_000
) -> None:
    """Walk there in a straight line, ten moves a second, a little slower than is allowed."""
    for _ in range(steps_max):
        if stop() or step(player, x, y) < 1:
            return
        await asyncio.sleep(STEP_S)
