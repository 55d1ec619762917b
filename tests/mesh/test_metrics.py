"""What a node counts, how it is shown, and the row that the ops node asks for."""

import math
import random
from array import array
from bisect import bisect_left

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mesh.metrics import LABELS_MAX, SECONDS_BUCKETS, Histogram, Metrics, page
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.monitoring import MetricsRead
from mesh.recent import Recent
from mesh.sheet import Sheet


def values(said: MetricsRead) -> list[float]:
    return list(array("d", said.values))


def named(said: MetricsRead) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    assert len(said.series) == len(said.values) // 8
    return {(one.name, one.labels): value for one, value in zip(said.series, values(said), strict=True)}


def test_a_histogram_counts_a_value_in_the_first_bucket_that_holds_it():
    made, chance = Histogram((0.1, 0.5, 1.0)), random.Random(7)
    said = [0.1, 0.5, 1.0, 0.0, 2.0, *(chance.uniform(0, 1.2) for _ in range(500))]
    for value in said:
        made.observe(value)
    expected = [0, 0, 0, 0]
    for value in said:
        expected[bisect_left([0.1, 0.5, 1.0], value)] += 1
    assert made.counts == expected
    assert made.total == pytest.approx(sum(said))
    made.observe(0.2, times=3)
    assert made.counts[1] == expected[1] + 3


def test_the_page_is_what_the_field_reads():
    metrics = Metrics("dc.1", "dc")
    took = metrics.histogram("dc_commit_seconds", "How long.")
    by = metrics.histograms("mesh_handled_seconds", "How long.", "message", buckets=(0.01, 0.1))
    for value in (0.0004, 0.02, 9.0):
        took.observe(value)
    by.labels("Login").observe(0.05)
    metrics.reads("dc_rows", "Rows.", lambda: 3)
    metrics.reads("dc_refused_total", "No.", lambda: {("full",): 2.0, ('a "b"\\\n',): 1.0}, "code")
    families = {one.name: one for one in text_string_to_metric_families(page([metrics]).decode())}
    assert {one.type for one in families.values()} == {"histogram", "gauge", "counter"}
    buckets = {s.labels["le"]: s.value for s in families["dc_commit_seconds"].samples if s.name.endswith("_bucket")}
    assert buckets["0.0005"] == 1
    assert buckets["0.025"] == 2
    assert buckets["5.0"] == 2
    assert buckets["+Inf"] == 3
    sums = {s.name: s.value for s in families["dc_commit_seconds"].samples if "le" not in s.labels}
    assert sums == {"dc_commit_seconds_sum": pytest.approx(9.0204), "dc_commit_seconds_count": 3}
    [handled] = [s for s in families["mesh_handled_seconds"].samples if s.name.endswith("_count")]
    assert handled.labels == {"node": "dc.1", "role": "dc", "message": "Login"}
    assert {s.labels["code"]: s.value for s in families["dc_refused"].samples} == {"full": 2, 'a "b"\\\n': 1}


def test_a_process_has_no_node_in_its_labels():
    metrics = Metrics()
    metrics.reads("process_open_fds", "Descriptors.", lambda: 5)
    assert b"process_open_fds 5.0" in page([metrics])


def test_a_metric_with_too_many_label_values_is_cut_and_named():
    told: list[dict[str, object]] = []
    metrics = Metrics("gate.1", "gate", lambda _text, **fields: told.append(fields))
    many = {(str(number),): 1.0 for number in range(LABELS_MAX + 7)}
    metrics.reads("gate_by_player", "A mistake.", lambda: many, "player")
    observed = metrics.histograms("gate_by_address_seconds", "Another.", "address", buckets=(1.0,))
    for number in range(LABELS_MAX + 3):
        observed.labels(str(number)).observe(0.5)
    sheet = Sheet([metrics], pid=1)
    sheet.read(0)
    found = named(sheet.read(0))
    assert sum(name == "gate_by_player" for name, _ in found) == LABELS_MAX
    assert sum(name == "gate_by_address_seconds_count" for name, _ in found) == LABELS_MAX
    assert {labels[0][1] for name, labels in found if name == "mesh_metric_series_refused"} == {
        "gate_by_player", "gate_by_address_seconds",
    }  # fmt: skip
    assert sorted(str(fields["metric"]) for fields in told) == ["gate_by_address_seconds", "gate_by_player"]


