"""The small pure parts of the command line: times, names, words, whom a keep watches, what status shows."""

import asyncio
import io
import os
import socket
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from mesh.errors import DeadlineExceeded, PeerLost, RefusedError, TopologyError
from mesh.protocol.control import Description, Load, Member, State
from mesh.protocol.journal import Event
from mesh.protocol.placement import PlayerFound
from mesh.protocol.sessions import Placement
from mesh.topology import Topology
from mesh.topology.policy import DEFAULT
from tools.ctl import clusters
from tools.ctl.commands.account import ban_words, check_name, level_words
from tools.ctl.commands.events import newest
from tools.ctl.commands.lines import find_lines, parse_line
from tools.ctl.commands.logs import Tail, files_of
from tools.ctl.commands.player import present, where_sentence, worst
from tools.ctl.commands.pressure import level_said, parse_level, row_of
from tools.ctl.commands.restart import process_of
from tools.ctl.commands.status import (
    NodeStatus,
    facts_lines,
    headline,
    is_away,
    lacks_writer,
    merge,
    node_table,
    pair_lines,
    queue_lines,
    slow_lines,
)
from tools.ctl.exits import CommandError, Exit, exit_of
from tools.ctl.keep import foreman_among
from tools.ctl.launch import how_it_ended, node_command
from tools.ctl.lazy import did_you_mean
from tools.ctl.output import brief, span, table
from tools.ctl.players import account_of
from tools.ctl.processes import Identity, holder, identity, is_alive, is_taken
from tools.ctl.state import SCALED_AWAY, ProcessState
from tools.ctl.supervision import Do, Instruction, Word
from tools.ctl.when import parse_length, parse_when
from tools.ctl.words import client_addresses, sentence

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", NOON - 90),
        ("10m", NOON - 600),
        ("1.5h", NOON - 5400),
        ("2d", NOON - 172_800),
        ("11:30", NOON - 1800),
        ("2023-11-15", NOON - 43_200),
        ("2023-11-15T11:00:00", NOON - 3600),
        ("2023-11-15T12:00:00+01:00", NOON - 3600),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_when(text, NOON, UTC) == int(seconds * 1000)


@pytest.mark.parametrize("text", ["", "soon", "10", "25:00", "12:61", "-5m", "5 m", "2023-13-01", "10y"])
def test_what_is_not_a_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_when(text, NOON, UTC)
    assert caught.value.exit_code is Exit.USAGE


def test_lengths_of_time() -> None:
    assert parse_length("1w") == 604_800
    assert [span(s) for s in (0.25, 4.21, 200, 7500, 86_400)] == ["250 ms", "4.2 s", "3 min 20 s", "2 h 5 min", "1 d"]


def test_a_mistyped_word_finds_its_neighbours() -> None:
    assert did_you_mean("stauts", ["status", "down", "up"]) == "; did you mean status?"
    assert did_you_mean("xyzzy", ["b", "a"]) == "; there are a, b"
    assert did_you_mean("xyzzy", []) == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("not_found", "no such account"), Exit.NOT_FOUND),
        (RefusedError("exists"), Exit.FAILURE),
        (DeadlineExceeded("dc.1"), Exit.TIMED_OUT),
        (PeerLost("dc.1"), Exit.UNHEALTHY),
        (TopologyError(["x"]), Exit.USAGE),
        (CommandError("x", Exit.CHECK_FAILED), Exit.CHECK_FAILED),
        (OSError(28, "No space left on device"), Exit.FAILURE),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: Exit) -> None:
    assert exit_of(error) is code


def test_names_and_bans() -> None:
    assert check_name("anna-7") == "anna-7"
    with pytest.raises(CommandError, match="not a name"):
        check_name("-anna")
    assert ban_words(0) == "not banned"
    assert ban_words(-1) == "banned for ever"


HONCHO = ["/v/bin/python", "/v/bin/honcho", "start"]


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ([(9, HONCHO), (8, HONCHO), (7, ["bash"]), (1, ["init"])], 8),
        ([(10, ["sh", "-c", "x"]), (9, HONCHO), (8, HONCHO), (1, ["init"])], 8),
        ([(9, ["python", "-m", "honcho", "start"]), (8, ["bash", "/tmp/honcho.sh"])], 9),
        ([(9, HONCHO), (8, HONCHO), (7, ["bash"]), (6, ["python", "honcho", "other"])], 8),
        ([(7, ["bash"]), (1, ["init"])], None),
    ],
)
def test_a_keep_watches_the_honcho_that_runs_it(chain: list[tuple[int, list[str]]], found: int | None) -> None:
    assert foreman_among(chain) == found


