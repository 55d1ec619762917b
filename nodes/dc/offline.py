"""Work on the file of a stopped DC: `python -P -m nodes dc --offline COMMAND --data DIR`.

    stat                         rows, sizes, totals of the economy
    get TABLE [PREFIX]           rows as readable values
    list                         the accounts
    check                        every checksum, every reference, the economy computed anew from the ledger
    fill COUNT [PREFIX]          so many new accounts with a session each, for load tests; makes the file, too

Prints one JSON value on stdout; words for people go to stderr. Exit codes: 0 ok, 1 the folder or file cannot be used,
2 usage, 3 not found, 6 the check found something. Only `fill` changes anything, and never a row that is there.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.clock import SystemClock
from mesh.errors import RefusedError, StorageError
from mesh.protocol.types import Name
from nodes.dc.audit import Audit
from nodes.dc.filling import fill, name_of
from nodes.dc.listing import find_rows, stat
from nodes.dc.records import ACCOUNTS, TABLES
from nodes.dc.settings import DcSettings
from nodes.dc.store import LmdbStore, Store

OK, FAILED, NOT_FOUND, CHECK_FAILED = 0, 1, 3, 6
LIMIT = 100
SAY_EVERY = 100_000  # accounts
MAP_BYTES = 1 << 20  # the least; the map is always at least as large as the file


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    chosen = _parser().parse_args(arguments)
    filling = chosen.command == "fill"
    try:
        store = LmdbStore(chosen.data, MAP_BYTES, DcSettings().map_bytes_max, create=filling)
        try:
            answer, code = _COMMANDS[chosen.command](store, chosen)
        finally:
            store.close()
    except (StorageError, RefusedError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer)).decode() + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -P -m nodes dc --offline", description="Read a stopped DC's database."
    )
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder of the DC")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("stat", parents=[data], help="rows, sizes, totals of the economy")
    commands.add_parser("check", parents=[data], help="is the database whole?")
    get = commands.add_parser("get", parents=[data], help="rows of a table")
    get.add_argument("table", choices=sorted(TABLES))
    fill = commands.add_parser("fill", parents=[data], help="make accounts for load tests")
    fill.add_argument("count", type=int)
    fill.add_argument("prefix", type=_prefix, nargs="?", default="player", help="of their names; 8 digits follow")
    listing = commands.add_parser("list", parents=[data], help="the accounts")
    for command in (get, listing):
        command.add_argument("prefix", nargs="?", default="", help="of the key, or of the account's name")
        command.add_argument("--limit", type=int, default=LIMIT)
    return parser


def _prefix(text: str) -> str:
    try:
        msgspec.convert(name_of(text, 0), Name)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _stat(store: Store, _chosen: argparse.Namespace) -> tuple[Any, int]:
    return stat(store, sys.maxsize), OK


def _check(store: Store, _chosen: argparse.Namespace) -> tuple[Any, int]:
    verdict = Audit(store).run()
    return verdict, OK if verdict["ok"] else CHECK_FAILED


def _get(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    rows, more = find_rows(store, TABLES[chosen.table], chosen.prefix, chosen.limit)
    code = NOT_FOUND if chosen.prefix and not rows else OK
    return {"rows": [{"key": key, **row} for key, row in rows], "more": more}, code


def _list(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    rows, more = find_rows(store, ACCOUNTS, chosen.prefix, chosen.limit)
    return {"accounts": [{"account": int(key), **row} for key, row in rows], "more": more}, OK


def _fill(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    at_ms = round(SystemClock().wall() * 1000)

    def done(count: int) -> None:
        if count % SAY_EVERY == 0:
            sys.stderr.write(f"{count:,} of {chosen.count:,} accounts\n")

    rows = fill(store, chosen.count, chosen.prefix, DcSettings().operation_ring, at_ms, done)
    return {"accounts": chosen.count, "rows": rows, **store.facts()}, OK


_COMMANDS: dict[str, Callable[[Store, argparse.Namespace], tuple[Any, int]]] = {
    "stat": _stat,
    "check": _check,
    "get": _get,
    "list": _list,
    "fill": _fill,
}