def test_a_row_travels_without_its_layout_once_that_is_known():
    metrics, codes = Metrics("dc.1", "dc"), {("full",): 1.0}
    metrics.reads("dc_rows", "Rows.", lambda: 3)
    metrics.reads("dc_refused_total", "No.", lambda: codes, "code")
    took = metrics.histogram("dc_commit_seconds", "How long.", (0.1,))
    sheet = Sheet([metrics], pid=77)
    first = sheet.read(0)
    assert decoder([MetricsRead])(encode(first)) == first
    assert first.pid == 77
    kinds = {one.name: one.kind for one in first.series}
    assert kinds == {
        "dc_rows": "gauge", "dc_refused_total": "counter", "dc_commit_seconds_bucket": "counter",
        "dc_commit_seconds_sum": "counter", "dc_commit_seconds_count": "counter",
    }  # fmt: skip
    took.observe(0.05)
    codes[("full",)] = 4.0
    again = sheet.read(first.layout)
    assert again.series == []
    assert again.layout == first.layout
    shown = dict(zip([(one.name, one.labels) for one in first.series], values(again), strict=True))
    assert shown["dc_refused_total", (("code", "full"),)] == 4
    assert shown["dc_commit_seconds_bucket", (("le", "0.1"),)] == 1
    assert shown["dc_commit_seconds_sum", ()] == pytest.approx(0.05)
    codes[("stale",)] = 1.0
    third = sheet.read(first.layout)
    assert third.layout > first.layout
    assert named(third)["dc_refused_total", (("code", "stale"),)] == 1
    del codes[("full",)]
    assert ("dc_refused_total", (("code", "full"),)) not in named(sheet.read(third.layout))


def test_a_figure_that_cannot_be_read_hides_no_other():
    metrics, broken = Metrics("dc.1", "dc"), [False]

    def figure() -> dict[tuple[str, ...], float]:
        if broken[0]:
            raise ZeroDivisionError
        return {("a",): 1.0, ("b",): 2.0}

    metrics.reads("dc_a", "A.", lambda: 1)
    metrics.reads("dc_b", "B.", figure, "of")
    metrics.reads("dc_c", "C.", lambda: 3)
    sheet = Sheet([metrics], pid=1)
    layout = sheet.read(0).layout
    broken[0] = True
    after = sheet.read(layout)
    assert after.layout == layout
    found = values(after)
    assert found[:1] + found[3:] == [1, 3] or found[1:2] + found[4:] == [1, 3]
    assert sum(math.isnan(value) for value in found) == 2
    assert sheet.failed == 1


def test_bounds_of_seconds_reach_from_half_a_millisecond_to_five_seconds():
    assert list(SECONDS_BUCKETS) == sorted(SECONDS_BUCKETS)
    assert (SECONDS_BUCKETS[0], SECONDS_BUCKETS[-1]) == (0.0005, 5.0)


def test_whoever_asks_for_what_came_lately_gets_each_once_and_hears_of_gaps():
    kept, chance = Recent[int](10), random.Random(3)
    heard: list[int] = []
    missed, cursor, said = 0, 0, 0
    for _ in range(300):
        for _ in range(chance.randrange(15)):
            kept.add(said)
            said += 1
        before = cursor
        cursor, gone, found = kept.after(cursor, chance.randrange(1, 8))
        assert cursor == before + gone + len(found)
        missed += gone
        heard += found
    while cursor < said:
        cursor, gone, found = kept.after(cursor, 8)
        missed += gone
        heard += found
    assert heard == sorted(set(heard))
    assert len(heard) + missed == said
    assert heard[-1] == said - 1
    assert kept.after(said, 5) == (said, 0, [])


def test_a_number_of_a_life_before_counts_as_none():
    kept = Recent[str](3)
    kept.add("a")
    assert kept.after(500, 9) == (1, 0, ["a"])
