"""Planted mistakes: each is one that somebody could make, and a checker that is meant to finds it."""

import asyncio
from pathlib import Path

import pytest
import zmq

from mesh.transport.sockets import ZmqEndpoint, ZmqNetwork
from nodes.dc.writer import Writer
from nodes.simulation import command
from nodes.simulation.planted import MISTAKES, Caught, Mistake, catch, planted
from nodes.simulation.telling import planted_lines, planted_summary
from tests.mesh.test_transport import World, linked

BURST = 100_000


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_a_mistake_is_found_and_the_same_course_is_right_without_it(mistake: Mistake) -> None:
    caught = catch(mistake)
    assert caught.checker in mistake.checkers, f"nobody found it in {caught.courses} courses"
    assert caught.innocent, caught.text


def test_a_mistake_is_taken_out_again() -> None:
    before = dict(vars(Writer))
    for mistake in MISTAKES:
        with pytest.raises(ZeroDivisionError), planted(mistake.plant):
            raise ZeroDivisionError
    assert dict(vars(Writer)) == before


def test_a_mistake_that_nobody_finds_is_said_to_be_one() -> None:
    harmless = Mistake("none at all", lambda _put: None, frozenset({"lost"}), lambda _rolls: ())
    caught = catch(harmless, 2)
    assert (caught.checker, caught.courses, caught.ok) == ("", 2, False)
    found = Caught(MISTAKES[0], 3, 3, "lost", "operation 1/2 is not there")
    guilty = Caught(MISTAKES[1], 1, 1, "doubled", "operation 1/2", innocent=False)
    summary = planted_summary([found, caught, guilty])
    assert (summary["ok"], summary["found"]) == (False, 1)
    head, first, second, third = planted_lines([found, caught, guilty])
    assert "found by" in head
    assert first.endswith("3  operation 1/2 is not there")
    assert "nobody" in second
    assert "> 2" in second
    assert "without the mistake" in third


def test_the_command_says_whether_all_were_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv(command.HASHES, "0")
    monkeypatch.setattr(command, "MISTAKES", MISTAKES[:1])
    assert command.main(["--planted"]) == 0
    assert "1 of 1 mistakes were found" in capsys.readouterr().out
    monkeypatch.setattr(command, "catch", lambda mistake, courses: Caught(mistake, courses))
    assert command.main(["--planted", "--courses", "3", "--json"]) == 1
    assert '"found_by": ""' in capsys.readouterr().out


def test_sockets_that_are_not_told_to_say_so_lose_what_they_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule of `test_nothing_that_was_taken_is_lost_on_a_link_that_lives` sees a real ROUTER without MANDATORY."""
    bind = ZmqEndpoint.bind

    def careless(self: ZmqEndpoint, address: str) -> None:
        bind(self, address)
        self._router.set(zmq.ROUTER_MANDATORY, 0)

    monkeypatch.setattr(ZmqEndpoint, "bind", careless)

    async def story() -> None:
        network = ZmqNetwork()
        try:
            a, ear, _, b, _, back = await linked(World(network, lambda name: f"ipc://{tmp_path}/{name}", False))
            assert all(b.send(back, [b"x" * 200]) for _ in range(BURST)), "it never says no"
            assert b.send(back, [b"x"])
            await asyncio.sleep(0)
            assert len(ear.heard) < BURST
            a.close()
            b.close()
        finally:
            network.close()

    asyncio.run(story())
