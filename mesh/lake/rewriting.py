"""To take a player out of data files: those that have something of him are written anew without it. Blocking.

All of them change in one commit, and the old ones are removed at once. A file is looked at by the columns that may
have something of him; most have not, and stay.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mesh.lake.columns import TABLES, TEXT
from mesh.lake.erasing import Erasures, Scrub, with_erased
from mesh.lake.fields import Fields
from mesh.lake.lake import Lake
from mesh.lake.manifest import DataFile
from mesh.lake.parquet import Rows, add, read

NEVER_NAMES = ("kind", "zone", "node", "map", "scene", "gate", "place")
"""Columns of words that no player chose."""
ACCOUNTS: Mapping[str, tuple[str, ...]] = {
    "events": ("other", "killer"), "moves": (), "ledger": ("account", "source", "target"), "purses": ("account",),
    "index": (),
}  # fmt: skip
OWN = ("events", "moves", "index")
"""Tables whose rows are of one player each: his go."""
"""Columns with accounts besides that of the player whose event it is. In the ledger and the purses he is nobody after
this, since the gold is still there."""


class Cleansed(msgspec.Struct):
    """What was done."""

    files: int = 0  # written anew
    events: int = 0  # of the player: gone
    mentions: int = 0  # rows of others, or of the ledger, without him


def erase(lake: Lake, scrub: Scrub, wall_ms: int) -> Cleansed:
    """NoRoom or StorageError: nothing has changed."""
    done, added, dropped = Cleansed(), list[DataFile](), list[DataFile]()
    for file in lake.manifest.files:
        if not _may_have(lake, file, scrub):
            continue
        rows, events, mentions = _without(read(lake.path(file)), file.table, scrub)
        if not events and not mentions:
            continue
        if file.table != "index":
            done.files, done.events, done.mentions = done.files + 1, done.events + events, done.mentions + mentions
        dropped.append(file)
        if rows.num_rows:
            added += add(lake, file.table, rows)
    lake.commit(wall_ms, added, dropped, with_erased(lake.manifest, scrub.account, wall_ms), at_once=True)
    lake.clear_retired(wall_ms)
    return done


def blanked(rows: Rows, table: str, erasures: Erasures) -> Rows:
    """New rows of the ledger or the purses, in which those who were erased are nobody."""
    if not erasures:
        return rows
    for name in ACCOUNTS[table]:
        gone = [one for one in pc.unique(rows[name]).to_pylist() if one and one > 0 and erasures.until_ms(one)]
        if gone:
            mask = pc.is_in(rows[name], value_set=pa.array(gone, pa.int64()))
            if table == "ledger":
                until = [erasures.until_ms(one) if one in gone else 0 for one in rows[name].to_pylist()]
                mask = pc.and_(mask, pc.less_equal(rows["ts"].cast(pa.int64()), pa.array(until, pa.int64())))
            rows = _emptied(rows, name, mask)
    return rows


def _may_have(lake: Lake, file: DataFile, scrub: Scrub) -> bool:
    names = ["account", *ACCOUNTS[file.table], *_texts(file.table)]
    some = read(lake.path(file), list(dict.fromkeys(names)))
    return any(bool(pc.any(mask).as_py()) for mask in _masks(some, file.table, scrub).values())


def _masks(rows: Rows, table: str, scrub: Scrub) -> dict[str, Any]:
    """Column -> which rows may have something of the player in it."""
    there = set(rows.column_names)
    masks = {}
    for name in dict.fromkeys(("account", *ACCOUNTS[table])):
        if name in there:
            masks[name] = pc.fill_null(pc.equal(rows[name], scrub.account), fill_value=False)
    for name in _texts(table):
        if name in there:
            wanted = [str(scrub.account), *scrub.names] if name == "fields" else list(scrub.names)
            masks[name] = _any_of(rows[name], wanted)
    return masks


def _any_of(column: Any, words: Iterable[str]) -> Any:
    mask = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(column))])
    for word in words:
        found = pc.match_substring(column, word, ignore_case=True)
        mask = pc.or_(mask, pc.fill_null(found, fill_value=False))
    return mask


def _without(rows: Rows, table: str, scrub: Scrub) -> tuple[Rows, int, int]:
    """The rows that stay, how many went and how many were changed."""
    events = 0
    if table in OWN:
        own = pc.fill_null(pc.equal(rows["account"], scrub.account), fill_value=False)
        events = int(pc.sum(own).as_py() or 0)
        rows = rows.filter(pc.invert(own))
    changed = pa.chunked_array([pa.repeat(pa.scalar(value=False), rows.num_rows)])
    for name, mask in _masks(rows, table, scrub).items():
        if name in _texts(table):
            rows, mask = _rewritten(rows, name, mask, scrub)
        else:
            rows = _emptied(rows, name, mask)
        changed = pc.or_(changed, mask)
    return rows, events, int(pc.sum(changed).as_py() or 0)


def _rewritten(rows: Rows, name: str, mask: Any, scrub: Scrub) -> tuple[Rows, Any]:
    """A column of texts without him, and in which rows he was."""
    values, was = rows[name].to_pylist(), [False] * rows.num_rows
    for at in pc.indices_nonzero(mask).to_pylist():
        before = values[at]
        after = _json_without(before, scrub) if name == "fields" else scrub.text(before)
        if after != before:
            values[at], was[at] = after, True
    column = pa.array(values, pa.string())
    return rows.set_column(rows.schema.get_field_index(name), name, column), pa.chunked_array(
        [pa.array(was, pa.bool_())]
    )


def _json_without(text: str, scrub: Scrub) -> str | None:
    fields: Fields = msgspec.json.decode(text)
    if not scrub.fields(fields):
        return text
    return msgspec.json.encode(fields).decode() if fields else None


def _emptied(rows: Rows, name: str, mask: Any) -> Rows:
    column = pc.if_else(mask, pa.scalar(None, rows[name].type), rows[name])
    return rows.set_column(rows.schema.get_field_index(name), name, column)


def _texts(table: str) -> list[str]:
    return [name for name, kind in TABLES[table].items() if kind == TEXT and name not in NEVER_NAMES]
