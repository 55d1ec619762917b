"""`mesh trace id ID`: one trace with everything that was logged in it, hops, lines and events in the order of time."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec

from mesh.errors import MeshError
from mesh.protocol.control import ListTraces, Trace, Traces
from mesh.protocol.journal import Event, Events, QueryEvents
from mesh.protocol.monitoring import Line, LinesRead, ReadLines
from mesh.topology import Topology
from mesh.trace import OK, duration_us
from tools.ctl import state
from tools.ctl.asking import gather
from tools.ctl.commands.trace import TRACES_MAX, as_dict, beginners
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import console, emit_json, say, short, table
from tools.waterfall import bar_cells, lay_out, name_of, render

ANSWER_S = 5.0
LINES_KEPT = 5000
EVENTS_MAX = 10_000  # of the time around it, to be looked through
BEFORE_MS, AFTER_MS = 1_000, 10_000  # around a trace: clocks differ, and what follows is recorded later


class Piece(msgspec.Struct, frozen=True):
    """Something that happened in the trace."""

    at_ms: float  # since it began
    node: str
    what: str  # "hop", "log" or "event"
    text: str


def show_whole(topology: Topology, number: int, as_json: bool) -> int:
    """The command; its exit code."""
    trace, lines, events = asyncio.run(find_whole(topology, number))
    if trace is None and not lines and not events:
        raise CommandError(f"nobody knows of trace {number:x}: it was forgotten, or never there", Exit.NOT_FOUND)
    if as_json:
        emit_json(
            {
                "trace": as_dict(trace) if trace is not None else None,
                "lines": lines,
                "events": [_event_dict(event) for event in events],
            }
        )
        return Exit.OK
    out = console()
    if trace is not None:
        out.print(render(trace, bar_cells(out.width)))
        if trace.result != OK:
            out.print(f"it ended with {trace.result}", style="red", markup=False)
    else:
        say(f"mesh: the hops of trace {number:x} are forgotten; this is what was logged in it")
    drawn = table("ms", "node", "what", "text", right=("ms",), folds="text")
    for piece in pieces(trace, lines, events):
        drawn.add_row(f"{piece.at_ms:.1f}", piece.node, piece.what, piece.text)
    out.print(drawn, markup=False)
    return Exit.OK


def parse_id(text: str) -> int:
    """As `mesh slowlog`, `mesh trace` and lines of the log show it."""
    try:
        number = int(text, 16)
    except ValueError:
        number = 0
    if not 0 < number < 1 << 63:
        raise CommandError(f"{text!r} is not the id of a trace; write one such as 1f3a90b2c4d5e6f7", Exit.USAGE)
    return number


async def find_whole(topology: Topology, number: int) -> tuple[Trace | None, list[Line], list[Event]]:
    """The trace, the lines of all processes and the events of all log nodes, the oldest first."""
    trace = await _find_trace(topology, number)
    lines = await _find_lines(topology, number)
    begins = trace.started_wall_ms if trace is not None else lines[0].wall_ms if lines else 0
    ends = begins + duration_us(trace) // 1000 if trace is not None else lines[-1].wall_ms if lines else 0
    events = await _find_events(topology, number, begins, ends)
    return trace, lines, events


async def _find_trace(topology: Topology, number: int) -> Trace | None:
    names = beginners(topology)
    for question in (
        ListTraces(limit=TRACES_MAX),
        ListTraces(order="failed", limit=TRACES_MAX),
        ListTraces(order="slowest", limit=TRACES_MAX),
    ):
        answers = await gather(topology, names, question, Traces, ANSWER_S)
        good = [answer for answer in answers.values() if isinstance(answer, Traces)]
        for one in (trace for answer in good for trace in answer.traces):
            if one.id == number:
                return one
    return None


async def _find_lines(topology: Topology, number: int) -> list[Line]:
    """Nodes of one process log together: one of them is asked."""
    firsts = [
        process.nodes[0].name for process in topology.processes if not state.has_ended(topology, process.nodes[0].short)
    ]
    answers = await gather(topology, firsts, ReadLines(0, LINES_KEPT), LinesRead, ANSWER_S)
    _say_silent(answers)
    found = [line for said in answers.values() if isinstance(said, LinesRead) for line in said.lines]
    return sorted((line for line in found if line.trace == number), key=lambda line: line.wall_ms)


async def _find_events(topology: Topology, number: int, begins_ms: int, ends_ms: int) -> list[Event]:
    """Those with a field that names the trace; none when nothing says when it was."""
    names = [node.name for node in topology.of_role("log") if not state.has_ended(topology, node.short)]
    if not begins_ms or not names:
        return []
    question = QueryEvents(0, [], max(begins_ms - BEFORE_MS, 0), ends_ms + AFTER_MS, EVENTS_MAX)
    answers = await gather(topology, names, question, Events, ANSWER_S)
    _say_silent(answers)
    found = [event for said in answers.values() if isinstance(said, Events) for event in said.events]
    return sorted((event for event in found if is_of(event, number)), key=lambda event: event.at_ms)


def is_of(event: Event, number: int) -> bool:
    """Does it name this trace, as a number or as it is shown?"""
    return event.fields.get("trace") in (number, f"{number:x}")


def _say_silent(answers: dict[str, Any]) -> None:
    for name, answer in answers.items():
        if isinstance(answer, MeshError):
            say(f"mesh: {short(name)} did not answer, what it has is missing: {answer}")


def pieces(trace: Trace | None, lines: list[Line], events: list[Event]) -> list[Piece]:
    """In the order of time. Hops are placed by the clock of where the trace began, the others by that of their node."""
    walls = [line.wall_ms for line in lines] + [event.at_ms for event in events]
    begins = trace.started_wall_ms if trace is not None else min(walls, default=0)
    found = list(_hops(trace)) if trace is not None else []
    for line in lines:
        fields = " ".join(f"{key}={value}" for key, value in line.fields.items())
        text = f"{line.level} {line.text} {fields}".rstrip()
        found.append(Piece(line.wall_ms - begins, line.node, "log", text))
    for event in events:
        fields = " ".join(f"{key}={value}" for key, value in event.fields.items() if key != "trace")
        found.append(Piece(event.at_ms - begins, short(event.node), "event", f"{event.kind} {fields}".rstrip()))
    return sorted(found, key=lambda piece: piece.at_ms)


def _hops(trace: Trace) -> Iterator[Piece]:
    for span in lay_out(trace.hops):
        text = f"{name_of(span.hop)} from {short(span.hop.source)}, {span.total_us / 1000:.2f} ms"
        yield Piece(span.starts_us / 1000, short(span.hop.target), "hop", text)


def _event_dict(event: Event) -> dict[str, Any]:
    return {
        "at_ms": event.at_ms,
        "kind": event.kind,
        "player": event.player,
        "node": event.node,
        "fields": event.fields,
    }
