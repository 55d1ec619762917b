"""Rows to bytes and back: nothing damaged is ever taken for data, and old versions can still be read."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import StorageError
from mesh.protocol.play import Item
from mesh.protocol.records import GoldMove, ItemMove
from nodes.dc.records import (
    ACCOUNTS,
    LEDGER,
    NAMES,
    NUMBER,
    OPERATIONS,
    PURSES,
    AccountRow,
    DamagedError,
    LedgerRow,
    NameRow,
    OperationRow,
    PurseRow,
    Table,
)

KEY = NUMBER.pack(7)


class Old(msgspec.Struct, frozen=True, array_like=True):
    name: str
    silver: int


class New(msgspec.Struct, frozen=True, array_like=True):
    name: str
    gold: int
    title: str
    colour: str = "grey"  # appended: needs no migration


def test_rows_come_back_as_they_were() -> None:
    row = LedgerRow(1, "trade", 3, 4, 5, (GoldMove(1, 2, 3),), (ItemMove(9, 1, 2, "axe"),), "x")
    assert LEDGER.unpack(KEY, LEDGER.pack(KEY, row)) == row
    done = OperationRow(1, 2, b"12345678", (Item(1, "axe"),))
    assert OPERATIONS.unpack(b"k", OPERATIONS.pack(b"k", done)) == done


def test_an_account_that_was_written_before_there_were_priorities_is_read() -> None:
    """The bytes are those of the first version of the program."""
    body = b"\x01" + msgspec.msgpack.encode(["anna", "hash", 5, -1, "cheating"])
    value = zlib.crc32(body, zlib.crc32(KEY, zlib.crc32(b"accounts"))).to_bytes(4, "little") + body
    assert ACCOUNTS.unpack(KEY, value) == AccountRow("anna", "hash", 5, -1, "cheating", 0)


@given(bit=st.integers(min_value=0), gold=st.integers(-(2**53), 2**53))
def test_every_flipped_bit_is_noticed(bit: int, gold: int) -> None:
    value = bytearray(PURSES.pack(KEY, PurseRow(gold)))
    bit %= len(value) * 8
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedError, match="purses 7"):
        PURSES.unpack(KEY, bytes(value))


@pytest.mark.parametrize("length", [0, 1, 4, 5, 8])
def test_a_value_that_was_cut_is_damaged(length: int) -> None:
    value = ACCOUNTS.pack(KEY, AccountRow("anna", "hash", 5))
    with pytest.raises(DamagedError):
        ACCOUNTS.unpack(KEY, value[:length])


def test_a_value_under_another_key_or_in_another_table_is_damaged() -> None:
    value = PURSES.pack(KEY, PurseRow(5))
    with pytest.raises(DamagedError):
        PURSES.unpack(NUMBER.pack(8), value)
    with pytest.raises(DamagedError):
        NAMES.unpack(KEY, value)


def test_the_order_of_keys_is_the_order_of_bytes() -> None:
    numbers = [0, 1, 255, 256, 2**32, 2**63]
    assert sorted(map(NUMBER.pack, numbers)) == [NUMBER.pack(number) for number in numbers]
    slots = [(1, 5), (1, 300), (2, 0)]
    assert sorted(map(OPERATIONS.keys.pack, slots)) == [OPERATIONS.keys.pack(slot) for slot in slots]
    assert [OPERATIONS.keys.unpack(OPERATIONS.keys.pack(slot)) for slot in slots] == slots


def test_an_old_row_is_migrated_step_by_step() -> None:
    first = Table("things", NUMBER, Old)
    third = Table(
        "things",
        NUMBER,
        New,
        version=3,
        migrations={1: lambda row: [row[0], row[1] // 10], 2: lambda row: [*row, "Sir"]},
    )
    assert third.unpack(KEY, first.pack(KEY, Old("anna", 120))) == New("anna", 12, "Sir", "grey")
    assert third.unpack(KEY, third.pack(KEY, New("b", 1, "", "red"))) == New("b", 1, "", "red")


def test_a_table_without_its_migrations_cannot_be_declared() -> None:
    with pytest.raises(AssertionError, match="lacks a migration"):
        Table("things", NUMBER, New, version=2)


def test_a_row_of_a_newer_program_is_not_guessed_at() -> None:
    newer = Table("things", NUMBER, Old, version=2, migrations={1: lambda row: row})
    with pytest.raises(StorageError, match="newer program"):
        Table("things", NUMBER, Old).unpack(KEY, newer.pack(KEY, Old("a", 1)))


def test_people_never_see_secrets() -> None:
    shown = ACCOUNTS.show(AccountRow("anna", "$argon2id$...", 5))
    assert shown == {
        "name": "anna", "created_s": 5, "banned_until_s": 0, "ban_reason": "", "priority": 0,
        "muted_until_s": 0, "mute_reason": "", "mutes": 0,
    }  # fmt: skip
    made = LEDGER.show(LedgerRow(1, "loot", 2, items=(ItemMove(9, 0, 2, "axe"),)))
    assert made["items"] == [{"item": 9, "source": 0, "target": 2, "kind": "axe"}]
    assert NAMES.show(NameRow(4)) == {"account": 4}
