"""What a run of bots is: the flags of `mesh bots` as values, in the form in which workers get them."""

from typing import Literal, NamedTuple

import msgspec

from mesh.protocol.types import LoginMethod
from tools.bots.shape import Shape

LoginBy = Literal["ticket", "password"]

USERS_MAX = 100_000  # rows of the shared table of positions
PROCESSES_MAX = 64


class Limits(msgspec.Struct, frozen=True):
    """What a run must keep to be OK, and what makes it INVALID."""

    login_p99_ms: float = 1000.0
    move_p99_ms: float = 200.0
    ratio_min: float = 0.95  # of the updates that should have arrived
    errors_max: int = 0
    lag_p99_ms: float = 50.0  # of the bots' own timetable: a quarter of what a move may take
    cpu_max: float = 0.95  # of one core, of one worker
    missed_max: float = 0.01  # of the moves that were due


class Options(msgspec.Struct, frozen=True):
    """One run."""

    gates: list[str]  # WebSocket addresses; bots are spread over them in turn
    key_file: str  # what tickets are signed with
    users: int = 100
    spawn_rate: float = 50.0
    run_time_s: float = 30.0  # of the measuring window, which opens when all are in; 0: until stopped
    scenario: str = "mixed"  # a name, or the path of a user's file
    settings: dict[str, str] = {}  # -o KEY=VALUE, for the scenario
    shape: Shape | None = None  # without one: all come at the spawn rate and stay
    speed: float = 1.0  # seconds of the shape in one second
    in_steps: bool = False  # nobody comes by itself: a search for the limit says how many
    returning: bool = False  # who is sent away comes back by itself, and that is counted and no error
    moves_per_s: float = 10.0
    login: LoginBy = "ticket"
    by_password: int = 0  # so many of the first bots log in with a password in any case
    processes: int = 1
    stop_timeout_s: float = 10.0  # for logging out at the end
    seed: int = 1
    limits: Limits = Limits()


class Plan(msgspec.Struct, frozen=True):
    """What one worker does: the bots number, number + processes, ... of the run."""

    options: Options
    number: int
    places_file: str


class Credentials(NamedTuple):
    """How one bot gets in."""

    url: str
    account: str
    secret: str
    method: LoginMethod


def account_name(number: int, login: LoginBy) -> str:
    """Bots have accounts of their own: those that came by ticket have no password, so the names differ."""
    return f"{'bot' if login == 'ticket' else 'botp'}-{number + 1:06d}"
