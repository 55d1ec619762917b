"""A player who is handed from line to line, scene to scene and back, with everything going wrong that can: every
message it says is carried out once, in order, and every event reaches it once, in order."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesh.errors import DeadlineExceeded, RefusedError
from mesh.protocol import play
from mesh.protocol.cluster import Release
from mesh.protocol.placement import Depart, Departed, TakeBack
from mesh.protocol.sessions import Spot, session_of
from mesh.testing import wait_until
from nodes.scene.node import SceneNode
from tests.scene.building import Client
from tests.scene.zone import NEXT, SCENE, Zone

ONE = session_of(1, 1)
STEPS = 40


class Traveller:
    """A client and the center that leads it: what it said and heard, whatever scene it is on."""

    def __init__(self, zone: Zone, rolls: random.Random) -> None:
        self.zone, self.rolls = zone, rolls
        self.said = 0
        self.heard: list[int] = []  # the sequences of events, as they came first
        self.denied: list[int] = []
        self.scene = SCENE
        self.handle = 0
        self.client = Client()
        self._read = 0

    @property
    def node(self) -> SceneNode:
        return self.zone.scene if self.scene == SCENE else self.zone.next

    async def attach(self) -> None:
        """As the gate does after every transfer. The client says nothing until Entered, and then all that is above
        `processed` again."""
        self.listen()
        self.handle = 0
        self.handle, self.client = await self.zone.attach(1, scene=self.scene, resumed=True)
        self._read = 0
        self.listen()
        for sequence in range(self.client.last(play.Entered).processed + 1, self.said + 1):
            self._say(sequence)

    def say(self) -> None:
        self.said += 1
        self._say(self.said)

    def _say(self, sequence: int) -> None:
        if not self.handle:
            return
        acknowledged = max(self.heard, default=0) if self.rolls.random() < 0.3 else 0
        self.zone.gate.play(self.scene, self.handle, sequence, play.Attack(7), acknowledged)

    def listen(self) -> None:
        """Read what came; what came before is dropped by its sequence."""
        events = [said for said in self.client.messages if isinstance(said, play.PlayDenied)]
        for sequence, said in list(zip(self.client.sequences, events, strict=True))[self._read :]:
            self._read += 1
            if sequence > max(self.heard, default=0):
                self.heard.append(sequence)
                self.denied.append(said.sequence)

    # --- what the center does ---

    async def depart(self) -> Departed:
        """Until it has an answer, which may need several questions."""
        while True:
            scene, why = self.scene, self.rolls.choice(["portal", "drain"])
            asked = [self._depart(scene, why) for _ in range(self.rolls.randint(1, 2))]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, Departed):
                    return answer
                assert isinstance(answer, RefusedError | DeadlineExceeded), answer
            await asyncio.sleep(0.1)

    async def _depart(self, scene: str, why: Any) -> Departed:
        answer = await self.zone.center.ask(scene, Depart(ONE, why), self.rolls.choice([0.3, 5.0]))
        assert isinstance(answer, Departed)
        return answer

    async def go_on(self) -> None:
        """To the other scene."""
        old, departed = self.scene, await self.depart()
        goal = NEXT if old == SCENE else SCENE
        for _ in range(self.rolls.randint(1, 2)):
            await self.zone.arrive(departed, goal, spot=Spot(20.0, 20.0))
        await self.zone.center.ask(old, Release(ONE, discard=True))
        self.scene = goal
        await self.attach()

    async def come_back(self) -> None:
        """Nobody took it."""
        departed = await self.depart()
        if self.rolls.random() < 0.5:
            await self.zone.arrive(departed, self.scene)
        else:
            await self.zone.hosted(self.scene, TakeBack(ONE))
        await self.attach()

    async def arrive_and_vanish(self) -> None:
        """The other scene took it and died before anybody knew: here is still all of it."""
        departed = await self.depart()
        goal = NEXT if self.scene == SCENE else SCENE
        await self.zone.arrive(departed, goal)
        await self.zone.center.ask(goal, Release(ONE, discard=True))
        await self.zone.hosted(self.scene, TakeBack(ONE))
        await self.attach()

    async def lose_connection(self) -> None:
        self.handle = 0
        self.zone.gate.detach(self.scene, ONE, 1)
        await asyncio.sleep(0.1)
        await self.attach()

    async def stay(self) -> None:
        await asyncio.sleep(self.rolls.uniform(0, 0.3))


@pytest.mark.parametrize("seed", range(25))
def test_nothing_is_lost_or_doubled_on_the_way(in_zone: Any, seed: int) -> None:
    rolls = random.Random(seed)

    async def story(zone: Zone) -> None:
        await zone.enter(1)
        one = Traveller(zone, rolls)
        await one.attach()
        under_way = True

        async def chatter() -> None:
            while under_way:
                one.say()
                await asyncio.sleep(rolls.uniform(0.005, 0.05))

        talking = asyncio.create_task(chatter())
        for _ in range(STEPS):
            zone.bank.delay_s = rolls.choice([0.001, 0.01, 0.2])
            zone.bank.away = rolls.choice([0, 0, 0, 2])
            ways: list[Callable[[], Awaitable[None]]] = [
                one.go_on, one.go_on, one.come_back, one.arrive_and_vanish, one.lose_connection, one.stay,
            ]  # fmt: skip
            await rolls.choice(ways)()
            one.listen()
        under_way = False
        await talking
        await one.attach()
        await wait_until(lambda: one.listen() or len(one.denied) >= one.said)
        assert one.denied == list(range(1, one.said + 1))
        assert one.heard == list(range(1, one.said + 1))
        assert sum(len(node.sessions) for node in (zone.scene, zone.next)) == 1
        assert sum(len(node.keepsakes) for node in (zone.scene, zone.next)) == 0

    in_zone(story)
