"""A running cluster grows and shrinks: the real supervisor on virtual time, with processes that only pretend."""

import asyncio
import itertools
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import ManualClock, run, wait_until
from mesh.topology import Process, Topology
from tools.ctl import prechecks, state, supervisor
from tools.ctl.control import ControlServer, Request
from tools.ctl.exits import CommandError
from tools.ctl.growth import Growth, free_index, node_of, without
from tools.ctl.supervision import Phase
from tools.ctl.supervisor import Supervisor

READY_S = 0.2


class Pretender:
    """What `launch` gives: a process that is Ready after a moment and ends when it is told to."""

    def __init__(self, pid: int, process: Process, words: list[str], python: str) -> None:
        self.pid, self.name, self.added, self.python = pid, process.name, words, python
        self.process = self
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await self.code

    def end(self, code: int) -> None:
        if not self.code.done():
            self.code.set_result(code)

    def signal(self, number: signal.Signals) -> None:
        self.end(0 if number is signal.SIGTERM else -9)

    def last_words(self) -> list[str]:
        return []


class Machine:
    """A supervisor, its growth, and everything that runs."""

    def __init__(self, topology: Topology) -> None:
        self.clock = ManualClock(asyncio.get_running_loop())
        self.notes: list[list[str]] = []
        self.launched: list[Pretender] = []
        self.broken: set[str] = set()
        self.crashing: set[str] = set()  # these end at once when they are started
        file = topology.runtime / state.SUPERVISOR
        self.supervisor = Supervisor(topology, {}, self.clock, lambda said: None, topology.processes, file)
        self.growth = Growth(self.supervisor, lambda added: self.notes.append(list(added)))
        self.control = ControlServer(self.supervisor, self.growth, topology.sockets / "supervisor")

    async def launch(
        self,
        topology: Topology,
        process: Process,
        overrides: object,
        added: Sequence[str] = (),
        python: str = "",
        beside: bool = False,
        spare: bool = False,
    ) -> Pretender:
        if spare:
            raise OSError("there are none in these stories")
        one = Pretender(100_000_000 + len(self.launched), process, list(added), python)
        self.launched.append(one)
        if process.name in self.broken:
            one.end(2)
        if process.name in self.crashing:
            one.end(1)
        return one

    def of(self, name: str) -> list[Pretender]:
        return [one for one in self.launched if one.name == name]

    def phase(self, name: str) -> Phase:
        return self.supervisor.supervision.children[name].phase

    def written(self) -> dict[str, state.ProcessState]:
        return state.processes_of(self.supervisor.topology)

    async def ask(self, do: str, process: str, zone: str = "") -> str:
        """Over the control server, without its socket; the error."""
        import msgspec

        line = msgspec.json.encode(Request(do, process, zone=zone))  # type: ignore[arg-type]
        return (await self.control._answer(line)).error


Story = Callable[[Machine], Coroutine[Any, Any, None]]


