"""Whoever dies or hangs in the middle of a transfer: afterwards the character is in the world once and everybody knows
where, or it is nowhere; and its account can log in."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import MeshError
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, Placed, Release
from mesh.protocol.placement import Cross, Depart, TakeBack
from mesh.protocol.social import SwitchLine
from tests.center.peers import FakeLine, Gate, Neighbourhood, Scene, tell
from tests.center.test_transfers import problems

SETTLED_S = 15.0  # every lease, grace and repetition is over
RESTART_S = 0.3
HANG_S = 4.0
LATENCY_S = (0.001, 0.004)


class World(Scene):
    """Two lines of the meadow on one scene, the forest on the other."""

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        if number == 1:
            return {("meadow", 1): FakeLine(), ("meadow", 2): FakeLine()}
        return {("forest", 1): FakeLine()}


class Strict(Gate):
    """As real ones are."""

    DISMISSES = True


class Blow:
    """Something happens to a node, once: at a step of a scene, or whenever it is called."""

    def __init__(self, zone: Neighbourhood, victim: str, kind: str) -> None:
        self.zone, self.victim, self.kind = zone, victim, kind
        self.fell = asyncio.Event()
        self.over = asyncio.Event()

    def at(self, scene: int, said: type[Message], when: str) -> None:
        async def step(message: Message, at: str) -> None:
            if isinstance(message, said) and at == when and not self.fell.is_set():
                task = asyncio.ensure_future(self.fall())
                await self.fell.wait()
                if self.kind != "hang" and self.victim == f"scene.{scene}":
                    await task  # never: it is dead

        self.zone.scene(scene).step = step

    async def fall(self) -> None:
        cluster = self.zone.cluster
        self.fell.set()
        if self.kind == "hang":
            name = cluster.nodes[self.victim].name
            cluster.network.pause(name)
            await asyncio.sleep(HANG_S)
            cluster.network.pause(name, False)
        else:
            await cluster.kill(self.victim)
            if self.kind == "restart":
                await asyncio.sleep(RESTART_S)
                await cluster.start(self.victim)
        self.over.set()


async def settle(zone: Neighbourhood, *blows: Blow) -> None:
    for blow in blows:
        if blow.fell.is_set():
            await blow.over.wait()
    await asyncio.sleep(SETTLED_S)
    dead = [s for s in ("center.1", "scene.1", "scene.2", "gate.1", "gate.2") if s not in zone.cluster.nodes]
    for short in dead:
        await zone.cluster.start(short)
    if dead:
        await asyncio.sleep(SETTLED_S / 2)


async def is_as_promised(zone: Neighbourhood, placed: Placed) -> None:
    assert problems(zone, 1) == []
    if placed.session in zone.gate(1).sessions:
        assert zone.worlds(1) == [placed.session], "whoever was not told otherwise plays on"
        [(scene, _, _)] = zone.homes(1)
        assert placed.session in zone.cluster.node(scene.removeprefix("eu.one.")).attached
    assert not any(presence.moving for presence in zone.center.directory.all())
    assert zone.center.transfers.under_way == 0
    again = await zone.online(1, gate=2, map_="meadow")
    await asyncio.sleep(0.2)
    assert zone.worlds(1) == [again.session]
    assert problems(zone, 1, (again.placement.scene, again.placement.map, again.placement.line)) == []


async def ignored(work: Awaitable[Any]) -> None:
    with contextlib.suppress(MeshError):
        await work


def cross(zone: Neighbourhood, session: int) -> "asyncio.Future[None]":
    return asyncio.ensure_future(
        ignored(zone.scene(1).ask("eu.one.center.1", Cross(session, "forest", 3.0, 4.0), 60.0))
    )


STEPS = [
    (1, Depart, "before"),
    (1, Depart, "after"),
    (2, Enter, "before"),
    (2, Enter, "after"),
    (1, Release, "before"),
    (1, Release, "after"),
]
VICTIMS = ["scene.1", "scene.2", "gate.1", "center.1"]
KINDS = ["restart", "kill", "hang"]


def named(step: tuple[int, type[Message], str]) -> str:
    return f"{step[2]} {step[1].__name__}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("step", STEPS, ids=named)
def test_on_the_way_to_another_scene(
    tmp_path: Path, step: tuple[int, type[Message], str], victim: str, kind: str
) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        blow = Blow(zone, victim, kind)
        blow.at(*step)
        crossing = cross(zone, placed.session)
        await settle(zone, blow)
        assert crossing.done() or victim == "scene.1", "every request ends, of those who live"
        assert blow.fell.is_set()
        await is_as_promised(zone, placed)

    tell(tmp_path, story, scene=World, gate=Strict)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("step", [(2, Release, "before"), (1, Enter, "before"), (1, Enter, "after")], ids=named)
def test_on_the_way_home_from_a_scene_that_refused(
    tmp_path: Path, step: tuple[int, type[Message], str], victim: str, kind: str
) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        blow = Blow(zone, victim, kind)
        blow.at(*step)
        zone.scene(2).mood = "refuse"
        crossing = cross(zone, placed.session)
        await settle(zone, blow)
        assert crossing.done() or victim == "scene.1", "every request ends, of those who live"
        assert blow.fell.is_set()
        await is_as_promised(zone, placed)

    tell(tmp_path, story, scene=World, gate=Strict)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", ["scene.1", "gate.1", "center.1"])
@pytest.mark.parametrize("step", [(1, TakeBack, "before"), (1, TakeBack, "after")], ids=named)
def test_while_it_is_taken_back(tmp_path: Path, step: tuple[int, type[Message], str], victim: str, kind: str) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        blow = Blow(zone, victim, kind)
        blow.at(*step)
        scene = zone.scene(1)
        scene.departing = "hang"
        crossing = cross(zone, placed.session)
        await asyncio.wait_for(blow.fell.wait(), 20)
        scene.departing = "go"
        await settle(zone, blow)
        assert crossing.done() or victim == "scene.1", "every request ends, of those who live"
        await is_as_promised(zone, placed)

    tell(tmp_path, story, "depart_s = 2.0", scene=World, gate=Strict)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("victim", ["scene.1", "gate.1", "center.1"])
@pytest.mark.parametrize(
    "step", [(1, Depart, "before"), (1, Depart, "after"), (1, Enter, "before"), (1, Enter, "after")], ids=named
)
def test_between_two_lines_of_one_scene(
    tmp_path: Path, step: tuple[int, type[Message], str], victim: str, kind: str
) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        blow = Blow(zone, victim, kind)
        blow.at(*step)
        zone.gate(1).say(placed.session, SwitchLine(3 - placed.placement.line))
        await settle(zone, blow)
        assert blow.fell.is_set()
        await is_as_promised(zone, placed)

    tell(tmp_path, story, scene=World, gate=Strict)


@pytest.mark.parametrize("seed", range(40))
def test_two_blows_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Messages take one to four milliseconds, and two nodes die or hang at moments of their own."""
    rolls = random.Random(seed)

    async def story(zone: Neighbourhood) -> None:
        zone.cluster.network.latency_s = LATENCY_S
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).slow_s, zone.scene(2).slow_s = rolls.choice((0.0, 0.02)), rolls.choice((0.0, 0.02))
        victims = rolls.sample([*VICTIMS, "login.1"], 2)
        blows = [Blow(zone, victim, rolls.choice(("restart", "hang"))) for victim in victims]
        falls: list[asyncio.Future[None]] = []
        cross(zone, placed.session)
        for blow in blows:
            await asyncio.sleep(rolls.uniform(0, 0.03))
            falls.append(asyncio.ensure_future(blow.fall()))
        await asyncio.gather(*falls)
        await settle(zone, *blows)
        await is_as_promised(zone, placed)

    tell(tmp_path, story, scene=World, gate=Strict)
