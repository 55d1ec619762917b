"""What the node processes use: read from the system or from their pages, compared between two moments."""

import asyncio
import http.server
import json
import os
import socket
import threading

import pytest

from mesh.clock import SystemClock
from mesh.errors import RefusedError
from mesh.testing import ManualClock
from mesh.topology import Topology
from tools.bots.actions import Actions, Wishes, check_wishes
from tools.bots.findings import Evidence, findings
from tools.bots.gates import problem_of, usable
from tools.bots.increments import Total
from tools.bots.scrape import pick
from tools.bots.servers import (
    CPU,
    RSS,
    SKIPPED,
    TICK,
    Mark,
    Reading,
    Servers,
    busy_between,
    ticks_between,
    uses_between,
)
from tools.ctl.exits import CommandError
from tools.ctl.processes import identity
from tools.ctl.state import SUPERVISOR, ClusterState, ProcessState, write

PAGE = """\
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 6.1e+07
# TYPE scene_tick_seconds histogram
scene_tick_seconds_bucket{le="0.005",node="scene.1",role="scene"} 90.0
scene_tick_seconds_bucket{le="0.01",node="scene.1",role="scene"} 99.0
scene_tick_seconds_bucket{le="0.1",node="scene.1",role="scene"} 100.0
scene_tick_seconds_bucket{le="+Inf",node="scene.1",role="scene"} 100.0
scene_tick_seconds_count{node="scene.1",role="scene"} 100.0
scene_tick_seconds_sum{node="scene.1",role="scene"} 0.4
scene_ticks_skipped_total{node="scene.1",role="scene"} 3.0
scene_players{line="1",map="meadow",node="scene.1",role="scene"} 7.0
"""


def mark(at: float, page: str = "", **cpu_s: float) -> Mark:
    readings = {name: Reading(at, 7, used, 50.0) for name, used in cpu_s.items()}
    names = (f"{TICK}_bucket", f"{TICK}_sum", f"{TICK}_count", SKIPPED, CPU, RSS)
    return Mark(at, readings, {"scene.1": pick(page, *names)} if page else {}, at, 2 * at)


def test_a_page_is_read_as_far_as_it_is_needed() -> None:
    found = pick(PAGE, CPU, SKIPPED, f"{TICK}_bucket")
    assert found[CPU, "", ""] == 12.5
    assert found[SKIPPED, "scene.1", ""] == 3.0
    assert found[f"{TICK}_bucket", "scene.1", "0.01"] == 99.0
    assert len(found) == 6


def test_ticks_are_those_between_two_looks() -> None:
    later = PAGE.replace('"0.005",node="scene.1",role="scene"} 90.0', '"0.005",node="scene.1",role="scene"} 110.0')
    later = later.replace(" 99.0", " 124.0").replace(" 100.0", " 150.0").replace(" 0.4", " 1.4").replace(" 3.0", " 5.0")
    (tick,) = ticks_between(mark(0, PAGE).pages, mark(2, later).pages)
    assert (tick.node, tick.count, tick.mean_ms, tick.p99_ms, tick.skipped) == ("scene.1", 50, 20.0, 100.0, 2)
    assert ticks_between(mark(0, PAGE).pages, mark(2, PAGE).pages) == [], "it stands still"
    (anew,) = ticks_between(mark(0, later).pages, mark(2, PAGE).pages)
    assert anew.count == 100, "a scene that was started anew counts from nothing"


def test_use_is_a_share_of_one_core() -> None:
    (use,) = uses_between(mark(10.0, gate=5.0), mark(14.0, gate=7.0))
    assert (use.name, use.cpu, use.rss_mb) == ("gate", 0.5, 50.0)
    (anew,) = uses_between(mark(10.0, gate=5.0), mark(14.0, gate=1.0))
    assert anew.cpu == 0.25
    assert uses_between(mark(10.0), mark(14.0, gate=1.0)) == [], "who was not there before"
    assert busy_between(mark(10.0), mark(14.0)) == 0.5


def write_state(topology: Topology, **pids: int) -> None:
    me = identity()
    processes = [
        ProcessState(name, [name], "Ready", pid, identity(pid).started, 0, "", "") for name, pid in pids.items()
    ]
    write(topology.runtime / SUPERVISOR, ClusterState("test", me, True, None, processes))


