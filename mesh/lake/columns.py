"""The tables of a lake: which columns they have and of what type. Pure data and arithmetic.

`events` has everything that players did but moves; `moves` has the ways walked, which are most of all events and have
two numbers each, in data files of their own, so that no other question has to read past them. `ledger` has the moves of
gold in the DC's ledger, `purses` who held how much when it was read. `index` says which data files have events of an
account: of the thousands that there are, a player is in a few.

What an event says is a map without a fixed form. The fields that the nodes of this project use, and that questions are
about, are columns of their own (FIELDS); all others, and values that are not of the column's type, are in the column
`fields` as JSON. A later version may add columns: older data files have nothing in them, and their `fields` still has
what was there before, which is where the views look, too.
"""

from collections.abc import Mapping

HOUR_MS = 3_600_000
EARLIEST_MS = 946_684_800_000  # 2000: events before it, or after 2100, are of a clock that was never set
LATEST_MS = 4_102_444_800_000
KIND_OF_MOVES = "move"
ERASED = "erased"
"""The kind of what is left of an event in a segment when its player was erased: its place in the row of numbers."""

TIME, I8, I4, F4, TEXT = "time", "i8", "i4", "f4", "text"

FIELDS: Mapping[str, str] = {
    "session": I8,
    "map": TEXT,
    "line": I4,
    "scene": TEXT,
    "gate": TEXT,
    "name": TEXT,
    "other": I8,  # the other account: of a trade, a blow, a friendship
    "target": I8,  # of a blow: the number of what was hit
    "gold": I8,
    "level": I4,
    "damage": I8,
    "what": TEXT,  # of a kill: "player", or the creature's name
    "killer": I8,  # of a death: an account, 0 for a creature
    "code": TEXT,
    "why": TEXT,
    "method": TEXT,
    "address": TEXT,
    "text": TEXT,
}
"""Fields of events that are columns."""

MOVED: Mapping[str, str] = {"x": F4, "y": F4}
"""Those of moves."""

_WHO = {"ts": TIME, "account": I8, "zone": TEXT, "node": TEXT, "incarnation": I8, "number": I8}

TABLES: Mapping[str, Mapping[str, str]] = {
    "events": {"kind": TEXT, **_WHO, **FIELDS, "fields": TEXT},
    "moves": {**_WHO, **MOVED, "fields": TEXT},
    "ledger": {
        "entry": I8, "ts": TIME, "kind": TEXT, "account": I8, "session": I8, "source": I8, "target": I8, "amount": I8,
    },
    "purses": {"account": I8, "gold": I8, "place": TEXT, "ts": TIME},
    "index": {"account": I8, "file": I8},
}  # fmt: skip
"""Column -> type, of each table. Times are UTC, in milliseconds."""

HOURLY = ("events", "moves")
ORDER: Mapping[str, tuple[str, ...]] = {
    "events": ("account", "ts", "number"),
    "moves": ("account", "ts", "number"),
    "ledger": ("entry", "source"),
    "purses": ("account", "place"),
    "index": ("account", "file"),
}
"""How the rows of a data file are sorted: one player's events are together, so a question about a player reads a few
of the groups of rows and skips the others by their lowest and highest account."""


def table_of(kind: str) -> str:
    """Where events of this kind are."""
    return "moves" if kind == KIND_OF_MOVES else "events"


def fields_of(table: str) -> Mapping[str, str]:
    """The fields that are columns there."""
    return MOVED if table == "moves" else FIELDS


def zone_of(node: str) -> str:
    """The zone in the name of a node, `<region>.<zone>.<role>.<n>`; "other" when it has no such name."""
    parts = node.split(".")
    zone = parts[1] if len(parts) == 4 else ""
    return zone if zone and len(zone) <= 64 and zone.replace("-", "").replace("_", "").isalnum() else "other"
