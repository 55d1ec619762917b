"""The degradation policy of a topology: what is sound, and what is said about one that is not."""

from pathlib import Path

import pytest

from mesh.core import pressure as core
from mesh.errors import TopologyError
from mesh.pressure import LAG_LEFT_OUT_S, LAG_S
from mesh.topology import load
from mesh.topology.policy import DEFAULT, FULL, LEVELS_MAX, Level
from tests.conftest import ZONE


def write(folder: Path, text: str) -> Path:
    file = folder / "zone.toml"
    file.write_text(ZONE + text)
    return file


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(TopologyError) as found:
        load(write(folder, text))
    return found.value.problems


def tables(*levels: str) -> str:
    return "\n".join(f"[[policy]]\n{level}" for level in levels)


def test_without_a_word_about_it_a_zone_has_the_default(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")).policy == DEFAULT


def test_the_default_is_sound_itself(tmp_path: Path) -> None:
    """Written down as a file it is read without a problem, and is the same."""
    text = tables(*(f"{_toml(level)}" for level in DEFAULT[1:]))
    assert load(write(tmp_path, text)).policy == DEFAULT


def _toml(level: Level) -> str:
    rows = []
    for key in level.__struct_fields__:
        value = getattr(level, key)
        rows.append(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    return "\n".join(rows).replace("'", '"')


def test_a_file_replaces_all_levels(tmp_path: Path) -> None:
    text = tables(
        'name = "less"\ncosmetics = false\nchat = 0.5', 'name = "least"\ncosmetics = false\nchat = 0.5\nevery = 3'
    )
    policy = load(write(tmp_path, text)).policy
    assert policy == (FULL, Level("less", False, 0.5), Level("least", False, 0.5, every=3))


def test_no_levels_at_all(tmp_path: Path) -> None:
    file = tmp_path / "zone.toml"
    file.write_text("policy = []\n" + ZONE)
    assert load(file).policy == (FULL,)


@pytest.mark.parametrize(
    ("level", "key", "text"),
    [
        ('name = "a"\nchat = 0', "policy[0].chat", "Expected `float` > 0"),
        ('name = "a"\nview = 1.5', "policy[0].view", "Expected `float` <= 1"),
        ('name = "a"\nevery = 11', "policy[0].every", "Expected `int` <= 10"),
        ('name = "a"\ndilation = 0.05', "policy[0].dilation", "Expected `float` >= 0.1"),
        ('name = "a"\nlogins = "no"', "policy[0].logins", "Expected `bool`, got `str`"),
        ("chat = 0.5", "policy[0]", "missing required field `name`"),
        ('name = ""\nchat = 0.5', "policy[0].name", "length >= 1"),
        ('name = "a"\ncombat = false\nchat = 0.5', "policy[0].combat", "unknown key; known are"),
        ('name = "full"\nchat = 0.5', "policy[0].name", "is the name of a level before it"),
        ('name = "a"', "policy[0]", "leaves out nothing more than 'full' before it"),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(tmp_path: Path, level: str, key: str, text: str) -> None:
    found = problems(tmp_path, tables(level))
    assert any(one.startswith(f"{tmp_path / 'zone.toml'}: {key}: ") and text in one for one in found), found


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("cosmetics", "false", "true"),
        ("chat", "0.5", "0.6"),
        ("view", "0.5", "0.6"),
        ("budget", "0.5", "0.6"),
        ("every", "3", "2"),
        ("npcs", "0.5", "0.6"),
        ("logins", "false", "true"),
        ("dilation", "0.5", "0.6"),
        ("moves", "0.5", "0.6"),
    ],
)
def test_the_mildest_comes_first(tmp_path: Path, key: str, one: str, other: str) -> None:
    found = problems(tmp_path, tables(f'name = "a"\n{key} = {one}', f'name = "b"\n{key} = {other}'))
    assert [text for text in found if f"policy[1].{key}: " in text and "the mildest level comes first" in text]


def test_there_are_at_most_nine(tmp_path: Path) -> None:
    levels = [f'name = "l{n}"\nchat = {1 - n / 20}' for n in range(1, LEVELS_MAX + 2)]
    assert len(load(write(tmp_path, tables(*levels[:LEVELS_MAX]))).policy) == LEVELS_MAX + 1
    assert problems(tmp_path, tables(*levels)) == [f"{tmp_path / 'zone.toml'}: policy: 10 levels; at most 9"]


def test_what_is_no_list_of_tables(tmp_path: Path) -> None:
    assert "write [[policy]]" in problems(tmp_path, '[policy]\nname = "a"')[0]
    file = tmp_path / "zone.toml"
    file.write_text("policy = [3]\n" + ZONE)
    with pytest.raises(TopologyError, match=r"policy\[0\]: must be a table"):
        load(file)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """All of one level, too, and nothing that only follows from another mistake."""
    first = 'name = 3\nchat = 0\nview = 2\nevery = "x"\nlogins = 1\nchatt = 0.5'
    found = problems(tmp_path, tables(first, 'name = "b"\nview = 2\nmoves = true', 'name = "c"\nfoo = 1', "npcs = 0"))
    keys = [one.removeprefix(f"{tmp_path / 'zone.toml'}: ").partition(": ")[0] for one in found]
    assert sorted(keys) == sorted(
        [f"policy[0].{key}" for key in ("name", "chat", "view", "every", "logins", "chatt")]
        + ["policy[1].view", "policy[1].moves", "policy[2].foo", "policy[3]", "policy[3].npcs"]
    )


@pytest.mark.parametrize(
    "name", ["auto", "AUTO", "3", "007", "٣", "Full", "a\\tb", "a\\u001b[31m", " a", "a ", "a/b", "a*"]
)
def test_a_name_can_be_typed_and_means_one_thing(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, tables(f'name = "{name}"\nchat = 0.5'))
    assert len(found) == 1
    assert ": policy[0].name: " in found[0]
    assert found[0].isprintable()


def test_names_differ_in_more_than_case(tmp_path: Path) -> None:
    found = problems(tmp_path, tables('name = "Siege"\nchat = 0.5', 'name = "siege"\nchat = 0.4'))
    assert found == [f"{tmp_path / 'zone.toml'}: policy[1].name: 'siege' is the name of a level before it"]
    sound = tables('name = "siege 2"\nchat = 0.5', 'name = "ganz_schön-voll"\nchat = 0.4')
    assert [one.name for one in load(write(tmp_path, sound)).policy] == ["full", "siege 2", "ganz_schön-voll"]


PAGE = Path(__file__).parents[2] / "docs" / "traffic.md"


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    words = {1.0: "second", 3.0: "three", 4.0: "four", 9: "nine", 60.0: "minute"}
    for said in (
        f"smoothed over {core.SMOOTHING_S:g} s",
        f"a timer is {LAG_S * 1000:g} ms late, or the loop takes {LAG_S * 1000:g} ms to come round once;",
        f"once; {LAG_LEFT_OUT_S * 1000:g} ms above level 0",
        f"above {core.UP:.1f} for {core.UP_S:g} s, and then by one every {core.UP_NEXT_S:g} s while",
        f"up to {words[core.HURRY]} times as fast where it is far above, from {core.FAR[0]:g} on",
        f"(to the first level up to {core.HURRY_FIRST:g} times), and two levels at once from {core.FAR[1]:g} on,",
        f"below {core.DOWN:g} for {core.DOWN_S:g} s",
        f"waits {words[core.BACK_OFF]} times as long, up to a {words[core.WAIT_S_MAX]},",
        f"that comes more than a {words[core.PAUSE_S]} late is not counted",
        f"There are at most {words[LEVELS_MAX]}.",
    ):
        assert said in text, said
    assert core.RETURN_S / 6 < core.DOWN_S <= core.RETURN_S / 5, "less when the policy has more than five levels"


def test_the_page_shows_the_default() -> None:
    page = PAGE.read_text()
    section = page[page.index("## The default policy") : page.index("| column |")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    names, told = rows[0], [row for row in rows[2:] if row]
    assert names[0] == "level"
    words = {True: "yes", False: "no"}
    for number, (row, level) in enumerate(zip(told, DEFAULT, strict=True)):
        assert row[0] == str(number)
        for key, cell in zip(names[1:], row[1:], strict=True):
            value = getattr(level, key)
            assert cell == (words[value] if isinstance(value, bool) else value if key == "name" else f"{value:g}")
    assert set(names[1:]) == set(Level.__struct_fields__)
