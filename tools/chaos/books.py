"""What a stopped DC's file holds, as the checkers want it: through the DC's own offline commands, whose formats it
knows.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mesh.checking.records import Coins, Entry, Problem, State, Thing
from tools.ctl.exits import CommandError, Exit
from tools.demo.cluster import run_program

EVERYTHING = 1 << 40  # rows
READ_S = 600.0
ROW_TABLES = ("ledger", "purses", "items")


class _Move(msgspec.Struct, frozen=True):
    source: int
    target: int
    amount: int = 0
    item: int = 0


class _Item(msgspec.Struct, frozen=True):
    id: int


class _Row(msgspec.Struct, frozen=True):
    """Of any of the tables that are read here; `damaged` instead of all else when its checksum is wrong."""

    key: str
    session: int = 0
    sequence: int = 0
    kind: str = ""
    gold: int | list[_Move] = 0
    items: list[_Move] = []
    owner: int = 0
    note: str = ""
    process: int = 0
    damaged: str = ""


class _Bag(msgspec.Struct, frozen=True):
    key: str
    items: list[_Item] = []
    damaged: str = ""


class _Rows(msgspec.Struct, frozen=True):
    rows: list[_Row]


class _Bags(msgspec.Struct, frozen=True):
    rows: list[_Bag]


@dataclass(frozen=True)
class Books:
    """The state and what the DC itself finds wrong with it."""

    state: State
    check: dict[str, Any]  # the verdict of `check`, which also names the rows that are damaged and left out here

    @property
    def problems(self) -> list[Problem]:
        """Of the checker `check`: what the DC's own check complains about."""
        return [Problem("check", text) for text in self.check["problems"]]


async def read_books(data: Path, say: Callable[[str], None]) -> Books:
    """CommandError when the file cannot be read at all."""
    check = await read_check(data, say)
    tables = {name: msgspec.json.decode(await rows_of(name, data, say), type=_Rows).rows for name in ROW_TABLES}
    bags = msgspec.json.decode(await rows_of("inventories", data, say), type=_Bags).rows
    state = State(
        ledger=[entry_of(row) for row in tables["ledger"] if not row.damaged],
        purses={int(row.key): coins_of(row) for row in tables["purses"] if not row.damaged},
        items={int(row.key): row.owner for row in tables["items"] if not row.damaged},
        bags={int(row.key): [item.id for item in row.items] for row in bags if not row.damaged},
    )
    return Books(state, check)


async def read_check(data: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """What the DC's own check says."""
    found: dict[str, Any] = msgspec.json.decode(await offline("check", data, say))
    return found


async def read_ledger(data: Path, say: Callable[[str], None]) -> list[Entry]:
    """In order, without rows that are damaged."""
    rows = msgspec.json.decode(await rows_of("ledger", data, say), type=_Rows).rows
    return [entry_of(row) for row in rows if not row.damaged]


def entry_of(row: _Row) -> Entry:
    gold = row.gold if isinstance(row.gold, list) else []
    return Entry(
        row.session,
        row.sequence,
        row.kind,
        [Coins(move.source, move.target, move.amount) for move in gold],
        [Thing(move.item, move.source, move.target) for move in row.items],
        row.note,
        row.process,
    )


def coins_of(row: _Row) -> int:
    assert isinstance(row.gold, int), "a purse has one number"
    return row.gold


async def rows_of(table: str, data: Path, say: Callable[[str], None]) -> bytes:
    return await offline("get", data, say, table, "--limit", str(EVERYTHING))


async def offline(command: str, data: Path, say: Callable[[str], None], *arguments: str) -> bytes:
    """The JSON that the DC's offline command printed; that it found something wrong is no error here."""
    program = [sys.executable, "-P", "-m", "nodes", "dc", "--offline", command, "--data", str(data), *arguments]
    words: list[str] = []
    code, answer = await run_program(program, READ_S, words.append)
    if code not in (Exit.OK, Exit.CHECK_FAILED, Exit.NOT_FOUND) or not answer:
        raise CommandError("; ".join(words[-2:]) or f"{command} of {data} ended with {code}")
    for word in words:
        say(word)
    return answer