def test_how_a_process_ended_is_said_with_its_last_words() -> None:
    assert how_it_ended(-9, []) == "was ended by SIGKILL"
    assert how_it_ended(2, ["disk is full"]) == "ended with exit code 2\n    disk is full"


def test_sentences_name_the_node_and_the_time(zone: Topology) -> None:
    assert sentence(Instruction(Do.SAY, "gate.1", Word.READY, 0.5), zone) == "gate.1 is Ready after 500 ms"
    again = Instruction(Do.SAY, "dc.1", Word.ENDED, 2.0, "was ended by SIGKILL")
    assert sentence(again, zone) == "dc.1 starts again in 2.0 s; it was ended by SIGKILL"
    for word in Word:
        assert sentence(Instruction(Do.SAY, "gate.1", word, 0.0, "x"), zone)
    kept = Instruction(Do.SAY, "dc.1", Word.GIVEN_UP, 0.0, "died 5 times", "/data/dc.1/data.mdb")
    assert all(part in sentence(kept, zone) for part in ("/data/dc.1/data.mdb", "mesh db verify", "mesh db restore"))
    assert "database" not in sentence(Instruction(Do.SAY, "gate.1", Word.GIVEN_UP, 0.0, "x"), zone)


def test_players_are_told_where_to_connect(zone: Topology) -> None:
    assert client_addresses(zone) == [f"ws://127.0.0.1:{zone.base_port}"]


def test_a_node_process_is_started_so_that_it_can_find_its_parent_and_no_foreign_module(zone: Topology) -> None:
    command = node_command(zone, zone.processes[0], {"scene.tick_hz": "20"}, 4242)
    assert command[1:5] == ["-P", "-m", "nodes", "center.1"]
    assert command[command.index("--parent") + 1] == "4242"
    assert command[command.index("--set") + 1] == "scene.tick_hz=20"


def test_a_node_is_found_by_any_of_its_names(zone: Topology) -> None:
    assert process_of(zone, "gate.1") is process_of(zone, "eu.one.gate.1")
    with pytest.raises(CommandError, match=r"did you mean .*gate\.1") as caught:
        process_of(zone, "gaet.1")
    assert caught.value.exit_code is Exit.NOT_FOUND


def known(phase: str, pid: int = 0, reason: str = "") -> ProcessState:
    started = identity(pid).started if pid else 0.0
    return ProcessState("gate.1", ["gate.1"], phase, pid, started, 3, reason, "")


def test_status_believes_the_node_and_asks_the_supervisor_for_the_rest(zone: Topology) -> None:
    spec = zone.node("gate.1")
    said = Description(spec.name, "gate", "Draining", os.getpid(), 1, 5.0, "http://x/metrics", Load(7), [])
    shown = merge(spec, said, known("Ready", os.getpid()), zone)
    assert (shown.state, shown.players, shown.restarts, shown.pid) == ("Draining", 7, 3, os.getpid())
    silent = DeadlineExceeded("gate.1")
    assert merge(spec, silent, known("Ready", os.getpid()), zone).state == "Silent"
    assert merge(spec, silent, known("Starting", os.getpid()), zone).state == "Starting"
    down = merge(spec, silent, known("Down", 0, "ended with exit code 2"), zone)
    assert (down.state, down.pid, down.reason) == ("Down", 0, "ended with exit code 2")
    assert merge(spec, silent, known("Shutdown"), zone).state == "Shutdown"
    assert merge(spec, silent, known("Waiting"), zone).state == "Waiting"
    assert merge(spec, silent, None, zone).state == "Down"


def test_a_pid_that_is_used_again_is_somebody_else() -> None:
    me = identity()
    assert is_alive(me)
    assert not is_alive(Identity(me.pid, me.started - 1.0))


def test_a_taken_port_names_who_has_it(unused_ports: list[int]) -> None:
    port = unused_ports[0]
    assert not is_taken("127.0.0.1", port)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert is_taken("127.0.0.1", port)
        assert f"pid {os.getpid()} " in holder(port)


def test_events_of_several_log_nodes_are_merged_and_cut_to_the_newest() -> None:
    first = [Event(at, "move", 1, "a", {}) for at in (10, 30, 50)]
    second = [Event(at, "move", 1, "b", {}) for at in (20, 40)]
    found, more = newest([first, second], 3, more=False)
    assert [event.at_ms for event in found] == [30, 40, 50]
    assert more
    assert newest([first], 3, more=False) == (first, False)


