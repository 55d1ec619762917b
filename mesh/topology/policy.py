"""What a zone leaves out under pressure, step by step: the degradation policy of a topology.

Owns the levels and their checks; decides nothing (that is `mesh/core/pressure.py`). Level 0 is full quality and is
never written down. `[[policy]]` tables of a file are the levels from 1 on, mildest first, and replace all defaults.
No level can name combat, trade or control: these are never left out.

A level leaves out at least what the one before leaves out. That is what makes the greater of two numbers the right one
where a scene and a gate differ, and what makes a step up help.
"""

from typing import Annotated, Any

import msgspec

from mesh.topology.tables import Tables

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
LEVELS_MAX = 9
AUTO = "auto"  # no level: as the pressure says
MARKS = " -_"  # in a name, beside letters and digits


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done at one level. Every share is of the full amount; a level says everything, nothing is inherited."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    cosmetics: bool = True  # emotes and the like are passed on; else dropped and counted
    chat: Share = 1.0  # of the rates at which chat and saying are let through
    view: Share = 1.0  # of a map's `view_max`: how many entities a client is shown
    budget: Share = 1.0  # of a client's budget of movement bytes: far ones are told less often first
    every: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1  # a client gets movement once in so many ticks
    npcs: Share = 1.0  # of the NPCs think in a tick; those that fight always do
    logins: bool = True  # new players are let in; else they wait in the queue
    dilation: Annotated[float, msgspec.Meta(ge=0.1, le=1)] = 1.0  # game seconds in a second
    moves: Share = 1.0  # of the rate at which clients say where they are; never more often than `every` tells it


FULL = Level("full")

DEFAULT = (
    FULL,
    Level("busy", cosmetics=False, budget=0.75, moves=0.5),
    Level("crowded", cosmetics=False, chat=0.5, view=0.6, budget=0.5, every=2, npcs=0.5, moves=0.5),
    Level("strained", cosmetics=False, chat=0.25, view=0.4, budget=0.35, every=4, npcs=0.25, logins=False, moves=0.25),
    Level("scarce", cosmetics=False, chat=0.1, view=0.3, budget=0.25, every=6, npcs=0.1, logins=False, moves=0.15),
    Level("slow", False, chat=0.1, view=0.3, budget=0.25, every=6, npcs=0.1, logins=False, dilation=0.6, moves=0.15),
    Level("slowest", False, chat=0.1, view=0.2, budget=0.2, every=6, npcs=0.1, logins=False, dilation=0.3, moves=0.15),
)
"""Index is the level. Cheap things go first; the clock of the game last."""

_LESS = ("cosmetics", "chat", "view", "budget", "npcs", "logins", "dilation", "moves")  # leave out the more the smaller
_MORE = ("every",)


def read_policy(tables: Tables) -> tuple[Level, ...]:
    """The levels of a file, full quality included; the default ones when it says nothing."""
    entries = tables.root.get("policy")
    if entries is None:
        return DEFAULT
    if not isinstance(entries, list):
        tables.problem("policy", "must be tables; write [[policy]] for each level")
        return DEFAULT
    if len(entries) > LEVELS_MAX:
        tables.problem("policy", f"{len(entries)} levels; at most {LEVELS_MAX}")
    levels, names = [FULL], [FULL.name]
    for index, entry in enumerate(entries[:LEVELS_MAX]):
        at = f"policy[{index}]"
        level = _level(tables, at, entry, names)
        if level is not None:
            _compare(tables, at, levels[-1], level)
            levels.append(level)
    return tuple(levels)


def _level(tables: Tables, at: str, entry: Any, names: list[str]) -> Level | None:
    """None when something is wrong with it: all of that is said, and nothing that may only follow from it."""
    if not isinstance(entry, dict):
        tables.problem(at, "must be a table; write [[policy]] for each level")
        return None
    before = len(tables.problems)
    fields = {field.name: field for field in msgspec.structs.fields(Level)}
    tables.unknown(f"{at}.", entry, fields)
    good = {}
    for key in [key for key in entry if key in fields]:
        try:
            good[key] = msgspec.convert(entry[key], fields[key].type)
        except msgspec.ValidationError as error:
            tables.problem(f"{at}.{key}", str(error))
    if "name" in good:
        _name(tables, f"{at}.name", good["name"], names)
    elif "name" not in entry:
        tables.problem(at, "missing required field `name`")
    return Level(**good) if len(tables.problems) == before else None


def _name(tables: Tables, at: str, name: str, before: list[str]) -> None:
    """One that can be typed after --level, where numbers and `auto` mean something else and case means nothing."""
    if not all(one.isalnum() or one in MARKS for one in name) or name != name.strip():
        tables.problem(at, f"{name!r} is not a name; use letters, digits, -, _ and spaces in between")
    elif name.isnumeric() or name.casefold() == AUTO:
        tables.problem(at, f"{name!r} means something else where a level is named; use another word")
    elif name.casefold() in [one.casefold() for one in before]:
        tables.problem(at, f"{name!r} is the name of a level before it")
    before.append(name)


def _compare(tables: Tables, at: str, last: Level, level: Level) -> None:
    """With the one before it."""
    for key in (*_LESS, *_MORE):
        value, known = getattr(level, key), getattr(last, key)
        if value > known if key in _LESS else value < known:
            said = f"{value} leaves out less than {known} of level {last.name!r} before it"
            tables.problem(f"{at}.{key}", f"{said}; the mildest level comes first")
    if all(getattr(level, key) == getattr(last, key) for key in (*_LESS, *_MORE)):
        tables.problem(at, f"level {level.name!r} leaves out nothing more than {last.name!r} before it")
