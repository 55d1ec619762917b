"""The reader of queries that the tests of rules and dashboards rely on finds what is wrong."""

import pytest

from tests.ctl.promql import aggregated, matched, mistakes, series


def test_names_are_found_and_functions_and_words_are_not() -> None:
    query = 'sum by (le, zone) (rate(a_bucket{x="b or c",y!~"z"}[5m])) / on (host) group_left () d:e:f offset 1w > 1e3'
    assert series(query) == ["a_bucket", "d:e:f"]
    assert list(matched(query)) == [("a_bucket", {"x", "y"})]
    assert list(aggregated(query)) == [({"le", "zone"}, 'rate(a_bucket{x="",y!~""}[5m])')]
    assert series("time() - (process_start_time_seconds or vector(0))") == ["process_start_time_seconds"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mesh_redy == 0", "there is no mesh_redy"),
        ("rate(mesh_loop_lag_seconds[1m])", "there is no mesh_loop_lag_seconds"),
        ('process_open_fds{node="gate.1"}', "process_open_fds has no node"),
        ("sum by (zone, node) (host_cpus)", "host_cpus has no node"),
        ("sum by (zone) (sum by (lane) (gate_clients))", "gate_clients has no lane"),
        ("max by (node) (zone:gate_players:sum)", "zone:gate_players:sum has no node"),
    ],
)
def test_what_there_is_not_is_told(query: str, said: str) -> None:
    assert mistakes(query) == [said]


@pytest.mark.parametrize(
    "query",
    [
        'histogram_quantile(0.99, sum by (le, node) (rate(mesh_loop_lag_seconds_bucket{role="gate"}[1m])))',
        "process_open_fds / process_max_fds > 0.8",
        'max by (zone) (zone:gate_players:sum{cluster="a"})',
        'up{job="zonemesh"} == 0',
    ],
)
def test_what_there_is_is_not_told(query: str) -> None:
    assert mistakes(query) == []
