"""Work on the file of a stopped DC: `python -P -m nodes dc --offline COMMAND --data DIR`.

    stat                         rows, sizes, totals of the economy
    get TABLE [PREFIX]           rows as readable values
    list                         the accounts
    verify                       every checksum, every key, every reference
    audit                        the economy computed anew from the ledger, every item in one place
    check                        both
    backup FOLDER                a copy with a manifest
    restore FOLDER [--force]     put a backup in the place of the database, when every row of it is right
    export FILE [--secrets]      everything as lines of JSON
    flows FOLDER [--first N]     the gold of the ledger and who holds it, for `mesh data`
    import FILE [--force]        make a database of that, when every line of it is right
    fill COUNT [PREFIX]          so many new accounts with a session each, for load tests; makes the file, too

With `--backup` DIR is a backup, which is only read. Prints one JSON value on stdout; words for people go to stderr.
Exit codes: 0 ok, 1 the folder or file cannot be used, 2 usage, 3 not found, 6 the check found something. Only restore,
import and fill change anything, and fill never a row that is there.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.clock import SystemClock
from mesh.errors import RefusedError, StorageError
from mesh.protocol.types import Name
from mesh.seat import ThreadWorkers
from nodes.dc import manifest
from nodes.dc.audit import Audit, audit, verify
from nodes.dc.backups import THREADS, Copying
from nodes.dc.exporting import export
from nodes.dc.filling import fill, name_of
from nodes.dc.flows import write_flows
from nodes.dc.importing import import_
from nodes.dc.listing import find_rows, stat
from nodes.dc.records import ACCOUNTS, TABLES, DamagedError
from nodes.dc.restoring import restore
from nodes.dc.settings import DcSettings
from nodes.dc.store import LmdbStore, Store

OK, FAILED, NOT_FOUND, CHECK_FAILED = 0, 1, 3, 6
LIMIT = 100
SAY_EVERY = 100_000  # accounts
AS_FAST_AS_IT_GOES = 1 << 40  # bytes a second: nobody plays

Work = Callable[[Store, argparse.Namespace], tuple[Any, int]]


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command in _WHOLE:
            answer, code = _WHOLE[chosen.command](chosen)
        else:
            answer, code = _on_store(_COMMANDS[chosen.command], chosen)
    except (StorageError, RefusedError) as error:
        sys.stderr.write(f"{error}\n")
        return CHECK_FAILED if isinstance(error, DamagedError) else FAILED
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer)).decode() + "\n")
    return code


def _on_store(work: Work, chosen: argparse.Namespace) -> tuple[Any, int]:
    if chosen.backup:
        manifest.check(chosen.data)
    store = LmdbStore(
        chosen.data,
        manifest.MAP_BYTES,
        DcSettings().map_bytes_max,
        create=chosen.command == "fill",
        read_only=chosen.backup,
    )
    try:
        return work(store, chosen)
    finally:
        store.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -P -m nodes dc --offline", description="Work on a stopped DC's database."
    )
    parser.set_defaults(backup=False)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder of the DC")
    read = argparse.ArgumentParser(add_help=False, parents=[data])
    read.add_argument("--backup", action="store_true", help="DIR is a backup")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("stat", parents=[read], help="rows, sizes, totals of the economy")
    commands.add_parser("verify", parents=[read], help="is every row what was written?")
    commands.add_parser("audit", parents=[read], help="does the economy follow from the ledger?")
    commands.add_parser("check", parents=[read], help="is the database whole? verify and audit")
    get = commands.add_parser("get", parents=[read], help="rows of a table")
    get.add_argument("table", choices=sorted(TABLES))
    fill = commands.add_parser("fill", parents=[data], help="make accounts for load tests")
    fill.add_argument("count", type=int)
    fill.add_argument("prefix", type=_prefix, nargs="?", default="player", help="of their names; 8 digits follow")
    listing = commands.add_parser("list", parents=[read], help="the accounts")
    for command in (get, listing):
        command.add_argument("prefix", nargs="?", default="", help="of the key, or of the account's name")
        command.add_argument("--limit", type=int, default=LIMIT)
    _add_copies(commands, data, read)
    return parser


def _add_copies(commands: Any, data: argparse.ArgumentParser, read: argparse.ArgumentParser) -> None:
    backup = commands.add_parser("backup", parents=[data], help="a copy with a manifest")
    restore = commands.add_parser("restore", parents=[data], help="put a backup in the place of the database")
    for command in (backup, restore):
        command.add_argument("folder", type=Path)
    export = commands.add_parser("export", parents=[read], help="everything as lines of JSON")
    export.add_argument("--secrets", action="store_true", help="password hashes, too")
    flows = commands.add_parser("flows", parents=[read], help="the gold of the ledger and who holds it")
    flows.add_argument("folder", type=Path)
    flows.add_argument("--first", type=int, default=1, help="entry of the ledger to begin with")
    importing = commands.add_parser("import", parents=[data], help="make a database of an export")
    for command in (export, importing):
        command.add_argument("file", type=Path)
    for command in (restore, importing):
        command.add_argument("--force", action="store_true", help="replace the database that is there")


def _prefix(text: str) -> str:
    try:
        msgspec.convert(name_of(text, 0), Name)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _stat(store: Store, _chosen: argparse.Namespace) -> tuple[Any, int]:
    return stat(store, sys.maxsize), OK


def _judged(verdict: dict[str, Any]) -> tuple[Any, int]:
    return verdict, OK if verdict["ok"] else CHECK_FAILED


def _get(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    rows, more = find_rows(store, TABLES[chosen.table], chosen.prefix, chosen.limit)
    code = NOT_FOUND if chosen.prefix and not rows else OK
    return {"rows": [{"key": key, **row} for key, row in rows], "more": more}, code


def _list(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    rows, more = find_rows(store, ACCOUNTS, chosen.prefix, chosen.limit)
    return {"accounts": [{"account": int(key), **row} for key, row in rows], "more": more}, OK


def _backup(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    clock, workers = SystemClock(), ThreadWorkers(THREADS)
    copying = Copying(store, workers, clock, sys.maxsize)
    try:
        made = asyncio.run(copying.run(chosen.folder.absolute(), AS_FAST_AS_IT_GOES, clock.wall))
        manifest.note(chosen.data, made)
    except OSError as error:
        raise StorageError(f"{chosen.folder} cannot be written: {error.strerror or error}") from None
    finally:
        workers.close()
    return {**manifest.shown(made), "folder": str(chosen.folder.absolute())}, OK


def _export(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    made_s = int(SystemClock().wall())
    return export(store, chosen.file.absolute(), made_s, _say_rows, secrets=chosen.secrets), OK


def _restore(chosen: argparse.Namespace) -> tuple[Any, int]:
    return _judged(restore(chosen.folder, chosen.data, force=chosen.force))


def _import(chosen: argparse.Namespace) -> tuple[Any, int]:
    limit = DcSettings().map_bytes_max
    return _judged(import_(chosen.file, chosen.data, limit, _say_rows, force=chosen.force))


def _say_rows(count: int) -> None:
    sys.stderr.write(f"{count:,} rows\n")


def _fill(store: Store, chosen: argparse.Namespace) -> tuple[Any, int]:
    at_ms = round(SystemClock().wall() * 1000)

    def done(count: int) -> None:
        if count % SAY_EVERY == 0:
            sys.stderr.write(f"{count:,} of {chosen.count:,} accounts\n")

    rows = fill(store, chosen.count, chosen.prefix, DcSettings().operation_ring, at_ms, done)
    return {"accounts": chosen.count, "rows": rows, **store.facts()}, OK


_COMMANDS: dict[str, Work] = {
    "stat": _stat,
    "verify": lambda store, _: _judged(verify(store)),
    "audit": lambda store, _: _judged(audit(store)),
    "check": lambda store, _: _judged(Audit(store).run()),
    "get": _get,
    "list": _list,
    "backup": _backup,
    "export": _export,
    "flows": lambda store, chosen: (write_flows(store, chosen.folder, chosen.first), OK),
    "fill": _fill,
}
_WHOLE: dict[str, Callable[[argparse.Namespace], tuple[Any, int]]] = {"restore": _restore, "import": _import}
"""Commands that put another file in the place of the database."""
