"""To take a player out of segments: each that has something of him is written anew without it. Blocking.

His events keep their place in the row of numbers, as events of the kind `erased` of nobody: else they would be missed
as lost, and a sender's next batch would not fit. What others' events say of him goes as mesh/lake/erasing.py says.
Blocks without anything of him are copied as they are; so are damaged ones, which nobody can look into, and which are
counted.

The new segment is written beside the old one and takes its place in one step, its index with it. So a process that dies
meanwhile leaves one of the two, and perhaps a segment without an index, which costs time and nothing else.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mesh.errors import StorageError
from mesh.lake.columns import ERASED
from mesh.lake.erasing import Scrub
from mesh.protocol.journal import StoreEvents
from mesh.protocol.types import U63, Label
from nodes.log.columns import Columns, unpack
from nodes.log.disk import AppendFile, Folder, explained
from nodes.log.indexes import SegmentIndex, index_path
from nodes.log.layout import Part, has_player, opened, pack_block
from nodes.log.query import lines_of
from nodes.log.segments import Block, Damage, SegmentFile, segment_paths

ASIDE = "rewrite-"  # before the name of a segment that is being written

_encode = msgspec.msgpack.Encoder().encode


class Erasure(msgspec.Struct):
    """What was done to one segment, or to several."""

    segments: int = 0  # written anew
    events: int = 0  # of the player
    mentions: int = 0  # events of others
    damaged: int = 0  # places that nobody can look into, and that are kept

    def plus(self, other: "Erasure") -> "Erasure":
        return Erasure(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


class _Happening(msgspec.Struct, array_like=True):
    at_ms: U63
    kind: Label
    player: U63
    node: str
    fields: dict[str, Any]


_decode = msgspec.msgpack.Decoder(_Happening).decode


def erase_in_folder(folder: Path, scrub: Scrub, level: int) -> Erasure:
    """In all segments of a log node that does not run. StorageError: those before have been written anew."""
    lock = Folder(folder)
    try:
        remove_leftovers(folder)
        done = Erasure()
        for _, path in segment_paths(folder):
            found = rewrite(path, scrub, level)
            if found.segments:
                put_in_place(path)
            done = done.plus(found)
        lock.sync()
    finally:
        lock.close()
    return done


def rewrite(path: Path, scrub: Scrub, level: int) -> Erasure:
    """Write a segment anew beside the old one, when it has something of the player (`segments` is 1 then). StorageError
    when it cannot be read or written: there is nothing beside it. FileNotFoundError when it is gone."""
    with SegmentFile(path) as file:
        done = Erasure()
        for item in file.scan(bodies=True):
            if isinstance(item, Damage):
                done.damaged += not item.tail
                continue
            try:
                found = _without(file, item, scrub)
            except ValueError:
                done.damaged += 1
                continue
            if found is not None:
                done.events, done.mentions = done.events + found[1], done.mentions + found[2]
        if done.events or done.mentions:
            done.segments = 1
            _write(file, scrub, level)
    return done


def put_in_place(path: Path) -> None:
    """What `rewrite` has written becomes the segment, which stays as old as it was."""
    new = path.with_name(ASIDE + path.name)
    try:
        facts = path.stat()
        os.utime(new, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        index_path(path).unlink(missing_ok=True)
        new.replace(path)
        index_path(new).replace(index_path(path))
    except OSError as error:
        raise explained(error, path) from None


def remove_leftovers(folder: Path) -> None:
    """What was being written when a process died, or when the disk was full."""
    for path in folder.glob(f"{ASIDE}*"):
        path.unlink(missing_ok=True)


def _write(file: SegmentFile, scrub: Scrub, level: int) -> None:
    target = AppendFile(file.path.with_name(ASIDE + file.path.name), 0)
    try:
        target.append(file.bytes_at(0, file.begin))
        for item in file.scan(bodies=True):
            if isinstance(item, Block):
                target.append(_block_without(file, item, scrub, level))
            elif not item.tail:
                target.append(file.bytes_at(item.offset, item.length))
        target.sync()
        SegmentIndex(target.path, level, target.size).close()
    except StorageError:
        remove_leftovers(file.path.parent)
        raise
    finally:
        target.close()


def _block_without(file: SegmentFile, block: Block, scrub: Scrub, level: int) -> bytes:
    try:
        found = _without(file, block, scrub)
    except ValueError:
        found = None
    if found is not None:
        return pack_block(found[0], level)
    return file.bytes_at(block.head.offset, block.head.end - block.head.offset)


def _without(file: SegmentFile, block: Block, scrub: Scrub) -> tuple[list[StoreEvents], int, int] | None:
    """The block's batches, how many events went and how many were changed; None when there is nothing of him."""
    raw = opened(block.head, file.body(block))
    columns = unpack(block.index.columns, block.head.events) if block.index.columns else None
    if not _may_have(block, columns, raw, scrub):
        return None
    batches, at, begin, events, mentions = [], 0, 0, 0, 0
    for part in block.index.parts:
        lines = _lines(part, columns, raw[at : at + part.length], begin)
        at, begin = at + part.length, begin + part.count
        for place, line in enumerate(lines):
            after = _line_without(line, scrub)
            if after is not None:
                lines[place] = after
                events += after.kind == ERASED
                mentions += after.kind != ERASED
        batches.append(_batch(part, lines))
    return (batches, events, mentions) if events or mentions else None


