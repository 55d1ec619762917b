"""What a topology may say to a scene."""

import msgspec
import pytest

from mesh.errors import TopologyError
from mesh.settings import settings_of
from nodes.scene.settings import PortalSettings, SceneSettings


def made(table: dict) -> SceneSettings:
    return settings_of(SceneSettings, "scene", {"scene": table}, "zone.toml")


def test_defaults_carry_one_line_of_every_map_numbered_like_the_node() -> None:
    assert made({}).lines_of("scene.2", 2) == [("meadow", 2)]


def test_hosts_say_who_carries_what() -> None:
    said = made({"maps": {"a": {}, "b": {}}, "hosts": {"scene.1": ["a:3", "b"]}})
    assert said.lines_of("scene.1", 1) == [("a", 3), ("b", 1)]
    assert said.lines_of("scene.2", 2) == [("a", 2), ("b", 2)]


def test_a_scene_without_an_entry_has_room_for_all_maps() -> None:
    said = made({"maps": {"a": {}, "b": {}}, "lines_max": 1, "hosts": {"scene.1": ["a"]}})
    assert said.lines_of("scene.1", 1) == [("a", 1)]
    with pytest.raises(TopologyError, match=r"scene\.2"):
        said.lines_of("scene.2", 2)


@pytest.mark.parametrize(("table", "soft"), [({}, 8000), ({"players_max": 1}, 1), ({"players_soft": 70}, 70)])
def test_the_soft_cap(table: dict, soft: int) -> None:
    assert made({"maps": {"a": table}}).maps["a"].soft == soft


def portal(**changed: object) -> dict:
    there = {"x": 5.0, "y": 6.0, "radius_m": 2.0, "to": "b", "to_x": 7.0, "to_y": 8.0, **changed}
    return {"maps": {"a": {"size_m": 100.0, "portals": [there]}, "b": {"size_m": 50.0}}}


def test_portals_lead_to_a_place_on_a_map() -> None:
    assert made(portal()).maps["a"].portals == [PortalSettings(5.0, 6.0, 2.0, "b", 7.0, 8.0)]
    assert made({}).maps["meadow"].portals == []


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
        ({"hosts": {"scene.1": ["meadow:1", "meadow:2"]}, "lines_max": 1}, "more than 1 lines"),
        ({"lines_max": 0}, "lines_max"),
        ({"lines_max": 33}, "lines_max"),
        ({"combat_s": -1}, "combat_s"),
        ({"replicated": ["trade", "theft"]}, "replicated: theft: there are trade, loot"),
        ({"maps": {"a": {"players_max": 10, "players_soft": 11}}}, "players_soft"),
        (portal(to="nowhere"), r"portals\[0\]\.to: there is no map 'nowhere'"),
        (portal(x=-1.0), r"maps\.a\.portals\[0\]: x and y"),
        (portal(y=100.1), r"portals\[0\]: x and y must be on the map, from 0 to 100 m"),
        (portal(y=float("nan")), r"portals\[0\]: x and y"),
        (portal(to_x=51.0), r"portals\[0\]: to_x and to_y must be on b, from 0 to 50 m"),
        (portal(radius_m=0.0), "radius_m"),
        (portal(radius_m=float("inf")), "radius_m"),
        (portal(radius=1.0), "radius"),
        ({"maps": {"a": {"portals": 65 * portal()["maps"]["a"]["portals"]}}}, "at most 64"),
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
