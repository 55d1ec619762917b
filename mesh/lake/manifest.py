"""What a lake consists of, as its manifest says. Pure.

    manifest.json                                          this, replaced as a whole: what it names is the lake
    events/day=2025-01-31/hour=14/zone=one/00000123.parquet
    moves/day=.../...                                      the same for the ways walked
    ledger/00000124.parquet, purses/00000125.parquet       what was taken from the DC
    index/00000126.parquet                                 which of these files have events of an account

A data file is never changed; another one takes its place. A file that the manifest does not name is not part of the
lake, whatever is in it: it was left by a writer that died, or is not needed any more, and the next writer removes it.

Which events are in the lake is kept by sender, life of the sender and number (`taken`), so that an event that two log
nodes have, or that is met again, is left out whatever segment it stands in. How far each segment was read (`places`) is
only to save time: without it everything is looked at again, and nothing is taken twice.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from mesh.lake.columns import HOUR_MS, HOURLY

VERSION = 1
LOSSES_MAX = 1000  # named; further ones are only counted
SENDERS_MAX = 65_536  # lives of senders; the one that was silent the longest is forgotten
KINDS_MAX = 1024  # of events, with columns of their own; further ones are in `events` like all
FIELDS_MAX = 128  # of one kind


class DataFile(msgspec.Struct, frozen=True):
    """A Parquet file of the lake."""

    name: str  # its path in the lake
    table: str
    rows: int
    bytes: int
    oldest_ms: int
    newest_ms: int
    shape: str  # names and types of its columns, in short: files of one shape are read as one
    zone: str = ""
    hour: int = 0  # hours since 1970
    kinds: dict[str, int] = {}  # events of each kind
    is_indexed: bool = False  # the index names it for each account that it has

    @property
    def number(self) -> int:
        """No other file of the lake had it or will have it."""
        return int(self.name.rpartition("/")[2].partition(".")[0])


class Retired(msgspec.Struct, frozen=True):
    """A data file that is not part of the lake any more, and is left to those who read it still."""

    name: str
    at_ms: int


class Taken(msgspec.Struct, frozen=True):
    """What is in the lake of one life of a sender, by numbers."""

    sender: str
    incarnation: int
    newest_ms: int
    stretches: list[tuple[int, int]]


class Place(msgspec.Struct, frozen=True):
    """How far a segment was read. The last block that was read is named by its checksum: a machine that died may
    have lost the end of a segment, and other blocks may stand there now."""

    folder: str
    segment: int
    created_ms: int
    end: int
    last_offset: int = 0
    last_crc: int = 0


class Loss(msgspec.Struct, frozen=True):
    """Something in a segment that cannot be read, and is not in the lake."""

    folder: str
    file: str
    offset: int
    length: int
    events: int  # as far as known
    why: str


class Seen(msgspec.Struct, frozen=True):
    """Which fields events of a kind have had: columns, and others with their type."""

    columns: list[str] = []
    others: dict[str, str] = {}  # "int", "float", "bool", "text" or "json"


class Erased(msgspec.Struct, frozen=True):
    """A player who is not in the lake any more, nor will be by events until then. The account is not readable here."""

    who: str
    until_ms: int


class Manifest(msgspec.Struct, frozen=True):
    """See the module."""

    version: int = VERSION
    salt: str = ""  # for the names of erased accounts
    next_file: int = 1
    files: list[DataFile] = []
    retired: list[Retired] = []
    taken: list[Taken] = []
    places: list[Place] = []
    losses: list[Loss] = []
    losses_unnamed: int = 0
    kinds: dict[str, Seen] = {}
    erased: list[Erased] = []
    ledger_next: int = 1  # the entry to go on with

    def of_table(self, table: str) -> list[DataFile]:
        """Its data files."""
        return [file for file in self.files if file.table == table]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def file_name(table: str, zone: str, hour: int, number: int) -> str:
    """Where a data file is, from the lake's folder."""
    if table not in HOURLY:
        return f"{table}/{number:08}.parquet"
    begin = datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC)
    return f"{table}/day={begin:%Y-%m-%d}/hour={begin:%H}/zone={zone}/{number:08}.parquet"


def shape_of(columns: Mapping[str, str]) -> str:
    """A short name for these columns."""
    text = ",".join(f"{name}:{kind}" for name, kind in columns.items())
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def with_losses(manifest: Manifest, losses: Iterable[Loss]) -> Manifest:
    """Each place once; what does not fit is counted."""
    known = {(one.folder, one.file, one.offset): one for one in manifest.losses}
    unnamed = manifest.losses_unnamed
    for loss in losses:
        key = loss.folder, loss.file, loss.offset
        if key not in known and len(known) >= LOSSES_MAX:
            unnamed += 1
        else:
            known[key] = loss
    return msgspec.structs.replace(manifest, losses=list(known.values()), losses_unnamed=unnamed)


def with_kinds(manifest: Manifest, seen: Mapping[str, Seen]) -> Manifest:
    """The fields that were seen, added to those that were known."""
    kinds = dict(manifest.kinds)
    for kind, now in seen.items():
        if kind in kinds or len(kinds) < KINDS_MAX:
            kinds[kind] = with_fields(kinds.get(kind, Seen()), now)
    return msgspec.structs.replace(manifest, kinds=kinds)


def with_fields(before: Seen, now: Seen) -> Seen:
    """The fields of both, and types that have the values of both."""
    others = dict(before.others)
    for name, type_ in now.others.items():
        if name in others or len(others) < FIELDS_MAX:
            others[name] = _both(others.get(name, type_), type_)
    return Seen(sorted({*before.columns, *now.columns}), others)


def _both(one: str, other: str) -> str:
    if one == other:
        return one
    return "float" if {one, other} == {"int", "float"} else "json"


def decoded(data: bytes) -> Manifest:
    """ValueError when these bytes are no manifest, or one of a later version."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a manifest: {error}") from None
    if manifest.version > VERSION:
        raise ValueError(f"version {manifest.version}, this program knows {VERSION}")
    return manifest


def encoded(manifest: Manifest) -> bytes:
    """As it is written."""
    return msgspec.json.encode(manifest)
