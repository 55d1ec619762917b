"""When each bot comes and goes, worked out before the run from a shape (pure).

A shape says how many players are in at each moment and how long a session lasts. The arrivals that lead to such a
curve are found step by step: those who are in at the beginning leave one by one (the rest of their sessions), those who
came in earlier steps leave, and what is missing to the curve arrives now. Where the curve falls faster than sessions
end nobody arrives, and the crowd is larger than the curve: sessions are not cut short for it.

Everything is fixed by the seed, so each worker works out the same timetable and plays its own part of it.
"""

import heapq
import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.bots.lengths import Floats
from tools.bots.options import Options
from tools.bots.shape import Shape

STEPS_MIN, STEPS_MAX = 400, 4000
STEPS_PER_PIECE = 20
SESSION_MIN_S = 1.0  # of real time, however much it is compressed: who comes is seen
REST_S = 0.5  # of real time, before a bot comes again: its logout has to be through


class Visit(NamedTuple):
    """One session of a bot; seconds of real time from the beginning of the shape. Before it: negative."""

    starts: float
    ends: float  # infinite: to the end of the run
    number: int


class Timetable(NamedTuple):
    visits: list[Visit]  # by start
    left_out: int  # arrivals that found every bot in the world
    length_s: float  # of real time


def plan_visits(shape: Shape, users: int, speed: float, spawn_rate: float, seed: int) -> Timetable:
    """`speed` seconds of the shape pass in one second. Who is in at the beginning logs in before it, at the spawn
    rate."""
    random = np.random.default_rng([seed, 7])
    first = round(shape.players[0][1] * users)
    sessions = shape.session
    starts = np.concatenate((np.zeros(first), _arrivals(shape, users, first, random)))
    lengths = np.concatenate(
        (sessions.draw_rest(random.random(first)), sessions.draw(random.random(len(starts) - first)))
    )
    ends = (starts + np.where(np.isfinite(lengths), lengths, math.inf)) / speed
    starts = starts / speed
    ends = np.maximum(ends, starts + SESSION_MIN_S)
    starts[:first] = (np.arange(first) - first) / spawn_rate
    visits, left_out = _assign(starts, ends, users)
    return Timetable(visits, left_out, shape.length_s / speed)


def expected_players(shape: Shape, users: int, at_s: Floats) -> Floats:
    """The curve."""
    when, share = np.array(shape.players, np.float64).T
    players: Floats = users * np.interp(at_s, when, share)
    return players


def wanted_players(options: Options, elapsed_s: float) -> float | None:
    """How many the shape of a run wants to be in so long after its start; None without a shape. Those who are in at
    its beginning log in before it."""
    if options.shape is None:
        return None
    at_s = (elapsed_s - round(options.shape.players[0][1] * options.users) / options.spawn_rate) * options.speed
    return round(float(expected_players(options.shape, options.users, np.array([max(at_s, 0.0)]))[0]), 1)


def _arrivals(shape: Shape, users: int, first: int, random: np.random.Generator) -> Floats:
    """When players arrive after the beginning, in order; seconds of the shape."""
    expected, step = expected_arrivals(shape, users, first)
    if shape.arrivals == "even":
        due = np.cumsum(expected)
        wanted = np.arange(1, math.floor(due[-1] + 1e-6) + 1) - 0.5
        evenly: Floats = np.interp(wanted, np.concatenate(([0.0], due)), np.arange(len(due) + 1) * step)
        return evenly
    counts = random.poisson(expected)
    at = np.repeat(np.arange(len(counts)), counts) + random.random(int(counts.sum()))
    return np.sort(at) * step


def expected_arrivals(shape: Shape, users: int, first: int) -> tuple[Floats, float]:
    """How many arrive in each step, and how long a step is."""
    steps, step = _steps(shape)
    ends: Floats = (np.arange(steps, dtype=np.float64) + 1) * step
    missing = expected_players(shape, users, ends) - first * shape.session.rest_survival(ends)
    stays = shape.session.survival(ends - step / 2)  # of who came n steps ago, in the middle of a step
    arrivals: NDArray[np.float64] = np.zeros(steps)
    for n in range(steps):
        here = float(arrivals[:n] @ stays[n:0:-1])
        arrivals[n] = max(0.0, (missing[n] - here) / stays[0]) if stays[0] > 0 else 0.0
    return arrivals, step


def _steps(shape: Shape) -> tuple[int, float]:
    """Short against the sessions and against each piece of the curve."""
    pieces = [later - earlier for (earlier, _), (later, _) in pairwise(shape.players)]
    finest = min(shape.length_s / STEPS_MIN, *(one / STEPS_PER_PIECE for one in (shape.session.mean_s, *pieces)))
    steps = min(math.ceil(shape.length_s / finest), STEPS_MAX)
    return steps, shape.length_s / steps


def _assign(starts: Floats, ends: Floats, users: int) -> tuple[list[Visit], int]:
    """Give each visit a bot that is free, the one that has rested longest. Without one the visit is left out."""
    free = [(-math.inf, number) for number in range(users)]
    visits, left_out = [], 0
    for at in np.argsort(starts, kind="stable").tolist():
        start, end = float(starts[at]), float(ends[at])
        if not free or free[0][0] > start:
            left_out += 1
            continue
        _, number = heapq.heappop(free)
        visits.append(Visit(start, end, number))
        heapq.heappush(free, (end + REST_S, number))
    return visits, left_out
