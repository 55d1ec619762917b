"""A cluster grows, is drained and shrinks with real processes while players play.

Nobody is disconnected, no word of the one who speaks all the time is lost or heard twice, and what cannot be done is
said clearly. One cluster for the whole file: each test leaves it as it was.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from mesh.client.player import Player
from mesh.protocol.catalogue import Message
from mesh.protocol.client import Denied, Goodbye
from mesh.protocol.social import Shouted
from mesh.testing import wait_until
from tests.cluster.running import Running, alive, mesh
from tests.cluster.test_topologies import went_down_cleanly

pytestmark = pytest.mark.cluster

PLAYERS = 8
RATES = ("shouts_per_s", "zone_shouts_per_s", "shouts_burst", "zone_shouts_burst")
SETTINGS = tuple(f"center.{name}=1000" for name in RATES)  # enough for ten words a second at every level of the policy
STORY_S = 300.0


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("zone"), "local", *SETTINGS)
    try:
        yield running
    finally:
        running.stop()
    went_down_cleanly(running)


class Someone:
    """A player who walks up and down, and remembers everything that should not happen."""

    def __init__(self) -> None:
        self.player = Player(on_event=self.heard)
        self.words: list[str] = []
        self.alarms: list[Message] = []

    def heard(self, said: Message) -> None:
        if isinstance(said, Shouted):
            self.words.append(said.text)
        elif isinstance(said, Goodbye | Denied):
            self.alarms.append(said)

    async def walk(self) -> None:
        while True:
            for step in (10, -10):
                self.player.move(self.player.session.x + step, self.player.session.y)
                await asyncio.sleep(0.1)


class Crowd:
    """Everybody, and one of them who counts aloud."""

    def __init__(self, zone: Running) -> None:
        self.zone = zone
        self.everybody = [Someone() for _ in range(PLAYERS)]
        self.sessions: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._said = 0

    async def begin(self) -> None:
        for n, one in enumerate(self.everybody):
            await one.player.join(self.zone.url, f"bot-{n}", self.zone.ticket(f"bot-{n}"), method="ticket")
            self._tasks.append(asyncio.create_task(one.walk()))
        self.sessions = [one.player.session.session for one in self.everybody]
        self._tasks.append(asyncio.create_task(self._count()))

    async def _count(self) -> None:
        while True:
            self.everybody[0].player.shout(str(self._said))
            self._said += 1
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Stop, and see that nothing happened to anybody."""
        for task in self._tasks:
            task.cancel()
        last = str(self._said - 1)
        await wait_until(lambda: all(last in one.words for one in self.everybody))
        for one in self.everybody:
            assert one.alarms == []
            assert one.player.playing
            assert one.words == [str(n) for n in range(self._said)]
        assert [one.player.session.session for one in self.everybody] == self.sessions
        for one in self.everybody:
            await one.player.logout()

    async def mesh(self, *words: str) -> str:
        """A command, while they play."""
        return await asyncio.to_thread(self.zone.mesh, *words)

    async def players(self) -> dict[str, int]:
        shown = await asyncio.to_thread(self.zone.status)
        return {short: node["players"] for short, node in shown.items() if node["role"] in ("gate", "scene")}


def test_a_cluster_grows_is_drained_and_shrinks_while_players_play(zone: Running) -> None:
    async def story() -> None:
        crowd = Crowd(zone)
        await crowd.begin()
        grown = await crowd.mesh("scale", "scene=3", "gate=2", "login=2", "log=2")
        assert "scene: 2 -> 3, gate: 1 -> 2, login: 1 -> 2, log: 1 -> 2" in grown
        assert "gate.1 is empty: 8 clients moved" in await crowd.mesh("drain", "gate.1")
        assert "scene.1 is empty" in await crowd.mesh("drain", "scene.1")
        there = await crowd.players()
        assert (there["gate.1"], there["gate.2"], there["scene.1"]) == (0, PLAYERS, 0)
        assert there["scene.2"] + there["scene.3"] == PLAYERS
        states = {short: node["state"] for short, node in (await asyncio.to_thread(zone.status)).items()}
        assert {short for short, state in states.items() if state != "Ready"} == {"gate.1", "scene.1"}
        assert {states["gate.1"], states["scene.1"]} == {"Draining"}
        await crowd.mesh("restart", "gate.1")
        await crowd.mesh("restart", "scene.1")
        assert "gate.2: 8 clients moved" in await crowd.mesh("restart", "gate.2")
        assert (await crowd.players())["gate.1"] == PLAYERS
        assert "gate.1: 8 clients moved" in await crowd.mesh("restart", "gate.1")
        shrunk = await crowd.mesh("scale", "scene=1", "gate=1", "login=1", "log=1")
        assert "gate.2 has stopped, 8 clients moved" in shrunk
        assert await crowd.players() == {"gate.1": PLAYERS, "scene.1": PLAYERS, "scene.2": 0}
        assert mesh("status", zone.name).returncode == 0, "nobody misses what was scaled away"
        await crowd.end()

    before = logins(zone)
    asyncio.run(asyncio.wait_for(story(), STORY_S))
    assert logins(zone) == before + PLAYERS, "the files of a log node that is gone are read, too"
    assert [words for words in alive(str(zone.runtime)) if "nodes scene.3" in words] == []
    assert "scene.3 ready" in zone.mesh("logs", "scene.3", "-n", "1000"), "its log can still be read"
    assert "scene: 1 -> 2" in zone.mesh("scale", "scene=2")
    assert zone.status()["scene.2"]["state"] == "Ready"