def test_a_tail_reads_whole_lines_and_survives_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "gate.1.log"
    tail = Tail("gate.1", path)
    assert tail.read() == []
    path.write_text("2026-01-02 03:04:05.678 INFO gate.1 ready\nTraceback\nhalf")
    stamp = "2026-01-02 03:04:05.678"
    first, second = tail.read()
    assert first == (stamp, "gate.1", f"{stamp} INFO gate.1 ready")
    assert second == (stamp, "gate.1", "Traceback"), "it belongs to the line before"
    with path.open("a") as file:
        file.write(" a line\n")
    assert [text for _, _, text in tail.read()] == ["half a line"]
    path.rename(tmp_path / "old")
    path.write_text("new file\n")
    assert [text for _, _, text in tail.read()] == ["new file"]


def test_an_accounts_number_is_taken_as_it_is_and_what_no_number_can_be_is_a_name(
    zone: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.ctl.players.run_offline", lambda *_: ({"rows": []}, 0))
    assert asyncio.run(account_of(zone, "17", runs=False)) == 17
    for player in ("9" * 30, "9" * 5000, "²", ""):
        with pytest.raises(CommandError, match="there is no player") as caught:
            asyncio.run(account_of(zone, player, runs=False))
        assert caught.value.exit_code is Exit.NOT_FOUND


@pytest.mark.parametrize("text", ["0001-01-01", "99999999999d", "9" * 400 + "s"])
def test_a_time_that_no_calendar_has_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_when(text, NOON)
    assert caught.value.exit_code is Exit.USAGE


def test_only_the_column_that_folds_gives_way_on_a_narrow_terminal() -> None:
    drawn = table("time", "fields", folds="fields")
    drawn.add_row("2026-11-21 02:29:44.908", "session=520093698 scene=local.one.scene.1")
    page = io.StringIO()
    Console(file=page, width=50).print(drawn)
    text = page.getvalue()
    assert "2026-11-21 02:29:44.908" in text
    assert "…" not in text
    assert "scene=local.one.scene.1" in text.replace("\n", "").replace(" ", "")


def test_a_node_says_of_itself_what_the_table_does_not() -> None:
    facts = {
        "epoch": 1, "members": [["eu.one.gate.1"]], "whole": True, "lines": [{"map": "meadow"}] * 3,
        "tick_ms": {"p50": 0.123456789, "p99": 1.0}, "url": "ws://x", "maps": ["a", "b"], "empty": [],
    }  # fmt: skip
    assert facts_lines(facts) == [
        "epoch: 1", "whole: true", "lines: 3 (--json lists them)", "tick_ms.p50: 0.123457", "tick_ms.p99: 1",
        "url: ws://x", "maps: a, b", "empty: none",
    ]  # fmt: skip


def node_status(short: str, uptime_s: float = 5.0, phase: str = "Ready", reason: str = "") -> NodeStatus:
    role, url = short.split(".")[0], "http://127.0.0.1:65535/metrics"
    return NodeStatus(
        f"eu.instance.{short}", role, phase, 4194304, url, 10_000, uptime_s, 12_345, 12_345.6, short, short, 9,
        "instance", "127.0.0.1", reason,
    )  # fmt: skip


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("uptime_s", [0.0, 59.9, 249.0, 86_399.0, 863_999.0, 86_400.0 * 999])
@pytest.mark.parametrize("width", [80, 60, 40])
def test_the_table_of_nodes_fits_its_terminal(several: bool, uptime_s: float, width: int) -> None:
    page = io.StringIO()
    nodes = [node_status("gate.1", uptime_s), node_status("scene.10", uptime_s, "Unreached")]
    Console(file=page, width=width).print(node_table(nodes, several, width))
    text = page.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert len(text.splitlines()) == 6, "no line is folded"
    assert all(word in text for word in ("scene.10", "Unreached", "10000"))
    if not several and width == 80:
        assert "65535" in text or "4194304" in text


PRESSED = {"level": 2, "name": "crowded", "score": 1.2, "reason": "tick time", "pinned": False, "signals": {}}


def shown(nodes: list[NodeStatus], width: int = 80) -> str:
    page = io.StringIO()
    Console(file=page, width=width).print(node_table(nodes, False, width))
    return page.getvalue()


def test_the_table_has_levels_while_there_are_some() -> None:
    gate, scene = node_status("gate.1"), node_status("scene.1")
    assert "level" not in shown([gate, scene])
    assert "level" not in shown([gate, msgspec.structs.replace(scene, facts={"pressure": PRESSED | {"level": 0}})])
    pressed = msgspec.structs.replace(scene, facts={"pressure": PRESSED})
    assert "2 crowded: tick time" in shown([gate, pressed])
    held = PRESSED | {"level": 0, "name": "full", "reason": "", "pinned": True}
    assert "0 full*" in shown([gate, msgspec.structs.replace(scene, facts={"pressure": held})])
    assert max(map(len, shown([gate, pressed], 40).splitlines())) <= 40


def test_who_waits_and_where_nobody_is_let_in_is_said() -> None:
    scene, center = node_status("scene.1"), node_status("center.1")
    assert queue_lines([scene, center]) == []
    assert queue_lines([scene, msgspec.structs.replace(center, facts={"queued": 0, "shut": []})]) == []
    waited = msgspec.structs.replace(center, facts={"queued": 10, "shut": [scene.name]})
    assert queue_lines([scene, waited, node_status("scene.2")]) == [
        "10 wait in the queue to be let in",
        "let nobody new in: scene.1 (mesh pressure says why)",
    ]
    one = msgspec.structs.replace(center, facts={"queued": 1})
    assert queue_lines([one]) == ["1 waits in the queue to be let in"]


def test_where_game_time_goes_slower_is_said() -> None:
    slow = msgspec.structs.replace(node_status("scene.2"), facts={"dilation": 0.6})
    assert slow_lines([node_status("scene.1")]) == []
    assert slow_lines([node_status("scene.1"), slow]) == ["game time goes slower: scene.2 (60 %)"]


def test_status_says_which_dc_writes() -> None:
    def dc(name: str, **facts: object) -> NodeStatus:
        return msgspec.structs.replace(node_status(name), role="dc", facts=facts)

    follows = dc("dc.2", pair="standby", other="dc.1", epoch=3, batch=7)
    writes = dc("dc.1", pair="writer", other="dc.2", epoch=3, standby="paired", lag_batches=0)
    assert pair_lines([dc("dc.1")]) == []
    assert pair_lines([follows, writes]) == ["dc.1 writes (epoch 3); its standby dc.2 is in sync"]
    for away, words in (("refuse", "refused"), ("wait", "made to wait")):
        facts = {**writes.facts, "standby": "alone", "lag_batches": 4, "standby_away": away}
        assert pair_lines([msgspec.structs.replace(writes, facts=facts)]) == [
            "dc.1 writes (epoch 3); its standby dc.2 is not in sync: it cannot take over, and operations of class R are"
            f" {words}, 4 commits behind"
        ]
    assert pair_lines([follows]) == ["no DC writes at the moment: dc.2"]
    why = "dc.1 has an older database than the one that it wrote to (epoch 3)"
    center = msgspec.structs.replace(node_status("center.1"), role="center", facts={"dc_blocked": why})
    assert pair_lines([center, follows])[0].startswith(f"no DC writes at the moment: {why}; `mesh db restore`")
    assert lacks_writer([center, follows])
    assert not lacks_writer([follows, writes])
    assert not lacks_writer([dc("dc.1")]), "one that has no standby asks nobody"


def test_what_an_operator_did_is_said() -> None:
    assert level_said(2, DEFAULT) == "at 2 (crowded)"
    assert level_said(None, DEFAULT) == "as its pressure says"
    assert level_said(0, DEFAULT[:1]) == "at 0 (full) as always: the policy is empty"


def test_what_a_node_says_of_its_pressure() -> None:
    row = row_of("eu.one.scene.1", {"pressure": PRESSED | {"signals": {"tick time": 1.2}}})
    assert (row.node, row.level, row.name, row.reason, row.signals) == (
        "scene.1", 2, "crowded", "tick time", {"tick time": 1.2},
    )  # fmt: skip
    assert row_of("eu.one.scene.1", {}).level == 0


@pytest.mark.parametrize(
    ("text", "level"), [("0", 0), ("5", 5), ("Full", 0), ("strained", 3), ("auto", None), ("AUTO", None)]
)
def test_a_level_is_a_number_or_a_name(text: str, level: int | None) -> None:
    assert parse_level(text, DEFAULT) == level


@pytest.mark.parametrize("text", ["8", "-1", "", "busiest", "1.5", "٣"])
def test_what_is_no_level_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError, match=r"0 \(full\), 1 \(busy\).*auto") as caught:
        parse_level(text, DEFAULT)
    assert caught.value.exit_code is Exit.USAGE


