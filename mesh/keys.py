"""The secret keys of a cluster: files in `<runtime>/keys/`, made at the first start, readable by their owner only.

    tickets.key   signs login tickets; the studio's account service, the bots and the login nodes have it
    resume.key    signs resume tokens; only login nodes have it

A file holds one key of 32 bytes as 64 hexadecimal digits and a line end. Several nodes that start at the same moment
agree on one key: the first complete file gets the name, the others read it. The bytes come from the system and not
from a node's own random numbers, which a simulation makes predictable on purpose.
"""

import contextlib
import os
import secrets
from pathlib import Path

from mesh.errors import StorageError

TICKETS = "tickets.key"
RESUME = "resume.key"
KEY_BYTES = 32


def load(path: Path) -> bytes:
    """The key in this file; StorageError when it is not one, or when others may read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(4096)
    except OSError as error:
        raise StorageError(f"cannot read the key {path}: {error.strerror}") from None
    if mode & 0o077:
        raise StorageError(f"the key {path} can be read by others: run chmod 600 on it, or make a new one")
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise StorageError(f"the key {path} is damaged: it must be {2 * KEY_BYTES} hexadecimal digits")
    return key


def load_or_create(path: Path) -> bytes:
    """The key in this file, which is made when it is missing. All who call this at the same time get the same key."""
    try:
        missing = not path.exists()
    except OSError as error:
        raise StorageError(f"cannot read the key {path}: {error.strerror}") from None
    if missing:
        _create(path)
    return load(path)


def replace(path: Path) -> bytes:
    """A new key in the place of the old one; what the old one signed is void once the nodes have read the new one."""
    fresh = _write_beside(path)
    try:
        os.replace(fresh, path)
    except OSError as error:
        raise StorageError(f"cannot replace the key {path}: {error.strerror}") from None
    return load(path)


def _create(path: Path) -> None:
    fresh = _write_beside(path)
    try:
        # A hard link fails when the name exists, where a rename would take the place of a key that is in use.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    except OSError as error:
        raise StorageError(f"cannot make the key {path}: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


def _write_beside(path: Path) -> Path:
    """A complete new key, on disk, under a name that nobody else uses."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot write a key into {path.parent}: {error.strerror}") from None
    return fresh
