"""The benches that load a cluster in ways of their own: what they make of what was measured, and their picture."""

import asyncio
import re

import msgspec
import pytest

from tests.bench.fakes import window
from tools.bench.bench import Outcome, judge
from tools.bench.benches import overload
from tools.bench.result import Table
from tools.bench.said import Combat, Distribution, Second, read_line
from tools.bench.timeline import timeline

NOTHING = Distribution()


def second(**said):
    usual = {f.name: 0 for f in msgspec.structs.fields(Second)} | {"dilation": 1.0}
    return Second(**(usual | said))


def moment(load, step, in_step_s, rss_mb=300.0, waiting=0.0, **said):
    return overload.Moment(load, step, in_step_s, second(**said), 0.5, rss_mb, waiting)


def fought(p99_ms, missing=0):
    hits = Distribution(100, 40.0, 60.0, p99_ms, 200.0)
    return window(combat=Combat(100, 0, missing, 0, 0, 0, 0, 0, 0, hits, hits))


def watched(steps, moments):
    watch = overload.Watch(None, None, None, None)
    watch.steps, watch.moments = steps, moments
    return watch


def test_of_a_load_that_comes_twice_the_worse_step_counts():
    steps = [(2.0, fought(100.0)), (3.0, fought(250.0, missing=1)), (2.0, fought(140.0, missing=2))]
    moments = [moment(2.0, 0, 1.0), moment(0.5, 1, 1.0, rss_mb=330.0, closed=4)]
    reached = overload.judged(watched(steps, moments))
    assert reached["hit_p99_ms_2"] == 140.0
    assert reached["hit_p99_ms_3"] == 250.0
    assert (reached["missing"], reached["closed"]) == (3, 4)
    assert reached["growth"] == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("waiting", "ratio"),
    [([0, 900, 0, 90_000, 9, 1, 2], 1.0), ([2000, 2000, 2000, 0, 9000, 6000, 6000], 3.0)],
    ids=["worked off", "grown"],
)
def test_queues_are_compared_at_the_end_with_before(waiting, ratio):
    assert overload.queues([moment(1.0, 0, 1.0, waiting=float(many)) for many in waiting]) == ratio


@pytest.mark.parametrize(
    ("degraded", "after_s"), [([0, 0, 0], 0.0), ([9, 9, 0], 2.0), ([9, 0, 9], 3.0)], ids=["never", "once", "again"]
)
def test_quality_is_back_when_it_stays(degraded, after_s):
    last = [moment(0.5, 4, float(at), degraded=count) for at, count in enumerate(degraded, 1)]
    assert overload.back_after(last) == after_s


def test_the_course_leaves_the_servers_what_the_load_says():
    said = []

    class Silent:
        async def measure(self, _seconds):
            return fought(10.0)

    watch = overload.Watch(None, None, Silent(), None)
    watch._demand = said.append
    watch._window = lambda _factor, _seconds: Silent().measure(0)

    async def look(factor, _seconds):
        watch.moments.append(moment(factor, 0, 0.0))

    watch._watch = look
    watch._ground = type("Ground", (), {"say": staticmethod(lambda _text: None)})
    asyncio.run(watch.follow([(0.5, 1.0), (2.0, 1.0)], 0.4))
    assert said == pytest.approx([0.2, 0.8])
    assert watch.invalid == []


def test_a_course_that_leaves_too_little_is_not_begun():
    words = overload.too_much([(0.5, 1.0), (10.0, 1.0)], 0.4)
    assert words == ["a load of 10 would leave the servers 4 % of a core; more players need more"]
    assert overload.too_much([(0.5, 1.0), (3.0, 1.0)], 0.4) == []
    watch, told = overload.Watch(None, None, None, None), []
    watch.invalid += words
    watch._ground = type("Ground", (), {"say": staticmethod(told.append)})
    asyncio.run(watch.follow([(0.5, 1.0), (10.0, 1.0)], 0.4))
    assert (watch.steps, len(told)) == ([], 1)
    assert overload.judged(watch) == {}


def test_a_step_that_says_nothing_ends_the_course_and_is_named():
    class Late:
        async def measure(self, _seconds):
            return msgspec.structs.replace(fought(10.0), invalid=["moves were sent late, p99 80 ms"])

    watch = overload.Watch(None, None, Late(), None)
    watch._demand = lambda _share: None
    watch._window = lambda _factor, _seconds: Late().measure(0)

    async def look(factor, _seconds):
        watch.moments.append(moment(factor, 0, 0.0))

    watch._watch = look
    watch._ground = type("Ground", (), {"say": staticmethod(lambda _text: None)})
    asyncio.run(watch.follow([(0.5, 1.0), (2.0, 1.0)], 0.4))
    assert len(watch.steps) == 1
    assert watch.invalid == ["load 0.5: moves were sent late, p99 80 ms"]


def test_without_a_hit_nothing_was_measured_and_no_zero_is_as_required():
    nobody = window(combat=Combat(0, 0, 0, 0, 0, 0, 0, 0, 0, NOTHING, NOTHING))
    outcome = Outcome(reached=overload.judged(watched([(2.0, nobody), (3.0, nobody)], [moment(2.0, 0, 1.0)])))
    verdict, why, judged = judge(overload.BENCH, outcome, quick=False)
    assert verdict == "FAILED"
    found = {one.name: (one.reached, one.judgement) for one in judged}
    assert found["hit_p99_ms_2"] == found["hit_p99_ms_3"] == found["missing"] == (None, "unmeasured")
    assert "the same at three times: not measured" in why
    assert "Hits that somebody whom they concern did not hear: not measured" in why


def test_the_picture_has_a_strip_for_each_column():
    svg = timeline(Table("Over time", ["s", "load", "p99"], [["0", "0.5", "10"], ["1", "3", "1,200"], ["2", "1", "0"]]))
    assert svg.count("<polyline") == 2
    points = re.findall(r'points="([^"]+)"', svg)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[1] < heights[0] < heights[2]  # the greatest value is at the top
    assert "1,200" in svg
    assert "Over time" in svg


def test_a_line_that_is_none_of_ours_is_refused():
    with pytest.raises(Exception, match="the generator said"):
        read_line(b'{"line":"gossip"}')
