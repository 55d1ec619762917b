"""The reference servers: how each is started, and what it uses for the same work as ours.

The work is the town square (town.py): so many clients of the same generator that walk, ten moves a second in and ten
frames out, about 20 others in view; server on core 0, generator on core 1. A reference has no sessions, checks,
storage, logs or metrics. What cannot run here (no compiler, no Node) is missing, with the reason, and nothing fails.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from mesh.clock import Clock
from tools.bench import cores, town, usage
from tools.bench.build import build, cache, fingerprint
from tools.bench.generator import Generator, LoadSpec, Window
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.ctl.exits import CommandError

FOLDER = Path(__file__).parent / "references"
INSTALL_S = 300.0
LISTEN_S = 20.0
ENTER_RATE = 1000.0
WARM_S = 2.0
HZ = 10.0
LESS = 0.75  # of the players that were too many for a reference
STEP = 250
ARRIVED_MIN = 0.95  # of the frames that are due: more players than that and they come late, which makes them cheap
PROBE_S = 3.0
NO_TICKETS = Path("/dev/null")


class NotAllInError(CommandError):
    """Some clients did not get in: more than it carries here."""


class PeerResult(msgspec.Struct, frozen=True):
    """One window of one reference."""

    name: str
    players: int
    window: Window
    cpu: float  # of one core, of all its processes
    rss_mb: float
    invalid: list[str]

    @property
    def cpu_us_per_frame(self) -> float:
        return self.cpu * 1e6 / self.window.frames_s if self.window.frames_s else 0.0


@dataclass(frozen=True)
class Peer:
    """How it is started: PORT WIDTH_M RADIUS_M HZ follow these words."""

    protocol: str
    command: Callable[[Mapping[str, str]], list[str]]


def _epoll(environment: Mapping[str, str]) -> list[str]:
    return [str(build(FOLDER / "epoll", "epoll", environment))]


def _pair(_environment: Mapping[str, str]) -> list[str]:
    return [sys.executable, "-P", "-m", "tools.bench.references.pair"]


def _colyseus(environment: Mapping[str, str]) -> list[str]:
    return [_program("node", environment), str(_install(FOLDER / "colyseus", environment) / "server.mjs")]


PEERS = {"epoll": Peer("tcp", _epoll), "pair": Peer("ws", _pair), "colyseus": Peer("colyseus", _colyseus)}


def missing(name: str) -> str:
    """Why this reference cannot run here; "" when it can. What it needs is built or fetched now."""
    try:
        PEERS[name].command(os.environ)
    except CommandError as error:
        return str(error)
    return ""


async def run_peer(name: str, players: int, ground: Ground, seconds: float) -> PeerResult:
    """Start it, let everybody walk, look for so many seconds, end it. CommandError when it is missing."""
    peer = PEERS[name]
    ground.need_clients(players)
    width = town.width_m(players)
    numbers = [str(ground.base_port), f"{width:.1f}", f"{town.RADIUS_M:g}", f"{HZ:g}"]
    command = [*await asyncio.to_thread(peer.command, os.environ), *numbers]
    gates = [f"127.0.0.1:{ground.base_port}"]
    spec = LoadSpec(gates=gates, tickets=NO_TICKETS, clients=players, hz=HZ, protocol=peer.protocol, side_m=width)
    async with ground.program(command, [SERVER]) as server:
        await _wait_listening(ground.base_port, ground.clock)
        pids = {str(one.pid): one.pid for one in _family(server.pid)}
        cores.pin(pids.values(), [SERVER])
        async with Generator(spec, GENERATOR) as load:
            wave = await load.clients(players, ENTER_RATE)
            if wave.inside < players:
                raise NotAllInError(f"{name}: {players - wave.inside} of {players} clients did not get in")
            await load.measure(WARM_S)
            before = usage.mark(pids, [SERVER], ground.clock.now())
            window = await load.measure(seconds)
            use = usage.between(before, usage.mark(pids, [SERVER], ground.clock.now()), pids, 0.0)
    return PeerResult(
        name,
        players,
        window,
        use.cpu_s() / use.seconds,
        sum(one.rss_mb for one in use.processes),
        [*window.invalid, *use.invalid],
    )


async def carried(name: str, players: int, ground: Ground) -> int:
    """How many of these players the reference carries on this machine: on a slow one it is fewer."""
    while True:
        try:
            found = await run_peer(name, players, ground, PROBE_S)
        except NotAllInError as error:
            ground.say(str(error))
        else:
            came = found.window.frames_s / (players * HZ)
            if came >= ARRIVED_MIN:
                return players
            ground.say(f"{name}: {came * 100:.0f} % of the frames of {players:,} players")
        if players <= STEP:
            raise CommandError(f"{name}: not even {players} players get in and get their frames")
        players = fewer(players)


def fewer(players: int) -> int:
    """In steps of 250, of which it leaves one at least."""
    return max(STEP, int(players * LESS) // STEP * STEP)


def _family(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


async def _wait_listening(port: int, clock: Clock) -> None:
    until = clock.now() + LISTEN_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if clock.now() > until:
                raise CommandError(f"the reference server does not listen on port {port}") from None
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _program(name: str, environment: Mapping[str, str]) -> str:
    found = shutil.which(name, path=environment.get("PATH"))
    if not found:
        raise CommandError(f"there is no {name} here")
    return found


def _install(sources: Path, environment: Mapping[str, str]) -> Path:
    """A folder in the cache with this program of Node's and what it imports; made beside its place and renamed."""
    place = cache(environment) / f"{sources.name}-{fingerprint(sources)}"
    if place.exists():
        return place
    npm = _program("npm", environment)
    fresh = place.with_name(f".{place.name}-{os.getpid()}")
    try:
        shutil.copytree(sources, fresh)
        subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=fresh,
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
        fresh.rename(place)
    except subprocess.CalledProcessError as error:
        raise CommandError(f"npm could not install it: {error.stderr.strip()[-300:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"npm could not install it: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place
