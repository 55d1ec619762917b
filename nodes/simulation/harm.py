"""Flips bits on a disk when a course is over, and reads it as the DC does.

Each row that was chosen is damaged, read and mended again. Nothing here decides what is right: it says which rows were
served although they were not what had been written.
"""

import random
from typing import Any

from mesh.errors import StorageError
from nodes.dc.cache import Rows
from nodes.dc.records import TABLES, Table
from nodes.simulation.disk import SimulatedStore

ROWS = 40  # of a disk
BITS_OF_BYTE = 8


def served(store: SimulatedStore, rolls: random.Random) -> list[str]:
    """Rows that were damaged and read all the same."""
    rows = [(table, key, value) for table in TABLES.values() for key, value in store.scan(table.name)]
    found = []
    for table, key, value in rolls.sample(rows, min(ROWS, len(rows))):
        store.damage(table.name, key, _flipped(value, rolls))
        if _is_served(store, table, key):
            found.append(f"{table.name} {table.show_key(key)}")
        store.damage(table.name, key, value)
    return found


def _flipped(value: bytes, rolls: random.Random) -> bytes:
    flipped = bytearray(value)
    flipped[rolls.randrange(len(flipped))] ^= 1 << rolls.randrange(BITS_OF_BYTE)
    return bytes(flipped)


def _is_served(store: SimulatedStore, table: Table[Any, Any], key: bytes) -> bool:
    try:
        Rows(store, 1, 1 << 20).get(table, table.keys.unpack(key))
    except StorageError:
        return False
    return True
