"""`mesh upgrade`: the order of its steps, what it waits for, what it says and does when a step fails. With hands that
follow a script, and with the real supervisor over processes that only pretend."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mesh.errors import MeshError, PeerLost, TopologyError
from mesh.protocol.control import Description, Drained, Load, State
from mesh.testing import ManualClock, run
from mesh.topology import NodeSpec, Topology, load
from mesh.version import VERSION
from tests.ctl.test_growth import Machine, play  # noqa: F401 - a fixture
from tools.ctl.commands.status import NodeStatus, node_table
from tools.ctl.commands.upgrade import _checked
from tools.ctl.exits import CommandError, Exit
from tools.ctl.installations import Installations
from tools.ctl.launch import node_command
from tools.ctl.rollout import HEALTH_S, Rollout, Stepped
from tools.ctl.state import ProcessState
from tools.ctl.upgrading import complaints, plan

OLD, NEW = "/opt/old/python", "/opt/new/python"
PAIR = """
[cluster]
region = "eu"
zone = "one"
[settings.dc]
standby = { "dc.1" = "dc.2" }
[[process]]
nodes = ["gate.1"]
[[process]]
nodes = ["gate.2"]
[[process]]
nodes = ["scene.1"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["dc.2"]
[[process]]
nodes = ["log.1"]
"""


@pytest.fixture
def pair(tmp_path: Path) -> Topology:
    file = tmp_path / "pair.toml"
    file.write_text(PAIR)
    return load(file, runtime=tmp_path / "pair")


def known(topology: Topology, python: str = OLD, **phases: str) -> dict[str, ProcessState]:
    return {
        node.short: ProcessState(
            p.name, [n.short for n in p.nodes], phases.get(node.short.replace(".", "_"), "Ready"), 1, 1.0, 0, "", "",
            python=python,
        )
        for p in topology.processes
        for node in p.nodes
    }  # fmt: skip


class Hands:
    """A cluster in which every node is well, but for what the test changes."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.versions = dict.fromkeys(topology.nodes, "1")
        self.states: dict[str, State] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.unlinked: set[str] = set()
        self.players = 0
        self.left = 0  # clients that a gate keeps
        self.log: list[str] = []
        self.pythons = {process.name: OLD for process in topology.processes}
        self.after_restart: Callable[[str, str], None] = lambda process, python: None

    async def describe(self) -> dict[str, Description | MeshError]:
        return {name: self.said(name) for name in self.topology.nodes}

    def said(self, name: str) -> Description | MeshError:
        state = self.states.get(name, "Ready")
        if state == "Shutdown":
            return PeerLost(name)
        links = [(peer, "up") for peer in self.topology.nodes if peer != name and not {peer, name} & self.unlinked]
        facts = {"version": self.versions[name], **self.facts.get(name, {})}
        role = self.topology.nodes[name].role
        return Description(name, role, state, 1, 1, 1.0, "", Load(self.players), [*links, ("?", "opening")], facts)

    async def empty(self, node: NodeSpec) -> Drained:
        self.log.append(f"empty {node.short}")
        return Drained(7, self.left)

    async def restart(self, process: str, python: str) -> None:
        self.log.append(f"restart {process} {python}".strip())
        self.versions[self.topology.node(process).name] = "2" if python != OLD else "1"
        self.pythons[process] = python or self.pythons[process]
        self.after_restart(process, python)

    def runs_from(self, process: str) -> str:
        return self.pythons[process]


def roll(
    topology: Topology, hands: Hands, only: str = "", python: str = NEW, cold: bool = False
) -> tuple[list[Stepped], list[str]]:
    words: list[str] = []

    async def whole() -> list[Stepped]:
        steps = plan(topology, known(topology), await hands.describe(), only=only, python=python, cold=cold)
        clock = ManualClock(asyncio.get_running_loop())
        return await Rollout(topology, steps, python, hands, clock, words.append).run()

    return run(whole()), words


def test_whoever_is_asked_comes_before_whoever_asks_and_gates_are_emptied_first(pair: Topology) -> None:
    hands = Hands(pair)
    hands.facts = {
        "eu.one.dc.1": {"pair": "writer", "standby": "paired", "other": "dc.2"},
        "eu.one.dc.2": {"pair": "standby"},
    }
    done, words = roll(pair, hands, python="")
    assert hands.log == [
        "restart log.1", "restart dc.2", "restart dc.1", "restart center.1", "restart login.1", "restart scene.1",
        "empty gate.1", "restart gate.1", "empty gate.2", "restart gate.2",
    ]  # fmt: skip
    assert [(one.version_before, one.version, one.moved) for one in done if one.process == "gate.1"] == [("1", "2", 7)]
    assert words[0].startswith("1 of 8: log.1 is well after 0 ms (1 -> 2)")
    assert words[-1].endswith("7 clients moved before")


def test_the_only_gate_is_not_emptied_and_its_clients_are_named(zone: Topology) -> None:
    hands = Hands(zone)
    hands.players = 12
    _, words = roll(zone, hands, only="gate")
    assert hands.log == [f"restart gate.1 {NEW}"]
    assert "12 clients lose the connection for a moment, and come back with their tokens" in words[0]


def test_clients_that_do_not_go_keep_no_gate_from_being_upgraded(pair: Topology) -> None:
    hands = Hands(pair)
    hands.left = 1
    done, words = roll(pair, hands, only="gate")
    assert [one.process for one in done] == ["gate.1", "gate.2"]
    assert words[0] == "1 client of gate.1 did not go: they come back with their tokens"


def test_scenes_are_emptied_when_they_are_not_to_hand_over(zone: Topology) -> None:
    hands = Hands(zone)
    hands.left = 3
    _, words = roll(zone, hands, only="scene", cold=True)
    assert hands.log == ["empty scene.1", f"restart scene.1 {NEW}", "empty scene.2", f"restart scene.2 {NEW}"]
    assert words[0] == "3 players of scene.1 did not go: they go on as soon as another one takes them"
    assert words[1].endswith("7 players moved before")


def test_what_runs_from_there_already_or_does_not_run_is_left_out(zone: Topology) -> None:
    mixed = known(zone) | {
        "dc.1": msgspec.structs.replace(known(zone)["dc.1"], python=NEW),
        **{short: known(zone, scene_2="Shutdown")[short] for short in ("scene.2",)},
    }
    names = ["log.1", "center.1", "login.1", "scene.1", "gate.1"]
    assert [step.process.name for step in plan(zone, mixed, {}, python=NEW)] == names
    assert [step.process.name for step in plan(zone, mixed, {})] == ["log.1", "dc.1", *names[1:]]
    del mixed["login.1"]  # on another machine
    assert "login.1" not in [step.process.name for step in plan(zone, mixed, {})]


def test_nodes_of_one_process_are_one_step_in_the_turn_of_the_first_that_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "shared.toml"
    file.write_text(
        '[cluster]\n[[process]]\nnodes = ["gate.1", "login.1"]\n[[process]]\nnodes = ["gate.2"]\n'
        '[[process]]\nnodes = ["scene.1"]\n[[process]]\nnodes = ["center.1", "dc.1", "log.1"]\n'
    )
    shared = load(file, runtime=tmp_path / "shared")
    steps = plan(shared, known(shared), {})
    assert [step.process.name for step in steps] == ["center.1+dc.1+log.1", "gate.1+login.1", "scene.1", "gate.2"]
    assert [gate.short for gate in steps[1].emptied] == ["gate.1"]


def test_no_step_is_taken_before_the_cluster_is_well(zone: Topology) -> None:
    """A center that starts anew takes a while to know who is where, and others to be linked to it again."""
    hands = Hands(zone)
    seen: list[tuple[str, bool]] = []

    async def story() -> None:
        def restarted(process: str, python: str) -> None:
            seen.append((process, bool(hands.facts or hands.unlinked)))
            if process == "center.1":
                hands.facts["eu.one.center.1"] = {"whole": False}
                hands.unlinked = {"eu.one.center.1"}
                loop = asyncio.get_running_loop()
                loop.call_later(3.0, hands.facts.clear)
                loop.call_later(5.0, hands.unlinked.clear)

        hands.after_restart = restarted
        clock = ManualClock(asyncio.get_running_loop())
        steps = plan(zone, known(zone), {})
        done = await Rollout(zone, steps, "", hands, clock, lambda text: None).run()
        assert next(one.seconds for one in done if one.process == "center.1") >= 5.0

    run(story())
    assert seen == [(name, False) for name in ("log.1", "dc.1", "center.1", "login.1", "scene.1", "scene.2", "gate.1")]


def test_it_stops_where_it_fails_puts_that_one_back_and_says_how_to_go_on_or_back(zone: Topology) -> None:
    hands = Hands(zone)

    def broken(process: str, python: str) -> None:
        if process == "center.1" and python == NEW:
            raise CommandError("it ended with exit code 2", Exit.UNHEALTHY)

    hands.after_restart = broken
    with pytest.raises(CommandError) as caught:
        roll(zone, hands)
    assert caught.value.exit_code is Exit.UNHEALTHY
    assert hands.log[-2:] == [f"restart center.1 {NEW}", f"restart center.1 {OLD}"]
    assert str(caught.value).splitlines() == [
        "the upgrade stopped at center.1, 3 of 7: it ended with exit code 2",
        f"center.1 serves from {OLD} again",
        "upgraded: log.1, dc.1; not upgraded: center.1, login.1, scene.1, scene.2, gate.1",
        f"when the reason is gone (`mesh logs center.1`), `mesh upgrade --python {NEW}` goes on with these",
        f"`mesh upgrade --python {OLD}` takes it back",
    ]


def test_a_scene_that_could_not_hand_over_is_not_restarted_again(zone: Topology) -> None:
    hands = Hands(zone)

    def stays(process: str, python: str) -> None:
        if process == "scene.1":
            hands.pythons[process] = OLD
            raise CommandError("scene.1 goes on as it was", Exit.UNHEALTHY)

    hands.after_restart = stays
    with pytest.raises(CommandError, match="still serves from") as caught:
        roll(zone, hands, only="scene")
    assert "`--cold` empties it first" in str(caught.value)
    assert hands.log == [f"restart scene.1 {NEW}"]


def test_a_gate_that_was_emptied_and_could_not_be_restarted_serves_again(pair: Topology) -> None:
    """It runs from its old installation, and takes nobody any more."""
    hands = Hands(pair)

    def refused(process: str, python: str) -> None:
        if python == NEW:
            hands.pythons[process] = OLD
            raise CommandError("no answer", Exit.TIMED_OUT)

    hands.after_restart = refused
    with pytest.raises(CommandError, match=f"gate.1 serves from {OLD} again"):
        roll(pair, hands, only="gate")
    assert hands.log == ["empty gate.1", f"restart gate.1 {NEW}", f"restart gate.1 {OLD}"]


def test_a_gate_that_was_emptied_is_named_when_there_is_no_other_installation(pair: Topology) -> None:
    hands = Hands(pair)

    def refused(process: str, python: str) -> None:
        raise CommandError("no answer", Exit.TIMED_OUT)

    hands.after_restart = refused
    with pytest.raises(CommandError, match=r"`mesh restart gate\.1` has it serve again"):
        roll(pair, hands, only="gate", python="")
    assert hands.log == ["empty gate.1", "restart gate.1"]


def test_with_no_other_installation_there_is_nothing_to_put_it_back_onto(zone: Topology) -> None:
    hands = Hands(zone)

    def broken(process: str, python: str) -> None:
        if process == "log.1":
            hands.states["eu.one.log.1"] = "Shutdown"

    hands.after_restart = broken
    with pytest.raises(CommandError) as caught:
        roll(zone, hands, python="")
    assert f"log.1, 1 of 7: not well after {HEALTH_S:.0f} s: log.1 does not answer" in str(caught.value)
    assert "`mesh upgrade` begins anew" in str(caught.value)
    assert hands.log == ["restart log.1"]


def test_why_a_cluster_is_not_well(pair: Topology) -> None:
    hands = Hands(pair)
    hands.states = {"eu.one.gate.1": "Draining", "eu.one.log.1": "Shutdown"}
    hands.facts = {
        "eu.one.center.1": {"whole": False},
        "eu.one.dc.1": {"pair": "writer", "standby": "alone", "other": "dc.2"},
    }
    assert complaints(pair, run(hands.describe())) == [
        "gate.1 is Draining", "center.1 does not know yet who is where",
        "dc.1 writes, and its standby dc.2 is not in sync", "log.1 does not answer",
    ]  # fmt: skip


def test_a_pair_of_which_nobody_writes_is_not_well(pair: Topology) -> None:
    hands = Hands(pair)
    hands.facts = {"eu.one.dc.1": {"pair": "standby"}, "eu.one.dc.2": {"pair": "undecided"}}
    assert complaints(pair, run(hands.describe())) == ["neither DC of the pair writes"]


def test_who_interrupts_it_is_told_how_far_it_is(zone: Topology) -> None:
    hands, words = Hands(zone), list[str]()

    def stop_at_dc(process: str, _python: str) -> None:
        if process == "dc.1":
            raise asyncio.CancelledError

    async def interrupted() -> None:
        steps = plan(zone, known(zone), await hands.describe(), python=NEW)
        clock = ManualClock(asyncio.get_running_loop())
        with pytest.raises(asyncio.CancelledError):
            await Rollout(zone, steps, NEW, hands, clock, words.append).run()

    hands.after_restart = stop_at_dc
    run(interrupted())
    standing = "upgraded: log.1; not upgraded: dc.1, center.1, login.1,"
    assert words[-2].startswith(f"interrupted at dc.1, which may be restarted already; {standing}")
    assert words[-1] == f"`mesh upgrade --python {NEW}` goes on with these"


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("no-such-program", "is not a program"),
        ("false", "runs no nodes: the nodes cannot check"),
        ("/etc", "not a program"),
    ],
)
def test_what_is_no_installation_is_told_before_anything_is_restarted(zone: Topology, python: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        _checked(python, zone, SimpleNamespace(overrides={}))  # type: ignore[arg-type]
    assert caught.value.exit_code is Exit.USAGE


def test_an_installation_that_does_not_know_a_setting_is_told_before_anything_is_restarted(zone: Topology) -> None:
    changed = SimpleNamespace(overrides={"scene.tick_hz": "10"})
    assert _checked(sys.executable, zone, changed) == sys.executable  # type: ignore[arg-type]
    changed.overrides["scene.of_tomorrow"] = "1"
    with pytest.raises(TopologyError, match="of_tomorrow"):
        _checked(sys.executable, zone, changed)  # type: ignore[arg-type]


def test_a_process_keeps_its_installation_and_new_ones_take_the_newest() -> None:
    installations = Installations(OLD)
    assert (installations.of("dc.1"), installations.of("gate.1")) == (OLD, OLD)
    installations.choose("dc.1", NEW, is_running=True)
    installations.choose("gate.1", "", is_running=True)
    assert (installations.of("dc.1"), installations.of("gate.1"), installations.of("scene.3")) == (NEW, OLD, NEW)
    installations.choose("gate.1", "", is_running=False)
    assert installations.of("gate.1") == NEW, "it was away, and comes back with the new code"


def test_the_supervisor_starts_a_process_from_the_installation_that_is_named(play) -> None:  # noqa: F811
    async def story(machine: Machine) -> None:
        answer = await machine.control._answer(b'{"do": "restart", "process": "dc.1", "python": "/opt/new/python"}')
        assert answer.ok
        machine.of("dc.1")[-1].end(-9)
        await asyncio.sleep(10)
        assert await machine.ask("add", "scene.3", "one") == ""
        assert [one.python for one in machine.of("dc.1")][1:] == [NEW, NEW], "a crash does not bring the old one back"
        assert machine.of("scene.3")[0].python == NEW
        assert machine.written()["dc.1"].python == NEW
        assert machine.written()["gate.1"].python == machine.of("gate.1")[0].python != NEW

    play(story)


def test_a_restart_of_what_crashes_at_once_is_given_up_early(play) -> None:  # noqa: F811
    async def story(machine: Machine) -> None:
        machine.crashing.add("dc.1")
        began = machine.clock.now()
        assert "exit code 1" in await machine.ask("restart", "dc.1")
        assert machine.clock.now() - began < 5
        machine.crashing.clear()
        assert await machine.ask("restart", "dc.1") == ""

    play(story)


def test_a_request_says_nothing_that_an_older_supervisor_does_not_know() -> None:
    from tools.ctl.control import Request

    assert msgspec.json.encode(Request("restart", "gate.1")) == b'{"do":"restart","process":"gate.1"}'


def test_the_command_of_a_node_begins_with_its_installation(zone: Topology) -> None:
    process = zone.process_of(zone.node("gate.1"))
    assert node_command(zone, process, {}, 1, python=NEW)[:5] == [NEW, "-P", "-m", "nodes", "gate.1"]


def test_the_version_is_that_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_status_shows_versions_when_there_are_several() -> None:
    def node(name: str, version: str) -> NodeStatus:
        return NodeStatus(
            name, "gate", "Ready", 1, "", 0, 1.0, 0, 1.0, name, name, 1, "one", "127.0.0.1", version=version
        )

    def columns(*nodes: NodeStatus) -> list[object]:
        return [column.header for column in node_table(list(nodes), False, 200).columns]

    assert "version" not in columns(node("gate.1", "1"), node("gate.2", "1"), node("gate.3", ""))
    assert "version" in columns(node("gate.1", "1"), node("gate.2", "2"))
