"""The lines of the zone: which there are, how full they are, and what follows from that.

A line is a copy of a map, named by the map and a number; who is on the same line can meet. Scenes say which lines they
carry and of which maps they may carry more; from then on this table is what the center itself has opened and closed.

    placement   a line where a member of the party is, under its hard cap; where friends are, under its soft cap;
                the least loaded one under its soft cap; the least loaded one under its hard cap; none: all are full
    opening     when every line of a map has reached its soft cap: before the next player needs it
    closing     a line that the topology does not name, after nobody was on it for a while, if others have room
    doubles     of two lines with one name the empty one goes, or the one that the topology does not name

Pure: it decides and remembers, others ask the scenes. How many are on a line is counted by the directory, which knows
who is on the way, too. A draining scene, or one without a link, is not among `scenes`, so nobody is sent there.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from mesh.protocol.cluster import HostedList
from mesh.protocol.control import Member
from nodes.center.placement import Company, strain, taken

NUMBER_MAX = 0xFFFF


@dataclass(slots=True, eq=False)
class Line:
    """One line of one scene."""

    scene: str
    map: str
    number: int
    soft: int  # players; from here on other lines are preferred
    max: int  # players; more are refused
    fixed: bool  # named by the topology: it stays when it is empty
    empty_since: float | None = None  # None while somebody is on it
    closing: bool = False  # it is to end: nobody is sent there any more

    @property
    def name(self) -> tuple[str, int]:
        return self.map, self.number


class Lines:
    """See the module. `count_on` tells how many are on a line of a scene, `count_at` how many are at a scene."""

    def __init__(self, count_on: Callable[[str, str, int], int], count_at: Callable[[str], int]) -> None:
        self._count_on, self._count_at = count_on, count_at
        self._lines: dict[tuple[str, str, int], Line] = {}
        self._sorted: list[Line] = []  # by map, number and scene; every login looks
        self._of_map: dict[str, list[Line]] = {}
        self._hostable: dict[str, tuple[frozenset[str], int]] = {}  # by scene: maps, and how many lines at most
        self._caps: dict[str, tuple[int, int]] = {}  # by map, as last heard

    # --- what happens ---

    def heard(self, scene: str, said: HostedList) -> None:
        """A scene says which lines it carries: these and no others."""
        self._hostable[scene] = (frozenset(said.maps), said.lines_max)
        before = {line.name: line for line in self.at_scene(scene)}
        for name in before.keys() - {(at.map, at.number) for at in said.lines}:
            self.remove(before[name])
        for at in said.lines:
            self._caps[at.map] = (at.players_soft, at.players_max)
            line = before.get((at.map, at.number))
            if line is None:
                line = Line(scene, at.map, at.number, at.players_soft, at.players_max, at.fixed)
                self._add(line)
            line.soft, line.max, line.fixed = at.players_soft, at.players_max, at.fixed

    def opened(self, scene: str, map_: str, number: int) -> Line | None:
        """A scene has opened a line. None when its caps are not known: the scene's list tells."""
        known = self._lines.get((scene, map_, number))
        if known is None and map_ in self._caps:
            known = Line(scene, map_, number, *self._caps[map_], fixed=False)
            self._add(known)
        return known

    def _add(self, line: Line) -> None:
        self._lines[line.scene, line.map, line.number] = line
        self._sort()

    def _sort(self) -> None:
        self._sorted = sorted(self._lines.values(), key=lambda line: (line.map, line.number, line.scene))
        self._of_map = {}
        for line in self._sorted:
            self._of_map.setdefault(line.map, []).append(line)

    def remove(self, line: Line) -> None:
        """It is no more."""
        if self._lines.pop((line.scene, line.map, line.number), None) is not None:
            self._sort()

    def lost(self, scene: str) -> None:
        """The scene is gone, with all of its lines."""
        self._hostable.pop(scene, None)
        for line in self.at_scene(scene):
            self.remove(line)

    # --- looking ---

    def all(self) -> list[Line]:
        return list(self._sorted)

    def at_scene(self, scene: str) -> list[Line]:
        return [line for line in self._sorted if line.scene == scene]

    def find(self, map_: str, number: int, scene: str = "") -> Line | None:
        """By name; of doubles the one that is not about to end, and the fuller one."""
        found = [line for line in self._lines.values() if line.name == (map_, number) and scene in ("", line.scene)]
        return max(found, key=lambda line: (not line.closing, self.players(line)), default=None)

    def players(self, line: Line) -> int:
        """Who is on it or on the way to it."""
        return self._count_on(line.scene, line.map, line.number)

    def players_at(self, scene: str) -> int:
        """On all of its lines."""
        return self._count_at(scene)

    def state(self, line: Line) -> Literal["free", "busy", "full"]:
        players = self.players(line)
        return "full" if players >= line.max else "busy" if players >= line.soft else "free"

    def open_ones(self, map_: str, scenes: Collection[str]) -> list[Line]:
        """The lines of a map on which players may be placed."""
        return [line for line in self._of_map.get(map_, ()) if line.scene in scenes and not line.closing]

    def map_for(self, wanted: str, default: str, scenes: Collection[str]) -> str:
        """The map for a character whose map is `wanted` ("" for a new one), "" when there is none at all.

        A map that no scene can carry any more counts as none: better elsewhere than nowhere.
        """
        if any(line.scene in scenes and not line.closing for line in self._of_map.get(wanted, ())):
            return wanted  # as almost always
        lined = {line.map for line in self._lines.values() if line.scene in scenes and not line.closing}
        hostable = {map_ for scene in scenes for map_ in self._hostable.get(scene, (frozenset[str](), 0))[0]}
        first = default or min(lined or hostable, default="")
        return next((map_ for map_ in (wanted, first) if map_ in lined | hostable), "")

    # --- deciding ---

    def place(
        self, map_: str, scenes: Mapping[str, Member], company: Company, tried: Collection[Line] = ()
    ) -> Line | None:
        """The line for one more player, None when all are full or tried."""
        lines = [line for line in self.open_ones(map_, scenes) if line not in tried and self.state(line) != "full"]
        free = [line for line in lines if self.state(line) == "free"]
        for among, there in ((lines, company.party), (free, company.friends)):
            joined = [line for line in among if there.get(line.name)]
            if joined:
                return min(joined, key=lambda line: (-there[line.name], *self._load(line, scenes)))
        return min(free or lines, key=lambda line: self._load(line, scenes), default=None)

    def wants_another(self, map_: str, scenes: Collection[str]) -> bool:
        """Have all lines of a map reached their soft caps?"""
        lines = self.open_ones(map_, scenes)
        return bool(lines) and all(self.state(line) != "free" for line in lines)

    def host_for(self, map_: str, number: int, scenes: Mapping[str, Member], but: Collection[str] = ()) -> str:
        """The least loaded scene that may carry one more line of this map, "" for none."""
        able = [scene for scene in scenes.values() if scene.name not in but and self._may_open(map_, number, scene)]
        best = min(
            able,
            key=lambda s: (taken(s, self._count_at(s.name)) + strain(s), len(self.at_scene(s.name)), s.name),
            default=None,
        )
        return best.name if best is not None else ""

    def free_number(self, map_: str) -> int:
        """The lowest number that no line of this map has; 0 when there is none."""
        used = {line.number for line in self._lines.values() if line.map == map_}
        return next((number for number in range(1, NUMBER_MAX + 1) if number not in used), 0)

    def to_close(self, scenes: Collection[str], now: float, close_s: float) -> list[Line]:
        """Lines that were empty for so long and that nobody will miss. Called about once a second: it notices when a
        line becomes empty."""
        for line in self._lines.values():
            if self.players(line):
                line.empty_since = None
            elif line.empty_since is None:
                line.empty_since = now
        found: list[Line] = []
        for line in self.all():
            if line.fixed or line.closing or line.empty_since is None or now - line.empty_since < close_s:
                continue
            others = [other for other in self.open_ones(line.map, scenes) if other is not line and other not in found]
            if any(self.state(other) == "free" for other in others):
                found.append(line)
        return found

    def doubles(self, scenes: Collection[str]) -> list[Line]:
        """Of lines with one name on several scenes, all but the one that stays."""
        named: dict[tuple[str, int], list[Line]] = {}
        for line in self._lines.values():
            if line.scene in scenes and not line.closing:
                named.setdefault(line.name, []).append(line)
        found: list[Line] = []
        for lines in named.values():
            lines.sort(key=lambda line: (self.players(line) > 0, line.fixed, self.players(line), line.scene))
            found += lines[:-1]
        return found

    def is_last(self, line: Line) -> bool:
        """Has its map no other line?"""
        return not any(other.map == line.map and not other.closing and other is not line for other in self.all())

    def _may_open(self, map_: str, number: int, scene: Member) -> bool:
        maps, lines_max = self._hostable.get(scene.name, (frozenset[str](), 0))
        known = (scene.name, map_, number) in self._lines
        return map_ in maps and not known and len(self.at_scene(scene.name)) < lines_max

    def _load(self, line: Line, scenes: Mapping[str, Member]) -> tuple[float, float, int, str]:
        scene = scenes[line.scene]
        share = self.players(line) / max(1, line.soft)
        return share + strain(scene), taken(scene, self.players_at(scene.name)), line.number, line.scene
