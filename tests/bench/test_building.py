"""The C programs of the benches are built once, and whoever cannot build them is told what to do."""

import os

import pytest

from tools.bench import build as building
from tools.ctl.exits import CommandError

pytestmark = pytest.mark.cluster


def test_building_twice_is_building_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        building.find_compiler(os.environ)
    except building.NoCompilerError as error:
        pytest.skip(str(error))
    first = building.build_generator(os.environ)
    before = first.stat().st_mtime_ns
    assert building.build_generator(os.environ) == first
    assert first.stat().st_mtime_ns == before


def test_without_a_compiler_it_says_what_to_do(tmp_path):
    with pytest.raises(building.NoCompilerError, match="apt install gcc"):
        building.build_generator({"PATH": str(tmp_path), "HOME": str(tmp_path)})


def test_what_the_compiler_does_not_like_is_told(tmp_path):
    sources = tmp_path / "src"
    sources.mkdir()
    (sources / "main.c").write_text("int main(void) { return nothing; }")
    with pytest.raises(CommandError, match="nothing"):
        building.build(sources, "thing", {**os.environ, "XDG_CACHE_HOME": str(tmp_path)})
    assert not list(tmp_path.glob("zonemesh/bench/*/thing"))
