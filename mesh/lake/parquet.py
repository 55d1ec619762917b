"""Data files as tables and bytes. The only importer of pyarrow beside gathering.py: both need the extra `data`.

A file has its rows in ORDER, in groups of GROUP_ROWS, each with the lowest and highest value of every column: who asks
for one player or one hour reads the groups that may have it. It is zstd inside, and has no more than ROWS_MAX rows, so
that it can be made, read and merged in memory.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mesh.errors import StorageError
from mesh.lake.columns import F4, HOUR_MS, HOURLY, I4, I8, KIND_OF_MOVES, ORDER, TABLES, TEXT, TIME
from mesh.lake.lake import Lake
from mesh.lake.manifest import DataFile, shape_of

ROWS_MAX = 1_000_000
GROUP_ROWS = 65_536
LEVEL = 3  # of zstd

Rows = Any
"""A pyarrow.Table; the library brings no types."""

TYPES = {TIME: pa.timestamp("ms"), I8: pa.int64(), I4: pa.int32(), F4: pa.float32(), TEXT: pa.string()}
_NAMES = {type_: name for name, type_ in TYPES.items()}
_DELTAS = ("ts", "number", "entry")  # grow from row to row, or nearly
_PLAIN = ("x", "y")


def schema_of(table: str) -> Any:
    """The columns of a table as this version writes them."""
    return pa.schema([(name, TYPES[kind]) for name, kind in TABLES[table].items()])


def table_from(table: str, columns: dict[str, Any]) -> Rows:
    """Rows out of columns (lists, numpy or arrow arrays); what is not given is empty."""
    count = len(next(iter(columns.values())))
    arrays = []
    for field in schema_of(table):
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(count, field.type))
        elif isinstance(values, pa.Array | pa.ChunkedArray):
            arrays.append(values.cast(field.type))
        elif isinstance(values, np.ndarray) and field.type == TYPES[TIME]:
            arrays.append(pa.array(values.astype("datetime64[ms]")))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=schema_of(table))


def add(lake: Lake, table: str, rows: Rows) -> list[DataFile]:
    """Write rows of a table into data files: by hour and zone, with an index of them, where that is how it is kept."""
    if table not in HOURLY:
        return _add(lake, table, "", 0, ordered(table, rows))
    added, accounts = list[DataFile](), list[Any]()
    for zone, hour, piece in by_hour(rows):
        for begin in range(0, piece.num_rows, ROWS_MAX):
            some = piece.slice(begin, ROWS_MAX)
            added += _add(lake, table, zone, hour, some)
            accounts.append(np.unique(_numbers(some, "account")))
    if not added:
        return []
    files = np.repeat([file.number for file in added], [len(some) for some in accounts])
    index = table_from("index", {"account": np.concatenate(accounts), "file": files})
    return added + _add(lake, "index", "", 0, ordered("index", index))


def by_hour(rows: Rows) -> Iterator[tuple[str, int, Rows]]:
    """Zone, hour and the rows of both, each in its order."""
    if not rows.num_rows:
        return
    rows = rows.combine_chunks()
    zones = rows["zone"].chunk(0).dictionary_encode()
    names = zones.dictionary.to_pylist()
    hours = _numbers(rows, "ts") // HOUR_MS
    keys = hours * len(names) + zones.indices.to_numpy()
    order = np.lexsort((*(_numbers(rows, name) for name in reversed(ORDER["events"])), keys))
    rows, keys = rows.take(pa.array(order)), keys[order]
    cuts = np.flatnonzero(np.diff(keys)) + 1
    for begin, end in itertools.pairwise([0, *cuts.tolist(), len(keys)]):
        hour, zone = divmod(int(keys[begin]), len(names))
        yield names[zone], hour, rows.slice(begin, end - begin)


def ordered(table: str, rows: Rows) -> Rows:
    """In the order of this table."""
    return rows.sort_by([(name, "ascending") for name in ORDER[table]])


def packed(rows: Rows) -> bytes:
    """As a data file."""
    out = pa.BufferOutputStream()
    names = rows.column_names
    pq.write_table(
        rows,
        out,
        row_group_size=GROUP_ROWS,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[name for name in names if name not in (*_DELTAS, *_PLAIN)],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in names if name in _DELTAS},
        store_schema=False,
    )
    content: bytes = out.getvalue().to_pybytes()
    return content


def read(path: Path, columns: Sequence[str] | None = None) -> Rows:
    """The rows of a data file. StorageError when it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path} cannot be read: {error}; the lake is damaged") from None


def together(tables: Iterable[Rows]) -> Rows:
    """Rows of several tables as one, those of older versions with nothing in the columns that they had not."""
    return pa.concat_tables(list(tables), promote_options="default")


def _add(lake: Lake, table: str, zone: str, hour: int, rows: Rows) -> list[DataFile]:
    """In this order, as many files as it takes."""
    added = []
    for begin in range(0, rows.num_rows, ROWS_MAX):
        some = rows.slice(begin, ROWS_MAX)
        added.append(lake.add(packed(some), _about(table, some, zone, hour)))
    return added


def _about(table: str, rows: Rows, zone: str, hour: int) -> DataFile:
    oldest_ms = newest_ms = 0
    if "ts" in rows.column_names:
        times = _numbers(rows, "ts")
        oldest_ms, newest_ms = int(times.min()), int(times.max())
    shape = shape_of({field.name: _NAMES.get(field.type, str(field.type)) for field in rows.schema})
    kinds, is_indexed = _kinds(table, rows), table in HOURLY
    return DataFile("", table, rows.num_rows, 0, oldest_ms, newest_ms, shape, zone, hour, kinds, is_indexed)


def _kinds(table: str, rows: Rows) -> dict[str, int]:
    if table == "moves":
        return {KIND_OF_MOVES: rows.num_rows}
    if table != "events":
        return {}
    counts = rows["kind"].value_counts().to_pylist()
    return {one["values"]: one["counts"] for one in counts}


def _numbers(rows: Rows, name: str) -> Any:
    column = rows[name]
    return (column.cast(pa.int64()) if name == "ts" else column).to_numpy()
