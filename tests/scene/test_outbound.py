"""Pieces are collected per gate, control first, and nothing is lost silently."""

import numpy as np

from mesh.protocol.lanes import PIECE_HEAD, Lane, PieceClass, PieceLane
from nodes.scene.outbound import BATCH_BYTES, ROW_BYTES, Outbound, Rows


class Gate:
    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.batches: list[tuple[str, Lane, list[int], list[int], bytes]] = []

    def send(self, gate: str, lane: Lane, handles: bytes, lengths: bytes, body: bytes) -> bool:
        self.batches.append(
            (gate, lane, np.frombuffer(handles, "<u4").tolist(), np.frombuffer(lengths, "<u4").tolist(), body)
        )
        return self.takes


def test_one_batch_per_gate_and_lane_in_order() -> None:
    armed = []
    out, gate = Outbound(lambda: armed.append(1)), Gate()
    out.bulk("g1", 1, b"chat")
    out.control("g1", 1, b"aa")
    out.control("g2", 2, b"b")
    out.control("g1", 3, b"c")
    assert len(armed) == 1
    assert out.flush(gate.send) == []
    assert [one[:2] for one in gate.batches] == [("g1", Lane.FRAMES), ("g1", Lane.CHATS), ("g2", Lane.FRAMES)]
    assert gate.batches[0][2:] == ([1, 3], [2, 1], b"aac")
    assert PIECE_HEAD.unpack_from(gate.batches[1][4])[:2] == (PieceLane.BULK, PieceClass.CHAT)
    assert out.flush(gate.send) == []
    assert len(gate.batches) == 3
    out.control("g1", 1, b"d")
    assert len(armed) == 2


def test_rows_that_were_laid_out_keep_their_place_among_single_pieces() -> None:
    out, gate = Outbound(lambda: None), Gate()
    index = out.index("g1")
    out.control("g1", 1, b"aa")
    out.rows(index, Rows(np.array([2, 3], "<u4"), np.array([1, 2], "<u4"), b"bcc"))
    out.control("g1", 4, b"d")
    out.rows(index, Rows(np.array([5], "<u4"), np.array([1], "<u4"), b"e"), bulk=True)
    assert out.flush(gate.send) == []
    assert gate.batches == [
        ("g1", Lane.FRAMES, [1, 2, 3, 4], [2, 1, 2, 1], b"aabccd"),
        ("g1", Lane.CHATS, [5], [1], b"e"),
    ]
    assert (out.pieces, out.bytes) == (5, 7)


def test_blocks_one_after_the_other_are_one_row_for_each_client() -> None:
    out, gate = Outbound(lambda: None), Gate()
    index = out.index("g1")
    out.rows(index, Rows(np.array([9, 2], "<u4"), np.array([1, 2], "<u4"), b"abb"))
    out.rows(index, Rows(np.array([2, 7], "<u4"), np.array([3, 1], "<u4"), b"cccd"))
    out.rows(index, Rows(np.array([7], "<u4"), np.array([2], "<u4"), b"ee"))
    out.control("g1", 2, b"f")
    out.rows(index, Rows(np.array([2], "<u4"), np.array([1], "<u4"), b"g"))
    out.flush(gate.send)
    assert gate.batches == [("g1", Lane.FRAMES, [2, 7, 9, 2, 2], [5, 3, 1, 1, 1], b"bbcccdeeafg")]


def test_long_rows_stay_apart() -> None:
    out, gate, long = Outbound(lambda: None), Gate(), bytes(ROW_BYTES)
    for body in (b"a", long):
        out.rows(out.index("g1"), Rows(np.array([1], "<u4"), np.array([len(body)], "<u4"), body))
    out.flush(gate.send)
    assert gate.batches == [("g1", Lane.FRAMES, [1, 1], [1, ROW_BYTES], b"a" + long)]


def test_what_is_not_taken_is_reported() -> None:
    out = Outbound(lambda: None)
    out.control("g1", 1, b"a")
    out.bulk("g1", 2, b"b")
    refused = out.flush(Gate(takes=False).send)
    assert [(one.gate, one.lane, one.handles) for one in refused] == [("g1", Lane.FRAMES, [1]), ("g1", Lane.CHATS, [2])]


def test_large_flushes_are_split_between_pieces() -> None:
    out, gate = Outbound(lambda: None), Gate()
    size = BATCH_BYTES // 4
    for handle in range(10):
        out.control("g1", handle, bytes([handle]) * size)
    out.flush(gate.send)
    assert [one[2] for one in gate.batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert b"".join(one[4] for one in gate.batches) == b"".join(bytes([h]) * size for h in range(10))


def test_a_lost_gate_is_forgotten_and_keeps_its_number() -> None:
    out, gate = Outbound(lambda: None), Gate()
    assert (out.index("g1"), out.index("g2"), out.index("g1")) == (0, 1, 0)
    out.control("g1", 1, b"a")
    out.forget("g1")
    out.flush(gate.send)
    assert gate.batches == []