def _may_have(block: Block, columns: Columns | None, raw: bytes, scrub: Scrub) -> bool:
    """A look at bytes; it may be wrong in one way only."""
    account = scrub.account
    if columns is None:
        if has_player(block.index, account):
            return True
    elif bool((columns.players == np.uint64(account)).any()):
        return True
    number = account.to_bytes(max(1, (account.bit_length() + 7) // 8), "big")  # at the end of every form of an integer
    folded = raw.lower()
    return number in raw or any(name.lower().encode() in folded for name in scrub.names)


def _lines(part: Part, columns: Columns | None, body: bytes, begin: int) -> list[_Happening]:
    """The events of a batch. ValueError when one is none: nobody can say whose it is."""
    try:
        if columns is None:
            found = lines_of(body, part.count)
            if found is None:
                raise ValueError("not as many events as it says")
            return [_Happening(x.at_ms, x.kind, x.player, x.node, msgspec.msgpack.decode(x.fields)) for x in found]
        lines, at = [], 0
        for length in columns.lengths[begin : begin + part.count].tolist():
            lines.append(_decode(body[at : at + length]))
            at += length
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ValueError(f"{part.sender} sent what is no event: {error}") from None
    return lines


def _line_without(line: _Happening, scrub: Scrub) -> _Happening | None:
    if line.player == scrub.account:
        return _Happening(line.at_ms, ERASED, 0, line.node, {})
    if scrub.fields(line.fields):
        return line
    return None


def _batch(part: Part, lines: Sequence[_Happening]) -> StoreEvents:
    """With columns, also when the block had none."""
    bodies = [_encode(line) for line in lines]
    kinds: dict[str, int] = {}
    numbers = [kinds.setdefault(line.kind, len(kinds)) for line in lines]
    times = [line.at_ms for line in lines]
    return StoreEvents(
        sender=part.sender,
        incarnation=part.incarnation,
        first=part.first,
        count=part.count,
        players=np.array([line.player for line in lines], "<u8").tobytes(),
        body=b"".join(bodies),
        oldest_ms=min(times),
        newest_ms=max(times),
        kinds=list(kinds),
        kind_numbers=np.array(numbers, "<u2").tobytes(),
        times=np.array(times, "<u8").tobytes(),
        lengths=np.array([len(body) for body in bodies], "<u4").tobytes(),
    )
