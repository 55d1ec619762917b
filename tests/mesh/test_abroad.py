"""Several zones in one cluster: who knows whom, who has a link to whom, and what a center's death changes elsewhere."""

import asyncio

import pytest

from mesh.errors import DeadlineExceeded
from mesh.protocol.cluster import FindAccount
from mesh.protocol.control import Member
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import Topology, load
from tests.conftest import ZONE
from tests.mesh.test_node import ROLES, Dc, ask_login
from tests.mesh.test_zones_file import TWO

LEASE_S = 3.0


@pytest.fixture
def play(tmp_path):
    def go(story, **roles) -> None:
        file = tmp_path / "zone.toml"
        file.write_text(ZONE + TWO)
        topology: Topology = load(file, runtime=tmp_path / "run")

        async def told(cluster: Cluster) -> None:
            await story(cluster)
            assert cluster.internal_errors() == []

        run(with_cluster(topology, {**ROLES, **roles}, tmp_path, told))

    return go


def peers(cluster: Cluster, short: str) -> set[str]:
    """Whom this node has a link to, by short name."""
    return {name.split(".", 2)[2] for name in cluster.node(short).switchboard.links.up}


def known(cluster: Cluster, short: str) -> set[str]:
    return {name.split(".", 2)[2] for name in cluster.node(short).registry.membership.members}


def test_zones_share_the_dc_and_the_log_and_nothing_else(play):
    async def story(cluster: Cluster) -> None:
        await wait_until(lambda: len(peers(cluster, "gate.2")) == 4)
        assert peers(cluster, "gate.1") == {"center.1", "login.1", "scene.1", "scene.2", "log.1"}
        assert peers(cluster, "gate.2") == {"center.2", "login.2", "scene.3", "log.1"}
        assert peers(cluster, "scene.3") == {"center.2", "dc.1", "log.1", "gate.2"}
        assert peers(cluster, "login.2") == {"center.2", "dc.1", "log.1", "gate.2"}
        assert peers(cluster, "center.2") >= {"center.1", "dc.1", "log.1", "gate.2", "login.2", "scene.3"}
        assert peers(cluster, "center.2") & {"gate.1", "login.1", "scene.1"} == set()
        assert peers(cluster, "dc.1") == {
            "center.1", "center.2", "login.1", "login.2", "scene.1", "scene.2", "scene.3", "log.1",
        }  # fmt: skip
        assert known(cluster, "gate.2") == {"dc.1", "log.1", "login.2", "scene.3", "gate.2"}
        assert known(cluster, "gate.1") & {"gate.2", "login.2", "scene.3", "center.2"} == set()
        assert known(cluster, "dc.1") & {"gate.2", "login.2", "scene.3", "center.2"} == set()

    play(story)


def test_a_zone_works_with_what_it_shares(play):
    async def story(cluster: Cluster) -> None:
        one, two = await ask_login(cluster.node("gate.1"), "anna"), await ask_login(cluster.node("gate.2"), "bob")
        assert (one.character, two.character) == ("anna", "bob")
        assert cluster.node("dc.1").found == 2

    play(story)


def test_centers_have_one_link_for_every_two_of_them(play):
    async def story(cluster: Cluster) -> None:
        one, two = cluster.node("center.1"), cluster.node("center.2")
        await wait_until(lambda: two.name in one.switchboard.links.up)
        assert one.switchboard.links.up[two.name].dialled
        assert not two.switchboard.links.up[one.name].dialled
        assert len(one.switchboard.links.of_peer(two.name)) == len(two.switchboard.links.of_peer(one.name)) == 1

    play(story)


def test_a_node_of_another_zone_is_not_let_in(play):
    async def story(cluster: Cluster) -> None:
        gate, scene = cluster.node("gate.2"), cluster.node("scene.1")
        gate.switchboard.dial(scene.name, cluster.topology.node("scene.1").address)
        with pytest.raises(DeadlineExceeded):
            await gate.ask(scene.name, FindAccount("bob"), 1.0)
        assert gate.name not in scene.switchboard.links.up
        gate.switchboard.hang_up(scene.name)

    play(story)


