"""What a question means: refused when it makes no sense, widened when it is too much, sorted into lines."""

from typing import Any

import pytest

from mesh.errors import Code, RefusedError
from nodes.ops.history.tiers import TIERS, covering
from nodes.ops.history.wanted import LINES_MAX, POINTS_MAX, Wanted, check, check_kind, select, step_of
from tests.ops.history.readings import START

HOUR, DAY = 3600, 86_400


def wanted(**more: Any) -> Wanted:
    return Wanted(**({"name": "hits_total", "start_s": START, "end_s": START + 60} | more))


@pytest.mark.parametrize(
    "wrong",
    [
        {"end_s": START},
        {"start_s": -1},
        {"end_s": float("nan")},
        {"end_s": 1e300},
        {"step_s": 0},
        {"step_s": float("inf")},
        {"how": "median"},
        {"quantile": 1.5},
        {"quantile": float("nan")},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    check(wanted())
    with pytest.raises(RefusedError) as refused:
        check(wanted(**wrong))
    assert refused.value.code == Code.BAD_MESSAGE
    assert next(iter(wrong)).split("_")[0] in refused.value.text


def test_a_gauge_has_no_rate() -> None:
    check_kind(wanted(how="rate"), "counter")
    check_kind(wanted(how="max"), "gauge")
    with pytest.raises(RefusedError, match="ask for last, mean or max"):
        check_kind(wanted(how="rate"), "gauge")


@pytest.mark.parametrize(
    ("ago_s", "step_s"),
    [(10, 1), (HOUR, 1), (HOUR + 2, 10), (DAY, 10), (DAY + 60, 60), (30 * DAY, 60), (300 * DAY, 60)],
)
def test_the_finest_tier_that_reaches_back_is_taken(ago_s: int, step_s: int) -> None:
    assert TIERS[covering(TIERS, START - ago_s, START)].step_s == step_s


@pytest.mark.parametrize(
    ("length_s", "asked_s", "tier_s", "step_s", "note"),
    [
        (60, 1, 1, 1, None),
        (60, 0.2, 1, 1, None),
        (60, 7.5, 1, 8, None),
        (600, 15, 10, 20, None),
        (HOUR, 1, 1, 2, "at most 2000 points"),
        (6 * HOUR, 1, 10, 20, "at most 2000 points"),
        (600, 1, 10, 10, "nothing finer is kept"),
        (30 * DAY, 60, 60, 1320, "at most 2000 points"),
    ],
)
def test_the_step_is_widened_and_that_is_said(
    length_s: int, asked_s: float, tier_s: int, step_s: int, note: str | None
) -> None:
    found, notes = step_of(wanted(end_s=START + length_s, step_s=asked_s), tier_s)
    assert found == step_s
    assert found * POINTS_MAX >= length_s
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


def labels(node: str, **more: str) -> dict[str, str]:
    return {"node": node, "role": node.split(".")[0], "zone": "one", **more}


SERIES = [
    (5, labels("scene.2", reason="lost")),
    (1, labels("scene.1", reason="lost")),
    (7, labels("gate.1", reason="kicked")),
    (3, labels("scene.1", reason="kicked")),
]


def test_each_series_is_a_line_with_all_its_labels() -> None:
    found = select(SERIES, wanted())
    assert found.numbers.tolist() == [7, 3, 1, 5]
    assert found.labels[0] == {"node": "gate.1", "role": "gate", "zone": "one", "reason": "kicked"}
    assert found.starts.tolist() == found.line_starts.tolist() == [0, 1, 2, 3]


def test_labels_that_a_series_must_have() -> None:
    found = select(SERIES, wanted(where={"role": "scene", "reason": "lost"}))
    assert found.numbers.tolist() == [1, 5]
    assert len(select(SERIES, wanted(where={"reason": "bored"})).numbers) == 0


def test_series_are_put_together_by_labels() -> None:
    found = select(SERIES, wanted(by=("reason",)))
    assert found.labels == [{"reason": "kicked"}, {"reason": "lost"}]
    assert (found.numbers.tolist(), found.starts.tolist()) == ([3, 7, 1, 5], [0, 2])
    assert select(SERIES, wanted(by=())).labels == [{}]
    assert select(SERIES, wanted(by=("map",))).labels == [{"map": ""}]


def test_buckets_are_sorted_by_their_bounds_and_put_together() -> None:
    series = [
        (number, labels(node, le=le))
        for number, (node, le) in enumerate(
            (node, le) for node in ("a.1", "b.1") for le in ("+Inf", "10.0", "2.5", "x")
        )
    ]
    found = select(series, wanted(how="quantile", by=("zone", "le")))
    assert found.labels == [{"zone": "one"}]
    assert found.bounds.tolist() == [2.5, 10.0, float("inf")]
    assert (found.numbers.tolist(), found.starts.tolist()) == ([2, 6, 1, 5, 0, 4], [0, 2, 4])
    each = select(series, wanted(how="quantile"))
    assert [line["node"] for line in each.labels] == ["a.1", "b.1"]
    assert "le" not in each.labels[0]
    assert (each.line_starts.tolist(), len(each.starts)) == ([0, 3], 6)


def test_too_many_lines_are_left_out_and_counted() -> None:
    series = [(number, labels(f"scene.{number:04}")) for number in range(LINES_MAX + 30)]
    found = select(series, wanted())
    assert (len(found.labels), len(found.numbers), found.left_out) == (LINES_MAX, LINES_MAX, 30)
    assert select(series[:LINES_MAX], wanted()).left_out == 0
