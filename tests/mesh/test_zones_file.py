"""Topologies with several zones, and processes that the command line adds."""

from pathlib import Path

import pytest

from mesh.errors import TopologyError
from mesh.topology import Topology, load
from tests.conftest import ZONE

TWO = """
[[process]]
zone = "two"
nodes = ["center.2"]
[[process]]
zone = "two"
nodes = ["login.2", "scene.3"]
[[process]]
zone = "two"
nodes = ["gate.2"]
"""
CURVE = "\n[security]\ncurve = true\n"
SHIPPED = Path(__file__).parents[2] / "topology"


def read(folder: Path, text: str, **options) -> Topology:
    file = folder / "zone.toml"
    file.write_text(text)
    return load(file, runtime=folder / "run", **options)


def problems(folder: Path, text: str, **options) -> list[str]:
    with pytest.raises(TopologyError) as found:
        read(folder, text, **options)
    return found.value.problems


def test_a_node_is_in_the_zone_of_its_process(tmp_path):
    both = read(tmp_path, ZONE + TWO)
    assert both.zones == ["one", "two"]
    assert both.zone == "one"
    assert both.node("gate.2").name == "eu.two.gate.2"
    assert both.node("gate.2") is both.node("eu.two.gate.2")
    assert both.node("gate.1").zone == "one"
    assert [n.short for n in both.of_role("scene")] == ["scene.1", "scene.2", "scene.3"]
    assert [n.short for n in both.of_role("scene", "two")] == ["scene.3"]
    assert both.center_of("two").short == "center.2"
    assert both.process_of(both.node("scene.3")).name == "login.2+scene.3"
    with pytest.raises(KeyError):
        both.node("gate.3")
    with pytest.raises(KeyError):
        both.center_of("three")


def test_a_zone_without_log_nodes_uses_those_of_the_home_zone(tmp_path):
    both = read(tmp_path, ZONE + TWO)
    assert both.zone_serving("log", "two") == both.zone_serving("dc", "two") == "one"
    assert both.zone_serving("gate", "two") == "two"
    assert [c.short for c in both.centers_of(both.node("dc.1"))] == ["center.1", "center.2"]
    assert [c.short for c in both.centers_of(both.node("log.1"))] == ["center.1", "center.2"]
    assert [c.short for c in both.centers_of(both.node("gate.2"))] == ["center.2"]
    own = read(tmp_path, ZONE + TWO + '[[process]]\nzone = "two"\nnodes = ["log.2"]\n')
    assert own.zone_serving("log", "two") == "two"
    assert [c.short for c in own.centers_of(own.node("log.1"))] == ["center.1"]
    assert [c.short for c in own.centers_of(own.node("log.2"))] == ["center.2"]


def test_links_cross_the_border_only_to_what_is_shared_and_between_centers(tmp_path):
    both = read(tmp_path, ZONE + TWO)

    def may(own: str, peer: str) -> bool:
        return both.may_link(both.node(own), both.node(peer).name, both.node(peer).role)

    assert may("gate.2", "center.2")
    assert may("login.2", "dc.1")
    assert may("dc.1", "login.2")
    assert may("dc.1", "center.2")
    assert may("scene.3", "log.1")
    assert may("center.1", "center.2")
    assert not both.may_link(both.node("center.1"), "eu.three.center.3", "center")  # a zone that this file lacks
    assert not both.may_link(both.node("center.1"), "eu.one.center.3", "center")
    assert not may("gate.2", "scene.1")
    assert not may("gate.2", "center.1")
    assert not may("center.1", "gate.2")
    assert not may("gate.2", "dc.1")  # not in its own zone either
    assert both.may_link(both.node("gate.2"), "eu.one.ctl.77", "ctl")
    assert both.may_link(both.node("gate.2"), "eu.two.scene.9", "scene")  # added later, not in this file
    assert not both.may_link(both.node("gate.2"), "scene", "scene")


def test_every_center_has_its_own_publisher(tmp_path):
    both = read(tmp_path, ZONE + TWO)
    assert both.node("center.1").publisher == f"ipc://{both.sockets}/center.1.pub"
    assert both.node("center.2").publisher == f"ipc://{both.sockets}/center.2.pub"
    assert both.node("gate.1").publisher == ""
    curved = read(tmp_path, ZONE + TWO + CURVE, base_port=9000)
    assert curved.node("center.1").publisher == "tcp://127.0.0.1:9200"
    assert curved.node("center.2").publisher == "tcp://127.0.0.1:9201"


def test_the_home_zone_has_the_first_port_wherever_it_stands(tmp_path):
    text = ZONE.replace('zone = "one"', 'zone = "two"').replace("[[process]]", '[[process]]\nzone = "one"')
    dc = '[[process]]\nzone = "one"\nnodes = ["dc.1"]\n'
    assert dc in text
    text = text.replace(dc, '[[process]]\nnodes = ["dc.1"]\n').replace(
        '[[process]]\nzone = "one"\nnodes = ["log.1"]\n', ""
    )
    both = read(tmp_path, text + TWO + CURVE + "", base_port=9000)
    assert both.zones == ["two", "one"]
    assert both.node("center.1").publisher == "tcp://127.0.0.1:9201"
    assert both.node("center.2").publisher == "tcp://127.0.0.1:9200"


