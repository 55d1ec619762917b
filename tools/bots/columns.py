"""Where the bots of one worker are and where they go, in numpy columns (pure).

All bots of one slot of the timetable take their step in a few numpy calls; a Python object per step would make the
generator the bottleneck long before the server is one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mesh.protocol.play import Entered
from tools.bots.neighbours import world_number

PACE = 0.9  # of the speed that the map allows: room for jitter between the bots' clock and the scene's
TURN = 0.4  # radians of random turning per step, one standard deviation
NEAR_M = 1.5  # closer to its goal than this a bot strolls

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


class Columns:
    """Positions in metres on square maps from 0 to `size`; one row per bot, dead ones and those outside stand still."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self.x: Floats = np.zeros(count)
        self.y: Floats = np.zeros(count)
        self.angle: Floats = random.uniform(0, 2 * math.pi, count)
        self.goal_x: Floats = np.full(count, np.nan)
        self.goal_y: Floats = np.full(count, np.nan)
        self.size: Floats = np.zeros(count)
        self.unit: Floats = np.ones(count)
        self.speed: Floats = np.zeros(count)
        self.dilation: Floats = np.ones(count)  # game seconds in a second
        self.every: Rows = np.ones(count, np.int64)  # a bot moves once in so many of its turns
        self.walking: NDArray[np.bool_] = np.zeros(count, bool)
        self.world: NDArray[np.uint32] = np.zeros(count, np.uint32)  # 0: not in any
        self.aoi: NDArray[np.float32] = np.zeros(count, np.float32)
        self._circle_x: Floats = np.zeros(count)
        self._circle_y: Floats = np.zeros(count)
        self._circle_r: Floats = np.zeros(count)  # 0: none is watched
        self._in_circle: NDArray[np.bool_] = np.zeros(count, bool)
        self._watching = False
        self._random = random

    def enter(self, row: int, entered: Entered) -> None:
        """A bot is in the world."""
        self.size[row], self.unit[row], self.speed[row] = entered.size_m, entered.unit_m, entered.speed_mps
        self.world[row] = world_number(entered.scene, entered.map, entered.line)
        self.aoi[row] = entered.aoi_m
        self.dilation[row] = self.every[row] = 1
        self.goal_x[row] = self.goal_y[row] = np.nan
        self.walking[row] = entered.you.hp > 0
        self._circle_r[row] = 0.0
        self.put(row, entered.x, entered.y)

    def leave(self, row: int) -> None:
        """A bot is not in the world any more, or without a connection to it."""
        self.walking[row] = False
        self.world[row] = 0

    def put(self, row: int, x: int, y: int) -> None:
        """The server says where the bot is. It turns round: what stopped it is ahead."""
        self.x[row], self.y[row] = x * self.unit[row], y * self.unit[row]
        self.angle[row] += math.pi

    def seek(self, row: int, x_m: float, y_m: float) -> None:
        """Walk there, then stroll about it until told otherwise."""
        self.goal_x[row], self.goal_y[row] = x_m, y_m

    def wander(self, row: int) -> None:
        self.goal_x[row] = self.goal_y[row] = np.nan

    def gather(self, rows: Rows, radius_m: float) -> None:
        """Those of these rows that have no goal get one near the middle of their map."""
        rows = rows[self.walking[rows] & np.isnan(self.goal_x[rows])]
        distance = radius_m * np.sqrt(self._random.random(len(rows)))
        angle = self._random.uniform(0, 2 * math.pi, len(rows))
        self.goal_x[rows] = self.size[rows] / 2 + distance * np.cos(angle)
        self.goal_y[rows] = self.size[rows] / 2 + distance * np.sin(angle)

    def scatter(self, rows: Rows) -> None:
        """Nobody of these has a goal any more."""
        self.goal_x[rows] = self.goal_y[rows] = np.nan

    def watch(self, row: int, x_m: float, y_m: float, radius_m: float) -> None:
        """Notice when this row steps into a circle; a radius of 0 is none."""
        self._circle_x[row], self._circle_y[row], self._circle_r[row] = x_m, y_m, radius_m
        self._in_circle[row] = math.hypot(self.x[row] - x_m, self.y[row] - y_m) <= radius_m
        self._watching = True

    def stepped_in(self, rows: Rows) -> list[int]:
        """Those of these rows that are in their circle and were not when last asked."""
        if not self._watching:
            return []
        away = np.hypot(self.x[rows] - self._circle_x[rows], self.y[rows] - self._circle_y[rows])
        inside = (away <= self._circle_r[rows]) & (self._circle_r[rows] > 0)
        stepped: list[int] = rows[inside & ~self._in_circle[rows]].tolist()
        self._in_circle[rows] = inside
        return stepped

    def degrade(self, row: int, dilation: float, every: int) -> None:
        """The servers have much to do: the game is slower, and a bot moves less often."""
        self.dilation[row], self.every[row] = dilation, every

    def due(self, rows: Rows, revolution: int) -> Rows:
        """Those of these rows that walk and whose turn it is."""
        chosen: Rows = rows[self.walking[rows] & ((revolution + rows) % self.every[rows] == 0)]
        return chosen

    def advance(self, rows: Rows, dt: float) -> None:
        """One step for these rows, `dt` seconds after the turn before it: towards the goal, or a random walk that turns
        at the border."""
        step = self.speed[rows] * PACE * dt * self.every[rows] * self.dilation[rows]
        to_x, to_y = self.goal_x[rows] - self.x[rows], self.goal_y[rows] - self.y[rows]
        distance = np.hypot(to_x, to_y)
        seeking = distance > NEAR_M  # never for a row without a goal: NaN
        angle = self.angle[rows] + self._random.normal(0, TURN, len(rows))
        angle[seeking] = np.arctan2(to_y[seeking], to_x[seeking])
        x, flip_x = reflected(self.x[rows] + step * np.cos(angle), self.size[rows])
        y, flip_y = reflected(self.y[rows] + step * np.sin(angle), self.size[rows])
        angle = np.where(flip_x, math.pi - angle, angle)
        self.angle[rows] = np.where(flip_y, -angle, angle)
        self.x[rows], self.y[rows] = x, y

    def units(self, rows: Rows) -> tuple[list[int], list[int], list[int]]:
        """x, y in map units and the heading in 1/256 of a turn, as a move says them."""
        headings = np.round(self.angle[rows] * (256 / (2 * math.pi))).astype(np.int64) & 0xFF
        x = np.rint(self.x[rows] / self.unit[rows]).astype(np.int64)
        y = np.rint(self.y[rows] / self.unit[rows]).astype(np.int64)
        return x.tolist(), y.tolist(), headings.tolist()


def reflected(value: Floats, size: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Back into 0..size, and where that was needed."""
    below, above = value < 0, value > size
    folded = np.where(below, -value, np.where(above, 2 * size - value, value))
    return np.clip(folded, 0, size), below | above