def test_a_wide_terminal_shows_everything() -> None:
    page = io.StringIO()
    Console(file=page, width=200).print(node_table([node_status("gate.1", 249.0)], True, 200))
    assert all(w in page.getvalue() for w in ("instance", "4194304", "4m 9s", "12345", "12346", "65535"))


def test_times_are_short_in_columns() -> None:
    assert [brief(s) for s in (0.2, 59.9, 249, 7500, 86_400)] == ["0s", "59s", "4m 9s", "2h 5m", "1d 0h"]


def test_nodes_that_were_scaled_away_are_not_missed() -> None:
    note = clusters.Running("duo", "/r", "/t", 7700, {}, identity(), "supervisor")
    away = node_status("log.3", phase="Shutdown", reason=SCALED_AWAY)
    drained = node_status("log.2", phase="Shutdown", reason="ended")
    assert [is_away(one) for one in (away, drained)] == [True, False]
    assert "1 of 1 nodes Ready, 1 scaled away, 0 players" in headline(note, [node_status("gate.1"), away])
    assert "1 of 2 nodes Ready, 0 players" in headline(note, [node_status("gate.1"), drained])


@pytest.mark.parametrize(
    "text", ["", "meadow", "meadow:", "meadow:0", "meadow:65536", "meadow:000065535999", "meadow:-1", "meadow:x", ":1"]
)
def test_what_is_not_a_line_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_line(text)
    assert caught.value.exit_code is Exit.USAGE


