"""Questions about what happened, answered from the segment files. Blocking; runs in a worker thread or offline.

The answer is exact: the newest matching events by their time, then by their place. Segments are searched from the
newest to the oldest. Which blocks to look at, the segment's index says, and for what it does not describe the blocks'
heads. Which events, the block's columns: its body is opened only when it has some, and only when they may be newer
than the oldest event of an answer that is full already. Memory: `limit` events, at most RESULT_BYTES_MAX of their
fields, one stretch of an index and one block. Damaged blocks are skipped and counted.
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mesh.errors import StorageError
from mesh.protocol.journal import Event
from mesh.protocol.types import U63, Label
from nodes.log.columns import Array, Columns, unpack
from nodes.log.indexes import stretches
from nodes.log.layout import has_player, open_body, opened
from nodes.log.segments import Block, Damage, SegmentFile, segment_paths
from nodes.log.stretch import blocks_of, candidates

RESULT_BYTES_MAX = 4 * 1024 * 1024  # of fields in one answer; the oldest events are left out, and `more` says so
EVENT_BYTES = 64  # what an event weighs besides its fields

_FOREVER = 2**63 - 1


class Query(msgspec.Struct, frozen=True):
    """What to look for. Zero or empty: any. Times are inclusive."""

    player: int = 0
    kinds: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = 0
    limit: int = 100


class Found(msgspec.Struct):
    """The answer and what it took."""

    events: list[Event]  # oldest first
    more: bool = False
    blocks_opened: int = 0
    blocks_skipped: int = 0
    damaged: int = 0  # blocks, stretches or parts that cannot be read
    unfinished: bool = False  # the time was up: older segments were not looked at


class _Line(msgspec.Struct, array_like=True, gc=False):
    """An event whose fields are still closed."""

    at_ms: U63
    kind: Label
    player: U63
    node: str
    fields: msgspec.Raw


_decode_line = msgspec.msgpack.Decoder(_Line).decode
_decode_lines = msgspec.msgpack.Decoder(list[_Line]).decode
_decode_fields = msgspec.msgpack.Decoder(dict[str, Any]).decode

_Place = tuple[int, int, int, int]  # at_ms, segment, offset of the block, position in the block: the order of answers
_Name = tuple[int, int]  # the sender's incarnation and the event's number in it


class _Newest:
    """The newest `limit` matches, and whether there were more."""

    def __init__(self, limit: int) -> None:
        self.more = False
        self._popped = False  # something was left out for something newer
        self._limit = limit
        self._bytes = 0
        self._heap: list[tuple[_Place, tuple[str, int, str, bytes, _Name]]] = []

    def floor_ms(self) -> int:
        """Nothing older than this changes the answer any more."""
        full = self._popped or (self.more and len(self._heap) >= self._limit)
        return self._heap[0][0][0] if full else 0

    def add(self, place: _Place, line: _Line, name: _Name) -> None:
        fields = bytes(line.fields)
        heapq.heappush(self._heap, (place, (line.kind, line.player, line.node, fields, name)))
        self._bytes += len(fields) + EVENT_BYTES
        while len(self._heap) > self._limit or (self._bytes > RESULT_BYTES_MAX and len(self._heap) > 1):
            _, (_, _, _, dropped, _) = heapq.heappop(self._heap)
            self._bytes -= len(dropped) + EVENT_BYTES
            self.more = self._popped = True

    def events(self) -> tuple[list[Event], int]:
        """The matches, oldest first, and how many had fields that are none (a sender's mistake)."""
        events, damaged = [], 0
        for place, (kind, player, node, fields, name) in sorted(self._heap):
            try:
                events.append(Event(place[0], kind, player, node, _decode_fields(fields), *name))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                damaged += 1
        return events, damaged


def search(folder: Path, query: Query, late: Callable[[], bool] = lambda: False) -> Found:
    """Look through a data folder until `late` says that the time is up. StorageError when it cannot be read."""
    found, newest = Found([]), _Newest(query.limit)
    for number, path in reversed(segment_paths(folder)):
        if late():
            found.unfinished = True
            break
        try:
            file = SegmentFile(path)
        except FileNotFoundError:
            continue  # retention was faster
        except StorageError:
            found.damaged += 1
            continue
        with file:
            _search_segment(file, number, query, newest, found, late)
    found.events, damaged = newest.events()
    found.damaged += damaged
    found.more = newest.more or found.unfinished
    return found


def _search_segment(
    file: SegmentFile, number: int, query: Query, newest: _Newest, found: Found, late: Callable[[], bool]
) -> None:
    for newest_ms, offset in sorted(_places(file, query, found), reverse=True):
        if newest_ms < newest.floor_ms():
            found.blocks_skipped += 1
        elif late():
            found.unfinished = True
            return
        else:
            _search_block(file, offset, number, query, newest, found)


def _places(file: SegmentFile, query: Query, found: Found) -> list[tuple[int, int]]:
    """Newest time and place of every block that may have what is looked for."""
    places: list[tuple[int, int]] = []
    at = file.begin
    for stretch, _ in stretches(file.path, file.size):
        try:
            blocks = candidates(stretch, query.player, query.kinds, query.since_ms, query.until_ms)
        except ValueError:
            continue  # what it describes is looked at
        places += _heads(file, at, stretch.begin, query, found)
        places += zip(blocks["newest"].tolist(), blocks["offset"].tolist(), strict=True)
        found.blocks_skipped += blocks_of(stretch) - len(blocks)
        at = stretch.end
    return places + _heads(file, at, file.size, query, found)


def _heads(file: SegmentFile, begin: int, end: int, query: Query, found: Found) -> list[tuple[int, int]]:
    """The same by the blocks' heads, between two places."""
    places = []
    for item in file.scan(bodies=False, begin=begin, end=end):
        if isinstance(item, Damage):
            found.damaged += not item.tail
        elif item.head.newest_ms >= query.since_ms and item.head.oldest_ms <= (query.until_ms or _FOREVER):
            places.append((item.head.newest_ms, item.head.offset))
        else:
            found.blocks_skipped += 1
    return places


def _search_block(file: SegmentFile, offset: int, number: int, query: Query, newest: _Newest, found: Found) -> None:
    block = file.block_at(offset)
    try:
        if block is None:
            raise ValueError("the head is damaged")
        if block.index.columns is None:
            lines = _lines_without_columns(file, block, query, found)
        else:
            lines = _lines_by_columns(file, block, query, newest, found)
    except ValueError:
        found.damaged += 1
        return
    until_ms = query.until_ms or _FOREVER
    player, kinds, since_ms = query.player, query.kinds, query.since_ms
    begins = list(accumulate((part.count for part in block.index.parts), initial=0))
    for at, line in lines:
        if (
            (not player or line.player == player)
            and since_ms <= line.at_ms <= until_ms
            and (not kinds or line.kind in kinds)
        ):
            which = bisect_right(begins, at) - 1
            part = block.index.parts[which]
            newest.add((line.at_ms, number, offset, at), line, (part.incarnation, part.first + at - begins[which]))


def _lines_by_columns(
    file: SegmentFile, block: Block, query: Query, newest: _Newest, found: Found
) -> Iterator[tuple[int, _Line]]:
    """The events that the columns point at, with their positions in the block."""
    assert block.index.columns is not None, "the caller looked"
    columns = unpack(block.index.columns, block.head.events)
    positions = _matching(columns, query, newest.floor_ms())
    if not len(positions):
        found.blocks_skipped += 1
        return iter(())
    if len(positions) > query.limit:
        newest.more = True
        positions = np.sort(positions[np.argsort(columns.times[positions], kind="stable")][-query.limit :])
    found.blocks_opened += 1
    ends = np.cumsum(columns.lengths, dtype=np.uint64)
    raw = opened(block.head, file.body(block))
    if int(ends[-1]) != len(raw):
        raise ValueError("the columns are of another body")
    starts = (ends - columns.lengths)[positions].tolist()
    return _each(raw, positions.tolist(), starts, ends[positions].tolist(), found)


def _each(
    raw: bytes, positions: list[int], starts: list[int], ends: list[int], found: Found
) -> Iterator[tuple[int, _Line]]:
    view = memoryview(raw)
    for position, start, end in zip(positions, starts, ends, strict=True):
        try:
            line = _decode_line(view[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.damaged += 1  # a sender's mistake; the other events in this block are fine
            continue
        yield position, line


def _matching(columns: Columns, query: Query, floor_ms: int) -> Array:
    """Positions of the events that are looked for and not older than `floor_ms`."""
    wanted = columns.times >= np.uint64(max(query.since_ms, floor_ms))
    if query.until_ms:
        wanted &= columns.times <= np.uint64(query.until_ms)
    if query.player:
        wanted &= columns.players == np.uint64(query.player)
    if query.kinds:
        named = np.array([kind in query.kinds for kind in columns.kinds], bool)
        wanted &= named[columns.kind_numbers]
    return np.flatnonzero(wanted)


def _lines_without_columns(file: SegmentFile, block: Block, query: Query, found: Found) -> Iterator[tuple[int, _Line]]:
    """All events of a block whose senders gave no columns."""
    if query.player and not has_player(block.index, query.player):
        found.blocks_skipped += 1
        return
    found.blocks_opened += 1
    bodies = open_body(block.head, block.index, file.body(block))
    position = 0
    for part, part_body in zip(block.index.parts, bodies, strict=True):
        lines = lines_of(part_body, part.count)
        if lines is None:
            found.damaged += 1  # a sender's mistake; the others' events in this block are fine
        else:
            yield from enumerate(lines, position)
        position += part.count


def lines_of(body: bytes, count: int) -> list[_Line] | None:
    """The `count` events of a batch's body in one decode (an array's head is put in front); None when it is wrong."""
    try:
        return _decode_lines(b"\xdd" + count.to_bytes(4, "big") + body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
