"""Stores: everything that both must do is tested on both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.dc.memory_store import MemoryStore
from nodes.dc.store import LmdbStore, Store

MIB = 1 << 20
MakeStore = Callable[..., Store]


@pytest.fixture
def lmdb_store(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "dc", MIB, 64 * MIB)
    yield store
    store.close()


@pytest.fixture(params=["memory", "lmdb"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """Makes a store whose map has this size and may grow to that one."""
    made: list[Store] = []

    def make(map_bytes: int = MIB, map_bytes_max: int = 64 * MIB) -> Store:
        if request.param == "memory":
            made.append(MemoryStore(map_bytes, map_bytes_max))
        else:
            made.append(LmdbStore(tmp_path / "dc", map_bytes, map_bytes_max))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()
