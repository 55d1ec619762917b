"""The small parts: pages of figures, the log, settings, the command line's check, and decoding of anything at all."""

import asyncio
import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from mesh import logs, metrics
from mesh.core.publications import split
from mesh.core.requests import Waiting
from mesh.errors import RemoteProtocolError, TopologyError
from mesh.http import CONNECTIONS_MAX, HttpDoor
from mesh.metrics import Metrics
from mesh.protocol.catalogue import number_in
from mesh.protocol.envelope import ENVELOPES_MAX, Batch, Envelope, Kind, seal, unseal
from mesh.settings import settings_of
from mesh.testing import ManualClock, MemoryNetwork, run, wait_until
from nodes.__main__ import main
from tests.mesh.test_switchboard import _Ear

# --- decoding ---


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_malformed(data):
    for decode, expected in ((unseal, RemoteProtocolError), (split, ValueError), (number_in, RemoteProtocolError)):
        with suppress(expected):
            decode(data)


@given(st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(), st.lists, max_leaves=30))
def test_no_message_pack_is_more_than_malformed(value):
    data = msgspec.msgpack.encode(value)
    number_in(data)
    with suppress(RemoteProtocolError):
        assert isinstance(unseal(data), Batch)


def test_batches_that_are_too_long_or_too_deep_are_malformed():
    envelope = Envelope(Kind.NOTICE, msgspec.Raw(b"\x90"))
    assert len(unseal(seal(1, [envelope] * ENVELOPES_MAX)).envelopes) == ENVELOPES_MAX
    with pytest.raises(RemoteProtocolError):
        unseal(seal(1, [envelope] * (ENVELOPES_MAX + 1)))
    with pytest.raises(RemoteProtocolError):
        unseal(b"\x92\x01\x91\x92\x00" + b"\x91" * 100_000)


@given(st.integers(0, 2**32 - 1))
def test_the_number_of_a_message_is_read_as_it_is_written(number):
    assert number_in(msgspec.msgpack.encode([number, "x"])) == number


# --- figures ---


def test_figures_of_several_nodes_are_one_family_each():
    one, other = Metrics("gate.1", "gate"), Metrics("scene.1", "scene")
    for own, amount in ((one, 2), (other, 5)):
        own.reads("mesh_x_total", "X.", lambda amount=amount: amount)
        own.reads("mesh_y", "Y.", lambda amount=amount: {("a",): amount}, "kind")
        own.histograms("mesh_z_seconds", "Z.", "kind").labels("b").observe(0.3)
        own.reads("mesh_w_total", "W.", lambda amount=amount: {("l",): amount}, "lane")
    for _ in range(2):  # reading changes nothing
        text = metrics.page([one, other]).decode()
        for name in ("mesh_x_total counter", "mesh_y gauge", "mesh_z_seconds histogram", "mesh_w_total counter"):
            assert text.count(f"# TYPE {name}") == 1
        assert 'mesh_x_total{node="gate.1",role="gate"} 2.0' in text
        assert 'mesh_x_total{node="scene.1",role="scene"} 5.0' in text
        assert 'mesh_y{kind="a",node="scene.1",role="scene"} 5.0' in text
        assert text.count('mesh_w_total{lane="l"') == 2


def test_a_page_that_fails_is_an_answer():
    def fail() -> tuple[int, str, bytes]:
        raise ZeroDivisionError

    assert HttpDoor({"/x": fail}).answer(b"GET /x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 500 ")


