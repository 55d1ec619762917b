"""`mesh events --losses`: how many events each sender has in the log, and how many are missing.

Asks all log nodes, also those that have stopped (by their files), and counts in mesh/core/log_group.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.core.log_group import DROPPED, Sum, sums
from mesh.protocol.journal import Event, Events, ListStored, QueryEvents, StoredList, Stretch
from mesh.topology import Topology
from tools.ctl.asking import gather_good
from tools.ctl.exits import CommandError
from tools.ctl.offline import run_offline
from tools.ctl.output import console, emit_json, say, short, table

ANSWER_S = 30.0
NOTICES = QueryEvents(kinds=[DROPPED], limit=100_000)


async def ask_losses(topology: Topology, nodes: Sequence[str], folders: set[Path]) -> tuple[list[Sum], bool]:
    """One line for each life of a sender, and whether everything was looked at. `folders`: of nodes that do not run."""
    missing = ", its events are missing"
    lists, notices = list[StoredList](), list[Event]()
    if nodes:
        lists = await gather_good(topology, nodes, ListStored(), StoredList, ANSWER_S, missing)
        said = await gather_good(topology, nodes, NOTICES, Events, ANSWER_S, missing)
        notices = [event for answer in said for event in answer.events]
    every_node = len(lists) == len(nodes)
    for folder in sorted(folders):
        value = _value(folder, "stored", [])
        stretches, before = (msgspec.convert(value[name], list[Stretch]) for name in ("stretches", "before"))
        lists.append(StoredList(stretches, before, value["complete"]))
        rows = _value(folder, "query", ["--kind", DROPPED, "--limit", str(NOTICES.limit)])["events"]
        notices += [Event(*(row[name] for name in Event.__struct_fields__)) for row in rows]
    return sums(lists, notices), every_node and all(one.complete for one in lists)


def show_losses(found: Sequence[Sum], complete: bool, as_json: bool) -> None:
    """Print them."""
    names = ("stored", "twice", "missing", "dropped")
    totals = {name: sum(getattr(one, name) for one in found) for name in names}
    if as_json:
        emit_json({"senders": [one._asdict() for one in found], **totals, "complete": complete})
        return
    drawn = table("sender", "incarnation", *names, right=names)
    for one in found:
        drawn.add_row(short(one.sender), f"{one.incarnation:x}", *(f"{getattr(one, name):,}" for name in names))
    if found:
        console().print(drawn, markup=False)
    say(f"mesh: {', '.join(f'{totals[name]:,} {name}' for name in names)}{'' if complete else '; not all is known'}")


def _value(folder: Path, command: str, arguments: list[str]) -> Any:
    value, _ = run_offline("log", command, folder, arguments)
    if "error" in value:
        raise CommandError(str(value["error"]))
    return value
