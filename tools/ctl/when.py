"""Points in time as people write them: 90s, 10m, 2h, 3d (ago), 14:30 (today), 2025-01-31, 2025-01-31T14:30. Pure."""

import re
from datetime import datetime, timedelta, tzinfo

from tools.ctl.exits import CommandError, Exit

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LENGTH_MAX_S = 36_525 * UNITS["d"]  # a hundred years
_AGO = re.compile(r"^(\d+(?:\.\d+)?)([smhdw])$")
_CLOCK = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2}))?$")


def parse_length(text: str) -> float:
    """Seconds of "90s", "10m", "2h", "3d", "1w"."""
    match = _AGO.match(text.strip())
    if not match:
        raise CommandError(f"{text!r} is not a length of time; write 90s, 10m, 2h, 3d or 1w", Exit.USAGE)
    length_s = float(match[1]) * UNITS[match[2]]
    if length_s > LENGTH_MAX_S:
        raise CommandError(f"{text!r} is longer than a hundred years", Exit.USAGE)
    return length_s


def parse_when(text: str, wall_s: float, zone: tzinfo | None = None) -> int:
    """Milliseconds since 1970. What names no time zone is in `zone`, by default that of this machine."""
    text = text.strip()
    if _AGO.match(text):
        return int((wall_s - parse_length(text)) * 1000)
    if match := _CLOCK.match(text):
        today = datetime.fromtimestamp(wall_s, zone) if zone else datetime.fromtimestamp(wall_s).astimezone()
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if hour < 24 and minute < 60 and second < 60:
            moment = today.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return int(moment.timestamp() * 1000)
    else:
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
            return int((moment - datetime.fromtimestamp(0, moment.tzinfo)) / timedelta(milliseconds=1))
        except (ValueError, OverflowError):  # not a date, or one at the end of the calendar
            pass
    raise CommandError(
        f"{text!r} is not a time; write 10m or 2h (ago), 14:30, 2025-01-31 or 2025-01-31T14:30", Exit.USAGE
    )


def show_ms(ms: int) -> str:
    """In this machine's time zone."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
