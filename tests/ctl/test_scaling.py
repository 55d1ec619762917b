"""Which nodes `mesh scale` starts and stops, and what it refuses."""

import asyncio
from pathlib import Path

import pytest

from mesh.protocol.control import Description, Load
from mesh.topology import Topology, load
from tools.ctl.commands.scale import _check_kept
from tools.ctl.exits import CommandError, Exit
from tools.ctl.scaling import Plan, parse, plan
from tools.ctl.state import ProcessState

TWO_ZONES = """
[cluster]
zone = "one"
[[process]]
nodes = ["center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1"]
[[process]]
nodes = ["scene.4"]
[[process]]
zone = "two"
nodes = ["center.2", "login.2", "scene.2", "gate.2"]
"""


@pytest.fixture
def zones(tmp_path: Path) -> Topology:
    file = tmp_path / "zones.toml"
    file.write_text(TWO_ZONES)
    return load(file, runtime=tmp_path / "zones")


def known(topology: Topology, **phases: str) -> dict[str, ProcessState]:
    """All run, except those that are named: scene_2="Shutdown", or "drained"."""
    found = {}
    for spec in topology.nodes.values():
        phase = phases.get(spec.short.replace(".", "_"), "Ready")
        drained = phase == "drained"
        state = ProcessState(spec.short, [spec.short], "Ready" if drained else phase, 1, 1.0, 0, "", "", drained)
        found[spec.short] = state
    return found


def stops(found: Plan) -> list[str]:
    return [node.short for node in found.stop]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("scene", "is not ROLE=N"),
        ("scene=", "is not ROLE=N"),
        ("scene=-1", "is not ROLE=N"),
        ("scene=x", "is not ROLE=N"),
        ("scene=1.5", "is not ROLE=N"),
        ("scene=²", "is not ROLE=N"),
        ("scene=99999", "is not ROLE=N"),
        ("=3", "is not ROLE=N"),
        ("scene=0", "at least one scene; `mesh down` stops a cluster"),
        ("scnee=2", "there is no role scnee; did you mean scene?"),
        ("center=2", "a zone has one center"),
        ("dc=2", "all zones of a file share one database"),
        ("scene=2 scene=3", "scene is there twice"),
    ],
)
def test_nonsense_is_refused_before_anything_is_asked(words: str, says: str) -> None:
    with pytest.raises(CommandError, match=r".*") as caught:
        parse(words.split())
    assert says in str(caught.value)
    assert caught.value.exit_code is Exit.USAGE


def test_words_are_roles_and_numbers() -> None:
    assert parse(["scene=3", "gate=12"]) == {"scene": 3, "gate": 12}


def test_further_nodes_get_the_next_free_numbers(zone: Topology) -> None:
    found = plan(zone, known(zone), "scene", 4)
    assert (found.before, found.after, found.start, found.wake, found.stop) == (2, 4, ["scene.3", "scene.4"], [], [])
    assert found.zone == "one"


def test_surplus_ones_are_stopped_from_the_highest_number_on(tmp_path: Path, zone: Topology) -> None:
    grown = load(zone.file, runtime=zone.runtime, added=["7:scene.3@one", "8:scene.10@one"])
    found = plan(grown, known(grown), "scene", 1)
    assert stops(found) == ["scene.10", "scene.3", "scene.2"]
    assert found.start == []


def test_a_number_that_is_as_wanted_changes_nothing(zone: Topology) -> None:
    found = plan(zone, known(zone), "scene", 2)
    assert (found.start, found.wake, found.stop) == ([], [], [])


def test_what_was_stopped_before_comes_back_first(zone: Topology) -> None:
    away = known(zone, scene_2="Shutdown")
    assert plan(zone, away, "scene", 2).start == ["scene.2"]
    assert plan(zone, away, "scene", 3).start == ["scene.2", "scene.3"]
    assert plan(zone, away, "scene", 1) == Plan("scene", "one", 1, 1)
    assert plan(zone, known(zone, scene_1="Down"), "scene", 2).start == ["scene.1"]


def test_one_that_ends_at_the_moment_and_comes_back_is_there(zone: Topology) -> None:
    assert plan(zone, known(zone, scene_2="Waiting"), "scene", 2).start == []


def test_drained_ones_serve_again_when_they_are_wanted(zone: Topology) -> None:
    drained = known(zone, scene_2="drained")
    assert plan(zone, drained, "scene", 2).wake == ["scene.2"]
    assert stops(plan(zone, drained, "scene", 1)) == ["scene.2"], "a scaling that was interrupted goes on"


def test_numbers_are_free_in_the_whole_file(zones: Topology) -> None:
    assert plan(zones, known(zones), "scene", 4, "one").start == ["scene.3", "scene.5"]
    assert plan(zones, known(zones), "scene", 2, "two").start == ["scene.3"]
    assert plan(zones, known(zones), "log", 2).zone == "one", "only one zone has log nodes"


def test_the_zone_has_to_be_said_when_there_are_several(zones: Topology) -> None:
    with pytest.raises(CommandError, match="--zone one or --zone two") as caught:
        plan(zones, known(zones), "scene", 3)
    assert caught.value.exit_code is Exit.USAGE
    with pytest.raises(CommandError, match=r"there is no zone tow.*did you mean two") as caught:
        plan(zones, known(zones), "scene", 3, "tow")
    assert caught.value.exit_code is Exit.NOT_FOUND
    with pytest.raises(CommandError, match="zone two has no log of its own"):
        plan(zones, known(zones), "log", 2, "two")


def test_a_node_that_shares_its_process_is_not_stopped_alone(zones: Topology) -> None:
    assert stops(plan(zones, known(zones), "scene", 1, "one")) == ["scene.4"]
    zones.file.write_text(TWO_ZONES.replace("scene.1", "scene.5"))
    other = load(zones.file, runtime=zones.runtime)
    with pytest.raises(CommandError, match=r"scene\.5 shares its process with others \(center\.1\+dc\.1") as caught:
        plan(other, known(other), "scene", 1, "one")
    assert caught.value.exit_code is Exit.FAILURE


def test_a_cluster_has_room_for_fifty_processes(zone: Topology) -> None:
    assert len(plan(zone, known(zone), "scene", 45).start) == 43
    with pytest.raises(CommandError, match="makes 51 processes; one cluster has at most 50") as caught:
        plan(zone, known(zone), "scene", 46)
    assert caught.value.exit_code is Exit.USAGE
    stopped = known(zone, scene_2="Shutdown")
    assert len(plan(zone, stopped, "scene", 45).start) == 44, "a process of the file has its place"


def test_a_drained_node_that_would_stay_has_to_be_restarted_first(
    zone: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {"eu.one.scene.1": "Draining"}

    async def gather(_topology: Topology, nodes: list[str], *_: object) -> dict[str, Description]:
        return {n: Description(n, "scene", states.get(n, "Ready"), 1, 1, 1.0, "", Load(), []) for n in nodes}

    monkeypatch.setattr("tools.ctl.commands.scale.gather", gather)
    wanted = plan(zone, known(zone), "scene", 1)
    with pytest.raises(
        CommandError, match=r"scene\.1 would stay.*`mesh restart scene\.1`.*`mesh scale scene=1`"
    ) as caught:
        asyncio.run(_check_kept(zone, wanted))
    assert caught.value.exit_code is Exit.UNHEALTHY
    states.clear()
    states["eu.one.scene.2"] = "Draining"  # it is to go, anyway
    asyncio.run(_check_kept(zone, wanted))
