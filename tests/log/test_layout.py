"""The bytes of a segment, written down: files of today must be readable for ever."""

import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.compression import compress, decompress
from mesh.protocol.journal import StoreEvents
from nodes.log.columns import Columns, pack, unpack
from nodes.log.layout import (
    BLOCK_HEAD,
    FILE_HEAD,
    BlockHead,
    BlockIndex,
    NewerVersion,
    Part,
    body_intact,
    file_head_size,
    has_player,
    open_body,
    pack_block,
    pack_file_head,
    players_in,
    unpack_block_head,
    unpack_file_head,
    unpack_index,
)
from tests.log.writing import batch, without_columns

FILE_HEAD_BYTES = bytes.fromhex(
    "5a4f4e454c4f470a"  # magic
    "0200"  # version
    "0000"
    "0e000000"  # length of the senders
    "40f8b3ae"  # crc
    "0010a5d4e8000000"  # created: 1,000,000,000,000 ms
    "0300000000000000"  # number
    "9193a77363656e652e3107cd0200"  # [["scene.1", 7, 512]]
)
OLD_FILE_HEAD_BYTES = bytes.fromhex(
    "5a4f4e454c4f470a01000000"  # the same of version 1
    "0e00000027f85be3"
    "0010a5d4e80000000300000000000000"
    "9193a77363656e652e3107cd0200"
)
OLD_BLOCK_BYTES = bytes.fromhex(  # of version 1, and still of batches without columns but for a nil at the end
    "5a424c4b"  # marker
    "00000000"  # head crc
    "00000000"  # body crc
    "21000000"  # index length
    "00000000"  # body length
    "23000000"  # raw length
    "02000000"  # events
    "e803000000000000"  # oldest
    "d007000000000000"  # newest
    "92"  # the index
    "9195a77363656e652e3107000223"  # [["scene.1", 7, 0, 2, 35]]
    "c410"  # players
    "03000000000000000500000000000000"
)
RAW = bytes.fromhex("95cd03e8a46c6f6f7405a77363656e652e318095cd07d0a16103a77363656e652e3180")


def two_events() -> StoreEvents:
    return batch([(1000, "loot", 5, {}), (2000, "a", 3, {})], sender="scene.1")


def test_the_head_of_a_file() -> None:
    assert pack_file_head(3, 1_000_000_000_000, [("scene.1", 7, 512)]) == FILE_HEAD_BYTES


@pytest.mark.parametrize("data", [FILE_HEAD_BYTES, OLD_FILE_HEAD_BYTES], ids=["today", "version 1"])
def test_the_head_of_a_file_is_read(data: bytes) -> None:
    head = unpack_file_head(data)
    assert (head.number, head.created_ms, head.senders) == (3, 1_000_000_000_000, [("scene.1", 7, 512)])
    assert head.size == file_head_size(data) == len(data)


def sealed(head_and_index: bytes, body: bytes) -> bytes:
    """A block of these parts, with the lengths and checksums that follow from them."""
    made = bytearray(head_and_index)
    made[8:12] = zlib.crc32(body).to_bytes(4, "little")
    made[12:16] = (len(head_and_index) - BLOCK_HEAD.size).to_bytes(4, "little")
    made[16:20] = len(body).to_bytes(4, "little")
    made[4:8] = zlib.crc32(made[8:]).to_bytes(4, "little")
    return bytes(made) + body


def read(block: bytes) -> tuple[BlockHead, BlockIndex, bytes]:
    """Head, index and compressed body, all intact."""
    head = unpack_block_head(block, 0)
    assert head is not None
    index = unpack_index(head, block[: BLOCK_HEAD.size], block[BLOCK_HEAD.size : head.body_offset])
    assert index is not None
    body = block[head.body_offset :]
    assert body_intact(head, body)
    return head, index, body


def test_a_block_of_version_1_is_read() -> None:
    head, index, body = read(sealed(OLD_BLOCK_BYTES, compress(RAW, 1)))
    assert index == BlockIndex([Part("scene.1", 7, 0, 2, 35)], bytes.fromhex("03000000000000000500000000000000"), None)
    assert open_body(head, index, body) == [RAW]
    assert [player for player in range(8) if has_player(index, player)] == [3, 5]
    assert players_in(head, index).tolist() == [3, 5]


def test_a_block_without_columns() -> None:
    block = pack_block([without_columns(two_events())], 1)
    head, _, body = read(block)
    with_place = OLD_BLOCK_BYTES.replace(b"\x92\x91", b"\x93\x91") + b"\xc0"
    assert block == sealed(with_place, body)
    assert decompress(body, head.raw_length) == RAW == two_events().body


