"""A backup: a folder with the data file of a store and a manifest that says what must be in it.

    data.mdb         the database as it was at one moment: a prefix of its history
    manifest.json    format, when, size and SHA-256 of the file, rows of each table, next numbers

The folder has its name only when everything in it is on disk, so a backup that was cut short is none.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from nodes.dc.ledger import DATABASE
from nodes.dc.records import META, TABLES, DamagedError
from nodes.dc.store import DATA_FILE, LmdbStore

FORMAT = 1
MANIFEST = "manifest.json"
LAST = "last-backup.json"  # in the data folder: the manifest of the newest backup that was made of it
PART = ".part"  # behind the name of a backup that is not whole yet
READ_BYTES = 1 << 20
MAP_BYTES = 1 << 20  # the least; the map is always at least as large as the file


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was backed up."""

    format: int
    database_format: int
    made_s: int  # wall clock
    bytes: int
    sha256: str
    rows: dict[str, int]  # by table
    next_account: int
    next_item: int
    next_entry: int  # of the ledger: all before it are in the backup
    next_mail: int = 1


def finish(part: Path, folder: Path, size: int, digest: str, made_s: int) -> Manifest:
    """Turn a folder with a copied file into a backup: read what is in it, write the manifest, give it its name."""
    store = LmdbStore(part, MAP_BYTES, size + MAP_BYTES, create=False, read_only=True)
    try:
        value = store.get(META.name, META.keys.pack(DATABASE))
        if value is None:
            raise StorageError(f"{part / DATA_FILE} is not the database of a DC")
        meta = META.unpack(META.keys.pack(DATABASE), value)
        rows = {name: store.count(name) for name in TABLES}
    finally:
        store.close()
    manifest = Manifest(
        FORMAT, meta.format, made_s, size, digest, rows,
        meta.next_account, meta.next_item, meta.next_entry, meta.next_mail,
    )  # fmt: skip
    write_durably(part / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    rename_durably(part, folder)
    return manifest


def read(folder: Path) -> Manifest:
    """StorageError when this is no backup, or one of a newer program."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise StorageError(f"{folder} is not a backup of a DC: {MANIFEST}: {_plain(error)}") from None
    if manifest.format != FORMAT:
        raise StorageError(f"{folder} has format {manifest.format}, this program knows {FORMAT}")
    return manifest


def check(folder: Path, copy: Path | None = None) -> Manifest:
    """Is the file what the manifest says? It is copied to `copy` on the way, when that is given, and on disk then."""
    manifest, digest, size = read(folder), hashlib.sha256(), 0
    try:
        with open(folder / DATA_FILE, "rb") as source, open(copy or os.devnull, "wb") as target:
            while block := source.read(READ_BYTES):
                digest.update(block)
                size += len(block)
                target.write(block)
            if copy is not None:
                target.flush()
                os.fsync(target.fileno())
    except OSError as error:
        raise StorageError(f"{folder / DATA_FILE} cannot be copied: {_plain(error)}") from None
    if (size, digest.hexdigest()) != (manifest.bytes, manifest.sha256):
        said = f"it has {size} bytes, and the manifest says {manifest.bytes}"
        if size == manifest.bytes:
            said = "its checksum is not that of the manifest"
        raise DamagedError(f"{folder / DATA_FILE} is damaged: {said}")
    return manifest


def note(data: Path, manifest: Manifest) -> None:
    """Remember in the data folder that this backup was made."""
    write_durably(data / LAST, msgspec.json.encode(manifest))


def last(data: Path) -> int:
    """When the newest backup of this folder was made, in seconds on the wall clock; 0 when none is known."""
    try:
        return msgspec.json.decode((data / LAST).read_bytes(), type=Manifest).made_s
    except (OSError, msgspec.DecodeError):
        return 0


def begin(folder: Path) -> Path:
    """An empty folder beside the one that the backup is to become. StorageError when that one exists."""
    if folder.exists():
        raise StorageError(f"{folder} exists already")
    part = folder.with_name(folder.name + PART)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise StorageError(f"{part} cannot be made: {_plain(error)}") from None
    return part


def write_durably(file: Path, content: bytes) -> None:
    """All of it or nothing, on disk when this returns, for nobody else to read."""
    part = file.with_name(file.name + PART)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)
    sync_folder(file.parent)


def rename_durably(source: Path, target: Path) -> None:
    """Both in one folder or not: what was synced before has this name, on disk."""
    sync_folder(source if source.is_dir() else source.parent)
    source.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """The names in it are on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def shown(manifest: Manifest) -> dict[str, Any]:
    """For people and JSON."""
    facts: dict[str, Any] = msgspec.to_builtins(manifest)
    return facts


def _plain(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
