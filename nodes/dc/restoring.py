"""Put another database in the place of a stopped DC's: that of a backup, or one that was imported.

It is built and checked beside the old one, in the same folder, and takes its name in one step when it is whole and on
disk. The old file is kept as `data.mdb.replaced-TIME`, each under a time of its own: whoever has restored the wrong
backup first has the original still. Nothing is changed when anything is wrong.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from mesh.clock import SystemClock
from mesh.errors import StorageError
from nodes.dc import manifest, wrecks
from nodes.dc.audit import Audit
from nodes.dc.records import TABLES
from nodes.dc.store import DATA_FILE, LmdbStore, locked

NEW = "new"  # a folder in that of the data: what is to take the place
REPLACED = "data.mdb.replaced-"  # and when, in UTC
LMDB_LOCK = "lock.mdb"


def restore(backup: Path, data: Path, *, force: bool) -> dict[str, Any]:
    """The verdict of the check, with what the manifest says. Only when `ok` was anything changed. StorageError when
    the backup is not what its manifest says, when there is a database and no `force`, and when that is in use."""
    with replacing(data, force) as new:
        made = manifest.check(backup, new / DATA_FILE)
        verdict = checked(new)
        rows = verdict.pop("tables")
        if {name: count for name, count in rows.items() if count} != {n: c for n, c in made.rows.items() if c}:
            verdict["problems"].append("there are not as many rows as the manifest says")
            verdict["ok"] = False
        if verdict["ok"]:
            verdict["kept"] = put_in_place(new, data)
        return {**verdict, "made_s": made.made_s, "bytes": made.bytes}


def checked(folder: Path) -> dict[str, Any]:
    """The verdict about the database in this folder, and how many rows its tables have."""
    size = (folder / DATA_FILE).stat().st_size
    store = LmdbStore(folder, manifest.MAP_BYTES, size + manifest.MAP_BYTES, create=False, read_only=True)
    try:
        return {**Audit(store).run(), "tables": {name: store.count(name) for name in TABLES}}
    finally:
        store.close()


def put_in_place(new: Path, data: Path) -> str:
    """The file in `new`, which is whole and on disk, is the database from here on. Where the old one is kept; "" when
    there was none."""
    current, kept = data / DATA_FILE, ""
    try:
        os.chmod(new / DATA_FILE, 0o600)
        if current.exists():  # a second name for it, so that there is a database at every moment
            kept = str(_unused(data))
            os.link(current, kept)
        os.replace(new / DATA_FILE, current)
        for left in (LMDB_LOCK, wrecks.FILE):  # they are about the old one
            (data / left).unlink(missing_ok=True)
        manifest.sync_folder(data)
    except OSError as error:
        raise StorageError(f"{current} cannot be replaced: {error.strerror or error}") from None
    return kept


def _unused(data: Path) -> Path:
    name = f"{REPLACED}{datetime.fromtimestamp(SystemClock().wall(), UTC):%Y%m%d-%H%M%S}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(data / one for one in names if not (data / one).exists())


@contextmanager
def replacing(data: Path, force: bool) -> Iterator[Path]:
    """An empty folder for what is to take the place, while nobody else can use the data."""
    with locked(data):
        if (data / DATA_FILE).exists() and not force:
            raise StorageError(f"{data} has a database: --force replaces it, and keeps it as {REPLACED}TIME")
        new = data / NEW
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        try:
            yield new
        finally:
            shutil.rmtree(new, ignore_errors=True)
