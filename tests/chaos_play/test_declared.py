"""What the scenarios about players declare: names, bounds, and a topology that can be loaded."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mesh import topology as topologies
from mesh.checking.records import Operation
from mesh.core.log_group import Sum
from tools.bots.roll import Words
from tools.chaos import catalogue
from tools.chaos.exploits import EXPLOITS
from tools.chaos.players import Crowd
from tools.chaos.scenarios.dupes import FAULTS, due
from tools.chaos.scenarios.log_outage import Brought, problems_of, unexplained
from tools.chaos.scenarios.poison import corpus, mutilate
from tools.chaos.testimony import ratio
from tools.chaos.zone import PLAIN, WILDS, Shape, most_loaded

NAMES = (
    "scene-kill", "scene-hang", "scene-restart", "gate-kill", "gate-hang", "center-kill", "double-login", "log-outage",
    "net-chaos", "poison", "dupes", "rolling-upgrade",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_what_the_list_says(name: str) -> None:
    scenario = catalogue.load(name)
    assert (scenario.name, scenario.line) == (name, catalogue.SCENARIOS[name])
    assert 0 < scenario.faults_quick < scenario.faults
    assert any(figure.quick for figure in scenario.figures), "something is judged in the short form"


@pytest.mark.parametrize("name", NAMES)
def test_the_short_form_judges_no_times(name: str) -> None:
    assert [figure.name for figure in catalogue.load(name).figures if figure.quick and figure.unit == "ms"] == []


@pytest.mark.parametrize("maps", [WILDS, PLAIN])
def test_a_shape_is_a_topology(maps: str, tmp_path: Path) -> None:
    shape = Shape(gates=2, scenes=3, maps=maps, settings={"center.switch_s": "0.0"})
    file = tmp_path / "chaos.toml"
    file.write_text(shape.text())
    loaded = topologies.load(file, base_port=20_000, runtime=tmp_path / "c", overrides=shape.overrides())
    assert [process.name for process in loaded.processes] == shape.names()
    assert len(loaded.of_role("gate")) == 2
    assert loaded.settings["center"] == {"default_map": "wilds", "switch_s": 0.0}


def test_the_fault_hits_where_most_are() -> None:
    gates, chance = ["gate.1", "gate.2", "gate.3"], random.Random(1)
    assert most_loaded(chance, gates, {"gate.2": 3, "gate.1": 1}) == "gate.2"
    assert {most_loaded(chance, gates, {"gate.1": 2, "gate.3": 2}) for _ in range(30)} == {"gate.1", "gate.3"}


def test_frames_are_broken_in_every_way_and_the_seed_decides_how() -> None:
    def broken(seed: int) -> list[bytes]:
        chance = random.Random(seed)
        return [mutilate(chance.choice(corpus(chance)), chance) for _ in range(300)]

    assert broken(1) == broken(1)
    assert broken(1) != broken(2)
    assert len(set(broken(1))) > 250
    assert b"" in broken(1), "nothing at all is said, too"
    assert max(map(len, broken(1))) > 200


def talkers(*heard: int) -> Any:
    return SimpleNamespace(heroes=[SimpleNamespace(words_heard=count) for count in heard])


def test_words_that_are_missing_must_have_been_counted() -> None:
    crowd: Crowd = talkers(3, 4)
    assert problems_of(crowd, Words(7, 0, 0), 0) == []
    assert problems_of(crowd, Words(9, 0, 0), 0) == [], "what was carried out need not have been heard"
    assert problems_of(crowd, Words(5, 0, 0), 2) == []
    assert [one.checker for one in problems_of(crowd, Words(5, 0, 0), 1)] == ["log"]
    assert [one.checker for one in problems_of(crowd, Words(7, 1, 0), 5)] == ["log"]


def test_every_exploit_has_its_turn_and_then_it_ends_when_there_were_enough() -> None:
    names = [exploit.name for exploit in EXPLOITS]
    assert due({}, 40, 0) == list(FAULTS)
    assert due(dict.fromkeys(names[1:], 1), 1_000, 9) == list(FAULTS)
    assert due(dict.fromkeys(names[1:], 1), len(names) - 1, 1) == [EXPLOITS[0].fault]
    assert due(dict.fromkeys(names[1:], 1), len(names) - 1, 9) == []
    assert due(dict.fromkeys(names, 2), 2 * len(names), 1) == []


def test_the_group_has_what_its_senders_say_they_have_brought() -> None:
    scene, there = "eu.one.scene.1", [Sum("eu.one.scene.1", 6, 9, 0, 0, 0), Sum("eu.one.scene.1", 7, 100, 5, 0, 3)]
    assert unexplained({scene: Brought(103, 100, 3, 0)}, there) == []
    assert unexplained({"eu.one.gate.1": Brought(0, 0, 0, 0), "eu.one.log.1": Brought(9, 9, 0, 0)}, []) == []
    for own in (Brought(104, 101, 3, 0), Brought(104, 100, 4, 0), Brought(104, 100, 3, 1), Brought(104, 100, 3, 0)):
        assert {one.checker for one in unexplained({scene: own}, there)} == {"log"}, own
    assert len(unexplained({}, [Sum(scene, 7, 100, 0, 2, 0)])) == 1


def test_the_ratio_compares_answers_by_when_they_were_asked_for() -> None:
    def asked(called: float, took_s: float, ended: Any = "ok", kind: str = "ask") -> Operation:
        return Operation(1, 1, kind, (), called, called + took_s, ended)

    away = [(10.0, 20.0)]
    both = [asked(5.0, 0.1), asked(15.0, 0.3), asked(25.0, 0.1)]
    assert round(ratio(both, away) or 0, 3) == 3.0
    assert round(ratio([*both, asked(15.0, 9.0, "unknown"), asked(15.0, 9.0, kind="login")], away) or 0, 3) == 3.0
    assert ratio([asked(5.0, 0.1)], away) is None
