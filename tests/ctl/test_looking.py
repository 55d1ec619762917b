"""A line drawn from above, players looked for, and what is said of the muted: the pure parts, and the commands with
answers that nobody has given."""

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import MeshError, PeerLost, RefusedError
from mesh.protocol.cluster import Account
from mesh.protocol.control import Done
from mesh.protocol.placement import LineRead, PlayerFound, PlayerSeen, PlayersFound, TellPlayer
from mesh.protocol.records import MuteAccount, Records
from mesh.protocol.sessions import Placement
from mesh.topology import Topology
from tools.ctl import cli, clusters
from tools.ctl.commands.account import mute_words
from tools.ctl.commands.lines import LineRow, line_meant
from tools.ctl.commands.player import mute_sentence, present, where_sentence
from tools.ctl.exits import CommandError, Exit
from tools.ctl.heat import grid, picture
from tools.ctl.search import PlayerRow, merged, search

NOW = 1_700_049_600.0


@pytest.fixture
def running(tmp_path: Path, zone: Topology, monkeypatch: pytest.MonkeyPatch) -> Topology:
    """A cluster that is listed, and whose nodes nobody asks."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    zone.runtime.mkdir()
    clusters.register(zone, {}, "supervisor", {"XDG_RUNTIME_DIR": str(tmp_path)})
    return zone


def counted(*rows: tuple[int, ...]) -> bytes:
    """From the south."""
    return b"".join(struct.pack(f"<{len(row)}H", *row) for row in rows)


def read(players: bytes, npcs: bytes, cells: int = 3) -> LineRead:
    numbers = [sum(map(sum, grid(counts, cells))) for counts in (players, npcs)]
    return LineRead("meadow", 1, 300.0, cells, *numbers, players, npcs, 0.25)


def line(map_: str = "meadow", number: int = 1, zone: str = "one", scene: str = "eu.one.scene.1") -> LineRow:
    return LineRow(map_, number, scene, 3, 8, 10, "free", zone)


# --- from above ---


def test_the_north_is_up_and_the_shades_are_of_the_fullest_square() -> None:
    players, npcs = counted((8, 0, 0), (0, 4, 1), (0, 0, 2)), counted((1, 0, 0), (5, 0, 0), (0, 0, 0))
    assert picture(read(players, npcs)) == [
        "┌──────┐",
        "│    ░░│",
        "│··▒▒░░│",
        "│██    │",
        "└──────┘",
        "░ 1-2, ▒ 3-4, ▓ 5-6, █ 7-8, · creatures only; a square is 100 m wide",
    ]


def test_an_empty_line_and_one_with_few_are_drawn_too() -> None:
    nobody = counted((0, 0), (0, 0))
    assert picture(read(nobody, nobody, 2))[1:] == [
        "│    │", "│    │", "└────┘", "· creatures only; a square is 150 m wide",
    ]  # fmt: skip
    assert picture(read(counted((1, 0), (0, 1)), nobody, 2))[1:] == [
        "│  ██│", "│██  │", "└────┘", "█ 1, · creatures only; a square is 150 m wide",
    ]  # fmt: skip
    assert picture(read(counted((3, 1), (2, 0)), nobody, 2))[1:] == [
        "│▓▓  │", "│██▒▒│", "└────┘", "▒ 1, ▓ 2, █ 3, · creatures only; a square is 150 m wide",
    ]  # fmt: skip


def test_one_line_is_meant() -> None:
    assert line_meant([line()], "meadow", None) == line()
    for rows, number, code, says in (
        ([], 7, Exit.NOT_FOUND, "there is no line meadow:7"),
        ([], None, Exit.NOT_FOUND, "there is no line of meadow"),
        ([line(), line(number=2)], None, Exit.USAGE, "say which line: --line 1 or --line 2"),
        ([line(), line(zone="two")], 1, Exit.USAGE, "say in which zone: --zone one or --zone two"),
    ):
        with pytest.raises(CommandError, match=says) as caught:
            line_meant(rows, "meadow", number)
        assert caught.value.exit_code is code


@pytest.fixture
def above(running: Topology, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two lines, the first of which answers; what it was asked."""
    asked: list[Any] = []

    async def find_lines(*_: object) -> list[LineRow]:
        return [line(), line(number=2, scene="eu.one.scene.2"), line("cave")]

    async def ask_one(_topology: object, node: Any, question: Any, *_: object) -> LineRead:
        asked.append((node.short, question))
        return read(counted((0, 2), (0, 0)), counted((0, 0), (1, 0)), 2)

    monkeypatch.setattr("tools.ctl.commands.lines.find_lines", find_lines)
    monkeypatch.setattr("tools.ctl.commands.lines.ask_one", ask_one)
    return asked


