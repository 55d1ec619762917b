"""Which events of which senders a data folder has, by their numbers. Blocking; runs in a worker thread or offline.

Only the heads of blocks are read: whether a body is whole is what `check` looks at. What was here before the oldest
segment that is left is told apart, since it was deleted for its age and not lost.
"""

from collections.abc import Callable
from pathlib import Path

from mesh.errors import StorageError
from mesh.protocol.journal import STRETCHES_MAX, StoredList, Stretch
from nodes.log.segments import Damage, SegmentFile, segment_paths

Incarnation = tuple[str, int]


def stored(folder: Path, late: Callable[[], bool] = lambda: False) -> StoredList:
    """Look through a data folder until `late` says that the time is up. StorageError when it cannot be read."""
    found: dict[Incarnation, list[list[int]]] = {}
    before: dict[Incarnation, int] | None = None
    complete = True
    for _, path in segment_paths(folder):
        if late():
            complete = False
            break
        try:
            file = SegmentFile(path)
        except FileNotFoundError:
            continue  # retention was faster
        except StorageError:
            complete = False
            continue
        with file:
            if file.head is not None and before is None:
                before = {(sender, incarnation): following for sender, incarnation, following in file.head.senders}
            complete &= _read(file, found)
    stretches = [Stretch(*key, first, end) for key, rows in sorted(found.items()) for first, end in rows]
    older = [Stretch(*key, 0, end) for key, end in sorted((before or {}).items()) if end]
    complete &= len(stretches) <= STRETCHES_MAX and len(older) <= STRETCHES_MAX
    return StoredList(stretches[:STRETCHES_MAX], older[:STRETCHES_MAX], complete)


def _read(file: SegmentFile, found: dict[Incarnation, list[list[int]]]) -> bool:
    """Add what is in a segment; False when a part of it cannot be read."""
    complete = True
    for item in file.scan(bodies=False):
        if isinstance(item, Damage):
            complete &= item.tail
            continue
        for part in item.index.parts:
            rows = found.setdefault((part.sender, part.incarnation), [])
            if rows and rows[-1][1] == part.first:
                rows[-1][1] += part.count
            else:
                rows.append([part.first, part.first + part.count])
    return complete
