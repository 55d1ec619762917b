"""Every topology that comes along: brought up with real processes, played on, taken down without a trace."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.testing import wait_until
from tests.cluster.running import ROOT, Running, alive, mesh, say_aloud
from tests.world import walk_to
from tools.ctl import three_hosts
from tools.ctl.exits import Exit

pytestmark = pytest.mark.cluster

QUICK = "speed_mps = 300.0\nspawn_m = 20.0"  # a walk takes half a minute at the usual pace; nobody begins near a portal
SAID_S = 60.0
WAYS = {"local": ("forest", "meadow", "cave", "meadow"), "duo": ("forest", "cave", "meadow")}


def tell(story: Callable[[], Awaitable[None]], timeout_s: float = 300.0) -> None:
    asyncio.run(asyncio.wait_for(story(), timeout_s))


async def play(player: Player) -> None:
    """A step, which is seen by the scene and comes back, and a word to everybody in the zone."""
    entered = player.session.entered
    step = round(0.5 * entered.speed_mps / 6.0 / entered.unit_m)
    player.move(player.session.x + (step if player.session.x < 3000 else -step), player.session.y)
    before = player.session.updates
    text = f"hello from {player.session.character}"
    async with asyncio.timeout(SAID_S):
        heard = await say_aloud(player, text, player)
    assert heard.text == text
    await wait_until(lambda: player.session.updates > before or not player.session.view)
    assert player.playing


@pytest.mark.parametrize("name", ["local", "duo", "pair", "mobile", "mobile-shared", "two-zones"])
def test_players_come_in_by_every_gate_play_and_walk_through_portals(name: str, tmp_path: Path) -> None:
    zone = Running(tmp_path, quick(name, tmp_path))

    async def story() -> None:
        gates = zone.topology.of_role("gate")
        players = [await zone.login(f"anna-{gate.number}", gate.number) for gate in gates]
        for player in players:
            await play(player)
        assert [p.session.entered.scene.split(".")[1] for p in players] == [gate.zone for gate in gates]
        shown = await asyncio.to_thread(zone.status)
        assert set(shown) == {node.short for node in zone.topology.nodes.values()}
        assert {node["state"] for node in shown.values()} == {"Ready"}
        assert sum(node["players"] for node in shown.values() if node["role"] == "scene") == len(players)
        walker = players[0]
        session, connection = walker.session.session, walker._connection
        for map_ in WAYS.get(name, ()):
            await through(walker, map_)
        assert (walker.session.session, walker._connection) == (session, connection)
        for zone_name in (*zone.topology.zones[1:], zone.topology.zone) if len(zone.topology.zones) > 1 else ():
            entered = await walker.travel(zone_name)
            assert entered.scene.split(".")[1] == zone_name
        await play(walker)
        for player in players:
            await player.logout()

    try:
        tell(story)
    finally:
        zone.stop()
    went_down_cleanly(zone)


def quick(name: str, folder: Path) -> Path:
    """The topology with players who walk fast, where there are ways to go."""
    text = (ROOT / "topology" / f"{name}.toml").read_text()
    file = folder / f"{name}.toml"
    file.write_text(text.replace("portals = [", f"{QUICK}\nportals = [") if name in WAYS else text)
    return file


async def through(player: Player, map_: str) -> None:
    """Walk into the portal that leads to this map, and be there."""
    ways = {portal.map: portal for portal in player.session.entered.portals}
    assert map_ in ways, f"no way to {map_} from {player.session.entered.map} at {player.session.x}, {player.session.y}"
    portal = ways[map_]
    await walk_to(player, portal.x, portal.y, stop=lambda: player.session.entered.map == map_)
    await wait_until(lambda: player.session.entered.map == map_)
    await wait_until(lambda: player.playing)


def went_down_cleanly(zone: Running) -> None:
    """Nothing runs, nothing failed, and the database is whole."""
    assert alive(str(zone.runtime)) == []
    words = "".join(path.read_text() for path in sorted((zone.runtime / "logs").glob("*.log")))
    assert [line for line in words.splitlines() if " ERROR " in line] == []
    assert "".join(path.read_text() for path in (zone.runtime / "logs").glob("*.out")) == ""
    checked = mesh("db", "check", "-c", str(zone.runtime), "--json")
    assert json.loads(checked.stdout)["problems"] == []


def test_one_zone_over_three_machines(tmp_path_factory: pytest.TempPathFactory) -> None:
    if reason := three_hosts.why_not():
        pytest.skip(f"three machines cannot be tried here: {reason}")
    folder = tmp_path_factory.mktemp("hosts")
    with three_hosts.machines(folder) as (first, second, third):
        three_hosts.start([first, second, third])
        shown = json.loads(second.mesh("status", str(second.runtime), "--json"))
        assert {node["state"] for node in shown["nodes"]} == {"Ready"}
        assert {node["host"] for node in shown["nodes"]} == set(three_hosts.HOSTS)
        assert {node["node"] for node in shown["nodes"] if node["rss_mb"]} == {"gate.2", "scene.1"}
        bots = first.popen("bots", "-c", str(first.runtime), "-u", "6", "-t", "2s", "--headless")
        played, _ = bots.communicate(timeout=60)
        assert bots.returncode in (Exit.OK, Exit.CHECK_FAILED), played  # six players in two seconds prove no limit
        assert "logged in     6 of 6" in played
        with pytest.raises(three_hosts.TrialError, match=r"runs on 10\.77\.0\.3: `mesh restart dc\.1` there"):
            second.mesh("restart", "dc.1", "-c", str(second.runtime))
        assert "gate.2 is empty" in first.mesh("drain", "gate.2", "-c", str(first.runtime))
        assert "gate.2 is Ready again" in second.mesh("restart", "gate.2", "-c", str(second.runtime))
        second.mesh("down", str(second.runtime))
        with pytest.raises(three_hosts.TrialError, match="ended with 4") as caught:
            first.mesh("status", str(first.runtime), "--json")
        left = json.loads(str(caught.value).partition("\n")[2])["nodes"]
        assert {node["node"] for node in left if node["state"] == "Unreached"} == {"gate.2", "scene.1"}
        three_hosts.stop([first, third])
        assert alive(str(folder)) == []
    assert not [line for line in three_hosts.namespaces() if line.startswith(first.namespace.rpartition("-")[0])]
