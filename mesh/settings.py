"""A role's own settings, out of the raw table of a topology."""

from typing import Any, get_args, get_origin

import msgspec

from mesh.errors import TopologyError


def settings_of(struct: type[msgspec.Struct], role: str, tables: dict[str, dict[str, Any]], file: str) -> Any:
    """A role's settings out of the topology; TopologyError naming file and key."""
    table = tables.get(role, {})
    known = {field.name for field in msgspec.structs.fields(struct)} if struct is not msgspec.Struct else set()
    problems = _unknown_keys(table, known, f"{file}: settings.{role}")
    inner = _problems_of_inner_tables(struct, table, f"{file}: settings.{role}") if known else []
    if inner:
        raise TopologyError(problems + inner)
    if not known:
        if problems:
            raise TopologyError(problems)
        return None
    try:
        made = msgspec.convert({k: v for k, v in table.items() if k in known}, struct)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        problems.append(f"{file}: settings.{role}{path.removesuffix('`')}: {text}")
    if problems:
        raise TopologyError(problems)
    return made


def _unknown_keys(table: dict[str, Any], known: set[str], where: str) -> list[str]:
    names = ", ".join(sorted(known)) or "none"
    return [f"{where}.{key}: unknown key; known are {names}" for key in table if key not in known]


def _problems_of_inner_tables(struct: type[msgspec.Struct], table: dict[str, Any], where: str) -> list[str]:
    """Of fields that are tables of tables, such as maps: msgspec would say `maps[...]` for every one of them."""
    problems = []
    for field in msgspec.structs.fields(struct):
        kind, inner = get_origin(field.type), get_args(field.type)[-1:]
        entries = table.get(field.name)
        if kind is not dict or not isinstance(entries, dict):
            continue
        if not isinstance(inner[0], type) or not issubclass(inner[0], msgspec.Struct):
            continue
        known = {one.name for one in msgspec.structs.fields(inner[0])}
        for name, entry in entries.items():
            place = f"{where}.{field.name}.{name}"
            if isinstance(entry, dict):
                problems += _unknown_keys(entry, known, place)
                entry = {key: value for key, value in entry.items() if key in known}
            problems += _mistakes(entry, inner[0], place)
    return problems


def _mistakes(value: Any, struct: type[msgspec.Struct], where: str) -> list[str]:
    try:
        msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        return [f"{where}{path.removesuffix('`')}: {text}"]
    return []
