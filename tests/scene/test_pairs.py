"""Columns of pairs: what their helpers find."""

import numpy as np
import pytest

from nodes.scene.pairs import stretches_of


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("", []),
        ("0", []),
        ("1", [(0, 1)]),
        ("0000", []),
        ("1111", [(0, 4)]),
        ("0110", [(1, 3)]),
        ("1011", [(0, 1), (2, 4)]),
        ("01001", [(1, 2), (4, 5)]),
    ],
)
def test_stretches_are_where_flags_are_set_without_a_gap(flags: str, found: list[tuple[int, int]]) -> None:
    assert stretches_of(np.array([flag == "1" for flag in flags], "?")) == found
