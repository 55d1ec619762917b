"""The example that walks: what it says it sees, which portal it takes, and that no step is faster than allowed."""

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from examples.walk import PACE, STEP_S, nearest, seen, step_to, tell_of_queue
from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.protocol.client import Waiting
from mesh.protocol.play import Character, Entered, EntityState, Portal

YOU = Character(1, "anna", 1, 0, 100, 100, {}, 0, [])
PORTALS = [Portal(1000, 1000, 3.0, "forest"), Portal(200, 100, 3.0, "forest"), Portal(5, 5, 3.0, "cave")]
ENTERED = Entered("s", "meadow", 1, 200.0, 0.02, 10.0, 50.0, 6.0, 100, 100, YOU, [], 0, portals=PORTALS)


def entity(kind: Any) -> EntityState:
    return EntityState(1, kind, "x", 0, 0, 0, 0, 1, 1, 1)


def test_players_and_creatures_are_told_apart() -> None:
    assert seen([]) == "0 players and 0 creatures"
    assert seen([entity("npc"), entity("player"), entity("npc"), entity("corpse")]) == "1 player and 2 creatures"


def test_who_has_to_wait_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    tell_of_queue(Waiting(3, 14.6))
    tell_of_queue(ENTERED)
    assert capsys.readouterr().out == "waits in the queue: place 3, about 15 s\n"


def test_the_nearest_portal_that_leads_there_is_taken() -> None:
    assert nearest(ENTERED, 100, 100, "forest") == PORTALS[1]
    assert nearest(ENTERED, 900, 900, "forest") == PORTALS[0]
    with pytest.raises(MeshError, match="no portal of meadow leads to moon; they lead to cave, forest"):
        nearest(ENTERED, 0, 0, "moon")


def test_it_walks_there_no_faster_than_allowed_and_stops_in_the_middle() -> None:
    session = SimpleNamespace(x=100, y=100)
    steps: list[float] = []

    def move(x: int, y: int, heading: int) -> None:
        assert 0 <= heading < 256
        steps.append(math.hypot(x - session.x, y - session.y))
        session.x, session.y = x, y

    walker = cast("Player", SimpleNamespace(session=session, move=move))
    for _ in range(60):
        step_to(walker, ENTERED, PORTALS[0])
    assert (session.x, session.y) == (1000, 1000)
    assert max(steps) <= PACE * 6.0 * STEP_S / 0.02 + 1
