"""Which scene takes a player: the least loaded one that hosts the map.

Pure. The load that scenes report is up to a second old, so what the center itself has sent there counts, too:
otherwise a burst of logins would all go to the scene that looked best before it began.
"""

from collections.abc import Callable, Collection, Sequence

from mesh.protocol.control import Member

NOMINAL_CAPACITY = 5_000  # players; stands in for a scene that names no limit of its own
PRESSURE_FREE = 0.5  # up to this share of its time a scene may be busy and is as good as an idle one


def maps_of(scene: Member) -> set[str]:
    """The maps that a scene says it hosts: its fact `maps` is "meadow:1,forest:2", names with the numbers of lines."""
    names = (entry.partition(":")[0].strip() for entry in scene.facts.get("maps", "").split(","))
    return {name for name in names if name}


def hosts_of(scenes: Sequence[Member], wanted: str, default_map: str) -> list[Member]:
    """The scenes for a character whose map is `wanted` ("" for a new one).

    A map that no scene hosts any more counts as none: better elsewhere than nowhere.
    """
    for name in (wanted, default_map or min((m for s in scenes for m in maps_of(s)), default="")):
        hosts = [scene for scene in scenes if name and name in maps_of(scene)]
        if hosts:
            return hosts
    return []


def choose(hosts: Sequence[Member], placed: Callable[[str], int], tried: Collection[str] = ()) -> Member | None:
    """The least loaded of these scenes, or None when all are full or tried.

    `placed` tells how many characters the center has at a scene or on the way to it.
    """
    open_ones = [scene for scene in hosts if scene.name not in tried and not is_full(scene, placed(scene.name))]
    return min(open_ones, key=lambda s: (_score(s, placed(s.name)), s.name), default=None)


def is_full(scene: Member, placed: int) -> bool:
    return bool(scene.load.capacity) and max(placed, scene.load.players) >= scene.load.capacity


def _score(scene: Member, placed: int) -> float:
    """The share of its room that is taken, and how hard its processor works beyond what does no harm.

    Pressure is old news that jumps about: below PRESSURE_FREE it says nothing about where the next player should go,
    and to follow it there would send a whole burst to the scene that happened to have the quieter second.
    """
    taken = max(placed, scene.load.players) / (scene.load.capacity or NOMINAL_CAPACITY)
    return taken + max(0.0, scene.load.pressure - PRESSURE_FREE) / (1.0 - PRESSURE_FREE)
