"""Where the Python clients are, and their timetable of moves: as `src/walking.c`, by numpy columns.

The moves of all clients are spread evenly over the period, each at a fixed time: move number k of the run is due at
start + k * period / clients. Who is not in the world, or was told to speak less often, lets its turn pass.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mesh.protocol.play import Entered
from tools.bots.columns import reflected
from tools.bots.neighbours import PLACE, count_neighbours, world_number

STEP_S_MAX = 1.0  # who was away for longer does not jump: the scene allows one second's way
EARLY = 0.9  # of the pause that was asked for: the timetable comes by only now and then
SEEN_UNTIL = 1.1  # of the radius: who is in view is lost only there

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


class Walkers:
    """One row for each client. `inside`: in the world, `alive`: may walk. Metres and seconds."""

    def __init__(self, count: int, pace: float, seed: int) -> None:
        self.inside, self.alive = np.zeros(count, bool), np.zeros(count, bool)
        self.x, self.y = np.zeros(count), np.zeros(count)
        self.angle, self.moved_at = np.zeros(count), np.zeros(count)
        self.dilation, self.hz_max = np.ones(count), np.zeros(count)
        self.size, self.unit, self.speed, self.aoi = np.ones(count), np.ones(count), np.zeros(count), np.ones(count)
        self.world, self.entity = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.circle_m = 0.0
        self._pace, self._chance = pace, np.random.default_rng(seed)

    def enter(self, row: int, said: Entered, now: float) -> None:
        self.size[row], self.unit[row], self.speed[row], self.aoi[row] = (
            said.size_m, said.unit_m, said.speed_mps, said.aoi_m,
        )  # fmt: skip
        self.world[row], self.entity[row] = world_number(said.scene, said.map, said.line), said.you.entity
        self.dilation[row], self.hz_max[row] = 1.0, 0.0  # Quality follows when it is not full
        self.alive[row] = said.you.hp > 0
        if not self.inside[row]:
            self.inside[row] = True
            self.angle[row] = self._chance.uniform(0, 2 * math.pi)
        self.put(row, said.x, said.y, now)

    def put(self, row: int, x: int, y: int, now: float) -> None:
        """The server says where it is."""
        self.x[row], self.y[row], self.moved_at[row] = x * self.unit[row], y * self.unit[row], now

    def may_move(self, rows: Rows, now: float) -> Rows:
        hz = self.hz_max[rows]
        pause = np.divide(EARLY, hz, out=np.zeros(len(rows)), where=hz > 0)
        chosen: Rows = rows[self.inside[rows] & self.alive[rows] & (now - self.moved_at[rows] >= pause)]
        return chosen

    def step(self, rows: Rows, now: float) -> None:
        """Straight on, back into the circle, round at the border."""
        seconds = np.minimum(now - self.moved_at[rows], STEP_S_MAX)
        self.moved_at[rows] = now
        if self.circle_m > 0:
            self._seek_circle(rows)
        way = self.speed[rows] * self._pace * self.dilation[rows] * seconds
        x, turned_x = reflected(self.x[rows] + way * np.cos(self.angle[rows]), self.size[rows])
        y, turned_y = reflected(self.y[rows] + way * np.sin(self.angle[rows]), self.size[rows])
        angle = np.where(turned_x, math.pi - self.angle[rows], self.angle[rows])
        self.angle[rows] = np.where(turned_y, -angle, angle)
        self.x[rows], self.y[rows] = x, y

    def said(self, rows: Rows) -> tuple[list[int], list[int], list[int]]:
        """x and y in map units and the heading in 1/256 of a turn, as a move says them."""
        heading = np.round(self.angle[rows] * (256 / (2 * math.pi))).astype(np.int64) & 0xFF
        x, y = (np.clip(v[rows] / self.unit[rows] + 0.5, 0, 0xFFFF).astype(np.int64) for v in (self.x, self.y))
        return x.tolist(), y.tolist(), heading.tolist()

    def neighbours(self) -> Rows:
        """Of each one inside: how many others are within its radius in truth."""
        places = np.zeros(len(self.x), PLACE)
        places["world"] = np.where(self.inside, self.world, 0)
        places["aoi"], places["x"], places["y"] = self.aoi, self.x, self.y
        near: Rows = count_neighbours(places)[self.inside]
        return near

    def out_of_sight(self, ids: Rows, x: Rows, y: Rows, observers: Rows) -> int:
        """How many of these updates tell of somebody whom the observer cannot see: nobody of ours, or too far away."""
        movers = self._rows_of(self.world[observers], ids)
        known = movers >= 0
        away = np.hypot(x * self.unit[observers] - self.x[observers], y * self.unit[observers] - self.y[observers])
        limit = SEEN_UNTIL * self.aoi[observers] + 2 * self.speed[observers]  # both went on for a second
        return int((~known | (movers == observers) | (away > limit)).sum())

    def nearest_foe(self, row: int, reach_m: float) -> int:
        """The nearest living one of the other side (even and odd numbers) within reach; -1: nobody."""
        foes = np.flatnonzero(self.inside & self.alive & (self.world == self.world[row]))
        foes = foes[(foes ^ row) & 1 == 1]
        away = np.hypot(self.x[foes] - self.x[row], self.y[foes] - self.y[row])
        return int(foes[away.argmin()]) if len(foes) and away.min() <= reach_m else -1

    def row_of(self, world: int, entity: int) -> int:
        """-1: nobody of ours."""
        return int(self._rows_of(np.array([world]), np.array([entity]))[0])

    def _rows_of(self, worlds: Rows, entities: Rows) -> Rows:
        rows = np.flatnonzero(self.inside)
        if not len(rows):
            return np.full(len(entities), -1)
        keys = self.world[rows] << 32 | self.entity[rows]
        order = np.argsort(keys)
        wanted = worlds << 32 | entities.astype(np.int64)
        at = np.minimum(np.searchsorted(keys[order], wanted), len(rows) - 1)
        found: Rows = np.where(keys[order][at] == wanted, rows[order][at], -1)
        return found

    def _seek_circle(self, rows: Rows) -> None:
        dx, dy = self.size[rows] / 2 - self.x[rows], self.size[rows] / 2 - self.y[rows]
        out = np.flatnonzero(np.hypot(dx, dy) > self.circle_m)
        angle = self._chance.uniform(0, 2 * math.pi, len(out))
        radius = self.circle_m * np.sqrt(self._chance.random(len(out)))
        self.angle[rows[out]] = np.arctan2(dy[out] + radius * np.sin(angle), dx[out] + radius * np.cos(angle))


class Timetable:
    """Things that come so many times a second, in turn for each of `rows` clients."""

    def __init__(self) -> None:
        self.hz, self.rows = 0.0, 0
        self._started, self._turn = 0.0, 0

    def begin(self, hz: float, rows: int, now: float) -> None:
        self.hz, self.rows, self._started, self._turn = hz, rows, now, 0

    def due(self, now: float, at_once: int) -> tuple[Rows, Floats, int]:
        """Whose turn it is, when it was (s), and how many turns were left out since they are more than a period late.
        At most so many at once."""
        if self.hz <= 0 or not self.rows:
            return np.empty(0, np.int64), np.empty(0), 0
        pause_s = 1 / (self.hz * self.rows)
        due = int((now - self._started) / pause_s)
        missed = max(0, due - self.rows - self._turn)
        self._turn += missed
        turns: Rows = np.arange(self._turn, min(due, self._turn + min(at_once, self.rows)), dtype=np.int64)
        self._turn += len(turns)
        times: Floats = self._started + turns.astype(np.float64) * pause_s
        return turns % self.rows, times, missed