@pytest.fixture
def play(zone: Topology, monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    async def ready(host: str, port: int, timeout_s: float) -> bool:
        return next(asks) % 3 == 2

    asks = itertools.count()

    async def whole(story: Story) -> None:
        machine = Machine(zone)
        monkeypatch.setattr(supervisor, "launch", machine.launch)
        monkeypatch.setattr(supervisor, "is_ready", ready)
        monkeypatch.setattr(prechecks, "check_ports", lambda *_: None)
        running = asyncio.create_task(machine.supervisor.run())
        try:
            await wait_until(lambda: machine.supervisor.supervision.settled)
            await story(machine)
        finally:
            machine.supervisor.stop()
            await running
        assert all(one.code.done() for one in machine.launched), "nothing is left behind"

    return lambda story: run(whole(story))


def test_a_further_node_is_started_with_the_next_index_and_told_about_when_it_is_ready(play) -> None:
    async def story(machine: Machine) -> None:
        assert await machine.ask("add", "scene.3", "one") == ""
        assert machine.phase("scene.3") is Phase.READY
        (started,) = machine.of("scene.3")
        assert started.added == ["7:scene.3@one"]
        spec = machine.supervisor.topology.node("scene.3")
        assert (spec.name, spec.process) == ("eu.one.scene.3", 7)
        assert machine.notes == [["7:scene.3@one"]]
        assert machine.written()["scene.3"].phase == "Ready"

    play(story)


def test_two_that_are_added_at_once_have_two_places(play) -> None:
    async def story(machine: Machine) -> None:
        problems = await asyncio.gather(machine.ask("add", "scene.3", "one"), machine.ask("add", "gate.2", "one"))
        assert problems == ["", ""]
        assert machine.supervisor.added == ["7:scene.3@one", "8:gate.2@one"]
        assert machine.notes[-1] == machine.supervisor.added

    play(story)


def test_whoever_is_started_later_is_told_of_all_that_were_added(play) -> None:
    async def story(machine: Machine) -> None:
        await machine.ask("add", "scene.3", "one")
        assert await machine.ask("restart", "center.1") == ""
        assert machine.of("center.1")[-1].added == ["7:scene.3@one"]
        assert machine.of("center.1")[0].added == []

    play(story)


def test_one_that_is_there_is_not_added_again(play) -> None:
    async def story(machine: Machine) -> None:
        assert await machine.ask("add", "scene.2", "one") == "scene.2 is there already (Ready)"
        problems = await asyncio.gather(machine.ask("add", "scene.3", "one"), machine.ask("add", "scene.3", "one"))
        assert sum("is there already" in problem for problem in problems) == 1
        assert len(machine.of("scene.3")) == 1

    play(story)


def test_one_that_cannot_serve_leaves_nothing_behind(play) -> None:
    async def story(machine: Machine) -> None:
        machine.broken.add("log.2")
        assert "ended with exit code 2" in await machine.ask("add", "log.2", "one")
        assert machine.supervisor.added == []
        assert machine.notes[-1] == []
        assert "log.2" not in machine.written()
        assert "log.2" not in machine.supervisor.processes
        machine.broken.clear()
        assert await machine.ask("add", "log.2", "one") == ""
        assert machine.supervisor.added == ["7:log.2@one"], "its place is free again"

    play(story)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("scene.0", "write INDEX:NODE"),
        ("wizard.1", "write INDEX:NODE"),
        ("center.2", "more than one center"),
        ("gate.51", "gate.51 has no port"),
    ],
)
def test_what_a_topology_cannot_have_is_refused_in_its_words(play, node: str, says: str) -> None:
    async def story(machine: Machine) -> None:
        assert says in await machine.ask("add", node, "one")
        assert machine.notes == []

    play(story)


