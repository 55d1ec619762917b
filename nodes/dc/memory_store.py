"""A database in memory: for tests and simulations. It passes the same contract tests as LMDB does.

It can be told to fail as a disk would; what was committed before stays readable.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mesh.errors import StorageError
from nodes.dc.records import TABLES
from nodes.dc.store import DiskFull, MapFull
from nodes.dc.view import Change


class MemoryStore:
    """Tables as dictionaries; `limit_bytes` stands for the size of the map."""

    def __init__(self, limit_bytes: int = 1 << 40, limit_bytes_max: int = 1 << 40) -> None:
        self.fail: StorageError | None = None  # what every commit raises until it is None again
        self.commits = 0
        self._begun: list[Change] | None = None
        self._used = 0  # bytes
        self._limit_bytes, self._limit_bytes_max = limit_bytes, limit_bytes_max
        self._tables: dict[str, dict[bytes, bytes]] = {name: {} for name in TABLES}

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._tables[table].get(key)

    def scan(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        rows = self._tables[table]
        yield from [(key, rows[key]) for key in sorted(rows) if key >= start and key.startswith(prefix)]

    def count(self, table: str) -> int:
        return len(self._tables[table])

    def begin(self) -> None:
        self._begun = []

    def write(self, changes: Sequence[Change]) -> None:
        assert self._begun is not None, "nothing was begun"
        self._begun += changes

    def commit(self) -> None:
        assert self._begun is not None, "nothing was begun"
        changes, self._begun = self._begun, None
        if self.fail is not None:
            raise self.fail
        newest = {(table, key): value for table, key, value in changes}
        used = self._used + sum(_size(at[1], value) for at, value in newest.items())
        used -= sum(_size(key, self._tables[table].get(key)) for table, key in newest)
        if used > self._limit_bytes:
            raise MapFull(f"the store has reached its {self._limit_bytes} bytes")
        for (table, key), value in newest.items():
            if value is None:
                self._tables[table].pop(key, None)
            else:
                self._tables[table][key] = value
        self._used = used
        self.commits += 1
        self.begin()

    def drop(self) -> None:
        self._begun = None

    def grow(self) -> None:
        if self._limit_bytes * 2 > self._limit_bytes_max:
            raise DiskFull(f"the store may not become larger than {self._limit_bytes_max} bytes")
        self._limit_bytes *= 2

    def facts(self) -> dict[str, Any]:
        used = {"file_bytes": 0, "used_bytes": self._used, "map_bytes": self._limit_bytes}
        return {"engine": "memory", "reader_slots": 0, "reader_slots_max": 0} | used

    def copy(self, target: int) -> None:  # noqa: ARG002 - as the interface has it
        raise StorageError("a database in memory has no file to copy")

    def damage(self, table: str, key: bytes, value: bytes) -> None:
        """Put a value there without anybody noticing, as a broken disk does."""
        self._tables[table][key] = value

    def close(self) -> None:
        pass


def _size(key: bytes, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)