def test_processes_of_this_machine_are_looked_at_directly(zone: Topology) -> None:
    write_state(zone, **{"gate.1": os.getpid()})

    async def story() -> None:
        servers = Servers(zone, SystemClock())
        assert await servers.sample() == ([], [], 0.0)
        await asyncio.sleep(0.02)
        uses, _, busy = await servers.sample()
        assert [use.name for use in uses] == ["gate.1"]
        assert uses[0].pid == os.getpid()
        assert uses[0].rss_mb > 5
        assert 0 <= busy <= 1

    asyncio.run(story())


def test_without_a_cluster_there_is_nothing_to_look_at() -> None:
    async def story() -> None:
        servers = Servers(None, ManualClock())
        await servers.sample()
        uses, ticks, _ = await servers.sample()
        assert (uses, ticks) == ([], [])

    asyncio.run(story())


# --- what is done to a cluster ---


def test_only_processes_of_the_cluster_are_killed_and_only_when_all_are_ready(zone: Topology) -> None:
    async def story() -> None:
        victim = await asyncio.create_subprocess_exec("sleep", "60")
        other = await asyncio.create_subprocess_exec("sleep", "60")
        try:
            write_state(zone, **{"scene.1": victim.pid, "scene.2": other.pid})
            wishes = Wishes(kill=["scene.1"], kill_every_s=0.01, after_s=0.0)
            check_wishes(wishes, zone)
            actions = Actions(wishes, zone, SystemClock(), 0.0)
            doing = asyncio.create_task(actions.carry_out())
            assert await victim.wait() == -9
            await asyncio.sleep(0.2)
            doing.cancel()
            assert actions.kills == 1, "it was not started again, so nothing more is killed"
            assert [one.text for one in actions.happened] == ["scene.1 is killed"]
            assert other.returncode is None
        finally:
            other.kill()
            await other.wait()

    asyncio.run(story())


def test_a_pid_that_somebody_else_has_now_is_left_alone(zone: Topology) -> None:
    gone = ProcessState("scene.1", ["scene.1"], "Ready", os.getpid(), 12.5, 0, "", "")
    me = identity()
    write(zone.runtime / SUPERVISOR, ClusterState("test", me, True, None, [gone]))
    actions = Actions(Wishes(kill=["scene.1"]), zone, SystemClock(), 0.0)
    actions._kill("scene.1")
    assert actions.kills == 0


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes(kill=["scene.9"]), "no node 'scene.9'; did you mean scene."),
        (Wishes(drain="gate.2"), "no node 'gate.2'; did you mean gate.1"),
        (Wishes(drain="center.1"), "there is one center in a zone"),
        (Wishes(drain="dc.1"), "there is one dc in a zone"),
        (Wishes(drain="gate.1"), "it is the only gate"),
        (Wishes(kill=["scene.1"]), "not looked after by a supervisor"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_run(zone: Topology, wishes: Wishes, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        check_wishes(wishes, zone)


def test_gates_that_do_not_listen_are_left_out_and_named(unused_ports: list[int]) -> None:
    words: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"ws://127.0.0.1:{server.getsockname()[1]}"
        gone = f"ws://127.0.0.1:{unused_ports[0]}"
        assert usable([gone, here], False, words.append) == [here]
        assert words == [f"mesh: {gone} does not listen and is left out"]
        assert usable([gone, here], True, words.append) == [gone, here], "those that were named are taken as they are"
    with pytest.raises(CommandError, match=f"no gate takes players: {gone} does not listen"):
        usable([gone], True, words.append)


@pytest.mark.parametrize(("state", "problem"), [("Ready", ""), ("Draining", "is Draining")])
def test_a_gate_that_drains_takes_nobody(state: str, problem: str) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"state": state}).encode())

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            assert problem_of(f"ws://127.0.0.1:{server.server_port}") == problem
        finally:
            server.shutdown()
            serving.join()


def test_a_drain_that_is_refused_is_told_with_its_reason(zone: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_said: object, **_more: object) -> None:
        raise RefusedError("unavailable", "nobody could take over")

    monkeypatch.setattr("tools.bots.actions.Operator.ask", refuse)
    actions = Actions(Wishes(drain="gate.1"), zone, SystemClock(), 0.0)
    assert actions.problem, "until it is done it is not"
    asyncio.run(actions._drain("gate.1"))
    assert "nobody could take over" in actions.problem
    assert actions.happened[0].text == "gate.1 is asked to become empty"
    lines = findings(Evidence("walk", 10.0, drain_problem=actions.problem), Total())
    assert [(line.name, line.ok) for line in lines] == [("drained", False)]
