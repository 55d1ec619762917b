"""The map of the town square."""

import numpy as np
import pytest

from mesh.topology import load
from tools.bench import town
from tools.ctl.clusters import topology_file


@pytest.mark.parametrize("players", [100, 1_000, 4_000])
def test_each_player_has_about_twenty_others_in_view_however_many_there_are(players: int) -> None:
    width = town.width_m(players)
    place = np.random.default_rng(7).random((players, 2)) * width
    sample = place[: min(players, 400)]
    near = ((sample[:, None, :] - place[None, :, :]) ** 2).sum(axis=2) <= town.RADIUS_M**2
    assert near.sum(axis=1).mean() - 1 == pytest.approx(town.IN_VIEW, rel=0.1)


@pytest.mark.parametrize("players", [2, 21, 30_000])
def test_positions_fit_onto_the_wire_at_every_size(players: int) -> None:
    width = town.width_m(players)
    assert width >= town.RADIUS_M
    assert width / town.unit_m(width) <= 0xFFFF


def test_the_topology_takes_the_settings(tmp_path: object) -> None:
    overrides = town.settings(4000, hz=5.0)
    made = load(topology_file("bench"), overrides=overrides)
    square = made.settings["scene"]["maps"]["square"]
    assert made.settings["scene"]["tick_hz"] == 5.0
    assert square["size_m"] >= town.width_m(4000)
    assert square["npcs"] == 0
