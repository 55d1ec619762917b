"""The town square as a map: how wide it has to be for so many players, and the settings that make it so (pure).

Every player walks on a square of `width` metres, spread evenly, and sees whoever is within 50 m: about 20 others,
however many players there are. Then the work for each player is the same at every size, and a figure at 4,000 can be
held against one at 500.
"""

import math

RADIUS_M = 50.0
IN_VIEW = 20.0
UNIT_M = 0.02  # of a coordinate on the wire, as long as the map's width fits
UNITS_MAX = 65_000  # two bytes, with a little room


def width_m(players: int, in_view: float = IN_VIEW, radius_m: float = RADIUS_M) -> float:
    """The side of a square on which each of these players has `in_view` others within the radius on average.

    The chance p that two evenly spread points of a square of side w are within r of each other, q = r / w <= 1, is
    pi q^2 - 8/3 q^3 + q^4 / 2 (B. Ghosh, Random distances within a rectangle, 1951): what lies beyond the edges is left
    out. It falls with w, so (players - 1) * p = in_view is solved by halving. With fewer players than would be in view
    everybody sees everybody on a square as wide as the radius.
    """
    low, high = radius_m, radius_m * (math.sqrt(3.2 * players) + 10)
    for _ in range(60):
        middle = (low + high) / 2
        q = radius_m / middle
        if (players - 1) * (math.pi * q**2 - 8 / 3 * q**3 + q**4 / 2) > in_view:
            low = middle
        else:
            high = middle
    return low


def unit_m(width: float) -> float:
    """The smallest step of a coordinate, 2 cm or as much as the width asks for."""
    return max(UNIT_M, math.ceil(width / UNITS_MAX * 1000) / 1000)


def settings(players: int, hz: float = 10.0, width: float | None = None, **more: float) -> dict[str, str]:
    """For `mesh up --set`: the square for so many players, ticked as often as they move; `more` settings of the map."""
    side = math.ceil(width if width is not None else width_m(players))
    table = f"size_m={side:.1f},unit_m={unit_m(side)},aoi_m={RADIUS_M},npcs=0,players_max=20000"
    table += "".join(f",{name}={value}" for name, value in more.items())
    return {"scene.maps": f"{{square={{{table}}}}}", "scene.tick_hz": f"{hz:.1f}"}
