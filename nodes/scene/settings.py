"""What a scene can be told by its topology: the maps of the game, who hosts which line of them, and every limit.

Owns the numbers only. Rejected: one table of maps per node, because a map that two scenes know differently would
show as players who jump; the maps are the same for all scenes and `hosts` says who begins with what.
"""

import math

import msgspec

from mesh.errors import TopologyError

LINE_BITS = 15
LINE_SLOTS = 1 << LINE_BITS  # entities on one line: two slots fit into one 30-bit number, which interest.py sorts
LINES_MAX = 32  # on one scene process: the slot part of a handle has 20 bits
UNITS_MAX = 0xFFFF  # positions travel as two bytes
SOFT_SHARE = 0.8  # of `players_max`, for a map that does not say
OPERATIONS = ("trade", "loot", "advance", "mail-send", "mail-take")
"""Kinds of durable operations of a scene."""
BUDGET_MIN = 500  # bytes a second: below that a view of a few cannot be kept up
BUDGET_MAX = 10_000_000
PORTALS_MAX = 64  # of one map: Entered tells them all, and every step of every player is held against each


class PortalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circle on a map: whoever walks into it goes to a place on another map (or elsewhere on the same one)."""

    x: float  # metres
    y: float
    radius_m: float
    to: str  # the map
    to_x: float  # metres
    to_y: float


class MapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One map of the game. Lengths in metres, times in seconds."""

    size_m: float = 1000.0  # the side of the square
    unit_m: float = 0.02  # what one step of a coordinate on the wire is
    aoi_m: float = 50.0  # how far a player sees; what is seen is lost at 1.1 times that
    view_max: int = 500  # entities that one player is shown, the nearest; others do not appear
    budget_bytes_s: int = 12_000  # of movement, to one player: in a crowd those further away are told less often
    speed_mps: float = 6.0
    spawn_m: float = 0.0  # the side of the square around the centre where players start; 0 for the whole map
    players_max: int = 10_000  # on one line; more are refused
    players_soft: int = 0  # on one line; above it others are preferred; 0 for 80 % of players_max
    npcs: int = 40
    npc_respawn_s: float = 10.0
    respawn_s: float = 5.0  # how long a player stays dead
    pvp: bool = True
    portals: list[PortalSettings] = []

    @property
    def units(self) -> int:
        """The greatest coordinate."""
        return round(self.size_m / self.unit_m)

    @property
    def soft(self) -> int:
        """The soft cap as it is meant."""
        return self.players_soft or max(1, round(SOFT_SHARE * self.players_max))


class SceneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[settings.scene]. Scenes with an entry in `hosts` begin with the lines that it names, those without one with one
    line of every map, numbered like the node. The center may open further lines of every map on every scene."""

    tick_hz: float = 10.0
    maps: dict[str, MapSettings] = msgspec.field(default_factory=lambda: {"meadow": MapSettings()})
    hosts: dict[str, list[str]] = {}  # short node name -> ["meadow:1", ...]
    lines_max: int = LINES_MAX  # on one scene, those that are opened later included
    flush_ms: float = 5.0  # the longest that a control message waits for company
    enters_per_tick: int = 200  # full views built in one tick; the others wait for the next one
    save_s: float = 0.8  # how often the state of a character that changed is sent to the DC: a place is to be a second
    # old at most when its scene dies, and it takes a moment to arrive
    saves_in_flight: int = 16  # requests to the DC; beyond that the characters stay marked and are sent later
    combat_s: float = 5.0  # since the last hit given or taken: who fights does not switch lines
    operation_tries: int = 100  # of one durable operation while the DC is away, a fifth of a second apart
    replicated: list[str] = []  # kinds of operations of class R, such as "trade": see `standby_away` of the DC
    npc_level: int = 1
    chat_per_s: float = 1.0
    chat_burst: int = 5
    emotes_per_s: float = 1.0  # of one player
    emotes_burst: int = 5
    bad_messages_per_s: float = 1.0  # that do not decode, of one player; who goes on has its connection ended
    bad_messages_burst: int = 10
    inventory_max: int = 200  # items of one character: what still fits into one message
    corpses_max: int = 1_000  # on one line; beyond that the oldest goes
    corpse_s: float = 60.0

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise ValueError("; ".join(problems))

    def lines_of(self, short: str, number: int) -> list[tuple[str, int]]:
        """The (map, line) pairs that this node carries, in the order of their handles."""
        if short in self.hosts:
            return [_parse(entry) for entry in self.hosts[short]]
        if len(self.maps) > self.lines_max:
            raise TopologyError([f"settings.scene.hosts: {short} has no entry, and all maps are more than lines_max"])
        return [(name, number) for name in self.maps]


def _parse(entry: str) -> tuple[str, int]:
    name, _, line = entry.partition(":")
    if line and not (line.isdigit() and 0 < int(line) <= 0xFFFF):
        raise TopologyError([f"settings.scene.hosts: {entry!r} is not <map>:<line> with a line from 1 to 65535"])
    return name, int(line or "1")


def _problems(said: SceneSettings) -> list[str]:
    found = []
    if not 1 <= said.tick_hz <= 100:
        found.append("settings.scene.tick_hz must be from 1 to 100")
    if not said.maps:
        found.append("settings.scene.maps must name at least one map")
    bursts = min(said.chat_burst, said.emotes_burst)
    if said.enters_per_tick < 1 or said.saves_in_flight < 1 or said.operation_tries < 1 or bursts < 1:
        found.append(
            "settings.scene: enters_per_tick, saves_in_flight, operation_tries, chat_burst and emotes_burst must be at"
            " least 1"
        )
    if said.bad_messages_per_s <= 0 or said.bad_messages_burst < 1:
        found.append("settings.scene: bad_messages_per_s must be above 0, bad_messages_burst at least 1")
    if unknown := [kind for kind in said.replicated if kind not in OPERATIONS]:
        found.append(f"settings.scene.replicated: {', '.join(unknown)}: there are {', '.join(OPERATIONS)}")
    if said.save_s <= 0 or said.flush_ms < 0 or min(said.chat_per_s, said.emotes_per_s, said.corpse_s) <= 0:
        found.append(
            "settings.scene: save_s, chat_per_s, emotes_per_s and corpse_s must be above 0, flush_ms at least 0"
        )
    if not 0 < said.inventory_max <= 200:
        found.append("settings.scene.inventory_max must be from 1 to 200: more does not fit into one message")
    if not 1 <= said.lines_max <= LINES_MAX or said.combat_s < 0:
        found.append(f"settings.scene: lines_max must be from 1 to {LINES_MAX}, combat_s at least 0")
    for name, one in said.maps.items():
        found += _map_problems(f"settings.scene.maps.{name}", one)
        found += _portal_problems(f"settings.scene.maps.{name}.portals", one, said)
        if one.players_max + one.npcs + said.corpses_max > LINE_SLOTS:
            found.append(f"settings.scene.maps.{name}: players_max + npcs + corpses_max must be <= {LINE_SLOTS}")
    for short, entries in said.hosts.items():
        found += _host_problems(f"settings.scene.hosts.{short}", entries, said)
    return found


def _map_problems(where: str, one: MapSettings) -> list[str]:
    found = []
    if one.unit_m <= 0 or one.size_m <= 0 or one.units > UNITS_MAX:
        found.append(f"{where}: size_m / unit_m must be above 0 and at most {UNITS_MAX}")
    if not 0 < one.aoi_m <= one.size_m * 2 or one.speed_mps <= 0:
        found.append(f"{where}: aoi_m and speed_mps must be above 0, aoi_m at most 2 * size_m")
    if not 0 <= one.spawn_m <= one.size_m:
        found.append(f"{where}.spawn_m must be from 0 to size_m")
    if not 1 <= one.view_max <= LINE_SLOTS:
        found.append(f"{where}.view_max must be from 1 to {LINE_SLOTS}")
    if not BUDGET_MIN <= one.budget_bytes_s <= BUDGET_MAX:
        found.append(f"{where}.budget_bytes_s must be from {BUDGET_MIN} to {BUDGET_MAX}")
    if one.players_max < 1 or one.npcs < 0 or one.npc_respawn_s < 0 or one.respawn_s < 0:
        found.append(f"{where}: players_max must be at least 1, npcs, npc_respawn_s and respawn_s at least 0")
    if not 0 <= one.players_soft <= one.players_max:
        found.append(f"{where}.players_soft must be from 0 to players_max")
    return found


def _portal_problems(where: str, one: MapSettings, said: SceneSettings) -> list[str]:
    found = []
    if len(one.portals) > PORTALS_MAX:
        found.append(f"{where}: at most {PORTALS_MAX} on one map")
    for index, portal in enumerate(one.portals):
        if not _inside(portal.x, portal.y, one):
            found.append(f"{where}[{index}]: x and y must be on the map, from 0 to {one.size_m:g} m")
        if not 0 < portal.radius_m < math.inf:
            found.append(f"{where}[{index}].radius_m must be above 0")
        goal = said.maps.get(portal.to)
        if goal is None:
            found.append(f"{where}[{index}].to: there is no map {portal.to!r} in settings.scene.maps")
        elif not _inside(portal.to_x, portal.to_y, goal):
            found.append(f"{where}[{index}]: to_x and to_y must be on {portal.to}, from 0 to {goal.size_m:g} m")
    return found


def _inside(x: float, y: float, one: MapSettings) -> bool:
    return 0 <= x <= one.size_m and 0 <= y <= one.size_m


def _host_problems(where: str, entries: list[str], said: SceneSettings) -> list[str]:
    found = []
    if len(entries) > said.lines_max:
        found.append(f"{where} has more than {said.lines_max} lines")
    for entry in entries:
        try:
            name, _ = _parse(entry)
        except TopologyError as error:
            found += error.problems
            continue
        if name not in said.maps:
            found.append(f"{where}: there is no map {name!r} in settings.scene.maps")
    if len(set(entries)) != len(entries):
        found.append(f"{where} names a line twice")
    return found
