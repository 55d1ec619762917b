"""The lines of a scene: those that the topology names, and those that the center opens and closes while it runs.

Owns which line has which index. The index is part of every handle on that line (world.py), so a line that is opened in
the place of a closed one goes on with its generations: what named somebody on the old one names nobody on the new one.
The generations of a place begin at random, so that entities of different scenes rarely have the same number.
Whoever iterates sees the lines as they were when it began.
"""

import random
from collections.abc import Callable, Iterator

import numpy as np

from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.control import Done
from mesh.protocol.placement import CloseLine, OpenLine
from nodes.scene.line import Line
from nodes.scene.sessions import Session
from nodes.scene.settings import LINE_SLOTS
from nodes.scene.world import GENERATIONS, Array

Make = Callable[[int, str, int, Array, bool], Line]  # (index, map, number, generations, fixed)
Count = Callable[[Line], int]


class Lines:
    """`openable` are the maps of which further lines may be opened, `lines_max` bounds all together; `changed` is
    called when a line came or went."""

    def __init__(
        self, make: Make, chance: random.Random, openable: list[str], lines_max: int, changed: Callable[[], None]
    ) -> None:
        self._make, self._chance, self._changed = make, chance, changed
        self.openable, self.lines_max = openable, lines_max
        self.closed = False  # the scene is being emptied: no further lines
        self._at: list[Line | None] = [None] * lines_max
        self._open: tuple[Line, ...] = ()
        self._generations: dict[int, Array] = {}
        self._past: dict[str, int] = {}  # what lines that are closed have counted

    def __iter__(self) -> Iterator[Line]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def at(self, index: int) -> Line | None:
        """The line with this index, as handles name it."""
        return self._at[index] if index < len(self._at) else None

    def of(self, session: Session) -> Line:
        """The line that a session in the world is on."""
        line = self._at[session.line]
        assert line is not None, "a line with players is not closed"
        return line

    def find(self, name: str, number: int) -> Line | None:
        return next((line for line in self._open if (line.name, line.number) == (name, number)), None)

    def open(self, name: str, number: int, *, fixed: bool = False) -> Line:
        """Begin a line that is not here yet. RefusedError when there is no place for one more."""
        index = next((index for index, line in enumerate(self._at) if line is None), None)
        if index is None:
            raise RefusedError(Code.OUT_OF_RANGE, f"this scene has {self.lines_max} lines already")
        return self.open_at(index, name, number, fixed=fixed)

    def open_at(self, index: int, name: str, number: int, *, fixed: bool) -> Line:
        """The same, at a place that is known to be free, or that a predecessor says. RefusedError when it is none."""
        if not 0 <= index < len(self._at) or self._at[index] is not None:
            raise RefusedError(Code.OUT_OF_RANGE, f"this scene has no free place {index} for a line")
        line = self._at[index] = self._make(index, name, number, self._generation(index), fixed)
        self._list()
        return line

    def clear(self) -> None:
        """There is no line any more: those of a predecessor come in their place."""
        self._at = [None] * self.lines_max
        self._list()

    def close(self, line: Line) -> None:
        """End a line without players."""
        assert not line.players, "a line with players is not closed"
        for name, count in COUNTED.items():
            self._past[name] = self._past.get(name, 0) + count(line)
        self._at[line.index] = None
        self._list()

    def total(self, name: str) -> int:
        """What all lines, the closed ones included, have counted: one of COUNTED."""
        return self._past.get(name, 0) + sum(COUNTED[name](line) for line in self._open)

    @on(OpenLine)
    def on_open_line(self, said: OpenLine, _caller: Caller) -> Done:
        if self.find(said.map, said.number) is not None:
            return Done()
        if self.closed:
            raise RefusedError(Code.SHUTDOWN, "this scene is being emptied")
        if said.map not in self.openable:
            raise RefusedError(Code.NOT_FOUND, f"no lines of {said.map} may be opened here")
        if not said.number:
            raise RefusedError(Code.BAD_MESSAGE, "lines are numbered from 1")
        self.open(said.map, said.number)
        return Done()

    @on(CloseLine)
    def on_close_line(self, said: CloseLine, _caller: Caller) -> Done:
        line = self.find(said.map, said.number)
        if line is not None and line.players:
            raise RefusedError(Code.OUT_OF_ORDER, f"{len(line.players)} players are on it")
        if line is not None:
            self.close(line)
        return Done()

    def _list(self) -> None:
        self._open = tuple(line for line in self._at if line is not None)
        self._changed()

    def _generation(self, index: int) -> Array:
        if index not in self._generations:
            begin = np.random.default_rng(self._chance.getrandbits(63))
            self._generations[index] = begin.integers(0, GENERATIONS, LINE_SLOTS, "<u2")
        return self._generations[index]


COUNTED: dict[str, Count] = {
    "views": lambda line: line.views.entered,
    "records": lambda line: line.records_sent,
    "emotes dropped": lambda line: line.talk.dropped,
    "notices dropped": lambda line: line.views.notices.dropped,
    "corrected": lambda line: line.corrected,
    "moves dropped": lambda line: line.moves.dropped,
}
