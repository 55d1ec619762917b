"""A scenario of a user: how it is found, and that its mistakes are told with file and line and end nothing."""

from pathlib import Path

import pytest

from mesh.protocol import play, social
from mesh.protocol.catalogue import number_of
from tests.bots.body import FakeBody
from tools.bots.guard import Guarded
from tools.bots.mind import Mind
from tools.bots.scenarios.catalogue import MINDS, is_file, load_class, maker, mistakes_of
from tools.ctl.exits import CommandError, Exit

OWN = """
from dataclasses import dataclass
from tools.bots.mind import Mind

@dataclass
class Plan:
    steps: int = 0

class Own(Mind):
    hears_updates = True

    def think(self, now):
        self.plan = Plan(1)
        self.body.count("thoughts")
        if now > 5:
            raise ValueError("five is enough")

    def hear(self, said, now):
        {}[said.text]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "own.py"
    file.write_text(text)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(CommandError) as refused:
        load_class(file)
    assert refused.value.exit_code == Exit.USAGE
    return str(refused.value)


def test_a_name_is_a_name_and_a_path_is_a_path() -> None:
    assert [is_file(word) for word in ("walk", "own.py", "folder/own", "mixed")] == [False, True, True, False]


def test_a_scenario_plays_and_its_mistakes_are_told_with_their_line(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    file = write(tmp_path, OWN)
    body = FakeBody()
    mind = maker(str(file), lambda line, details: told.append((line, details)))(body)
    assert isinstance(mind, Guarded)
    assert mind.hears_updates
    mind.think(1.0)
    assert told == []
    mind.think(6.0)
    mind.hear(play.Said(1, "anna", "hello"), 6.0)
    assert [line for line, _ in told] == [
        "scenario: own.py:16: ValueError: five is enough",
        "scenario: own.py:19: KeyError: 'hello'",
    ]
    assert "Traceback" in told[0][1]
    mind.think(2.0)
    assert body.counts["thoughts"] == 3, "it goes on"


def test_who_cannot_be_made_only_walks(tmp_path: Path) -> None:
    told: list[str] = []
    text = "from tools.bots.mind import Mind\nclass Own(Mind):\n    def __init__(self, body):\n        1 / 0\n"
    mind = maker(str(write(tmp_path, text)), lambda line, details: told.append(line))(FakeBody())
    mind.think(1.0)
    mind.finish(1.0)
    assert told == ["scenario: own.py:4: ZeroDivisionError: division by zero"]


def test_a_mistake_in_a_library_is_told_with_the_line_that_called_it(tmp_path: Path) -> None:
    told: list[str] = []
    text = "import json\nfrom tools.bots.mind import Mind\nclass Own(Mind):\n"
    text += "    def think(self, now):\n        json.loads('{')\n"
    maker(str(write(tmp_path, text)), lambda line, details: told.append(line))(FakeBody()).think(1.0)
    assert told[0].startswith("scenario: own.py:5: JSONDecodeError")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", "own.py:1: "),
        ("\nimport nothing_of_that_name\n", "own.py:2: ModuleNotFoundError"),
        ("x = 1\n", "has no class derived from"),
        ("from tools.bots.mind import Mind\nclass A(Mind): pass\nclass B(Mind): pass\n", "several scenarios (A, B)"),
        ("from tools.bots.mind import Mind\nclass A(Mind): pass\nSCENARIO = 'A'\n", "SCENARIO must be a class"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(write(tmp_path, text))


def test_of_several_classes_the_chosen_one_plays(tmp_path: Path) -> None:
    text = "from tools.bots.mind import Mind\nclass A(Mind): pass\nclass B(A): pass\nSCENARIO = B\n"
    assert load_class(write(tmp_path, text)).__name__ == "B"
    assert "there is no file" in refusal(tmp_path / "missing.py")


def test_every_scenario_of_ours_can_be_made() -> None:
    for name in MINDS:
        assert isinstance(maker(name, lambda line, details: None)(FakeBody()), Mind)
    with pytest.raises(CommandError, match="there is no scenario 'dance'"):
        maker("dance", lambda line, details: None)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "examples" / "bots").glob("*.py")), ids=str)
def test_the_examples_can_be_loaded(file: Path) -> None:
    assert issubclass(load_class(file), Mind)


def test_what_a_cluster_cannot_offer_is_said_before_the_run(zone: object) -> None:
    assert "needs maps with portals" in mistakes_of("portals", {}, zone)  # type: ignore[arg-type]
    assert "needs two zones" in mistakes_of("travel", {}, zone)  # type: ignore[arg-type]
    assert mistakes_of("lines", {"rate": "-1"}, zone) == "-o rate=-1: a number above 0 is needed"  # type: ignore[arg-type]
    assert mistakes_of("lines", {"rate": "soon"}, zone) != ""  # type: ignore[arg-type]
    assert mistakes_of("lines", {"rate": "200"}, zone) == ""  # type: ignore[arg-type]
    assert mistakes_of("walk", {"rate": "-1"}, zone) == ""  # type: ignore[arg-type]


EXAMPLES = Path(__file__).parents[2] / "examples" / "bots"


def test_a_hunter_who_is_in_the_party_already_is_no_error() -> None:
    body = FakeBody()
    body.options["users"] = "4"
    mind = load_class(EXAMPLES / "hunters.py")(body)
    for code in ("exists", "not_found", "full"):
        mind.hear(social.SocialDenied(code, number_of(social.InviteParty)), 1.0)  # type: ignore[arg-type]
    assert body.failed == [("invite", "full")]


def test_a_gossip_that_never_pauses_still_talks_at_a_bounded_rate() -> None:
    body = FakeBody()
    body.options["every"] = "0"
    mind = load_class(EXAMPLES / "gossip.py")(body)
    mind.begin(0.0)
    for at in range(100):
        mind.think(1.0 + at * 0.05)
    assert 1 <= len(body.done) <= 6 / 0.5, "six seconds"
