"""Segments become data files of a lake: every event once, whatever dies meanwhile. Blocking; a process of its own.

    python -P -m nodes log --offline compact --data DIR [--data DIR ...] --lake LAKE

Reads the segments of one or several log nodes, also of one that writes at this moment, from where the last compaction
ended. What is new is gathered, and every ROUND_EVENTS it is written: data files first, then the manifest of the lake,
which says in one step what is in the lake, which numbers of which sender that are, and how far each segment was read.
A compaction that dies between two such steps has done nothing, and the next one does it.

An event is left out when its sender's number is in the lake already: two log nodes may have the same batch, and after a
loss of power a segment may end before where it was read. What cannot be read is stepped over, counted and named in the
manifest; another log node may have the same events intact, and then they are taken from there.

It must never write into the folder of a log node.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from mesh.lake.columns import EARLIEST_MS, ERASED, LATEST_MS
from mesh.lake.erasing import Erasures
from mesh.lake.gathering import Gathering
from mesh.lake.lake import Lake
from mesh.lake.manifest import SENDERS_MAX, Loss, Manifest, Place, Taken, with_kinds, with_losses
from mesh.lake.merging import merge
from mesh.lake.parquet import add
from mesh.lake.stretches import joined, missing
from mesh.protocol.types import U63, Label
from nodes.log.columns import unpack
from nodes.log.layout import Part, opened
from nodes.log.segments import Block, Damage, SegmentFile, segment_paths

ROUND_EVENTS = 400_000  # gathered in memory, some 150 MB at most


class Compacted(msgspec.Struct):
    """What was done."""

    events: int = 0  # taken into the lake
    twice: int = 0  # were in the lake already: other log nodes have them, too
    erased: int = 0  # of players who were erased
    lost: int = 0  # places in segments that cannot be read
    lost_events: int = 0  # in them, as far as known
    rounds: int = 0
    merged: int = 0  # data files that became fewer
    unread: list[str] = []  # segments that cannot be opened, with the reason


class StoppedError(Exception):
    """Nobody wants this any more: what was committed stays."""


class _Happening(msgspec.Struct, array_like=True):
    """An event as its sender wrote it."""

    at_ms: U63
    kind: Label
    player: U63
    node: str
    fields: dict[str, Any]


_decode_all = msgspec.msgpack.Decoder(list[_Happening]).decode
_decode_one = msgspec.msgpack.Decoder(_Happening).decode
_WRONG = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Compaction:
    """One run over some folders. Owns what was read and is not committed."""

    def __init__(self, lake: Lake, wall_ms: int, is_over: Callable[[], bool] = lambda: False) -> None:
        self._lake, self._wall_ms, self._is_over = lake, wall_ms, is_over
        manifest = lake.manifest
        self._taken = {(one.sender, one.incarnation): one for one in manifest.taken}
        self._places = {(one.folder, one.segment): one for one in manifest.places}
        self._erasures = Erasures(manifest)
        self._losses: list[Loss] = []
        self._gathering = self._new_gathering()
        self._has_news = False
        self.done = Compacted()

    def run(self, folders: Sequence[Path]) -> Compacted:
        """Everything that is new. StorageError: what was committed before it stays, and nothing else."""
        for folder in folders:
            paths = segment_paths(folder)
            self._forget_deleted(folder, {number for number, _ in paths})
            for number, path in paths:
                self._read_segment(folder, number, path, is_newest=number == paths[-1][0])
        self._commit()
        self.done.merged = merge(self._lake, self._wall_ms)
        return self.done

    # --- reading ---

    def _read_segment(self, folder: Path, number: int, path: Path, *, is_newest: bool) -> None:
        try:
            file = SegmentFile(path)
        except FileNotFoundError:
            return  # retention was faster
        except StorageError as error:
            self.done.unread.append(str(error))
            return
        with file:
            place = self._begin(folder, number, file)
            for item in file.scan(bodies=False, begin=place.end):
                if self._is_over():
                    raise StoppedError
                if isinstance(item, Damage):
                    if item.tail and is_newest:
                        break  # a write that is under way, or will be cut off
                    self._lose(file, item.offset, item.length, item.events, "damaged")
                    place = msgspec.structs.replace(place, end=item.offset + item.length)
                else:
                    self._read_block(file, item)
                    head = item.head
                    place = msgspec.structs.replace(
                        place, end=head.end, last_offset=head.offset, last_crc=head.head_crc
                    )  # fmt: skip
                self._note(place)
                if self._gathering.rows >= ROUND_EVENTS:
                    self._commit()

    def _begin(self, folder: Path, number: int, file: SegmentFile) -> Place:
        """Where to go on: behind the last block that was read, if it is still there."""
        created_ms = file.head.created_ms if file.head else 0
        known = self._places.get((str(folder), number))
        if known is not None and known.created_ms == created_ms and known.end <= file.size:
            if not known.last_offset:
                return known
            block = file.block_at(known.last_offset)
            if block is not None and block.head.head_crc == known.last_crc:
                return known
        return Place(str(folder), number, created_ms, file.begin)

    def _read_block(self, file: SegmentFile, block: Block) -> None:
        wanted = [(part, missing(self._seen(part), part.first, part.first + part.count)) for part in block.index.parts]
        self.done.twice += sum(part.count - sum(end - first for first, end in gaps) for part, gaps in wanted)
        if not any(gaps for _, gaps in wanted):
            return
        head = block.head
        try:
            raw = opened(head, file.body(block))
            if sum(part.length for part in block.index.parts) != len(raw):
                raise ValueError("the parts do not add up to the body")
        except ValueError as error:
            self._lose(file, head.offset, head.end - head.offset, head.events, str(error))
            return
        at = begin = 0
        for part, gaps in wanted:
            if gaps:
                events = self._events(file, block, part, raw[at : at + part.length], begin)
                self._take(file, head.offset, part, gaps, events)
            at += part.length
            begin += part.count

    def _events(self, file: SegmentFile, block: Block, part: Part, body: bytes, begin: int) -> list[_Happening | None]:
        """Those of a batch; None for one that is none, which is its sender's mistake."""
        try:
            found: list[_Happening | None] = list(_decode_all(b"\xdd" + part.count.to_bytes(4, "big") + body))
        except _WRONG as error:
            try:
                found = _one_by_one(block, part, body, begin)
            except ValueError:
                found = [None] * part.count
            bad = sum(event is None for event in found)
            self._lose(file, block.head.offset, part.length, bad, f"{part.sender} sent what is no event: {error}")
        return found

    def _take(
        self, file: SegmentFile, offset: int, part: Part, gaps: Sequence[tuple[int, int]], events: Sequence[Any]
    ) -> None:
        newest_ms, gathering = 0, self._gathering
        before, strange = gathering.rows, 0
        for first, end in gaps:
            for number in range(first, end):
                event = events[number - part.first]
                if event is None or event.kind == ERASED:
                    continue
                if not EARLIEST_MS <= event.at_ms < LATEST_MS:
                    strange += 1
                    continue
                newest_ms = max(newest_ms, event.at_ms)
                gathering.add(
                    event.kind,
                    (event.at_ms, event.player, part.sender, part.incarnation, number, event.fields),
                )
            self._mark(part, first, end, newest_ms)
        self.done.events += gathering.rows - before
        if strange:
            self._lose(file, offset, part.length, strange, f"{part.sender}: times before 2000 or after 2100")

    # --- what is known ---

    def _seen(self, part: Part) -> Sequence[tuple[int, int]]:
        known = self._taken.get((part.sender, part.incarnation))
        return known.stretches if known else ()

    def _mark(self, part: Part, first: int, end: int, newest_ms: int) -> None:
        key = part.sender, part.incarnation
        before = self._taken.get(key)
        newest_ms = max(newest_ms, before.newest_ms if before else 0)
        stretches = joined(before.stretches if before else (), first, end)
        self._taken[key] = Taken(*key, newest_ms, stretches)
        self._has_news = True

    def _note(self, place: Place) -> None:
        self._places[place.folder, place.segment] = place
        self._has_news = True

    def _forget_deleted(self, folder: Path, there: set[int]) -> None:
        gone = [key for key in self._places if key[0] == str(folder) and key[1] not in there]
        for key in gone:
            del self._places[key]

    def _lose(self, file: SegmentFile, offset: int, length: int, events: int, why: str) -> None:
        self._losses.append(Loss(str(file.path.parent), file.path.name, offset, length, events, why))
        self.done.lost += 1
        self.done.lost_events += events

    # --- writing ---

    def _commit(self) -> None:
        if not self._has_news and not self._losses:
            return
        gathered, lake = self._gathering, self._lake
        added = [file for table, rows in gathered.tables().items() for file in add(lake, table, rows)]
        manifest = with_kinds(with_losses(lake.manifest, self._losses), gathered.seen)
        lake.commit(self._wall_ms, added, changed=self._with_progress(manifest))
        self.done.erased += gathered.left_out
        self.done.rounds += 1
        self._losses, self._gathering, self._has_news = [], self._new_gathering(), False

    def _with_progress(self, manifest: Manifest) -> Manifest:
        taken = sorted(self._taken.values(), key=lambda one: one.newest_ms, reverse=True)[:SENDERS_MAX]
        return msgspec.structs.replace(manifest, taken=taken, places=list(self._places.values()))

    def _new_gathering(self) -> Gathering:
        return Gathering(self._erasures.blank if self._erasures else None)


def _one_by_one(block: Block, part: Part, body: bytes, begin: int) -> list[_Happening | None]:
    """The events of a batch of which one is none. ValueError when nobody knows where each begins."""
    if block.index.columns is None:
        raise ValueError("no lengths")
    lengths = unpack(block.index.columns, block.head.events).lengths[begin : begin + part.count].tolist()
    found: list[_Happening | None] = []
    at = 0
    for length in lengths:
        try:
            found.append(_decode_one(body[at : at + length]))
        except _WRONG:
            found.append(None)
        at += length
    return found
