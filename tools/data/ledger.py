"""The ledger of the DC, taken into a lake: every move of gold since the last time, and who holds how much now.

The DC writes both as text (`python -m nodes dc --offline flows`): of a running cluster out of a copy that it makes for
this, so that both are of one moment. They go into the lake in one commit, or not at all.
"""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv

from mesh.lake.columns import TABLES
from mesh.lake.erasing import Erasures
from mesh.lake.lake import Lake
from mesh.lake.parquet import TYPES, add, table_from
from mesh.lake.rewriting import blanked
from tools.ctl.commands.db_data import readable
from tools.ctl.offline import run_offline
from tools.data.where import Place

LEDGER_FILE, PURSES_FILE = "ledger.csv", "purses.csv"


class TakenLedger(msgspec.Struct):
    """What came into the lake."""

    moves: int
    holders: int


def take_ledger(lake: Lake, place: Place, wall_ms: int) -> TakenLedger:
    """From the DC of the lake's cluster. CommandError when it has none, or does not answer."""
    assert place.topology is not None, "the caller looked"
    first = lake.manifest.ledger_next
    with tempfile.TemporaryDirectory(prefix="zonemesh-ledger-") as folder:
        with readable(place.topology, place.running) as (data, options):
            facts, _ = run_offline("dc", "flows", data, [folder, "--first", str(first), *options])
        return put_ledger(lake, Path(folder), int(facts["next"]), wall_ms)


def put_ledger(lake: Lake, folder: Path, following: int, wall_ms: int) -> TakenLedger:
    """The two files in this folder; `following` is the entry to go on with. NoRoom or StorageError: nothing changed."""
    ledger = _read(folder / LEDGER_FILE, "ledger").rename_columns([*TABLES["ledger"]])
    purses = _read(folder / PURSES_FILE, "purses")
    purses = table_from(
        "purses", {**{n: purses[n] for n in purses.column_names}, "ts": pa.repeat(wall_ms, len(purses))}
    )
    ledger = table_from("ledger", {name: ledger[name] for name in ledger.column_names})
    erasures = Erasures(lake.manifest)
    ledger, purses = blanked(ledger, "ledger", erasures), blanked(purses, "purses", erasures)
    added = add(lake, "ledger", ledger) if len(ledger) else []
    added += add(lake, "purses", purses)
    changed = msgspec.structs.replace(lake.manifest, ledger_next=following)
    lake.commit(wall_ms, added, lake.manifest.of_table("purses"), changed)
    return TakenLedger(len(ledger), sum(place == "purse" for place in purses["place"].to_pylist()))


def _read(path: Path, table: str) -> Any:
    types = {name: TYPES[kind] for name, kind in TABLES[table].items() if name != "ts"} | {"at_ms": pa.int64()}
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