def logins(zone: Running) -> int:
    """Of which the log nodes know."""
    return len(json.loads(zone.mesh("events", "-k", "login", "-n", "1000", "--json"))["events"])


def test_what_cannot_be_done_is_said_and_changes_nothing(zone: Running) -> None:
    before = zone.status()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", zone.base_port + 1))
        server.listen()
        refused = mesh("scale", "gate=2", "-c", zone.name)
        assert refused.returncode == 4
        assert f"port {zone.base_port + 1} (players at gate.2) is taken by pid {os.getpid()}" in refused.stderr
    for words, code, says in (
        (["scale", "scene=49"], 2, "makes 54 processes; one cluster has at most 50"),
        (["scale", "gate=2", "--zone", "nowhere"], 3, "there is no zone nowhere"),
        (["drain", "center.1"], 2, "a zone has one center"),
        (["drain", "dc.1"], 2, "all zones of a file share one database"),
        (["drain", "gate.7"], 3, "there is no node gate.7"),
        (["drain", "gate.1"], 1, "there is no other gate that is Ready"),
        (["lines", "open", "moon"], 3, "there is no map moon"),
        (["lines", "close", "meadow:77"], 3, "meadow has no line 77"),
        (["player", "nobody"], 3, "there is no player nobody"),
        (["friends", "nobody"], 3, "there is no player nobody"),
        (["kick", "nobody"], 3, "nobody is not in the world"),
        (["account", "vip", "nobody"], 3, "nobody"),
    ):
        done = mesh(*words, "-c", zone.name)
        assert (done.returncode, says in done.stderr) == (code, True), (words, done.stderr)
        assert "Traceback" not in done.stderr
    after = zone.status()
    assert after.keys() == before.keys()
    assert {short for short, node in after.items() if node["pid"] != before[short]["pid"]} == set()


def test_a_drained_node_that_is_killed_stays_away_until_somebody_wants_it(zone: Running) -> None:
    assert "scene.2 is empty" in zone.mesh("drain", "scene.2")
    zone.kill("scene.2")
    asyncio.run(wait_until(lambda: zone.status()["scene.2"]["state"] == "Shutdown"))
    shown = mesh("status", zone.name)
    assert shown.returncode == 4
    assert "scene.2: was ended by SIGKILL" in shown.stdout
    assert "scene.2 was drained and is not started again" in zone.mesh("logs", "supervisor")
    assert "scene.2 is Ready again" in zone.mesh("restart", "scene.2")
    old = zone.kill("scene.2", signal.SIGKILL)
    asyncio.run(wait_until(lambda: zone.status()["scene.2"]["pid"] not in (0, old)))
    asyncio.run(wait_until(lambda: zone.status()["scene.2"]["state"] == "Ready"))


def test_operators_find_move_and_end_players(zone: Running) -> None:
    async def story() -> None:
        anna, bob = await zone.login("anna"), await zone.login("bob")
        anna.add_friend("bob")
        await wait_until(lambda: "asked" in zone.mesh("friends", "bob", "--json"))
        bob.accept_friend("anna")
        await wait_until(lambda: '"friend"' in zone.mesh("friends", "bob", "--json"))

        def where() -> dict:
            return json.loads(zone.mesh("player", "anna", "--json"))

        at = await asyncio.to_thread(where)
        assert (at["name"], at["stage"], at["zone"], at["map"]) == ("anna", "online", "one", "meadow")
        line = f"meadow:{at['line']}"
        assert f"{line} is closed" in await asyncio.to_thread(zone.mesh, "lines", "close", line)
        await wait_until(lambda: where()["line"] != at["line"])
        shown = json.loads(await asyncio.to_thread(zone.mesh, "lines", "--json"))["lines"]
        assert sum(row["players"] for row in shown if row["map"] == "meadow") == 2
        assert "is open on scene.2" in await asyncio.to_thread(zone.mesh, "lines", "open", "cave", "--scene", "scene.2")
        assert "said in zone one" in await asyncio.to_thread(
            zone.mesh, "say", "maintenance at nine", "--speaker", "Hilda"
        )
        heard = await anna.wait(Shouted)
        assert (heard.speaker, heard.text) == ("Hilda", "maintenance at nine")
        await asyncio.to_thread(zone.mesh, "kick", "anna", "--text", "too loud")
        assert "too loud" in (await anna.wait(Goodbye)).text
        assert "anna is not in the world; last on meadow" in await asyncio.to_thread(zone.mesh, "player", "anna")
        assert '"online": null' in await asyncio.to_thread(zone.mesh, "friends", "anna", "--json")
        assert "anna: goes first, level 7" in await asyncio.to_thread(
            zone.mesh, "account", "vip", "anna", "--level", "7"
        )
        await bob.logout()

    asyncio.run(asyncio.wait_for(story(), STORY_S))
