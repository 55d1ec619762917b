"""What a topology may say to a scene."""

import msgspec
import pytest

from mesh.errors import TopologyError
from mesh.settings import settings_of
from nodes.scene.settings import SceneSettings


def made(table: dict) -> SceneSettings:
    return settings_of(SceneSettings, "scene", {"scene": table}, "zone.toml")


def test_defaults_carry_one_line_of_every_map_numbered_like_the_node() -> None:
    assert made({}).lines_of("scene.2", 2) == [("meadow", 2)]


def test_hosts_say_who_carries_what() -> None:
    said = made({"maps": {"a": {}, "b": {}}, "hosts": {"scene.1": ["a:3", "b"]}})
    assert said.lines_of("scene.1", 1) == [("a", 3), ("b", 1)]
    assert said.lines_of("scene.2", 2) == [("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"maps": {"a": {"size_m": 2000.0}}}, "size_m"),
        ({"maps": {"a": {"speed": 1}}}, r"settings\.scene\.maps\.a\.speed: unknown key; known are aoi_m, .*speed_mps"),
        ({"maps": {"a": {}, "b": {"npcs": "x"}}}, r"settings\.scene\.maps\.b\.npcs: Expected `int`"),
        ({"maps": {"a": 1}, "tick": 10}, r"settings\.scene\.tick: (.|\n)*settings\.scene\.maps\.a: Expected `object`"),
        ({"maps": {"a": {"players_max": 40_000}}}, "players_max"),
        ({"maps": {}}, "maps"),
        ({"tick_hz": 0}, "tick_hz"),
        ({"hosts": {"scene.1": ["nowhere:1"]}}, "nowhere"),
        ({"hosts": {"scene.1": ["meadow:0"]}}, "meadow:0"),
        ({"hosts": {"scene.1": ["meadow:1", "meadow:1"]}}, "twice"),
        ({"tick": 10}, "tick"),
    ],
)
def test_mistakes_are_refused_and_named(table: dict, word: str) -> None:
    with pytest.raises(TopologyError, match=word):
        made(table)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        made({}).tick_hz = 20  # type: ignore[misc]
    assert msgspec.structs.asdict(made({}))["tick_hz"] == 10