def test_a_taken_port_is_named_and_nothing_is_started(play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(machine: Machine) -> None:
        def taken(*_: object) -> None:
            raise CommandError("port 7701 (players at gate.2) is taken by pid 7 (nginx)")

        monkeypatch.setattr(prechecks, "check_ports", taken)
        assert "port 7701 (players at gate.2)" in await machine.ask("add", "gate.2", "one")
        assert machine.of("gate.2") == []
        assert [p.name for p in machine.supervisor.topology.processes][-1] == "gate.1"

    play(story)


def test_an_added_one_that_is_removed_is_forgotten_and_its_place_used_again(play) -> None:
    async def story(machine: Machine) -> None:
        await machine.ask("add", "scene.3", "one")
        await machine.ask("add", "scene.4", "one")
        assert await machine.ask("remove", "scene.3") == ""
        assert machine.of("scene.3")[0].code.result() == 0
        assert "scene.3" not in machine.written()
        assert [n.short for n in machine.supervisor.topology.of_role("scene")] == ["scene.1", "scene.2", "scene.4"]
        assert machine.notes[-1] == ["8:scene.4@one"]
        assert await machine.ask("remove", "scene.3") == "there is no process scene.3"
        assert await machine.ask("add", "gate.2", "one") == ""
        assert machine.supervisor.added == ["8:scene.4@one", "7:gate.2@one"]

    play(story)


def test_one_of_the_file_that_is_removed_stays_away_until_it_is_added_again(play) -> None:
    async def story(machine: Machine) -> None:
        assert await machine.ask("remove", "scene.2") == ""
        gone = machine.written()["scene.2"]
        assert (gone.phase, gone.reason, gone.pid) == ("Shutdown", state.SCALED_AWAY, 0)
        await asyncio.sleep(60)
        assert len(machine.of("scene.2")) == 1
        assert await machine.ask("add", "scene.2", "one") == ""
        assert machine.phase("scene.2") is Phase.READY
        assert (machine.written()["scene.2"].reason, machine.written()["scene.2"].drained) == ("", False)
        assert machine.supervisor.added == []

    play(story)


def test_a_drained_one_is_not_started_again_when_it_ends_until_somebody_asks(play) -> None:
    async def story(machine: Machine) -> None:
        assert await machine.ask("drain", "scene.2") == ""
        assert machine.written()["scene.2"].drained
        machine.of("scene.2")[0].end(-9)
        await asyncio.sleep(60)
        assert machine.phase("scene.2") is Phase.SHUTDOWN
        assert "SIGKILL" in machine.written()["scene.2"].reason
        assert await machine.ask("restart", "scene.2") == ""
        assert machine.phase("scene.2") is Phase.READY
        machine.of("scene.2")[-1].end(-9)
        await wait_until(lambda: len(machine.of("scene.2")) == 3 and machine.phase("scene.2") is Phase.READY)

    play(story)


def test_a_drained_one_that_is_restarted_while_it_runs_serves_again(play) -> None:
    async def story(machine: Machine) -> None:
        await machine.ask("drain", "gate.1")
        assert await machine.ask("restart", "gate.1") == ""
        assert not machine.written()["gate.1"].drained
        assert len(machine.of("gate.1")) == 2

    play(story)


def test_what_was_added_is_stopped_with_the_cluster(play) -> None:
    machines: list[Machine] = []

    async def story(machine: Machine) -> None:
        machines.append(machine)
        await machine.ask("add", "scene.3", "one")
        machine.supervisor.stop()
        await wait_until(lambda: machine.supervisor.supervision.stopping)
        assert await machine.ask("add", "scene.4", "one") == "the cluster is starting or being stopped"
        assert await machine.ask("remove", "scene.3") == "the cluster is being stopped"

    play(story)
    assert machines[0].of("scene.3")[0].code.result() == 0
    assert machines[0].of("scene.4") == []


def test_a_stop_during_an_addition_ends_it(play) -> None:
    async def story(machine: Machine) -> None:
        adding = asyncio.create_task(machine.ask("add", "scene.3", "one"))
        await wait_until(lambda: machine.of("scene.3"))
        machine.supervisor.stop()
        assert await adding == "the cluster is being stopped"

    play(story)


def test_one_that_does_not_end_in_its_grace_is_killed(play) -> None:
    async def story(machine: Machine) -> None:
        await machine.ask("add", "scene.3", "one")
        (stubborn,) = machine.of("scene.3")
        stubborn.signal = lambda number: stubborn.end(-9) if number is signal.SIGKILL else None  # type: ignore[method-assign]
        assert await machine.ask("remove", "scene.3") == ""
        assert stubborn.code.result() == -9

    play(story)


def test_a_file_that_was_damaged_meanwhile_stops_no_removal_and_says_so_for_an_addition(play, zone: Topology) -> None:
    async def story(machine: Machine) -> None:
        await machine.ask("add", "scene.3", "one")
        whole = zone.file.read_text()
        zone.file.write_text("[cluster")
        try:
            assert "zone.toml" in await machine.ask("add", "scene.4", "one")
            assert await machine.ask("remove", "scene.3") == ""
        finally:
            zone.file.write_text(whole)

    play(story)


@pytest.mark.parametrize("line", [b"", b"{", b'{"do": "explode"}', b'{"do": "stop", "x": 1}', b"\xff\xfe"])
def test_what_is_not_a_request_is_answered_and_changes_nothing(play, line: bytes) -> None:
    async def story(machine: Machine) -> None:
        answer = await machine.control._answer(line)
        assert not answer.ok
        assert answer.error.startswith("not a request")
        assert not machine.supervisor.supervision.stopping

    play(story)


def test_places_are_as_low_as_possible_and_end_at_fifty() -> None:
    assert free_index([0, 1, 3]) == 2
    assert free_index([]) == 0
    with pytest.raises(CommandError, match="50 processes"):
        free_index(range(50))


def test_the_node_is_in_the_text() -> None:
    assert node_of("7:scene.3@one") == "scene.3"
    assert node_of("7:scene.3") == "scene.3"


def test_a_topology_without_a_process_is_whole(zone: Topology) -> None:
    smaller = without(zone, "scene.2")
    assert len(smaller.processes) == 6
    assert "eu.one.scene.2" not in smaller.nodes
    assert smaller.process_of(smaller.node("gate.1")).index == 6, "others keep their ports"


def test_what_a_dead_supervisor_wrote_of_added_ones_is_found(tmp_path: Path, zone: Topology) -> None:
    gone = state.ClusterState(
        "test", state.Identity(2**22 + 7, 1.0), True, None,
        [state.ProcessState("scene.3", ["scene.3"], "Shutdown", 0, 0.0, 0, "", "")],
    )  # fmt: skip
    state.write(zone.runtime / state.SUPERVISOR, gone)
    assert state.has_ended(zone, "scene.3")
    assert not state.has_ended(zone, "scene.1")
    assert not state.is_whole(zone)
