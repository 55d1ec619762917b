"""Questions about what happened, answered from the segment files. Blocking; runs in a worker thread or offline.

The answer is exact: the newest matching events by their time, then by their place. Segments are scanned from the
newest to the oldest. A block is opened only when its head says that it may hold something newer than the oldest event
of an answer that is full already; heads are cheap (10,000 of them take about 0.1 s). Memory: `limit` events, at most
RESULT_BYTES_MAX of their fields, and one block. Damaged blocks are skipped and counted.
"""

import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from mesh.protocol.journal import Event
from mesh.protocol.types import U63, Label
from nodes.log.layout import BlockHead, body_intact, has_player, open_body
from nodes.log.segments import Block, Damage, SegmentFile, segment_paths

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


_decode_lines = msgspec.msgpack.Decoder(list[_Line]).decode
_decode_fields = msgspec.msgpack.Decoder(dict[str, Any]).decode

_Place = tuple[int, int, int, int]  # at_ms, segment, offset of the block, position in the block: the order of answers


class _Newest:
    """The newest `limit` matches, and whether there were more."""

    def __init__(self, limit: int) -> None:
        self.more = False
        self._limit = limit
        self._bytes = 0
        self._heap: list[tuple[_Place, tuple[str, int, str, bytes]]] = []

    def floor_ms(self) -> int:
        """Nothing older than this changes the answer any more."""
        return self._heap[0][0][0] if self.more else 0

    def add(self, place: _Place, line: _Line) -> None:
        fields = bytes(line.fields)
        heapq.heappush(self._heap, (place, (line.kind, line.player, line.node, fields)))
        self._bytes += len(fields) + EVENT_BYTES
        while len(self._heap) > self._limit or (self._bytes > RESULT_BYTES_MAX and len(self._heap) > 1):
            _, (_, _, _, dropped) = heapq.heappop(self._heap)
            self._bytes -= len(dropped) + EVENT_BYTES
            self.more = True

    def events(self) -> tuple[list[Event], int]:
        """The matches, oldest first, and how many had fields that are none (a sender's mistake)."""
        events, damaged = [], 0
        for place, (kind, player, node, fields) in sorted(self._heap):
            try:
                events.append(Event(place[0], kind, player, node, _decode_fields(fields)))
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
    blocks: list[Block] = []
    for item in file.scan(bodies=False):
        if isinstance(item, Damage):
            found.damaged += not item.tail
        elif _may_match(item, query):
            blocks.append(item)
        else:
            found.blocks_skipped += 1
    for block in sorted(blocks, key=lambda block: block.head.newest_ms, reverse=True):
        if block.head.newest_ms < newest.floor_ms():
            found.blocks_skipped += 1
        elif late():
            found.unfinished = True
            return
        else:
            found.blocks_opened += 1
            _search_block(file, block, number, query, newest, found)


def _may_match(block: Block, query: Query) -> bool:
    head: BlockHead = block.head
    if head.newest_ms < query.since_ms or head.oldest_ms > (query.until_ms or _FOREVER):
        return False
    return not query.player or has_player(block.index, query.player)


def _search_block(file: SegmentFile, block: Block, number: int, query: Query, newest: _Newest, found: Found) -> None:
    body = file.body(block)
    try:
        if not body_intact(block.head, body):
            raise ValueError("the body is damaged")
        bodies = open_body(block.head, block.index, body)
    except ValueError:
        found.damaged += 1
        return
    position, until_ms = 0, query.until_ms or _FOREVER
    player, kinds, since_ms = query.player, query.kinds, query.since_ms
    for part, part_body in zip(block.index.parts, bodies, strict=True):
        lines = lines_of(part_body, part.count)
        if lines is None:
            found.damaged += 1  # a sender's mistake; the others' events in this block are fine
            continue
        for at, line in enumerate(lines, position):
            if (
                (not player or line.player == player)
                and since_ms <= line.at_ms <= until_ms
                and (not kinds or line.kind in kinds)
            ):
                newest.add((line.at_ms, number, block.head.offset, at), line)
        position += part.count


def lines_of(body: bytes, count: int) -> list[_Line] | None:
    """The `count` events of a batch's body in one decode (an array's head is put in front); None when it is wrong."""
    try:
        return _decode_lines(b"\xdd" + count.to_bytes(4, "big") + body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
