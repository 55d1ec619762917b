"""A node is emptied: asked, watched, asked again as long as that helps. With a node that follows a script."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mesh.errors import DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Describe, Description, Drain, Drained, Load, State
from mesh.testing import ManualClock, run
from mesh.topology import Topology
from tools.ctl import draining
from tools.ctl.draining import Progress, contents, drain_node
from tools.ctl.exits import CommandError, Exit


class Node:
    """Has `players`, and loses `per_s` of them each second once it is told to, down to `stuck`."""

    def __init__(self, players: int, per_s: float = 100.0, stuck: int = 0, turn_s: float = 3600.0) -> None:
        self.players, self.per_s, self.stuck, self.turn_s = players, per_s, stuck, turn_s
        self.state: State = "Ready"
        self.drains = 0
        self.silent = False
        self.refusals = 0  # how often it says no

    async def ask(self, node: str, message: Message, timeout_s: float) -> Message:
        if self.silent:
            await asyncio.sleep(timeout_s)
            raise DeadlineExceeded(node)
        if isinstance(message, Describe):
            return Description(node, "gate", self.state, 1, 1, 1.0, "", Load(self.players), [])
        assert isinstance(message, Drain)
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("not_allowed", "there is no other gate that is Ready")
        self.state, self.drains = "Draining", self.drains + 1
        try:
            async with asyncio.timeout(timeout_s):
                return await self._drain()
        except TimeoutError:
            raise DeadlineExceeded(node) from None

    async def _drain(self) -> Drained:
        before = self.players
        end = asyncio.get_running_loop().time() + self.turn_s
        while self.players > self.stuck and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(1 / self.per_s)
            self.players -= 1
        return Drained(before - self.players, self.players, "nobody takes them" if self.players else "")


@pytest.fixture
def drain(zone: Topology) -> Callable[..., Any]:
    def play(node: Any, timeout_s: float = 60.0, told: Callable[[Description], Any] | None = None) -> Drained:
        async def heard(said: Description) -> None:
            if told is not None:
                told(said)

        async def whole() -> Drained:
            clock = ManualClock(asyncio.get_running_loop())
            return await drain_node(node, zone.node("gate.1"), timeout_s, clock, heard)

        return run(whole())

    return play


def test_a_node_is_empty_after_one_request_and_tells_how_far_it_is(drain) -> None:
    seen: list[int] = []
    node = Node(500)
    assert drain(node, told=lambda said: seen.append(said.load.players)) == Drained(500, 0)
    assert node.drains == 1
    assert len(seen) >= 10
    assert seen == sorted(seen, reverse=True)


def test_an_empty_node_is_drained_at_once(drain) -> None:
    assert drain(Node(0)) == Drained(0, 0)


def test_a_node_is_asked_again_as_long_as_that_helps(drain) -> None:
    node = Node(300, turn_s=1.0)
    assert drain(node).left == 0
    assert node.drains == 3, "it hands over about a hundred in each turn of a second"


def test_all_turns_count_together(drain) -> None:
    assert drain(Node(300, turn_s=1.0)).moved == 300


def test_what_is_left_is_told_in_the_words_of_the_node(drain) -> None:
    node = Node(10, stuck=3)
    assert drain(node) == Drained(7, 3, "nobody takes them")
    assert node.drains == 2, "asking a third time would not help"


def test_a_node_that_needs_longer_than_one_waits_is_told_as_such(drain) -> None:
    node = Node(10_000)
    with pytest.raises(CommandError, match=r"gate\.1 is not empty after 5 s; it goes on") as caught:
        drain(node, 5.0)
    assert caught.value.exit_code is Exit.TIMED_OUT
    assert node.drains == 1


def test_a_node_that_says_nothing_is_not_waited_for(drain) -> None:
    node = Node(5)
    node.silent = True
    with pytest.raises(CommandError, match=r"gate\.1 does not answer") as caught:
        drain(node)
    assert caught.value.exit_code is Exit.UNHEALTHY
    assert node.drains == 0


def test_a_node_that_ends_meanwhile_is_told_as_such(drain) -> None:
    class Dying(Node):
        async def _drain(self) -> Drained:
            raise PeerLost("eu.one.gate.1 is gone")

    with pytest.raises(CommandError, match=r"gate\.1 ended while it was drained") as caught:
        drain(Dying(5))
    assert caught.value.exit_code is Exit.UNHEALTHY


def test_a_refusal_is_the_nodes_own(drain) -> None:
    node = Node(5)
    node.refusals = 2
    with pytest.raises(RefusedError, match="no other gate"):
        drain(node)
    assert node.drains == 0


def test_a_node_that_has_not_heard_yet_of_who_takes_over_is_asked_again(drain) -> None:
    node = Node(5)
    node.refusals = 1
    assert drain(node) == Drained(5, 0)


def test_the_supervisor_is_told_once_and_only_when_the_node_has_begun(zone: Topology) -> None:
    marks: list[int] = []

    async def mark() -> None:
        marks.append(1)

    async def story() -> None:
        progress = Progress(zone.node("gate.1"), mark)
        node = Node(3)
        await progress.told(await node.ask("gate.1", Describe(), 1.0))  # type: ignore[arg-type]
        assert marks == []
        node.state = "Draining"
        for _ in range(3):
            await progress.told(await node.ask("gate.1", Describe(), 1.0))  # type: ignore[arg-type]
        await progress.begin()
        progress.end()

    run(story())
    assert marks == [1]


def test_on_a_terminal_one_line_shows_how_far_it_is(zone: Topology, monkeypatch, capsys) -> None:
    async def mark() -> None:
        pass

    async def story() -> None:
        progress = Progress(zone.node("gate.1"), mark)
        node = Node(8)
        node.state = "Draining"
        await progress.told(await node.ask("gate.1", Describe(), 1.0))  # type: ignore[arg-type]
        node.players = 5
        await progress.told(await node.ask("gate.1", Describe(), 1.0))  # type: ignore[arg-type]
        progress.end()

    run(story())
    assert capsys.readouterr().err == "", "a pipe has no such line"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(story())
    shown = capsys.readouterr().err
    assert "gate.1: 3 of 8 clients moved" in shown
    assert "\n" not in shown
    assert shown.endswith("\x1b[2K"), "whoever writes next has the line for itself"


def test_what_a_node_has_is_counted_in_its_own_words() -> None:
    assert contents("gate", 1) == "1 client"
    assert contents("scene", 0) == "0 players"
    assert contents("log", 12) == "12 events"


def test_a_drained_node_under_a_supervisor_is_marked_there(zone: Topology, monkeypatch) -> None:
    asked: list[object] = []

    async def ask(topology: object, request: object, timeout_s: float) -> None:
        asked.append(request)

    monkeypatch.setattr(draining, "ask", ask)
    monkeypatch.setattr(draining.state, "is_whole", lambda topology: True)
    monkeypatch.setattr(draining.state, "processes_of", lambda topology: {"gate.1": object()})
    run(draining.mark(zone, zone.node("gate.1")))
    run(draining.mark(zone, zone.node("scene.1")))
    assert asked == [draining.Request("drain", "gate.1")], "a node of another machine is not ours to mark"
