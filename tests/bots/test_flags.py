"""What flags of `mesh bots` mean together: what cannot be meant is refused before the run, with exit code 2."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.bots.command import bots
from tools.ctl.exits import CommandError, Exit


def refusal(*words: str) -> str:
    done = CliRunner().invoke(bots, [*words, "--cluster", "/there/is/none.toml"], standalone_mode=False)
    assert isinstance(done.exception, CommandError), done.exception
    assert done.exception.exit_code == Exit.USAGE
    return str(done.exception)


@pytest.mark.parametrize(
    "words",
    [
        ("--objective", "errors<=0"),
        ("--start", "100"),
        ("--max-users", "5000"),
        ("--max-steps", "3"),
        ("--max-time", "1m"),
        ("--hold", "10s"),
    ],
)
def test_flags_of_the_search_need_the_search(words: tuple[str, str]) -> None:
    assert refusal(*words) == f"{words[0]}: only with --find-limit"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "drain"), "add --drain gate.1"),
        (("--scenario", "lines", "--until", "crossings=3"), "scenario lines counts switches, "),
        (("--until", "nothing=3"), "scenario mixed counts connection lost, resumed"),
        (("--scenario", "lines", "-o", "rat=3"), "-o rat: scenario lines knows rate"),
        (("-o", "rate=3"), "scenario mixed knows no options"),
    ],
)
def test_what_a_scenario_does_not_know_is_refused(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(*words)


@pytest.mark.parametrize("flag", ["--html", "--json", "--csv"])
def test_a_file_in_a_folder_that_is_not_there_is_refused(flag: str, tmp_path: Path) -> None:
    said = refusal(flag, str(tmp_path / "gone" / "run"))
    assert f"there is no folder {tmp_path / 'gone'}" in said
