"""What the flags of `mesh bots` may be, and what they mean together."""

from pathlib import Path
from typing import Any

import rich_click as click

from mesh import keys
from mesh.clock import SystemClock
from mesh.topology import Topology
from tools.bots import objective, shape
from tools.bots.actions import Wishes
from tools.bots.durations import parse_duration
from tools.bots.gates import usable
from tools.bots.options import Limits, Options
from tools.bots.scenarios.catalogue import MINDS, is_file, load_class, mistakes_of, unknown_to
from tools.bots.search import Bounds
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import say
from tools.ctl.words import client_addresses

USERS_PER_PROCESS = 2000
RUN_TIME_S = 30.0
OF_THE_SEARCH = ("objective", "start", "max_users", "max_steps", "max_time", "hold")


def duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """90, 90s, 20m, 1h30m as seconds."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def addresses(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """WebSocket addresses, as gates have them."""
    for value in values:
        if not value.startswith(("ws://", "wss://")):
            raise click.BadParameter(f"{value!r} is not the address of a gate: write ws://HOST:PORT")
    return values


def pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE, any number of them."""
    found = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
        found[key] = rest
    return found


def until(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """COUNT=N: what a scenario counts."""
    if value is None:
        return None
    name, _, number = value.partition("=")
    if not name or not number.isdigit() or int(number) < 1:
        raise click.BadParameter(f"{value!r} is not COUNT=N, such as crossings=10000")
    return name, int(number)


def nodes(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str]:
    """Short names with commas between them."""
    return [name.strip() for name in value.split(",") if name.strip()] if value else []


def clauses(_context: click.Context, _parameter: click.Parameter, value: str) -> list[objective.Clause]:
    """An objective."""
    try:
        return objective.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def scenario(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A name, or a file, which is loaded once to see whether it can be."""
    if is_file(value):
        load_class(Path(value).resolve())
        return str(Path(value).resolve())
    if value not in MINDS:
        raise click.BadParameter(f"there is no scenario {value!r}; there are {', '.join(MINDS)}, or give a .py file")
    return value


def check_together(flags: dict[str, Any], given: set[str]) -> None:
    """CommandError for flags that mean nothing without another one, or to this scenario. `given`: on the command
    line."""
    if not flags["find_limit"]:
        alone = [f"--{name.replace('_', '-')}" for name in OF_THE_SEARCH if name in given]
        if alone:
            raise CommandError(f"{', '.join(alone)}: only with --find-limit", Exit.USAGE)
    if flags["scenario"] == "drain" and not flags["drain"]:
        raise CommandError("--scenario drain needs a node to be emptied: add --drain gate.1", Exit.USAGE)
    problem = unknown_to(flags["scenario"], flags["option"], flags["until"][0] if flags["until"] else "")
    if problem:
        raise CommandError(problem, Exit.USAGE)


def make_options(flags: dict[str, Any], topology: Topology) -> Options:
    """The flags as values. CommandError for what does not go together."""
    chosen = shape.load(flags["shape"]) if flags["shape"] else None
    if chosen is not None and flags["find_limit"]:
        raise CommandError("--shape and --find-limit do not go together: both say how many players come", Exit.USAGE)
    if chosen is None and flags["speed"] != 1.0:
        raise CommandError("--speed is for --shape", Exit.USAGE)
    users = flags["max_users"] if flags["find_limit"] else flags["users"]
    run_time_s = flags["hold"] if flags["find_limit"] else flags["run_time"]
    if run_time_s is None:
        run_time_s = chosen.length_s / flags["speed"] if chosen else RUN_TIME_S
    options = Options(
        gates=usable(list(flags["host"]) or client_addresses(topology), bool(flags["host"]), say),
        key_file=str(topology.keys / keys.TICKETS),
        users=users,
        spawn_rate=flags["spawn_rate"],
        run_time_s=run_time_s,
        scenario=flags["scenario"],
        settings={**flags["option"], "run": f"run-{SystemClock().wall() * 1000:.0f}"},
        shape=chosen,
        speed=flags["speed"],
        in_steps=flags["find_limit"],
        returning=bool(flags["kill"]),
        moves_per_s=flags["moves_per_s"],
        login=flags["login"],
        processes=min(flags["processes"] or -(-users // USERS_PER_PROCESS), users),
        stop_timeout_s=flags["stop_timeout"],
        seed=flags["seed"],
        limits=Limits(
            login_p99_ms=flags["login_p99_ms"],
            move_p99_ms=flags["move_p99_ms"],
            ratio_min=0.0 if flags["kill"] else flags["ratio_min"],  # a dead scene tells nobody of anybody
        ),
    )
    problem = mistakes_of(options.scenario, options.settings, topology)
    if problem:
        raise CommandError(problem, Exit.USAGE)
    return options


def make_wishes(flags: dict[str, Any]) -> Wishes:
    return Wishes(flags["kill"], flags["kill_every"], flags["drain"] or "", flags["after"])


def make_bounds(flags: dict[str, Any]) -> Bounds:
    return Bounds(flags["start"], flags["max_users"], flags["max_steps"], flags["max_time"])
