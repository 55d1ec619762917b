"""What some of the Python clients see, and for how long they were not told of it: as `src/views.c`."""

from collections.abc import Iterable

from tools.bench.pythonclients.counting import COARSE_MS, Times
from tools.bench.said import Views

STARVED_S = 2.0


class Sights:
    """Of every Nth client: when it was last told of each entity in its view, and the longest gap so far."""

    def __init__(self) -> None:
        self.every = 0  # 0: nobody is looked at
        self._views: dict[int, dict[int, tuple[float, float]]] = {}  # by client, by entity: told at, longest gap
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Gaps count from here on."""
        self._longest, self._starved, self._unknown = Times(COARSE_MS), 0, 0
        for view in self._views.values():
            view.update(dict.fromkeys(view, (now, 0.0)))

    def looks_at(self, row: int) -> bool:
        return self.every > 0 and row % self.every == 0

    def entered(self, row: int, entities: Iterable[int], now: float) -> None:
        self._views[row] = dict.fromkeys(entities, (now, 0.0))

    def left(self, row: int) -> None:
        self._views.pop(row, None)

    def appeared(self, row: int, entities: Iterable[int], now: float) -> None:
        self._views.setdefault(row, {}).update(dict.fromkeys(entities, (now, 0.0)))

    def vanished(self, row: int, entities: Iterable[int], now: float) -> None:
        view = self._views.get(row, {})
        for entity in entities:
            if (sight := view.pop(entity, None)) is not None:
                self._end(sight, now)

    def updated(self, row: int, entities: Iterable[int], now: float) -> None:
        view = self._views.get(row, {})
        for entity in entities:
            sight = view.get(entity)
            if sight is None:
                self._unknown += 1
            else:
                view[entity] = now, max(sight[1], now - sight[0])

    def told(self, now: float) -> Views:
        """Ends the window."""
        for view in self._views.values():
            for sight in view.values():
                self._end(sight, now)
        seen = sum(map(len, self._views.values())) / len(self._views) if self._views else 0.0
        return Views(seen, self._starved, self._unknown, self._longest.told())

    def _end(self, sight: tuple[float, float], now: float) -> None:
        longest_s = max(sight[1], now - sight[0])
        self._longest.add(longest_s)
        self._starved += longest_s > STARVED_S
