"""What a log node finds when it starts: who has stored what, where to go on, what must be cut. Reads, then cuts.

A process that is killed leaves at most one block half written, at the end of the newest segment; a machine that dies
may leave more, up to what was written since the last fsync. Both are cut off and counted. What was killed in
mid-write was never acknowledged, so its sender sends it again.

A damaged block in the middle stays where it is: readers step over it, and nothing is thrown away that somebody may
still want to look at.
"""

from pathlib import Path

import msgspec

from mesh.disk import explained
from nodes.log.layout import FILE_HEAD
from nodes.log.segments import Damage, SegmentFile, segment_paths
from nodes.log.senders import Senders


class Recovered(msgspec.Struct):
    """What was found."""

    senders: Senders
    next_number: int = 1  # for a new segment
    open_path: Path | None = None  # the newest segment, to go on with
    open_size: int = 0  # where its intact part ends
    cut_bytes: int = 0
    cut_events: int = 0  # as far as the heads of what was cut are readable
    damaged_blocks: int = 0  # in the segments that were looked at, left in place
    set_aside: list[str] = msgspec.field(default_factory=list)  # files without anything readable, renamed


def recover(folder: Path) -> Recovered:
    """Look at the newest segments, as far back as it takes to know all senders."""
    found = Recovered(Senders())
    paths = segment_paths(folder)
    if paths:
        found.next_number = paths[-1][0] + 1
    newest_first: list[Path] = []
    for _, path in reversed(paths):
        with SegmentFile(path) as file:
            if file.head:
                found.senders = Senders(file.head.senders)
        newest_first.append(path)
        if file.head:
            break
    for path in reversed(newest_first):
        _replay(found, path, newest=path == paths[-1][1])
    return found


def _replay(found: Recovered, path: Path, *, newest: bool) -> None:
    intact, tail, end = 0, None, FILE_HEAD.size
    with SegmentFile(path) as file:
        head = file.head
        end = head.size if head else 0
        for item in file.scan(bodies=newest):
            if isinstance(item, Damage):
                if item.tail and newest:
                    tail = item
                else:
                    found.damaged_blocks += 1
                    end = item.offset + item.length
                continue
            intact += 1
            end = item.head.end
            for part in item.index.parts:
                found.senders.keep(part.sender, part.incarnation, part.first + part.count)
    if not newest or (head is None and intact):
        return
    if tail:
        found.cut_bytes += tail.length
        found.cut_events += tail.events
    if head is None:
        found.set_aside.append(_set_aside(path))
    else:
        found.open_path, found.open_size = path, end


def _set_aside(path: Path) -> str:
    """A file that was being made when the machine died holds nothing; it is kept under another name all the same."""
    target, count = path.with_suffix(".damaged"), 1
    while target.exists():  # numbers may come back when nothing was left: what was set aside before stays
        count += 1
        target = path.with_suffix(f".damaged-{count}")
    try:
        path.rename(target)
    except OSError as error:
        raise explained(error, path) from None
    return str(target)
