"""Many states as rows of the store at once: the bytes that `STATES` reads, laid out by numpy.

MessagePack lets a number be written longer than it has to be. With every field at its full length all rows of one map
have the same layout, so that a column is one assignment.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from nodes.dc.records import STATES, StateRow

Array = npt.NDArray[Any]

_ARRAY = 0x90  # of up to 15 elements, which are counted in the lower bits
_FIELDS = (  # of a StateRow behind its map: the byte that says what comes, and its layout
    ("x", 0xCA, ">f4"),
    ("y", 0xCA, ">f4"),
    ("hp", 0xCD, ">u2"),
    ("heading", 0xCC, "u1"),
    ("state", 0xCC, "u1"),
    ("xp", 0xCE, ">u4"),
    ("session", 0xCF, ">u8"),
)
assert StateRow.__struct_fields__ == ("map", *(name for name, _, _ in _FIELDS))


class Packing:
    """The layout of the states on one map."""

    def __init__(self, map_: str) -> None:
        head = STATES.head + bytes((_ARRAY | (len(_FIELDS) + 1),)) + msgspec.msgpack.encode(map_)
        parts: list[tuple[str, str]] = [("head", f"V{len(head)}")]
        for name, _, layout in _FIELDS:
            parts += [(f"before_{name}", "u1"), (name, layout)]
        self._row = np.zeros(1, np.dtype(parts))
        self._row["head"] = np.void(head)
        for name, before, _ in _FIELDS:
            self._row[f"before_{name}"] = before

    def pack(self, accounts: Array, states: Array, sessions: Array) -> list[tuple[bytes, bytes]]:
        """Keys and values of the store."""
        rows = np.repeat(self._row, len(accounts))
        for name in states.dtype.names or ():
            rows[name] = states[name]
        rows["session"] = sessions
        size, bodies, keys = rows.dtype.itemsize, rows.tobytes(), accounts.astype(">u8").tobytes()
        seal, packed = STATES.seal, []
        for index in range(len(accounts)):
            key = keys[index * 8 : index * 8 + 8]
            packed.append((key, seal(key, bodies[index * size : index * size + size])))
        return packed
