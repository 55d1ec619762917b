"""The bytes of a segment, written down: files of today must be readable for ever."""

import zlib

import pytest

from mesh.protocol.journal import StoreEvents
from nodes.log.compression import compress, decompress
from nodes.log.layout import (
    BLOCK_HEAD,
    FILE_HEAD,
    NewerVersion,
    Part,
    body_intact,
    file_head_size,
    has_player,
    open_body,
    pack_block,
    pack_file_head,
    unpack_block_head,
    unpack_file_head,
    unpack_index,
)
from tests.log.writing import batch

FILE_HEAD_BYTES = bytes.fromhex(
    "5a4f4e454c4f470a"  # magic
    "0100"  # version
    "0000"
    "0e000000"  # length of the senders
    "27f85be3"  # crc
    "0010a5d4e8000000"  # created: 1,000,000,000,000 ms
    "0300000000000000"  # number
    "9193a77363656e652e3107cd0200"  # [["scene.1", 7, 512]]
)
BLOCK_BYTES = bytes.fromhex(
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


def test_the_head_of_a_file_is_read() -> None:
    head = unpack_file_head(FILE_HEAD_BYTES)
    assert (head.number, head.created_ms, head.senders) == (3, 1_000_000_000_000, [("scene.1", 7, 512)])
    assert head.size == file_head_size(FILE_HEAD_BYTES) == len(FILE_HEAD_BYTES)


def test_a_block() -> None:
    block = pack_block([two_events()], 1)
    head_and_index = len(BLOCK_BYTES)
    body = block[head_and_index:]
    assert decompress(body, len(RAW)) == RAW == two_events().body
    expected = bytearray(BLOCK_BYTES)
    expected[8:12] = zlib.crc32(body).to_bytes(4, "little")
    expected[16:20] = len(body).to_bytes(4, "little")
    expected[20:24] = len(RAW).to_bytes(4, "little")
    expected[4:8] = zlib.crc32(expected[8:]).to_bytes(4, "little")
    assert block[:head_and_index] == bytes(expected)


def test_a_block_is_read() -> None:
    one, other = two_events(), batch([(500, "b", 5, {})], sender="gate.1", first=9)
    block = pack_block([one, other], 3)
    head = unpack_block_head(block, 0)
    assert head is not None
    index = unpack_index(head, block[: BLOCK_HEAD.size], block[BLOCK_HEAD.size : head.body_offset])
    assert index is not None
    assert index.parts == [
        Part("scene.1", 7, 0, 2, len(one.body)),
        Part("gate.1", 7, 9, 1, len(other.body)),
    ]
    assert (head.events, head.oldest_ms, head.newest_ms, head.end) == (3, 500, 2000, len(block))
    assert [player for player in range(8) if has_player(index, player)] == [3, 5]
    body = block[head.body_offset :]
    assert body_intact(head, body)
    assert open_body(head, index, body) == [one.body, other.body]


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
    later[8] = 2
    later[16:20] = zlib.crc32(later[20:], zlib.crc32(later[:16])).to_bytes(4, "little")
    with pytest.raises(NewerVersion, match="version 2"):
        unpack_file_head(bytes(later))


def test_too_few_bytes_are_no_head() -> None:
    with pytest.raises(ValueError, match="too short"):
        unpack_file_head(FILE_HEAD_BYTES[: FILE_HEAD.size - 1])
    assert unpack_block_head(BLOCK_BYTES[: BLOCK_HEAD.size - 1], 0) is None


@pytest.mark.parametrize("announced", [99, 101])
def test_a_body_of_another_size_than_announced_is_refused(announced: int) -> None:
    with pytest.raises(ValueError, match="announced"):
        decompress(compress(bytes(100), 1), announced)


def test_what_is_no_zstd_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="zstd"):
        decompress(b"no frame", 8)
    with pytest.raises(ValueError, match="announced"):
        decompress(compress(bytes(100), 1) + b"more", 100)
