"""A whole scene written down, and put in place in another process: what is taken from where, and in which order.

Owns nothing. What each part has is in estate.py; here is what is between parts: sessions stand on lines, fights and
arrivals name sessions. The scene that it is taken from must stand still, with nothing under way.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from mesh.errors import RefusedError
from nodes.scene.estate import (
    FORMAT,
    SESSION,
    EstateError,
    LineRow,
    SessionRow,
    Whole,
    decoded,
    encoded,
    packed,
    unpack,
)
from nodes.scene.line import Line
from nodes.scene.sessions import Session

if TYPE_CHECKING:
    from nodes.scene.node import SceneNode

CLOCKS_S = 60.0  # between what the two processes hold for now: more, and they do not read the same clock


def written(node: "SceneNode") -> bytes:
    """All that this scene knows."""
    node.sort_moves()
    whole = Whole(
        scene=node.name,
        now=node.clock.now(),
        still_since=node.handing.still_since,
        parts=packed(*_parts_of(node)),
        lines=[_line_row(line) for line in node.lines],
        sessions=[_session_row(session) for session in node.sessions],
        events=node.journal.leave(),
        gates={link.peer: link.incarnation for link in node.switchboard.links.up.values() if link.role == "gate"},
        format=FORMAT,
    )
    return encoded(whole)


def put_in_place(node: "SceneNode", body: bytes) -> None:
    """Have a node that has not begun yet know all of that. EstateError when it does not fit."""
    whole = decoded(body)
    try:
        _put(node, whole)
    except EstateError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:  # its parts contradict
        raise EstateError(f"what the old process gave does not fit together: {error!r}") from error


def _put(node: "SceneNode", whole: Whole) -> None:
    if whole.scene != node.name:
        raise EstateError(f"this is what {whole.scene} had")
    if abs(whole.now - node.clock.now()) > CLOCKS_S:
        raise EstateError("the two processes do not read the same clock: are they on one machine?")
    unpack(whole.parts, *_parts_of(node))
    lines = {row.index: _line(node, row) for row in _in_order(node, whole.lines)}
    for row in whole.sessions:
        _session(node, row, lines)
    for row in whole.lines:
        _between(lines[row.index], row)
    if whole.gates is not None:
        _have_gates(node, whole.gates)
    node.play.trading.trades.index()
    node.journal.inherit(whole.events)
    node.handing.still_since = whole.still_since
    node.ticker.restart(node.clock.now())


def parts_of(line: Line) -> tuple[object, ...]:
    """Of one line, those that have a state of their own."""
    return (
        line.world, line.npcs, line.corpses, line.portals, line.whereabouts, line.moves, line.sight.interest,
        line.sight, line.sight.relevance, line.views.notices,
    )  # fmt: skip


def _parts_of(node: "SceneNode") -> tuple[object, ...]:
    return (
        node.lines, node.out, node.game, node.ticker, node.degradation, node.keepsakes, node.play.trading.trades,
        node.parties, node.crossings,
    )  # fmt: skip


# --- lines ---


def _line_row(line: Line) -> LineRow:
    return LineRow(
        index=line.index, name=line.name, number=line.number, fixed=line.fixed, parts=packed(*parts_of(line)),
        dead=line.fights.dead, arriving=line.arriving,
    )  # fmt: skip


def _in_order(node: "SceneNode", rows: Iterable[LineRow]) -> list[LineRow]:
    """The lines that this process began with are not those of the estate, even where they have the same names."""
    node.lines.clear()
    return sorted(rows, key=lambda row: row.index)


def _line(node: "SceneNode", row: LineRow) -> Line:
    if row.name not in node.settings.maps:
        raise EstateError(f"there is no map {row.name} in the settings any more")
    try:
        line = node.lines.open_at(row.index, row.name, row.number, fixed=row.fixed)
    except RefusedError as error:
        raise EstateError(error.text) from None
    try:
        unpack(row.parts, *parts_of(line))
    except EstateError as error:
        raise EstateError(f"{row.name}:{row.number}: {error}; were its settings changed?") from None
    return line


def _between(line: Line, row: LineRow) -> None:
    """What names sessions."""
    for slot in row.dead:
        line.fights.stays_dead(line.players[slot], line.players[slot].dead_until)
    for slot in row.arriving:
        line.show(line.players[slot])


# --- sessions ---


def _have_gates(node: "SceneNode", gates: dict[str, int]) -> None:
    """Those whose link ended while the scene stood still carry nobody any more, though no session knows that yet."""
    for gate in {session.gate for session in node.sessions} - {"", *gates}:
        node.residents.gate_lost(gate)
    node.handing.gates = dict(gates)


def _session_row(session: Session) -> Any:
    values = {name: getattr(session, name) for name in SESSION}
    return SessionRow(**values | {"ring": list(session.ring)})


def _session(node: "SceneNode", row: Any, lines: dict[int, Line]) -> None:
    line = lines.get(row.line)
    if line is None:
        raise EstateError("a player is on a line that is not there")
    session = Session(row.number, row.name, row.line, row.slot, row.handle, row.operation, row.chat)
    for name, value in msgspec.structs.asdict(row).items():
        if value is not msgspec.UNSET:
            setattr(session, name, type(session.ring)(value) if name == "ring" else value)
    session.befriend(session.friends)
    line.players[session.slot] = session
    line.sight.relevance.came(session)
    node.sessions.add(session)
    node.parties.stands(session)
