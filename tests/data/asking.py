"""A small lake with everything that reports are about, and a desk on it; for the tests of questions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mesh.lake.lake import Lake, manifest_of
from mesh.lake.parquet import add, table_from
from tests.data.laking import WALL_MS, batches_of, compact, log_folder
from tests.log.writing import Happening
from tools.data.desk import Desk, Limits
from tools.data.model import DAY_MS, Period

DAY_ZERO = WALL_MS // DAY_MS * DAY_MS - 6 * DAY_MS
"""Midnight; the data has seven days from here."""
PERIOD = Period(DAY_ZERO, DAY_ZERO + 7 * DAY_MS)
MINUTE = 60_000
HOUR = 60 * MINUTE


def desk_on(folder: Path, **limits: Any) -> Desk:
    manifest = manifest_of(folder)
    return Desk(folder, manifest, Limits(**({"threads": 1, "timeout_s": 30.0} | limits)))


def lake_of(
    folder: Path,
    events: list[Happening],
    ledger: Sequence[tuple[Any, ...]] = (),
    purses: Sequence[tuple[Any, ...]] = (),
) -> Path:
    """`ledger`: (ms, kind, account, source, target, amount); `purses`: (account, gold, place)."""
    lake = folder / "lake"
    compact(lake, log_folder(folder / "log.1", *batches_of(sorted(events, key=lambda one: one[0]), 500)))
    with Lake(lake, WALL_MS) as opened:
        if ledger:
            ms, kind, account, source, target, amount = zip(*ledger, strict=True)
            columns = {"entry": range(1, len(ms) + 1), "ts": np.array(ms), "kind": kind, "account": account,
                       "session": [0] * len(ms), "source": source, "target": target, "amount": amount}  # fmt: skip
            opened.commit(WALL_MS, add(opened, "ledger", table_from("ledger", columns)))
        if purses:
            account, gold, place = zip(*purses, strict=True)
            columns = {"account": account, "gold": gold, "place": place, "ts": np.full(len(gold), WALL_MS)}
            opened.commit(WALL_MS, add(opened, "purses", table_from("purses", columns)))
    return lake


def session(account: int, number: int, began: int, ended: int | None, why: str = "logout") -> list[Happening]:
    """From login to logout, on one line; None: it goes on."""
    about = {"session": number, "map": "meadow", "line": 1, "scene": "eu.one.scene.1", "gate": "eu.one.gate.1"}
    events: list[Happening] = [
        (began, "login", account, about),
        (began + 1, "enter", account, {"name": f"P{account}", "map": "meadow", "line": 1}),
    ]
    if ended is not None:
        events.append((ended - 1, "leave", account, {"map": "meadow", "line": 1}))
        events.append((ended, "logout", account, {"session": number, "why": why}))
    return events


def table(report: Any, title: str) -> list[list[Any]]:
    """The rows of a table of a report."""
    (rows,) = [one.rows for one in report.tables if one.title == title]
    return rows  # type: ignore[no-any-return]


def tiles(report: Any) -> dict[str, str]:
    return {tile.name: tile.value for tile in report.tiles}
