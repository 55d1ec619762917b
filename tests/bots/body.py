"""A body without a network: it writes down what a mind does with it, and answers as a scene would number it."""

import random
from collections import Counter
from typing import Any

from mesh.protocol.play import Entered, EntityState


class Session:
    def __init__(self) -> None:
        self.view: dict[int, EntityState] = {}
        self.character = "bot-000001"
        self.session = 7
        self.entered: Entered | None = None
        self.dilation = 1.0


class Actor:
    """Stands in for a Player: every call is noted as (verb, arguments) and numbered."""

    def __init__(self) -> None:
        self.session = Session()
        self.playing = True
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, verb: str) -> Any:
        def note(*arguments: Any) -> int:
            self.done.append((verb, *arguments))
            return len(self.done)

        return note


class FakeBody:
    """One map unit is one metre."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.player: Any = Actor()
        self.random = random.Random(1)
        self.options: dict[str, str] = {}
        self.entity = 1
        self.at = (0, 0)
        self.goal: tuple[int, int] | None = None
        self.followed = 0
        self.circle: tuple[int, int, float] = (0, 0, 0.0)
        self.counts: Counter[str] = Counter()
        self.recorded: list[tuple[str, float]] = []
        self.failed: list[tuple[str, str]] = []

    @property
    def done(self) -> list[tuple[Any, ...]]:
        done: list[tuple[Any, ...]] = self.player.done
        return done

    def see(self, number: int, kind: Any, x: int, y: int, name: str = "", state: int = 0) -> EntityState:
        entity = EntityState(number, kind, name, x, y, 0, state, 1, 10, 10)
        self.player.session.view[number] = entity
        return entity

    def place(self) -> tuple[int, int]:
        return self.at

    def centre(self) -> tuple[int, int]:
        return 50, 50

    def metres(self, units: float) -> float:
        return units

    def seek(self, x: int, y: int) -> None:
        self.goal = (x, y)

    def wander(self) -> None:
        self.goal = None

    def watch(self, x: int, y: int, radius_m: float) -> None:
        self.circle = (x, y, radius_m)

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] += by

    def follow(self, entity: int) -> None:
        self.followed = entity

    def seen_at(self) -> tuple[int, int] | None:
        entity = self.player.session.view.get(self.followed)
        return (entity.x, entity.y) if entity else None

    def record(self, series: str, seconds: float) -> None:
        self.recorded.append((series, round(seconds, 3)))

    def fail(self, series: str, code: str) -> None:
        self.failed.append((series, code))
