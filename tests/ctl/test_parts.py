"""The small pure parts of the command line: times, names, words, whom a keep watches, what status shows."""

import asyncio
import io
import os
import socket
from datetime import UTC
from pathlib import Path

import pytest
from rich.console import Console

from mesh.errors import DeadlineExceeded, PeerLost, RefusedError, TopologyError
from mesh.protocol.control import Description, Load
from mesh.protocol.journal import Event
from mesh.topology import Topology
from tools.ctl.commands.account import ban_words, check_name
from tools.ctl.commands.events import newest
from tools.ctl.commands.logs import Tail
from tools.ctl.commands.restart import process_of
from tools.ctl.commands.status import facts_line, merge
from tools.ctl.exits import CommandError, Exit, exit_of
from tools.ctl.keep import foreman_among
from tools.ctl.launch import how_it_ended, node_command
from tools.ctl.lazy import did_you_mean
from tools.ctl.output import span, table
from tools.ctl.players import account_of
from tools.ctl.processes import Identity, holder, identity, is_alive, is_taken
from tools.ctl.state import ProcessState
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
    assert facts_line({"epoch": 1, "members": [["eu.one.gate.1"]], "whole": True}) == "epoch=1  whole=true"