def test_the_death_of_a_center_changes_nothing_in_the_other_zone(play):
    async def story(cluster: Cluster) -> None:
        before = peers(cluster, "gate.1"), peers(cluster, "scene.1"), known(cluster, "dc.1")
        await cluster.kill("center.2")
        await asyncio.sleep(3 * LEASE_S)
        assert (peers(cluster, "gate.1"), peers(cluster, "scene.1"), known(cluster, "dc.1")) == before
        assert (await ask_login(cluster.node("gate.1"), "anna")).character == "anna"
        assert (await ask_login(cluster.node("gate.2"), "bob")).character == "bob"  # its links are still up

    play(story)


def test_the_death_of_the_home_center_changes_nothing_in_the_other_zone(play):
    async def story(cluster: Cluster) -> None:
        await cluster.kill("center.1")
        await asyncio.sleep(3 * LEASE_S)
        assert (await ask_login(cluster.node("gate.2"), "bob")).character == "bob"
        await cluster.start("center.1")
        await wait_until(lambda: "center.2" in peers(cluster, "center.1"))
        await wait_until(lambda: "dc.1" in peers(cluster, "center.1"))

    play(story)


def test_a_center_that_starts_anew_hears_of_what_is_shared(play):
    async def story(cluster: Cluster) -> None:
        await cluster.kill("center.2")
        await asyncio.sleep(1)
        await cluster.start("center.2")
        await wait_until(lambda: {"dc.1", "log.1"} <= set(_roster(cluster, "center.2")), timeout_s=2 * LEASE_S)
        assert _roster(cluster, "center.2")["dc.1"].state == "Ready"

    play(story)


def test_a_center_that_forgets_is_told_again(play):
    async def story(cluster: Cluster) -> None:
        center = cluster.node("center.2")
        await wait_until(lambda: "dc.1" in _roster(cluster, "center.2"))
        del center.members[cluster.node("dc.1").name]
        await wait_until(lambda: "dc.1" in _roster(cluster, "center.2"), timeout_s=2 * LEASE_S)

    play(story)


def test_a_dc_that_starts_anew_is_found_by_every_zone(play):
    async def story(cluster: Cluster) -> None:
        await cluster.kill("dc.1")
        await asyncio.sleep(1)
        await cluster.start("dc.1")
        await wait_until(lambda: "login.2" in peers(cluster, "dc.1"))
        assert (await ask_login(cluster.node("gate.2"), "bob")).character == "bob"
        assert (await ask_login(cluster.node("gate.1"), "anna")).character == "anna"

    play(story)


def test_every_center_hears_at_once_that_the_dc_stops(play):
    class Slow(Dc):
        async def drain(self) -> None:
            await asyncio.sleep(1)

    async def story(cluster: Cluster) -> None:
        stopping = asyncio.create_task(cluster.node("dc.1").stop())
        await asyncio.sleep(0.2)
        states = {_roster(cluster, center)["dc.1"].state for center in ("center.1", "center.2")}
        assert states == {"Draining"}
        await stopping

    play(story, dc=Slow)


def test_a_process_that_is_added_is_found_by_those_that_were_there(play, tmp_path):
    async def story(cluster: Cluster) -> None:
        grown = load(cluster.topology.file, runtime=cluster.topology.runtime, added=["11:scene.4@two", "12:gate.3"])
        more = Cluster(grown, ROLES, tmp_path)
        more.network = cluster.network
        await more.start("scene.4", "gate.3")
        await wait_until(lambda: "scene.4" in peers(cluster, "gate.2"))
        await wait_until(lambda: "dc.1" in peers(more, "scene.4"))
        await wait_until(lambda: len(peers(more, "gate.3")) == 5)
        assert peers(more, "gate.3") == {"center.1", "login.1", "scene.1", "scene.2", "log.1"}
        assert "scene.4" not in peers(cluster, "gate.1")
        assert (await ask_login(more.node("gate.3"), "anna")).character == "anna"
        await more.stop()

    play(story)


def _roster(cluster: Cluster, center: str) -> dict[str, Member]:
    return {name.split(".", 2)[2]: member for name, member in cluster.node(center).members.items()}