def test_heat_is_drawn_or_counted(above: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lines", "--map", "meadow", "--line", "1", "--heat", "--cells", "2"]) == Exit.OK
    shown = capsys.readouterr()
    assert shown.out.splitlines()[:4] == ["┌────┐", "│··  │", "│  ██│", "└────┘"]
    assert "meadow:1 on scene.1: 2 players, 1 npcs; its ticks take 25% of their time" in shown.err
    assert [(node, question.cells) for node, question in above] == [("scene.1", 2)]
    assert cli.run(["lines", "--map", "cave", "--heat", "--cells", "2", "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "zone": "one", "map": "cave", "line": 1, "scene": "eu.one.scene.1", "size_m": 300.0, "players": 2, "npcs": 1,
        "pressure": 0.25, "cells": 2,
        "from_south_west": {"players": [[0, 2], [0, 0]], "npcs": [[0, 0], [1, 0]]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--map", "meadow"], Exit.USAGE, "say which line: --line 1 or --line 2"),
        (["--map", "meadow", "--line", "3"], Exit.NOT_FOUND, "there is no line meadow:3"),
        (["--map", "forest"], Exit.NOT_FOUND, "there is no map forest; there are cave, meadow"),
    ],
)
@pytest.mark.usefixtures("above")
def test_of_a_line_that_is_not_there_nothing_is_drawn(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["lines", *words, "--heat"]) == code
    shown = capsys.readouterr()
    assert (says in shown.err, shown.out) == (True, "")


@pytest.mark.usefixtures("above")
def test_the_table_shows_the_lines_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lines", "--map", "meadow", "--json"]) == Exit.OK
    assert [row["line"] for row in json.loads(capsys.readouterr().out)["lines"]] == [1, 2]
    assert cli.run(["lines", "--line", "1", "--json"]) == Exit.OK
    assert [row["map"] for row in json.loads(capsys.readouterr().out)["lines"]] == ["meadow", "cave"]


# --- looking for players ---


def row(name: str, account: int, stage: str = "offline", **fields: Any) -> PlayerRow:
    return PlayerRow(name, account, stage, **fields)


def test_where_one_is_counts_and_its_ban_is_of_the_dc() -> None:
    kept = [row("Anna", 1, banned_until_s=7), row("anton", 3)]
    there = [row("ante", 2, "online", zone="two"), row("Anna", 1, "online", zone="one", muted_until_s=-1)]
    found, more = merged(kept, there, 10, False)
    assert found == [
        row("Anna", 1, "online", zone="one", muted_until_s=-1, banned_until_s=7),
        row("ante", 2, "online", zone="two"),
        row("anton", 3),
    ]
    assert not more
    assert merged(kept, there, 2, False) == (found[:2], True)
    assert merged(kept, [], 2, True) == (kept, True)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What centers and DC say, and what they were asked."""
    known: dict[str, Any] = {"center": PlayersFound([]), "dc": Records([]), "asked": []}

    async def gather(_topology: object, nodes: list[str], question: Any, *_: object) -> dict[str, Any]:
        known["asked"].append(question)
        return dict.fromkeys(nodes, known["center"])

    async def first(_topology: object, _role: str, question: Any, *_: object) -> Any:
        known["asked"].append(question)
        return known["dc"]

    monkeypatch.setattr("tools.ctl.search.gather", gather)
    monkeypatch.setattr("tools.ctl.search.first", first)
    return known


def test_players_of_all_zones_and_those_that_are_in_none(zone: Topology, answers: dict[str, Any]) -> None:
    at = Placement("eu.one.scene.1", "meadow", 2)
    answers["center"] = PlayersFound([PlayerSeen(1, "Anna", "online", at, "eu.one.gate.1", -1)])
    damaged = ("9", {"damaged": "the checksum does not match"})
    answers["dc"] = Records([("1", {"name": "Anna"}), ("2", {"name": "ante", "banned_until_s": -1}), damaged])
    found, more = asyncio.run(search(zone, "an", 10, True))
    assert found == [
        PlayerRow("Anna", 1, "online", "one", "meadow", 2, "eu.one.scene.1", "eu.one.gate.1", -1),
        row("ante", 2, banned_until_s=-1),
    ]
    assert not more
    assert [getattr(question, "table", "") for question in answers["asked"]] == ["accounts", ""]


def test_digits_are_how_a_name_begins_and_no_number_of_an_account(zone: Topology, answers: dict[str, Any]) -> None:
    answers["dc"] = Records([("12monkeys", {"account": 5})], True)
    assert asyncio.run(search(zone, "12", 10, True)) == ([row("12monkeys", 5)], True)
    assert answers["asked"][0].table == "names"


def test_a_center_that_is_away_is_said(
    zone: Topology, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["center"], answers["dc"] = PeerLost("away"), Records([("1", {"name": "Anna"})])
    assert asyncio.run(search(zone, "a", 10, True)) == ([row("Anna", 1)], False)
    assert "center.1 did not answer, who is in its zone is shown as offline" in capsys.readouterr().err


@pytest.mark.usefixtures("running")
def test_the_list_of_players_says_who_is_muted(answers: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    at = Placement("eu.one.scene.1", "meadow", 2)
    answers["center"] = PlayersFound([PlayerSeen(1, "Anna", "online", at, "eu.one.gate.1", -1)])
    answers["dc"] = Records([("2", {"name": "ante", "banned_until_s": -1, "muted_until_s": 5})])
    assert cli.run(["player", "--search", "AN"]) == Exit.OK
    shown = capsys.readouterr()
    lines = [" ".join(text.split()) for text in shown.out.splitlines()]
    assert "Anna online one meadow:2 scene.1 gate.1 muted for ever" in lines
    assert "ante offline banned for ever" in lines
    assert "2 players" in shown.err
    assert cli.run(["player", "--search", "an", "--json"]) == Exit.OK
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["players"]] == ["Anna", "ante"]
    answers["center"], answers["dc"] = PlayersFound([]), Records([])
    assert cli.run(["player", "--search", "x"]) == Exit.OK
    assert "0 players" in capsys.readouterr().err


# --- the muted ---


def test_a_mute_is_said_in_words_while_it_holds() -> None:
    assert mute_words(0, NOW) == mute_words(int(NOW), NOW) == mute_words(int(NOW) - 9, NOW) == ""
    assert mute_words(-1, NOW) == "muted for ever"
    assert mute_words(int(NOW) + 60, NOW).startswith("muted until 2023-11-15 ")


def test_where_a_player_is_says_that_it_is_muted_and_why() -> None:
    at = Placement("eu.one.scene.1", "meadow", 2)
    found = PlayerFound(7, "anna", "online", at, "eu.one.gate.1", [], [], -1, "spam")
    about = present("one", found)
    assert where_sentence(about) + mute_sentence(about, NOW) == (
        "anna is online: zone one, meadow:2 on scene.1, by gate.1; muted for ever (spam)"
    )
    assert mute_sentence({"muted_until_s": -1, "mute_reason": ""}, NOW) == "; muted for ever"
    assert mute_sentence({"muted_until_s": 5, "mute_reason": "spam"}, NOW) == ""
    assert mute_sentence({"name": "eve"}, NOW) == ""


@pytest.mark.usefixtures("running")
def test_accounts_are_muted_and_let_speak(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[MuteAccount] = []

    async def first(_topology: object, role: str, question: MuteAccount, *_: object) -> Account:
        assert role == "login"
        asked.append(question)
        return Account(1, "Anna", "", muted_until_s=question.until_s, mute_reason=question.reason, mute=len(asked))

    monkeypatch.setattr("tools.ctl.commands.account.first", first)
    assert cli.run(["account", "mute", "anna", "--reason", "spam"]) == Exit.OK
    assert "account Anna: muted for ever" in capsys.readouterr().err
    assert cli.run(["account", "mute", "anna", "--for", "2h", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["muted_until_s"] == asked[1].until_s > 7200
    assert cli.run(["account", "unmute", "anna"]) == Exit.OK
    assert "account Anna: not muted" in capsys.readouterr().err
    assert [(one.name, one.reason) for one in asked] == [("anna", "spam"), ("anna", ""), ("anna", "")]
    assert (asked[0].until_s, asked[2].until_s) == (-1, 0)


@pytest.mark.usefixtures("running")
def test_the_list_of_accounts_shows_mutes_that_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def first(*_: object) -> Records:
        muted = {"name": "Anna", "created_s": 5, "muted_until_s": -1, "mute_reason": "spam"}
        return Records([("1", muted), ("2", {"name": "Bert", "muted_until_s": 5, "mute_reason": "old"})])

    monkeypatch.setattr("tools.ctl.commands.account.first", first)
    assert cli.run(["account", "list"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "muted for ever" in shown
    assert "spam" in shown
    assert "old" not in shown


# --- a word to one player ---


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (Done(), Exit.OK, "said to anna in zone one"),
        (RefusedError("not_found", "anna is not in the zone"), Exit.NOT_FOUND, "anna is not in the world"),
        (RefusedError("unavailable", "Anna is not connected"), Exit.FAILURE, "Anna is not connected"),
        (PeerLost("away"), Exit.UNHEALTHY, "away"),
    ],
)
@pytest.mark.usefixtures("running")
def test_a_word_to_one_player_says_what_came_of_it(
    answer: Done | MeshError, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gather(_topology: object, nodes: list[str], question: Any, *_: object) -> dict[str, Any]:
        assert question == TellPlayer("anna", "operator", "hello")
        return dict.fromkeys(nodes, answer)

    monkeypatch.setattr("tools.ctl.commands.say.gather", gather)
    assert cli.run(["say", "hello", "--to", "anna"]) == code
    assert says in capsys.readouterr().err
