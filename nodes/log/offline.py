"""Questions to the data folder of a log node, without the node: `python -P -m nodes log --offline COMMAND --data DIR`.

Prints JSON on stdout. All but `erase` only read the folder, so a running log node does not mind; `erase` wants it
stopped. Exit codes: 0 fine, 1 the folder cannot be read or written, 2 usage, or an extra is missing, 6 `check` found
damage.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from mesh.lake.erasing import Scrub
from nodes.log import lakeside
from nodes.log.columns import found_by, unpack
from nodes.log.erasing import erase_in_folder
from nodes.log.layout import open_body
from nodes.log.query import Query, lines_of, search
from nodes.log.segments import Block, Damage, SegmentFile, segment_paths
from nodes.log.settings import LogSettings
from nodes.log.stored import stored

OK, FAILED, DAMAGED = 0, 1, 6


def main(arguments: Sequence[str]) -> int:
    """Run one command; `arguments` are those behind `--offline`."""
    asked = _parser().parse_args(arguments)
    answer: Any
    code: int
    try:
        answer, code = asked.run(asked)
    except StorageError as error:
        answer, code = {"error": str(error)}, FAILED
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m nodes log --offline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("query", _query, "the newest matching events, oldest first"),
        ("stored", _stored, "which events of which senders there are, by their numbers"),
        ("stat", _stat, "segments, blocks, events, bytes, senders"),
        ("check", _check, "open every block and say what is damaged"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--data", type=Path, required=True, metavar="DIR")
        command.set_defaults(run=run)
        if run is _query:
            command.add_argument("--player", type=int, default=0)
            command.add_argument("--kind", action="append", default=[], dest="kinds")
            command.add_argument("--since", type=int, default=0, metavar="MS", help="ms since 1970, inclusive")
            command.add_argument("--until", type=int, default=0, metavar="MS", help="ms since 1970, inclusive")
            command.add_argument("--limit", type=int, default=100)
    erasing = commands.add_parser("erase", help="take everything of a player out of the segments")
    erasing.add_argument("--data", type=Path, required=True, metavar="DIR")
    erasing.add_argument("--player", type=int, required=True)
    erasing.add_argument("--name", action="append", default=[], dest="names", help="by which others know the player")
    erasing.set_defaults(run=_erase)
    compacting = commands.add_parser("compact", help="bring what is new into a lake of Parquet files")
    lakeside.add_arguments(compacting)
    compacting.set_defaults(run=lakeside.compact)
    return parser


def _query(asked: argparse.Namespace) -> tuple[Any, int]:
    query = Query(asked.player, frozenset(asked.kinds), asked.since, asked.until, max(1, asked.limit))
    found = search(asked.data, query)
    answer = msgspec.structs.asdict(found) | {"events": [msgspec.structs.asdict(event) for event in found.events]}
    return answer, OK


def _erase(asked: argparse.Namespace) -> tuple[Any, int]:
    done = erase_in_folder(asked.data, Scrub(asked.player, asked.names), LogSettings().compression_level)
    return msgspec.structs.asdict(done), OK


def _stored(asked: argparse.Namespace) -> tuple[Any, int]:
    return msgspec.to_builtins(msgspec.structs.asdict(stored(asked.data))), OK


def _stat(asked: argparse.Namespace) -> tuple[Any, int]:
    senders: dict[str, int] = {}
    rows = []
    for number, path in segment_paths(asked.data):
        row = _fresh_row(number, path)
        with SegmentFile(path) as file:
            row["bytes"] = file.size
            for item in file.scan(bodies=False):
                if isinstance(item, Damage):
                    _count_damage(row, item)
                    continue
                _count_block(row, item)
                for part in item.index.parts:
                    senders[part.sender] = senders.get(part.sender, 0) + part.count
        rows.append(row)
    totals = {key: sum(row[key] for row in rows) for key in ("events", "blocks", "bytes", "raw_bytes", "damaged")}
    return totals | {"senders": senders, "segments": rows}, OK


def _check(asked: argparse.Namespace) -> tuple[Any, int]:
    rows, problems = [], []
    paths = segment_paths(asked.data)
    for number, path in paths:
        row = _fresh_row(number, path)
        with SegmentFile(path) as file:
            row["bytes"] = file.size
            if file.head is None:
                problems.append({"file": path.name, "offset": 0, "problem": "the head of the file is damaged"})
            for item in file.scan(bodies=True):
                problem = _problem(file, item, newest=number == paths[-1][0])
                if problem:
                    problems.append({"file": path.name, **problem})
                if isinstance(item, Damage):
                    _count_damage(row, item)
                else:
                    _count_block(row, item)
        rows.append(row)
    totals = {key: sum(row[key] for row in rows) for key in ("events", "blocks", "damaged", "tail_bytes")}
    return totals | {"ok": not problems, "problems": problems, "segments": rows}, DAMAGED if problems else OK


def _problem(file: SegmentFile, item: Block | Damage, *, newest: bool) -> dict[str, Any] | None:
    if isinstance(item, Damage):
        if item.tail and newest:
            return None  # a write that is under way or was cut short; recovery cuts it off
        return {"offset": item.offset, "problem": f"{item.length} bytes are damaged", "events": item.events}
    try:
        bodies = open_body(item.head, item.index, file.body(item))
        columns = unpack(item.index.columns, item.head.events) if item.index.columns else None
    except ValueError as error:
        return {"offset": item.head.offset, "problem": str(error), "events": item.head.events}
    at = 0
    for part, body in zip(item.index.parts, bodies, strict=True):
        lines = lines_of(body, part.count)
        if lines is None:
            text = f"{part.sender} sent a batch that is not {part.count} events"
            return {"offset": item.head.offset, "problem": text, "events": part.count}
        if columns and found_by(columns, at, part.count) != [(x.player, x.at_ms, x.kind) for x in lines]:
            text = f"{part.sender} sent columns that are not those of its events"
            return {"offset": item.head.offset, "problem": text, "events": part.count}
        at += part.count
    return None


def _fresh_row(number: int, path: Path) -> dict[str, Any]:
    keys = ("bytes", "events", "blocks", "raw_bytes", "damaged", "tail_bytes", "oldest_ms", "newest_ms")
    return {"number": number, "file": path.name} | dict.fromkeys(keys, 0)


def _count_block(row: dict[str, Any], block: Block) -> None:
    head = block.head
    row["oldest_ms"] = min(row["oldest_ms"], head.oldest_ms) if row["blocks"] else head.oldest_ms
    row["newest_ms"] = max(row["newest_ms"], head.newest_ms)
    row["blocks"] += 1
    row["events"] += head.events
    row["raw_bytes"] += head.raw_length


def _count_damage(row: dict[str, Any], damage: Damage) -> None:
    if damage.tail:
        row["tail_bytes"] += damage.length
    else:
        row["damaged"] += 1
