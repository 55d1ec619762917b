"""The little that a center keeps on disk: its epoch, which nodes there were, and who waited.

The epoch must grow with every start, so it is written with fsync before it is used, and it does not depend on a clock
that somebody may set. The members are there for the moment after a restart: the list that the first node gets when it
registers again must not say that it is alone, or it would hang up on everybody who is a moment slower. They are
written without fsync (a machine that dies takes the nodes with it), and a damaged file counts as an empty one. The same
goes for the positions in the queue: who waited, in which order, and who may come back first.

Which DC of a pair may write is written with fsync, too, and a damaged file is an error: a guess could let both write.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mesh.errors import StorageError
from mesh.protocol.control import Member
from nodes.center.leases import Tenure
from nodes.center.queue import Kept

EPOCH_FILE = "epoch"
MEMBERS_FILE = "members.mp"
QUEUE_FILE = "queue.mp"
TENURE_FILE = "tenure.mp"

_decode_members = msgspec.msgpack.Decoder(list[Member]).decode
_decode_queue = msgspec.msgpack.Decoder(Kept).decode
_decode_tenure = msgspec.msgpack.Decoder(Tenure).decode


def next_epoch(folder: Path) -> int:
    """A greater one than ever before in this folder. StorageError when that cannot be promised."""
    path = folder / EPOCH_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        epoch = int(path.read_text("ascii")) + 1 if path.exists() else 1
        _write(path, f"{epoch}\n".encode(), sync=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    except ValueError:
        raise StorageError(f"{path} is damaged: write one number into it that is above every epoch so far") from None
    return epoch


def load_members(folder: Path) -> list[Member]:
    """Who was there when this was last written."""
    try:
        return _decode_members((folder / MEMBERS_FILE).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def save_members(folder: Path, members: Iterable[Member]) -> bool:
    """A few KB whenever a node comes or goes: quick enough for the loop. False when the disk did not take it."""
    return _save(folder / MEMBERS_FILE, list(members))


def load_queue(folder: Path) -> Kept:
    """Who waited when this was last written."""
    try:
        return _decode_queue((folder / QUEUE_FILE).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Kept()


def save_queue(folder: Path, kept: Kept) -> bool:
    """At most some 200 KB, once a second at most. False when the disk did not take it."""
    return _save(folder / QUEUE_FILE, kept)


def load_tenure(folder: Path) -> Tenure | None:
    """Which DC of a pair writes; None when that was never decided here. StorageError for a file that is damaged."""
    path = folder / TENURE_FILE
    try:
        return _decode_tenure(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = "is damaged: move it away, start both DCs, and the one that is further goes on"
        raise StorageError(f"{path} {text}") from None


def save_tenure(folder: Path, tenure: Tenure) -> bool:
    """On disk when this returns True. It changes with a failover, not with every lease."""
    try:
        _write(folder / TENURE_FILE, msgspec.msgpack.encode(tenure), sync=True)
    except OSError:
        return False
    return True


def _save(path: Path, what: object) -> bool:
    try:
        _write(path, msgspec.msgpack.encode(what), sync=False)
    except OSError:
        return False
    return True


def _write(path: Path, data: bytes, *, sync: bool) -> None:
    """All or nothing, also when the process or (with `sync`) the machine dies in the middle."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    os.replace(fresh, path)
    if sync:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
