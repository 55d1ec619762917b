"""Small data files of one zone and hour become one. Blocking.

Every compaction adds a file for each hour that it has events of, so an hour that is over has some, and late events add
more. Many small files make every question slow. Files of an hour that still goes on are merged when they are many.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mesh.lake.columns import HOUR_MS, HOURLY
from mesh.lake.lake import Lake
from mesh.lake.manifest import DataFile
from mesh.lake.parquet import ROWS_MAX, add, read, together

SETTLED_MS = 10 * 60_000  # after its end nearly all events of an hour have come
OPEN_FILES_MAX = 6  # of an hour that goes on


def merge(lake: Lake, wall_ms: int) -> int:
    """How many files were merged into fewer. NoRoom or StorageError: what was merged so far stays."""
    merged = 0
    for files in _groups(lake.manifest.files, wall_ms):  # the index comes last, when it is known which files are left
        rows = together([read(lake.path(file)) for file in files])
        if files[0].table == "index":
            there = pa.array([file.number for file in lake.manifest.files if file.table in HOURLY], pa.int64())
            rows = rows.filter(pc.is_in(rows["file"], value_set=there))
        lake.commit(wall_ms, add(lake, files[0].table, rows), files)
        merged += len(files)
    return merged


def _groups(files: Sequence[DataFile], wall_ms: int) -> Iterator[list[DataFile]]:
    """Small files that fit into one."""
    by_place: dict[tuple[str, str, int], list[DataFile]] = {}
    for file in files:
        if file.rows < ROWS_MAX // 2 and file.table != "purses":
            by_place.setdefault((file.table, file.zone, file.hour), []).append(file)
    for (table, _, hour), some in sorted(by_place.items(), key=lambda item: item[0][0] == "index"):
        is_over = table in HOURLY and (hour + 1) * HOUR_MS + SETTLED_MS <= wall_ms
        if len(some) < (2 if is_over else OPEN_FILES_MAX):
            continue
        group, rows = list[DataFile](), 0
        for file in some:
            if rows + file.rows > ROWS_MAX and len(group) > 1:
                yield group
                group, rows = [], 0
            group.append(file)
            rows += file.rows
        if len(group) > 1:
            yield group
