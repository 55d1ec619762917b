"""What a lake keeps: by age and by size, the oldest hours go first. Blocking. The ledger and the purses stay."""

import msgspec

from mesh.lake.columns import HOUR_MS, HOURLY
from mesh.lake.lake import Lake
from mesh.lake.manifest import DataFile

DAY_MS = 24 * HOUR_MS


class Pruned(msgspec.Struct):
    """What went."""

    files: int = 0
    rows: int = 0
    bytes: int = 0


def prune(lake: Lake, wall_ms: int, days: float = 0.0, bytes_max: int = 0, *, at_once: bool = False) -> Pruned:
    """Data files of hours that ended before so many days, and the oldest while all are larger than that; 0: no limit.
    With `at_once` nothing is left to those who read them."""
    files = sorted((one for one in lake.manifest.files if one.table in HOURLY), key=lambda one: (one.hour, one.name))
    total = sum(one.bytes for one in files)
    gone: list[DataFile] = []
    for file in files:
        is_old = days > 0 and (file.hour + 1) * HOUR_MS <= wall_ms - days * DAY_MS
        if not is_old and not (bytes_max and total > bytes_max):
            break
        gone.append(file)
        total -= file.bytes
    if gone:
        lake.commit(wall_ms, dropped=gone, at_once=at_once)
    return Pruned(len(gone), sum(one.rows for one in gone), sum(one.bytes for one in gone))