def test_the_http_door_takes_only_so_many_at_a_time(unused_ports):
    async def story() -> None:
        door = HttpDoor({"/x": lambda: (200, "text/plain", b"hello")})
        await door.open("127.0.0.1", unused_ports[0])
        idle = [await asyncio.open_connection("127.0.0.1", unused_ports[0]) for _ in range(CONNECTIONS_MAX)]
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_ports[0])
        assert await reader.read() == b""  # closed unheard
        for _, one in (*idle, (reader, writer)):
            one.close()
        for _, one in idle:
            await one.wait_closed()
        await wait_until(lambda: door._open == 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_ports[0])
        writer.write(b"GET /x HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await door.close()

    asyncio.run(asyncio.wait_for(story(), 10))


# --- the log ---


def test_the_log_says_how_many_lines_it_held_back(tmp_path, capsys):
    clock, file = ManualClock(), tmp_path / "a.log"
    logs.begin(file, clock, terminal=True)
    try:
        for _ in range(100):
            logs.of_node("gate.1").info("much of this", n=1)
        clock.advance(1.0)
        logs.of_node("gate.1").info("much of this", n=2)
        logging.getLogger("some.library").log(35, "a level of its own {}")
    finally:
        logger.remove()
        logging.basicConfig(handlers=[], force=True)
    lines = file.read_text().splitlines()
    assert len(lines) == logs.SAME_TEXT_MAX + 2
    assert lines[0].endswith("gate.1 much of this n=1")
    assert lines[-2].endswith("gate.1 much of this n=2 held_back=80")
    assert lines[-1].endswith("a level of its own {}")
    assert len(capsys.readouterr().err.splitlines()) == len(lines)


# --- settings ---


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 1


class Some(msgspec.Struct, frozen=True):
    port: Annotated[int, msgspec.Meta(ge=1)] = 1
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"port": "x"}, "f.toml: settings.gate.port: Expected `int`, got `str`"),
        ({"port": 0}, "f.toml: settings.gate.port: Expected `int` >= 1"),
        ({"inner": {"size": "x"}}, "f.toml: settings.gate.inner.size: Expected `int`, got `str`"),
        ({"ports": 1}, "f.toml: settings.gate.ports: unknown key; known are inner, port"),
    ],
)
def test_a_settings_problem_names_file_and_key(table, problem):
    with pytest.raises(TopologyError) as raised:
        settings_of(Some, "gate", {"gate": table}, "f.toml")
    assert raised.value.problems == [problem]


def test_settings_have_defaults_and_a_role_may_have_none():
    assert settings_of(Some, "gate", {}, "f.toml") == Some()
    assert settings_of(msgspec.Struct, "gate", {}, "f.toml") is None
    with pytest.raises(TopologyError, match="known are none"):
        settings_of(msgspec.Struct, "gate", {"gate": {"a": 1}}, "f.toml")


def test_check_shows_all_problems_of_a_file_at_once(tmp_path: Path, capsys):
    file = tmp_path / "bad.toml"
    file.write_text(
        '[[process]]\nnodes = ["center.1", "bank.1"]\n[settings.gate]\nporst = 1\n[settings.login]\nx = 1\n'
    )
    assert main(["check", str(file)]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert len(problems) >= 3
    for key in ("process[0].nodes", "settings.gate.porst", "settings.login.x"):
        assert any(key in problem and str(file) in problem for problem in problems)


def test_check_is_silent_about_a_good_file(capsys):
    assert main(["check", str(Path(__file__).parents[2] / "topology" / "local.toml")]) == 0
    assert json.loads(capsys.readouterr().out) == {"problems": []}


# --- the rest ---


def test_who_waits_is_known_in_order_and_leaves_nothing():
    waiting: Waiting[str] = Waiting()
    for who in ("b", "a", "c"):
        assert waiting.begin("x", who)
    waiting.end("x", "a")
    waiting.end("x", "never came")
    assert (len(waiting), waiting.over("x"), len(waiting)) == (2, ["b", "c"], 0)
    waiting.begin("y", "d")
    waiting.end("y", "d")
    assert waiting._waiting == {}


def test_a_paused_endpoint_learns_and_says_nothing_until_it_goes_on():
    async def story() -> None:
        network = MemoryNetwork()
        ear, door_ear = _Ear([]), _Ear([])
        caller, door = network.endpoint("a", 1, ear), network.endpoint("b", 1, door_ear)
        door.bind("mem://b")
        network.pause("b")
        link = caller.dial("mem://b")
        await asyncio.sleep(1.0)
        assert not ear.opened  # a process that stands still shakes no hands
        network.pause("b", False)
        await asyncio.sleep(1.0)
        assert ear.opened
        caller.send(link, [b"x"])
        await asyncio.sleep(0)
        network.pause("b")
        caller.send(link, [b"y"])
        caller.hang_up(link)
        await asyncio.sleep(1.0)
        assert not door_ear.lost
        network.pause("b", False)
        await asyncio.sleep(1.0)
        assert door_ear.lost
        assert door_ear.heard == [[b"x"], [b"y"]]

    run(story())
