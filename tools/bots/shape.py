"""The shape of a load: how many players are in over time, how long each stays, how often a connection breaks.

A shape is a TOML file; some come along in the folder `shapes`. docs/load-testing.md documents the format. What the
file says is the number of players; when each of them arrives follows from that and from the length of the sessions
(visits.py). A file that is wrong is refused with everything that is wrong in it.
"""

import tomllib
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from tools.bots.durations import parse_duration
from tools.bots.lengths import Lengths
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean

POINTS_MAX = 1000
FOLDER = "shapes"
NAMES = ("steady", "evening-peak", "boot-storm", "battle", "mobile", "mmorpg")
"""Those that come along."""

Arrivals = Literal["poisson", "even"]


class Drops(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Connections break and come back: both times are means of exponential distributions."""

    every: str
    away: str

    @property
    def every_s(self) -> float:
        return parse_duration(self.every)

    @property
    def away_s(self) -> float:
        return parse_duration(self.away)


class Gather(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begins": "from"}):
    """From then until then, whoever only walks goes to the middle of its map."""

    begins: str
    until: str
    radius_m: float

    @property
    def span_s(self) -> tuple[float, float]:
        return parse_duration(self.begins), parse_duration(self.until)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written in it."""

    text: str
    length: str
    players: list[tuple[str, float]]
    session: Lengths
    source: str = ""
    arrivals: Arrivals = "poisson"
    drops: Drops | None = None
    gather: Gather | None = None


class Shape(msgspec.Struct, frozen=True):
    """A shape that holds together. Times are seconds from its beginning, at its own speed."""

    name: str
    text: str  # what it is, in a sentence
    source: str  # where its numbers come from
    length_s: float
    players: list[tuple[float, float]]  # when, and which share of all bots is in
    arrivals: Arrivals
    session: Lengths
    drops: Drops | None
    gather: Gather | None


def load(which: str) -> Shape:
    """By name or path. CommandError that names the file and everything that is wrong with it."""
    path = Path(which)
    if path.suffix != ".toml" and "/" not in which:
        if which not in NAMES:
            raise CommandError(f"there is no shape {which!r}{did_you_mean(which, list(NAMES))}", Exit.USAGE)
        path = Path(str(files("tools.bots") / FOLDER / f"{which}.toml"))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}", Exit.USAGE) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Shape:
    """The shape in a text; `path` is what errors and the report call it."""
    try:
        said = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CommandError(f"{path}: {error}", Exit.USAGE) from None
    problems = _problems(said)
    if problems:
        raise CommandError("\n".join(f"{path}: {problem}" for problem in problems), Exit.USAGE)
    return Shape(
        name=path.stem,
        text=said.text,
        source=said.source,
        length_s=parse_duration(said.length),
        players=[(parse_duration(when), share) for when, share in said.players],
        arrivals=said.arrivals,
        session=said.session,
        drops=said.drops,
        gather=said.gather,
    )


def _problems(said: _File) -> list[str]:
    """All at once."""
    found = []
    times = {"length": said.length} | {f"players[{n}][0]": when for n, (when, _) in enumerate(said.players)}
    if said.drops is not None:
        times |= {"drops.every": said.drops.every, "drops.away": said.drops.away}
    if said.gather is not None:
        times |= {"gather.from": said.gather.begins, "gather.until": said.gather.until}
    seconds: dict[str, float] = {}
    for where, text in times.items():
        try:
            seconds[where] = parse_duration(text)
        except ValueError as error:
            found.append(f"{where}: {error}")
    if found:
        return found
    return [*_curve_problems(said, seconds["length"]), *_part_problems(said, seconds)]


def _curve_problems(said: _File, length_s: float) -> list[str]:
    if not 1 <= len(said.players) <= POINTS_MAX:
        return [f"players: from 1 to {POINTS_MAX} points are needed, [when, share] each"]
    found = []
    whens = [parse_duration(when) for when, _ in said.players]
    if length_s <= 0:
        found.append("length: must be more than nothing")
    if whens[0] != 0:
        found.append('players[0]: the first point must be at "0s"')
    if any(later <= earlier for earlier, later in pairwise(whens)):
        found.append("players: each point must be later than the one before")
    if whens[-1] > length_s:
        found.append(f"players: the last point lies after the end ({said.length})")
    if any(not 0 <= share <= 1 for _, share in said.players):
        found.append("players: shares must be from 0 to 1 (of --users)")
    elif not any(share for _, share in said.players):
        found.append("players: nobody ever comes")
    return found


def _part_problems(said: _File, seconds: dict[str, float]) -> list[str]:
    found = []
    if said.drops is not None and not (seconds["drops.every"] > 0 and seconds["drops.away"] > 0):
        found.append("drops: every and away must be more than nothing")
    if said.gather is not None:
        if seconds["gather.from"] >= seconds["gather.until"]:
            found.append("gather: until must be later than from")
        if said.gather.radius_m <= 0:
            found.append("gather.radius_m: must be above 0")
    return found
