"""What the console shows: questions to its sources, with a limit on everything that can be asked for."""

from typing import Any, Literal

import msgspec

from mesh.errors import Code, RefusedError
from nodes.ops.console.answers import EventQuery, How, LogQuery, Wanted
from nodes.ops.console.asked import Asked
from nodes.ops.console.people import Player
from nodes.ops.console.ways import Way

POINTS_MAX = 2000  # of a line
POINTS_USUAL = 360
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
MOMENT_S_MAX = 1e11
LINE_MAX = 0xFFFF
METRES_MAX = 1e6
_Order = Literal["latest", "slowest", "failed"]


async def overview(asked: Asked) -> Any:
    return await asked.desk.sources.overview()


async def vocabulary(asked: Asked) -> Any:
    return await asked.desk.sources.vocabulary()


async def metrics(asked: Asked) -> Any:
    return await asked.desk.sources.metrics()


async def labels(asked: Asked) -> Any:
    return await asked.desk.sources.labels(asked.need("name"))


async def series(asked: Asked) -> Any:
    return await asked.desk.sources.series(wanted_of(asked, asked.desk.clock.wall()))


async def moments(asked: Asked) -> Any:
    start_s, end_s = _stretch(asked, asked.desk.clock.wall())
    return await asked.desk.sources.moments(start_s, end_s)


async def alerts(asked: Asked) -> Any:
    return await asked.desk.sources.alerts()


async def incidents(asked: Asked) -> Any:
    since_s = asked.number("since", 0, 0, MOMENT_S_MAX)
    return await asked.desk.sources.incidents(since_s, asked.whole("limit", 100, 1, 1000))


async def incident(asked: Asked) -> Any:
    return await asked.desk.sources.incident(asked.path("incident"))


async def silences(asked: Asked) -> Any:
    return await asked.desk.sources.silences()


async def lines(asked: Asked) -> Any:
    return await asked.desk.sources.lines()


async def heat(asked: Asked) -> Any:
    return await asked.desk.sources.heat(asked.need("zone"), asked.need("map"), asked.whole("line", 1, 1, LINE_MAX))


async def players_in(asked: Asked) -> Any:
    sides = [asked.number(name, 0, -METRES_MAX, METRES_MAX) for name in ("west", "south", "east", "north")]
    line = asked.whole("line", 1, 1, LINE_MAX)
    limit = asked.whole("limit", 100, 1, 500)
    west_m, south_m, east_m, north_m = sides
    return await asked.desk.sources.players_in(
        asked.need("zone"), asked.need("map"), line, west_m, south_m, east_m, north_m, limit
    )


async def players(asked: Asked) -> Any:
    return await asked.desk.sources.find_players(asked.text("text").strip(), asked.whole("limit", 20, 1, 200))


async def player(asked: Asked) -> Any:
    found = await asked.desk.sources.player(asked.path("player"))
    return found if asked.by.role == "operator" else without_address(found)


async def traces(asked: Asked) -> Any:
    order = asked.one_of("order", _Order, "latest")
    kind, subject, limit = asked.text("kind"), asked.text("subject").strip(), asked.whole("limit", 50, 1, 500)
    return await asked.desk.sources.traces(kind, subject, order, limit)  # type: ignore[arg-type]


async def trace(asked: Asked) -> Any:
    return await asked.desk.sources.trace(asked.path("trace"))


async def log_lines(asked: Asked) -> Any:
    since_s, until_s = _span(asked)
    limit = asked.whole("limit", 200, 1, 1000)
    text, node, level = asked.text("text").strip(), asked.text("node"), asked.text("level")
    return await asked.desk.sources.log_lines(LogQuery(text, node, level, asked.text("trace"), since_s, until_s, limit))


async def events(asked: Asked) -> Any:
    since_s, until_s = _span(asked)
    limit = asked.whole("limit", 200, 1, 1000)
    player, kinds, node = asked.text("player").strip(), asked.texts("kind"), asked.text("node")
    return await asked.desk.sources.events(
        EventQuery(player, kinds, node, asked.text("trace"), since_s, until_s, limit)
    )


def wanted_of(asked: Asked, wall_s: float) -> Wanted:
    """Which lines are asked for. Start and end are taken to whole steps, so that equal questions look equal."""
    start_s, end_s = _stretch(asked, wall_s)
    step_s = asked.number("step", 0, 0, STEPS_S[-1]) or usual_step_s(end_s - start_s)
    if step_s < 1:
        raise RefusedError(Code.BAD_MESSAGE, "step is at least 1 second")
    start_s, end_s = start_s // step_s * step_s, -(-end_s // step_s) * step_s
    if (end_s - start_s) / step_s > POINTS_MAX:
        text = f"that is {(end_s - start_s) / step_s:.0f} points of a line; at most {POINTS_MAX}: choose a longer step"
        raise RefusedError(Code.BAD_MESSAGE, text)
    how: Any = asked.one_of("how", How, "value")
    return Wanted(
        asked.need("name"), asked.labels("where"), asked.texts("by"), start_s, end_s, step_s, how, asked.flag("band")
    )


def usual_step_s(span_s: float) -> float:
    """A round step with which a line has at most POINTS_USUAL points."""
    return next((float(step) for step in STEPS_S if span_s / step <= POINTS_USUAL), float(STEPS_S[-1]))


def without_address(player: Player) -> Player:
    """What a viewer is shown."""
    if player.network is None:
        return player
    return msgspec.structs.replace(player, network=msgspec.structs.replace(player.network, address=""))


def _stretch(asked: Asked, wall_s: float) -> tuple[float, float]:
    end_s = asked.number("end", wall_s, 0, MOMENT_S_MAX)
    start_s = asked.number("start", end_s - 3600, 0, MOMENT_S_MAX)
    if start_s >= end_s:
        raise RefusedError(Code.BAD_MESSAGE, "start is to be before end")
    return start_s, end_s


def _span(asked: Asked) -> tuple[float, float]:
    """Of a search; 0: open at that side."""
    return asked.number("since", 0, 0, MOMENT_S_MAX), asked.number("until", 0, 0, MOMENT_S_MAX)


WAYS = (
    Way("GET", "/api/overview", overview, is_shared=True),
    Way("GET", "/api/vocabulary", vocabulary, is_shared=True),
    Way("GET", "/api/metrics", metrics, is_shared=True),
    Way("GET", "/api/labels", labels, is_shared=True),
    Way("GET", "/api/series", series, is_shared=True),
    Way("GET", "/api/moments", moments, is_shared=True),
    Way("GET", "/api/alerts", alerts, is_shared=True),
    Way("GET", "/api/silences", silences, is_shared=True),
    Way("GET", "/api/incidents", incidents, is_shared=True),
    Way("GET", "/api/incidents/{incident}", incident, is_shared=True),
    Way("GET", "/api/lines", lines, is_shared=True),
    Way("GET", "/api/heat", heat, is_shared=True),
    Way("GET", "/api/players-in", players_in, is_shared=True),
    Way("GET", "/api/players", players),
    Way("GET", "/api/players/{player}", player),
    Way("GET", "/api/traces", traces),
    Way("GET", "/api/traces/{trace}", trace),
    Way("GET", "/api/logs", log_lines),
    Way("GET", "/api/events", events),
)
