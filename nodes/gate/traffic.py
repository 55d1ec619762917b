"""What goes through the gate, by line of a scene and by lane: plain ints, a few additions for a whole batch.

Owns the counts and nothing else. A line is named as placements name it; there are as many as the zone's scenes have.
"""

from dataclasses import dataclass

LANES = ("moves", "plays", "control", "updates", "bulk")
"""Of these, the first two go up."""


class Line:
    """One line of one scene: what its players here say and are told. `index` is its place in `Lines`."""

    __slots__ = ("bulk", "bulk_bytes", "clients", "control", "control_bytes", "index", "moves", "moves_bytes", "name",
                 "plays", "plays_bytes", "scene", "updates", "updates_bytes")  # fmt: skip

    def __init__(self, index: int, scene: str, name: str) -> None:
        self.index, self.scene, self.name = index, scene, name
        self.clients = 0  # whose way down is open
        # messages or rows of each lane, and the bytes in them
        self.moves = self.moves_bytes = self.plays = self.plays_bytes = 0
        self.control = self.control_bytes = self.updates = self.updates_bytes = self.bulk = self.bulk_bytes = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """The counts of a line at one moment."""

    plays: int
    control: int
    down_bytes: int
    updates_bytes: int


class Lines:
    """All lines that clients here have played on."""

    def __init__(self) -> None:
        self.all: list[Line] = []
        self._by_name: dict[tuple[str, str], Line] = {}

    def line(self, scene: str, map_: str, number: int) -> Line:
        """It is made when it is first named."""
        name = f"{map_}:{number}"
        found = self._by_name.get((scene, name))
        if found is None:
            found = self._by_name[scene, name] = Line(len(self.all), scene, name)
            self.all.append(found)
        return found

    def messages(self) -> dict[tuple[str, ...], float]:
        """By scene, line and lane."""
        return {(line.scene, line.name, lane): getattr(line, lane) for line in self.all for lane in LANES}

    def bytes(self) -> dict[tuple[str, ...], float]:
        """By scene, line and lane."""
        return {(line.scene, line.name, lane): getattr(line, f"{lane}_bytes") for line in self.all for lane in LANES}


def seen(line: Line) -> Seen:
    down = line.control_bytes + line.updates_bytes + line.bulk_bytes
    return Seen(line.plays, line.control, down, line.updates_bytes)
