"""What a folder of segments has when the ops node starts. Reads; cuts nothing itself: a torn tail is where the next
write begins.

A process that is killed leaves at most one record half written, at the end of each tier's newest file; a machine that
dies may leave more, with bodies that never reached the disk. Both are cut off and counted. What is damaged before that
stays where it is and is stepped over, counted and named by file and offset. A file of a later version is left alone.
"""

import os
import zlib
from pathlib import Path

import msgspec
import numpy as np

from mesh.disk import explained
from nodes.ops.history.blocks import POINTS_MAX, intact
from nodes.ops.history.columns import Columns
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Identities
from nodes.ops.history.segment import Block, Segment
from nodes.ops.history.segments import (
    FILE_HEAD,
    VERSION,
    BlockHead,
    Damage,
    Record,
    SegmentReader,
    SeriesHead,
    segment_paths,
    unpack_series,
)
from nodes.ops.history.tiers import Tier


class Recovered(msgspec.Struct, eq=False):
    """A tier's files."""

    segments: list[Segment]
    next_number: int  # for a new one
    goes_on: bool  # the last of them can be written to


def recover(folder: Path, tier: Tier, identities: Identities, counts: Counts, *, tops: bool) -> Recovered:
    """StorageError when the folder or a file cannot be read."""
    found = Recovered([], 1, False)
    paths = segment_paths(folder, tier)
    for number, path in paths:
        newest = path == paths[-1][1]
        reader = SegmentReader(path)
        try:
            segment, sound = _read(reader, tier, Columns(identities, tops=tops), counts, newest=newest)
        finally:
            reader.close()
        found.segments.append(segment)
        found.next_number = number + 1
        found.goes_on = newest and sound and segment.points < tier.segment_points
    return found


def _read(reader: SegmentReader, tier: Tier, columns: Columns, counts: Counts, *, newest: bool) -> tuple[Segment, bool]:
    """A file, and whether more may be written to it."""
    size, version = reader.size, reader.version()
    if newest and size <= FILE_HEAD.size and version is None:
        counts.cut_bytes += size  # it was being made
        return Segment(tier, columns, reader.path), True
    segment = Segment(tier, columns, reader.path, size)
    segment.aged_s = _written_s(reader.path)
    if version is None:
        counts.damage(reader.path, 0, "the head of the file is damaged")
    elif version > VERSION:
        counts.say(f"{reader.path}: written by a later version of this program (format {version}): left alone")
        return segment, False
    records: list[Record] = []
    for item in reader.scan():
        if isinstance(item, Record):
            _take(segment, item, reader, counts)
            records.append(item)
        elif newest and item.tail:
            segment.size = item.offset
            counts.cut_bytes += item.length
        else:
            counts.damage(reader.path, item.offset, _skipped(item))
    if newest and version is not None:
        _cut_torn(segment, records, reader, counts)
    return segment, version is not None


def _take(segment: Segment, record: Record, reader: SegmentReader, counts: Counts) -> None:
    try:
        if isinstance(record.head, BlockHead):
            segment.add(_block(record, record.head, len(segment.columns)))
        elif record.head.first == len(segment.columns):
            _enter(segment.columns, record, record.head, reader)
        elif record.head.first > len(segment.columns):
            raise ValueError("series before these are missing")
        elif not _intact(record, reader):
            raise ValueError("series that are known from their other copy are damaged")
    except ValueError as error:
        counts.damage(reader.path, record.offset, f"{error}: skipped")


def _enter(columns: Columns, record: Record, head: SeriesHead, reader: SegmentReader) -> None:
    columns.enter_all(unpack_series(head, reader.read(record.body_at, record.body_length)))


def _block(record: Record, head: BlockHead, series: int) -> Block:
    if head.series > series:
        raise ValueError("a block whose series are missing")
    if len(head.times) % 4 or len(head.lengths) % 4:
        raise ValueError("a block that does not add up")
    times, lengths = np.frombuffer(head.times, "<u4"), np.frombuffer(head.lengths, "<u4")
    if not 0 < len(times) <= POINTS_MAX or int(lengths.sum(dtype=np.uint64)) != record.body_length:
        raise ValueError("a block that does not add up")
    body_at = record.body_at - record.offset
    return Block(head, int(times[0]), int(times[-1]), len(times), body_at, record.offset)


def _cut_torn(segment: Segment, records: list[Record], reader: SegmentReader, counts: Counts) -> None:
    """The last records of a file, as far as their bodies never reached the disk."""
    while records and records[-1].end == segment.size and not _intact(records[-1], reader):
        torn = records.pop()
        if segment.blocks and segment.blocks[-1].offset == torn.offset:
            segment.points -= segment.blocks.pop().points
        counts.cut_bytes += segment.size - torn.offset
        segment.size = torn.offset


def _intact(record: Record, reader: SegmentReader) -> bool:
    body = reader.read(record.body_at, record.body_length)
    if isinstance(record.head, SeriesHead):
        return zlib.crc32(body) == record.head.crc
    at = 0
    for length in np.frombuffer(record.head.lengths, "<u4").tolist():
        if not intact(body[at : at + length]):
            return False
        at += length
    return at == len(body)


def _written_s(path: Path) -> int:
    try:
        return int(os.stat(path).st_mtime)
    except OSError as error:
        raise explained(error, path) from None


def _skipped(item: Damage) -> str:
    return f"{item.length} bytes are damaged: skipped"
