"""Who is away, who died, who was restarted on purpose."""

import pytest

from nodes.ops.analysis.presence import ASKED_S, DIED_S, LONG_AGO, Presence, Standing
from nodes.ops.reading import Reading
from tests.ops.analysis.making import Maker, standing

NOW_S = 1_000_000.0


class Seen:
    """One node, looked at every second."""

    def __init__(self, node: str = "scene.1") -> None:
        self.presence, self.maker, self.node, self.now_s = Presence(), Maker(), node, NOW_S

    def go(
        self,
        seconds: int,
        *,
        life: int = 1,
        state: str = "Ready",
        succeeded: bool = False,
        beside: tuple[Standing, ...] = (),
    ) -> dict[str, float]:
        """Life 0 is none: it does not answer."""
        for _ in range(seconds):
            self.now_s += 1
            readings: list[Reading] = []
            if life:
                readings = [self.maker.reading(self.node, {"mesh_ready": 1.0}, self.now_s, incarnation=life)]
            zones = frozenset({"one"} if succeeded else ())
            made = self.presence.look(readings, [standing(self.node, state=state), *beside], self.now_s, zones)
        return {one.signal: one.value for one in made if one.subject in (self.node, "cluster")}


def test_a_node_that_answers_is_there() -> None:
    said = Seen().go(5)
    assert (said["away"], said["died"]) == (0, 0)


def test_a_node_that_does_not_answer_is_away_from_its_last_word_on() -> None:
    seen = Seen()
    seen.go(5)
    assert seen.go(4, life=0)["away"] == 4
    assert seen.presence.away(seen.now_s) == {"scene.1": 4}
    assert seen.go(1)["away"] == 0


def test_a_node_that_was_drained_may_be_away_for_a_while() -> None:
    seen = Seen()
    seen.go(5)
    seen.go(3, state="Draining")
    assert seen.go(int(ASKED_S) - 5, life=0, state="")["away"] == 0
    assert seen.go(10, life=0, state="")["away"] > ASKED_S


def test_a_new_life_that_nobody_asked_for_is_a_death() -> None:
    seen = Seen()
    seen.go(5)
    assert seen.go(1, life=2)["died"] == 0
    assert seen.go(3, life=2)["died"] == 1
    assert seen.go(int(DIED_S), life=2)["died"] == 0
    assert seen.presence.began_s()["scene.1"] == NOW_S + 6
    assert seen.presence.changed_s == {}


def test_a_restart_on_purpose_is_none() -> None:
    seen = Seen()
    seen.go(5)
    seen.go(3, state="Draining")
    seen.go(2, life=0, state="")
    seen.go(1, life=2, state="Starting")
    assert seen.go(4, life=2)["died"] == 0
    assert seen.presence.changed_s["one"] >= NOW_S + 11
    assert seen.go(1, life=3)["died"] == 0
    assert seen.go(4, life=3)["died"] == 1


def test_a_scene_whose_process_handed_over_did_not_die() -> None:
    seen = Seen()
    seen.go(5)
    seen.go(1, life=2)
    assert seen.go(4, life=2, succeeded=True)["died"] == 0
    assert seen.presence.changed_s


def test_a_drained_node_that_stays_is_no_change_for_ever() -> None:
    seen = Seen("gate.1")
    seen.go(300, state="Draining")
    assert seen.presence.changed_s["one"] <= NOW_S + ASKED_S + 1


def test_a_change_of_the_dc_is_one_for_all_zones() -> None:
    seen = Seen("dc.1")
    seen.go(3, state="Draining")
    assert set(seen.presence.changed_s) == {""}


def test_one_that_never_comes_up_is_found() -> None:
    seen = Seen()
    assert seen.go(30, life=0, state="")["away"] == 0
    assert seen.go(40, life=0, state="")["away"] > ASKED_S


def test_one_that_is_not_meant_to_be_there_any_more_is_not_missed() -> None:
    seen = Seen()
    seen.go(5)
    seen.presence.look([], [], seen.now_s + 100, frozenset())
    assert seen.presence.away(seen.now_s + 100) == {}


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_that_jumps_is_no_absence(jump_s: float) -> None:
    seen = Seen()
    seen.go(5)
    seen.now_s += jump_s
    assert seen.go(1, life=0)["away"] <= 1
    assert all(at_s <= seen.now_s or at_s == LONG_AGO for at_s in seen.presence.began_s().values())


def test_versions_and_clocks() -> None:
    seen = Seen()
    assert seen.go(5)["version_mix"] == 0
    other = standing("gate.1", version="2", clock_apart_s=-3.0)
    assert seen.go(10, beside=(other,))["version_mix"] == 9
    made = seen.presence.look([], [other], seen.now_s, frozenset())
    assert {one.signal: one.value for one in made}["clock_apart"] == 3.0
