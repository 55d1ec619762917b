"""When a ban holds, and what a banned player is told. Login and DC both ask: one before a login, one in its middle."""

from mesh.errors import Code, RefusedError

FOR_EVER = -1
TEXT_MAX = 1024


def is_banned(until_s: int, wall_s: float) -> bool:
    """0 is no ban, -1 one without end."""
    return until_s == FOR_EVER or until_s > wall_s


def refuse_banned(until_s: int, reason: str, wall_s: float) -> None:
    """RefusedError while the ban holds."""
    if is_banned(until_s, wall_s):
        until = "for ever" if until_s == FOR_EVER else f"until {until_s} (seconds since 1970-01-01 UTC)"
        raise RefusedError(Code.BANNED, f"banned {until}: {reason}"[:TEXT_MAX])
