"""What events say, as columns: values of a column's type go into it, the rest becomes JSON. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mesh.lake.columns import F4, I4, I8, TEXT
from mesh.lake.manifest import Seen

Fields = dict[str, Any]

_encode = msgspec.json.Encoder(enc_hook=str).encode
_FITTING: Mapping[str, tuple[type, ...]] = {I8: (int,), I4: (int,), F4: (float, int), TEXT: (str,)}
_BOUNDS = {I8: 2**63, I4: 2**31}
_TYPES = {bool: "bool", int: "int", float: "float", str: "text"}


def columns_of(events: Sequence[Fields], typed: Mapping[str, str]) -> tuple[dict[str, list[Any]], list[str | None]]:
    """The fields that are columns, and what is left of each event as JSON. Takes the former out of `events`."""
    names = set[str]().union(*events)
    columns = {}
    for name in sorted(names & typed.keys()):
        columns[name] = _column(events, name, typed[name])
    return columns, [_encode(fields).decode() if fields else None for fields in events]


def seen_in(columns: Mapping[str, Sequence[Any]], events: Sequence[Fields]) -> Seen:
    """Which fields there are, when the columns have been taken out."""
    others: dict[str, str] = {}
    for name in sorted(set[str]().union(*events)):
        types = {type(fields[name]) for fields in events if name in fields and fields[name] is not None}
        others[name] = _type_of(types)
    return Seen(sorted(columns), others)


def _column(events: Sequence[Fields], name: str, kind: str) -> list[Any]:
    values = [fields.pop(name, None) for fields in events]
    fitting, bound = _FITTING[kind], _BOUNDS.get(kind, 0)
    if {type(value) for value in values} <= {*fitting, type(None)} and not _too_large(values, bound):
        return values
    for at, value in enumerate(values):
        if value is not None and (type(value) not in fitting or (bound and not -bound <= value < bound)):
            events[at][name] = value
            values[at] = None
    return values


def _too_large(values: Sequence[Any], bound: int) -> bool:
    given = [value for value in values if value is not None] if bound else []
    return bool(given) and not -bound <= min(given) <= max(given) < bound


def _type_of(types: set[type]) -> str:
    names = {_TYPES.get(one, "json") for one in types}
    if len(names) == 1:
        return names.pop()
    return "float" if names == {"int", "float"} else "json"
