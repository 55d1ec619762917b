"""Many events of one kind and one moment as MessagePack, laid out by numpy: no Python per event.

Each row is what `JournalOutbox.add` would have written for that event, but for the width of its numbers: every row has
the same width, so the rows are one template with columns put over it. Readers see no difference. Pure.

It needs numpy, which most nodes do without: only whoever records in bulk imports it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

_encode = msgspec.msgpack.Encoder().encode

_HEADS = {
    "u1": b"\xcc", "u2": b"\xcd", "u4": b"\xce", "u8": b"\xcf",
    "i1": b"\xd0", "i2": b"\xd1", "i4": b"\xd2", "i8": b"\xd3",
    "f4": b"\xca", "f8": b"\xcb",
}  # fmt: skip
"""What MessagePack puts in front of a number of this type, which then follows with its highest byte first."""

_FALSE = 0xC2  # and true is the next one
_ARRAY_OF_5 = b"\x95"
_SHORT_MAP_MAX = 15


class Rows(NamedTuple):
    """Events as bytes, one behind the other, each `width` long, and whose they are."""

    events: int
    width: int
    body: bytes
    players: bytes  # u64[count] in the machine's own order


def rows(at_ms: int, kind: str, players: npt.ArrayLike, sender: str, fields: Mapping[str, Any]) -> Rows:
    """One event for each player. A field is an array of that length (numbers or bools), or a value that all share.
    TypeError or ValueError for an array of another type or shape."""
    who = np.asarray(players)
    if who.ndim != 1 or who.dtype.kind not in "iu":
        raise TypeError("players are a row of account numbers")
    count = len(who)
    template = bytearray(_ARRAY_OF_5 + _encode(at_ms) + _encode(kind))
    columns = [(*_room(template, "u8"), who.astype(">u8"))]
    template += _encode(sender) + _map_head(len(fields))
    for name, value in fields.items():
        template += _encode(name)
        if not isinstance(value, np.ndarray):
            template += _encode(value)
            continue
        if value.shape != (count,):
            raise ValueError(f"{name} has the shape {value.shape}, but there are {count} players")
        columns.append(_column(template, name, value))
    made = np.empty((count, len(template)), np.uint8)
    made[:] = np.frombuffer(template, np.uint8)
    for begin, end, values in columns:
        made[:, begin:end] = values.view(np.uint8).reshape(count, end - begin)
    return Rows(count, len(template), made.tobytes(), who.astype(np.uint64).tobytes())


def _column(template: bytearray, name: str, value: npt.NDArray[Any]) -> tuple[int, int, npt.NDArray[Any]]:
    """Where a field's values go, and the values as they are written."""
    if value.dtype == np.bool_:
        template += bytes(1)
        return len(template) - 1, len(template), value.astype(np.uint8) + np.uint8(_FALSE)
    form = value.dtype.kind + str(value.dtype.itemsize)
    if form not in _HEADS:
        raise TypeError(f"{name} is an array of {value.dtype}: numbers of up to 8 bytes and bools can be recorded")
    return (*_room(template, form), value.astype(f">{form}"))


def _room(template: bytearray, form: str) -> tuple[int, int]:
    """Make room for a number; where it begins and ends."""
    template += _HEADS[form]
    begin = len(template)
    template += bytes(int(form[1:]))
    return begin, len(template)


def _map_head(fields: int) -> bytes:
    return bytes((0x80 | fields,)) if fields <= _SHORT_MAP_MAX else b"\xde" + fields.to_bytes(2, "big")
