"""What is stored: the tables, their keys and rows, and how a row becomes bytes and back.

    value = CRC-32 of (table, key, rest) as u32 little-endian | record version u8 | row as a MessagePack array

LMDB has no checksums of its own: a flipped bit would be served as if it were data. The key is part of the sum, so
that a value in the wrong place is noticed, too. A field appended with a default needs nothing more; any other change
of a row raises its version and adds a migration, which turns the old array into the next version's when it is read.

The parts that rows share with messages (Item, GoldMove, ItemMove, Friendship) may only grow by appended fields: the
catalogue has the same rule for its own reasons.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar
from zlib import crc32

import msgspec

from mesh.errors import StorageError
from mesh.protocol.play import Item
from mesh.protocol.records import GoldMove, ItemMove
from mesh.protocol.sessions import Friendship, Mute

FORMAT = 1  # of the whole database; raised when tables are added or removed in a way that old code cannot ignore

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)
Migration = Callable[[list[Any]], list[Any]]


class DamagedError(StorageError):
    """A row that is not what was written."""


class Keys(Generic[K]):
    """How a kind of key is written: so that the order of bytes is the order of keys."""

    def __init__(
        self,
        pack: Callable[[K], bytes],
        unpack: Callable[[bytes], K],
        begin: Callable[[int], bytes] | None = None,
        of_account: bool = False,
    ) -> None:
        """`begin` gives what keys with this number begin with, None for keys that are texts; `of_account`: that number
        is an account."""
        self.pack, self.unpack, self.begin, self.of_account = pack, unpack, begin, of_account


_U64 = struct.Struct(">Q")
_I64 = struct.Struct(">q")
_SLOT = struct.Struct(">QI")


def _number(data: bytes) -> int:
    return int(_U64.unpack(data)[0])


def _purse(data: bytes) -> int:
    return int(_I64.unpack(data)[0])


def _slot(data: bytes) -> tuple[int, int]:
    account, slot = _SLOT.unpack(data)
    return account, slot


TEXT: Keys[str] = Keys(str.encode, bytes.decode)
NUMBER: Keys[int] = Keys(_U64.pack, _number, _U64.pack)
ACCOUNT: Keys[int] = Keys(_U64.pack, _number, _U64.pack, True)
PURSE: Keys[int] = Keys(_I64.pack, _purse, _I64.pack, True)
SLOT: Keys[tuple[int, int]] = Keys(lambda key: _SLOT.pack(*key), _slot, _U64.pack, True)


class Table(Generic[K, R]):
    """One table: its name in the store, its keys, its rows."""

    def __init__(
        self,
        name: str,
        keys: Keys[K],
        row: type[R],
        version: int = 1,
        migrations: Mapping[int, Migration] | None = None,
        secret: tuple[str, ...] = (),
        kept: bool = True,
        absent: bool = False,
    ) -> None:
        """`migrations[v]` makes an array of version v + 1 out of one of version v; `secret` fields are never shown;
        `kept`: rows that were read or written are likely to be read soon, so they stay in memory; `absent`: so does
        that there is none."""
        self.name, self.keys, self.row, self.version, self.secret = name, keys, row, version, secret
        self.pack_key = keys.pack
        self.kept, self.absent = kept, absent
        self._migrations = dict(migrations or {})
        assert sorted(self._migrations) == list(range(1, version)), f"{name} lacks a migration"
        self._seed = crc32(name.encode())
        self.head = bytes((version,))  # what a body begins with
        self._decode = msgspec.msgpack.Decoder(row).decode

    def pack(self, key: bytes, row: R) -> bytes:
        """The value to store under a packed key."""
        body = self.head + _encode(row)  # as `seal`
        return crc32(key + body, self._seed).to_bytes(4, "little") + body

    def pack_all(self, rows: Iterable[tuple[K, Any]], gone: object) -> list[tuple[str, bytes, bytes | None]]:
        """The name of the table, and packed keys and values of many rows; None for those that are `gone`."""
        name, pack_key, head, seed = self.name, self.pack_key, self.head, self._seed
        packed: list[tuple[str, bytes, bytes | None]] = []
        for key, row in rows:
            at = pack_key(key)
            if row is gone:
                packed.append((name, at, None))
            else:
                body = head + _encode(row)  # as `pack`, without a call for each
                packed.append((name, at, crc32(at + body, seed).to_bytes(4, "little") + body))
        return packed

    def seal(self, key: bytes, body: bytes) -> bytes:
        """The value to store under a packed key, of a body that was written otherwise: `head`, then the array."""
        return crc32(body, crc32(key, self._seed)).to_bytes(4, "little") + body

    def unpack(self, key: bytes, value: bytes) -> R:
        """The row; DamagedError when it is not what was written, StorageError when it is from a newer version."""
        body = value[4:]
        if len(body) < 2 or crc32(body, crc32(key, self._seed)) != int.from_bytes(value[:4], "little"):
            raise DamagedError(f"{self.name} {self.show_key(key)}: the checksum does not match, the row is damaged")
        try:
            if body[0] == self.version:
                return self._decode(memoryview(body)[1:])
            return self._migrated(body)
        except msgspec.DecodeError as error:
            raise DamagedError(f"{self.name} {self.show_key(key)}: not a row of this table: {error}") from None

    def show_key(self, key: bytes) -> str:
        """A packed key for people; in hexadecimal when it is not one of this table."""
        try:
            unpacked = self.keys.unpack(key)
        except (struct.error, UnicodeDecodeError):
            return key.hex()
        return ".".join(map(str, unpacked)) if isinstance(unpacked, tuple) else str(unpacked)

    def show(self, row: R) -> dict[str, Any]:
        """A row for people and JSON, without its secrets."""
        shown = {name: getattr(row, name) for name in row.__struct_fields__ if name not in self.secret}
        plain: dict[str, Any] = _readable(shown)
        return plain

    def _migrated(self, body: bytes) -> R:
        if body[0] > self.version:
            raise StorageError(
                f"{self.name}: a row of version {body[0]} was written by a newer program; this one knows {self.version}"
            )
        fields = msgspec.msgpack.decode(memoryview(body)[1:], type=list)
        for version in range(body[0], self.version):
            fields = self._migrations[version](fields)
        return msgspec.convert(fields, self.row)


_encode = msgspec.msgpack.Encoder().encode


def _readable(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _readable(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _readable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


# Rows are shared between all who read them, so nothing in them may be changed in place. They cannot refer to each other
# in circles, so the garbage collector need not look at them (gc=False): with 100,000 in memory that took 0.2 s a time.


class MetaRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The one row about the database itself: its format and the next free numbers."""

    format: int
    operation_ring: int
    next_account: int = 1
    next_item: int = 1
    next_entry: int = 1  # of the ledger
    next_mail: int = 1
    epoch: int = 0  # of the DC that wrote last, when there are two of them; and the number of its transaction
    batch: int = 0


class AccountRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    name: str
    password_hash: str
    created_s: int
    banned_until_s: int = 0
    ban_reason: str = ""
    priority: int = 0  # in the login queue
    muted_until_s: int = 0
    mute_reason: str = ""
    mutes: int = 0  # how often that was said: the number of the last time

    @property
    def mute(self) -> Mute:
        """As others are told of it."""
        return Mute(self.mutes, self.muted_until_s, self.mute_reason)


class NameRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who has this name (in lower case)."""

    account: int


class SessionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest session of an account: older ones are refused."""

    epoch: int
    opened_ms: int


class CharacterRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The durable part of a character (class D)."""

    name: str
    level: int
    attributes: dict[str, int]
    region: str


class StateRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The cached part of a character (class C)."""

    map: str  # "" for a character that was never in the world
    x: float
    y: float
    hp: int
    heading: int = 0
    state: int = 0
    xp: int = 0
    session: int = 0  # whose write this is


class PurseRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Coins. Purse 0 is below zero by all that was minted, purse -1 holds all that was burned: the sum is 0."""

    gold: int


class ItemRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The one owner of an item."""

    owner: int
    kind: str


class InventoryRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All items of one owner, to be read at once; ITEMS says who is right."""

    items: tuple[Item, ...] = ()


class MailRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A mail that waits, and the purse and the owner of what is attached to it: this is not in PURSES or INVENTORIES.
    Where purses and owners are named, a negative number stands for it: `mails.owner_of`."""

    account: int  # whose it is: it waits for this one
    sender: int  # who attached what there is, also of a mail that came back
    by: str  # from whom it comes, for people
    text: str
    sent_ms: int
    expires_ms: int = 0  # 0: never
    gold: int = 0
    items: tuple[Item, ...] = ()
    returned: bool = False


class MailboxRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which mails wait for an account; MAILS says who is right. An account that never had to do with any has none."""

    mails: tuple[int, ...] = ()  # in the order in which they came
    under_way: int = 0  # mails with something attached by this account that nobody has taken yet
    session: int = 0  # of what follows; asked.py has the rules
    newest: int = 0  # the highest number of a message of this session whose wish was carried out
    done: bytes = b""  # a bit for it and for each number before it: carried out


class FriendsRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    friends: tuple[Friendship, ...] = ()


class OperationRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An operation that was carried out, so that it is not carried out again."""

    session: int
    sequence: int
    digest: bytes  # of the request: the same id with another request is a conflict
    made: tuple[Item, ...] = ()


class FenceRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Processes of a scene that are over, the newest last."""

    incarnations: tuple[int, ...] = ()


class LedgerRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One durable operation of any kind, for ever."""

    at_ms: int  # wall clock
    kind: str
    account: int
    session: int = 0
    sequence: int = 0
    gold: tuple[GoldMove, ...] = ()
    items: tuple[ItemMove, ...] = ()  # one that was made has its new id here
    note: str = ""
    process: int = 0  # the incarnation of the scene that asked; 0: nobody did, or it was written by an older version


META: Table[str, MetaRow] = Table("meta", TEXT, MetaRow)
ACCOUNTS: Table[int, AccountRow] = Table("accounts", ACCOUNT, AccountRow, secret=("password_hash",))
NAMES: Table[str, NameRow] = Table("names", TEXT, NameRow)
SESSIONS: Table[int, SessionRow] = Table("sessions", ACCOUNT, SessionRow)
CHARACTERS: Table[int, CharacterRow] = Table("characters", ACCOUNT, CharacterRow)
STATES: Table[int, StateRow] = Table("states", ACCOUNT, StateRow, kept=False)
PURSES: Table[int, PurseRow] = Table("purses", PURSE, PurseRow)
ITEMS: Table[int, ItemRow] = Table("items", NUMBER, ItemRow)
INVENTORIES: Table[int, InventoryRow] = Table("inventories", ACCOUNT, InventoryRow)
FRIENDS: Table[int, FriendsRow] = Table("friends", ACCOUNT, FriendsRow)
OPERATIONS: Table[tuple[int, int], OperationRow] = Table("operations", SLOT, OperationRow, kept=False)
LEDGER: Table[int, LedgerRow] = Table("ledger", NUMBER, LedgerRow, kept=False)
MAILS: Table[int, MailRow] = Table("mails", NUMBER, MailRow)
MAILBOXES: Table[int, MailboxRow] = Table("mailboxes", ACCOUNT, MailboxRow, absent=True)
FENCES: Table[str, FenceRow] = Table("fences", TEXT, FenceRow, absent=True)

TABLES: dict[str, Table[Any, Any]] = {
    table.name: table
    for table in (
        META, ACCOUNTS, NAMES, SESSIONS, CHARACTERS, STATES, PURSES, ITEMS, INVENTORIES, FRIENDS, OPERATIONS, LEDGER,
        MAILS, MAILBOXES, FENCES,
    )
}  # fmt: skip
