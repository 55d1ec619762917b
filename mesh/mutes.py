"""When a mute holds, which of two words about it does, and what a muted player is told.

Center, scene and DC ask, each about what is said to it. Pure.
"""

from datetime import UTC, datetime

from mesh.bans import FOR_EVER, TEXT_MAX
from mesh.errors import Code, RefusedError
from mesh.protocol.sessions import Mute

NOT_MUTED = Mute()


def newer(one: Mute, other: Mute) -> Mute:
    """Of two words about the same account, whichever came first."""
    return other if other.number > one.number else one


def is_muted(mute: Mute, wall_s: float) -> bool:
    """It ends by itself, by the wall clock."""
    return mute.until_s == FOR_EVER or mute.until_s > wall_s


def refuse_muted(mute: Mute, wall_s: float) -> None:
    """RefusedError while the mute holds."""
    if is_muted(mute, wall_s):
        why = f": {mute.reason}" if mute.reason else ""
        raise RefusedError(Code.MUTED, f"you may not speak {_until(mute.until_s)}{why}"[:TEXT_MAX])


def _until(until_s: int) -> str:
    """For players, wherever they are: the time zone is told."""
    if until_s == FOR_EVER:
        return "any more"
    return f"until {datetime.fromtimestamp(until_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