def test_a_block() -> None:
    block = pack_block([two_events()], 1)
    head, index, body = read(block)
    assert decompress(body, head.raw_length) == RAW
    assert (index.players, index.parts) == (b"", [Part("scene.1", 7, 0, 2, 35)])
    assert index.columns is not None
    assert index.columns.kinds == ["loot", "a"]
    assert index.columns.shapes == [(3, 1), (1000, 2), (0, 1), (16, 1)]
    assert decompress(index.columns.frame, index.columns.raw_length) == bytes.fromhex(
        "0200"  # players 5 and 3
        "0000e803"  # times
        "0001"  # places in kinds
        "0300"  # lengths 19 and 16
    )
    columns = unpack(index.columns, head.events)
    assert [column.tolist() for column in columns[:4]] == [[5, 3], [1000, 2000], [0, 1], [19, 16]]


def test_a_block_of_several_senders_is_read() -> None:
    one, other = two_events(), batch([(500, "b", 5, {}), (501, "loot", 6, {})], sender="gate.1", first=9)
    block = pack_block([one, other], 3)
    head, index, body = read(block)
    assert index.parts == [
        Part("scene.1", 7, 0, 2, len(one.body)),
        Part("gate.1", 7, 9, 2, len(other.body)),
    ]
    assert (head.events, head.oldest_ms, head.newest_ms, head.end) == (4, 500, 2000, len(block))
    assert players_in(head, index).tolist() == [3, 5, 6]
    assert index.columns is not None
    columns = unpack(index.columns, head.events)
    assert [columns.kinds[int(number)] for number in columns.kind_numbers] == ["loot", "a", "b", "loot"]
    assert columns.players.tolist() == [5, 3, 5, 6]
    assert open_body(head, index, body) == [one.body, other.body]


@given(
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 3), st.integers(1, 2**20)),
        min_size=1,
        max_size=20,
    )
)
def test_columns_come_back_as_they_were(rows: list[tuple[int, int, int, int]]) -> None:
    columns = Columns(*(np.array(column, np.uint64) for column in zip(*rows, strict=True)), ["a", "b", "c", "d"])
    back = unpack(pack(columns, 1), len(rows))
    assert [column.tolist() for column in back[:4]] == [list(column) for column in zip(*rows, strict=True)]
    assert back.kinds == columns.kinds


@pytest.mark.parametrize(
    "wrong",
    [
        {"shapes": [(0, 1)] * 3},
        {"shapes": [(0, 3)] * 4},
        {"shapes": [(0, 2)] * 4},
        {"raw_length": 9},
        {"frame": b"none"},
        {"kinds": ["a"]},
    ],
)
def test_columns_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    head, index, _ = read(pack_block([two_events()], 1))
    assert index.columns is not None
    with pytest.raises(ValueError, match=r"columns|kind|zstd|announced"):
        unpack(msgspec.structs.replace(index.columns, **wrong), head.events)


def test_a_sender_that_does_not_say_when_is_never_skipped_by_time() -> None:
    silent = StoreEvents("gate.1", 1, 0, 1, bytes(8), two_events().body[:19])
    head = unpack_block_head(pack_block([two_events(), silent], 1), 0)
    assert head is not None
    assert (head.oldest_ms, head.newest_ms) == (0, 2**63 - 1)


@pytest.mark.parametrize("bit", range(8 * len(FILE_HEAD_BYTES)))
def test_a_flipped_bit_in_the_head_of_a_file_is_seen(bit: int) -> None:
    flipped = bytearray(FILE_HEAD_BYTES)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="damaged"):
        unpack_file_head(bytes(flipped))


def test_a_later_version_is_told_from_damage() -> None:
    later = bytearray(FILE_HEAD_BYTES)
    later[8] = 3
    later[16:20] = zlib.crc32(later[20:], zlib.crc32(later[:16])).to_bytes(4, "little")
    with pytest.raises(NewerVersion, match="version 3"):
        unpack_file_head(bytes(later))


def test_too_few_bytes_are_no_head() -> None:
    with pytest.raises(ValueError, match="too short"):
        unpack_file_head(FILE_HEAD_BYTES[: FILE_HEAD.size - 1])
    assert unpack_block_head(OLD_BLOCK_BYTES[: BLOCK_HEAD.size - 1], 0) is None


@pytest.mark.parametrize("announced", [99, 101])
def test_a_body_of_another_size_than_announced_is_refused(announced: int) -> None:
    with pytest.raises(ValueError, match="announced"):
        decompress(compress(bytes(100), 1), announced)


def test_what_is_no_zstd_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="zstd"):
        decompress(b"no frame", 8)
    with pytest.raises(ValueError, match="announced"):
        decompress(compress(bytes(100), 1) + b"more", 100)