def test_a_line_is_a_map_and_a_number() -> None:
    assert parse_line("meadow:2") == ("meadow", 2)
    assert parse_line("old:town:65535") == ("old:town", 65535)


def test_a_scene_that_drains_or_is_gone_shows_at_its_lines(zone: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    def member(short: str, state: State) -> Member:
        return Member(zone.node(short).name, 1, "scene", "ipc://x", state)

    def row(number: int, scene: str) -> dict[str, object]:
        return {"map": "meadow", "line": number, "scene": scene, "players": 3, "soft": 8, "max": 10, "state": "free"}

    scenes = [zone.node("scene.1").name, zone.node("scene.2").name, "eu.one.scene.9"]
    facts = {
        "lines": [{**row(n, scene), "fixed": True} for n, scene in enumerate(scenes, start=1)],
        "members": [
            msgspec.to_builtins(member("scene.1", "Ready")),
            msgspec.to_builtins(member("scene.2", "Draining")),
        ],
    }
    said = Description(zone.node("center.1").name, "center", "Ready", 1, 1, 1.0, "", Load(), [], facts)

    async def gather_good(*_: object) -> list[Description]:
        return [said]

    monkeypatch.setattr("tools.ctl.commands.lines.gather_good", gather_good)
    found = asyncio.run(find_lines(zone, ""))
    assert [(one.line, one.state, one.zone) for one in found] == [
        (1, "free", "one"), (2, "draining", "one"), (3, "lost", "one"),
    ]  # fmt: skip


def test_where_a_player_is_reads_as_a_sentence() -> None:
    found = PlayerFound(
        7, "anna", "linkdead", Placement("eu.one.scene.1", "meadow", 2), "eu.one.gate.1", [], ["bob", "anna"]
    )
    text = "anna is linkdead: zone one, meadow:2 on scene.1, by gate.1; party: bob, anna (the first one leads)"
    assert where_sentence(present("one", found)) == text
    assert where_sentence({"name": "bob", "stage": "offline", "map": "cave", "x": 12.4, "y": 7.0}) == (
        "bob is not in the world; last on cave at 12, 7 m"
    )
    assert (
        where_sentence({"name": "eve", "stage": "offline", "map": "", "x": 0.0, "y": 0.0}) == "eve is not in the world"
    )


def test_a_kick_that_nobody_carried_out_tells_the_weightiest_reason() -> None:
    unknown, away = RefusedError("not_found"), PeerLost("center.2")
    assert worst({"a": unknown, "b": away}, "x") is away
    none = worst({"a": unknown, "b": unknown}, "anna is not in the world")
    assert exit_of(none) is Exit.NOT_FOUND


def test_levels_are_said_in_words() -> None:
    assert level_words(0) == "waits like everybody else"
    assert level_words(3) == "goes first, level 3"


def test_logs_of_a_node_that_is_gone_are_found_by_its_name(zone: Topology) -> None:
    folder = zone.runtime / "logs"
    folder.mkdir(parents=True)
    (folder / "scene.3.log").write_text("x\n")
    assert files_of(zone, "scene.3") == [(folder / "scene.3.log", "scene.3")]
    with pytest.raises(CommandError, match="no node scene\\.4"):
        files_of(zone, "scene.4")
    with pytest.raises(CommandError, match="no node"):
        files_of(zone, "../../etc/passwd")
    assert [whose for _, whose in files_of(zone, "gate.1")] == ["gate.1", "gate.1"]