@pytest.mark.parametrize("missing", ["center.2", "login.2", "scene.3", "gate.2"])
def test_a_zone_needs_everything_that_players_need(tmp_path, missing):
    there = [n for n in ("center.2", "login.2", "scene.3", "gate.2") if n != missing]
    text = ZONE + "".join(f'[[process]]\nzone = "two"\nnodes = ["{short}"]\n' for short in there)
    role = missing.split(".")[0]
    found = problems(tmp_path, text)
    assert [p for p in found if f'zone "two" needs a {role} and has none' in p]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (ZONE + TWO.replace("center.2", "dc.2"), 'dc.2 is in zone "two"; the dc belongs into the home zone, "one"'),
        (ZONE + TWO.replace("center.2", "dc.2"), "more than one dc; all zones of a file share one"),
        (ZONE + TWO.replace("gate.2", "gate.1"), "gate.1 is already in process[6]"),
        (ZONE + TWO.replace('"gate.2"', '"gate.2", "center.3"'), 'more than one center in zone "two"'),
        (ZONE.replace('nodes = ["dc.1"]', 'zone = "two"\nnodes = ["dc.1"]') + TWO, "needs a dc"),
        (ZONE + TWO.replace('zone = "two"', 'zone = "Zone Two"'), "process[7].zone: 'Zone Two' is not a name"),
        (ZONE + TWO.replace('zone = "two"', "zone = 2"), "process[7].zone: 2 is not a name"),
        (ZONE.replace("gate.1", "gate.51"), "gate.51 has no port"),
        (
            ZONE + "".join(f'[[process]]\nzone = "z{n}"\nnodes = ["center.{n}"]\n' for n in range(2, 11)),
            "10 zones; at most 8",
        ),
    ],
)
def test_each_mistake_about_zones_is_named(tmp_path, text, part):
    assert any(part in problem for problem in problems(tmp_path, text))


def test_two_centers_in_the_only_zone_are_a_mistake(tmp_path):
    assert any("more than one center" in p for p in problems(tmp_path, ZONE.replace("gate.1", "center.2")))


# --- added processes ---


def test_an_added_process_has_the_ports_of_its_index(tmp_path):
    both = read(tmp_path, ZONE + TWO + CURVE, base_port=9000, added=["12:scene.4", "11:gate.3@two"])
    scene, gate = both.node("scene.4"), both.node("gate.3")
    assert scene.name == "eu.one.scene.4"
    assert gate.name == "eu.two.gate.3"
    assert scene.metrics_port == 9062
    assert scene.address == "tcp://127.0.0.1:9112"
    assert gate.metrics_port == 9061
    assert both.process_of(scene).index == 12
    assert both.process_of(scene).name == "scene.4"
    assert both.process_of(both.node("gate.2")).index == 9


@pytest.mark.parametrize(
    ("added", "part"),
    [
        ("scene.4", "write INDEX:NODE"),
        ("7:wizard.4", "write INDEX:NODE"),
        ("7:scene.04", "write INDEX:NODE"),
        ("7:scene.4@", "write INDEX:NODE"),
        ("3:scene.4", "index 3 is taken"),
        ("50:scene.4", "index 50 is taken or above 49"),
        ("17:scene.1", "scene.1 is already in process[4]"),
        ("17:center.4", "more than one center"),
        ("17:dc.4", "more than one dc"),
        ("17:scene.4@nowhere", 'zone "nowhere" needs a center'),
    ],
)
def test_an_added_process_must_fit_in(tmp_path, added, part):
    found = problems(tmp_path, ZONE + TWO, added=[added])
    assert any(part in problem for problem in found), found


def test_the_same_process_cannot_be_added_twice(tmp_path):
    found = problems(tmp_path, ZONE, added=["7:scene.4", "7:scene.5", "8:scene.4"])
    assert any("--add 7:scene.5: index 7 is taken" in p for p in found)
    assert any("--add 8:scene.4: scene.4 is already in --add 7:scene.4" in p for p in found)


# --- ports ---


def test_no_two_nodes_share_a_port_or_an_address(tmp_path):
    text = ZONE.replace('["scene.1"]', '["scene.1", "login.7"]') + TWO + CURVE
    both = read(tmp_path, text, base_port=9000, added=["12:scene.9", "49:gate.50@two"])
    used = [n.address for n in both.nodes.values()] + [c.publisher for c in both.of_role("center")]
    ports = [int(address.rpartition(":")[2]) for address in used] + [p.metrics_port for p in both.processes]
    ports += [both.base_port + n.number - 1 for n in both.of_role("gate")]
    assert len(ports) == len(set(ports))


def test_so_many_nodes_may_share_processes(tmp_path):
    shared = [f'[[process]]\nnodes = ["scene.{n}", "login.{n}"]\n' for n in range(10, 36)]
    assert any("more than 50 nodes share" in p for p in problems(tmp_path, ZONE + "".join(shared) + CURVE))
    read(tmp_path, ZONE + "".join(shared[:-1]) + CURVE)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.toml")), ids=lambda p: p.stem)
def test_every_topology_that_comes_along_can_be_loaded(file):
    loaded = load(file)
    assert loaded.cluster == file.stem
    assert loaded.center_of(loaded.zone)
