"""Dashboards ask for what there is, and are what Grafana reads."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.ctl.promql import KNOWN, mistakes, result_labels, series
from tools.ctl.observability import grafana
from tools.ctl.observability.dashboards import DASHBOARDS
from tools.ctl.observability.panels import Dashboard, Panel, Query

UNITS = {"short", "s", "bytes", "Bps", "pps", "ops", "reqps", "percentunit"}
"""Of Grafana's, those that are used."""
PANELS = [(one, panel) for one in DASHBOARDS for row in one.rows for panel in row.panels]
QUERIES = [(one, panel, query) for one, panel in PANELS for query in panel.queries]

each_dashboard = pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one.name)
each_panel = pytest.mark.parametrize(
    ("one", "panel"), PANELS, ids=[f"{one.name}-{panel.title}" for one, panel in PANELS]
)
each_query = pytest.mark.parametrize(
    ("one", "panel", "query"),
    QUERIES,
    ids=[f"{one.name}-{panel.title}-{panel.queries.index(query)}" for one, panel, query in QUERIES],
)


def drawn(one: Dashboard) -> dict:
    return json.loads(grafana.text(one))


def plain(query: str) -> str:
    """Without Grafana's variables, which stand in texts and windows only."""
    return re.sub(r"\$\w+", "x", query)


def test_there_is_one_for_each_thing() -> None:
    assert [one.name for one in DASHBOARDS] == ["overview", "logins", "scenes", "gates", "dc", "log", "nodes"]


@each_query
def test_a_query_asks_for_what_there_is(one: Dashboard, panel: Panel, query: Query) -> None:
    assert mistakes(plain(query.expr)) == []
    variables = {variable.name for variable in one.variables}
    assert set(re.findall(r"\$(\w+)", query.expr)) <= {"__rate_interval", *variables}
    if series(query.expr)[0] != "ALERTS":
        assert "$cluster" in query.expr
    assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= result_labels(query.expr, KNOWN)


@each_panel
def test_a_panel_says_what_one_sees(one: Dashboard, panel: Panel) -> None:
    assert panel.text.endswith(".")
    assert not panel.title.endswith(".")
    assert panel.unit in UNITS
    assert all(query.legend for query in panel.queries) or panel.kind in ("stat", "heatmap")
    legends = [query.legend for query in panel.queries]
    assert len(set(legends)) == len(legends)
    assert (panel.kind == "states") == bool(panel.states)


@each_dashboard
def test_titles_are_there_once_and_rows_fill_the_page(one: Dashboard) -> None:
    titles = [panel.title for row in one.rows for panel in row.panels]
    assert len(set(titles)) == len(titles)
    for row in one.rows:
        assert sum(panel.width for panel in row.panels) % grafana.COLUMNS == 0, row.title


@each_dashboard
def test_panels_lie_beside_each_other(one: Dashboard) -> None:
    panels = drawn(one)["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [panel["gridPos"] for panel in panels]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= grafana.COLUMNS for at in places)
    for a, b in combinations(places, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


@each_dashboard
def test_what_all_have_in_common(one: Dashboard) -> None:
    found = drawn(one)
    assert found["uid"] == f"zonemesh-{one.name}"
    assert found["tags"] == ["zonemesh"]
    assert found["links"][0]["includeVars"]
    assert found["links"][0]["keepTime"]
    assert {note["name"] for note in found["annotations"]["list"]} == {"Annotations & Alerts", "Starts", "Alerts"}
    names = [variable["name"] for variable in found["templating"]["list"]]
    assert names[:3] == ["datasource", "cluster", "region"]
    for panel in found["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


@each_dashboard
def test_variables_and_annotations_ask_for_what_there_is(one: Dashboard) -> None:
    found = drawn(one)
    known: list[str] = []
    for variable in found["templating"]["list"][1:]:
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert asked is not None
        assert mistakes(plain(asked[1])) == []
        assert asked[2] in KNOWN[series(plain(asked[1]))[0]]
        assert set(re.findall(r"\$(\w+)", asked[1])) <= set(known), "those before it"
        known.append(variable["name"])
    for note in found["annotations"]["list"][1:]:
        assert mistakes(plain(note["expr"])) == []
        said = re.findall(r"\{\{(\w+)\}\}", note["titleFormat"] + note["textFormat"])
        assert set(said) <= result_labels(plain(note["expr"]), KNOWN)


def test_thresholds_go_up_and_say_which_end_is_bad() -> None:
    for one in DASHBOARDS:
        for panel in drawn(one)["panels"]:
            steps = panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])
            values = [step["value"] for step in steps]
            assert values[:1] in ([], [None])
            assert values[1:] == sorted(values[1:])
    low = next(panel for panel in drawn(DASHBOARDS[-1])["panels"] if panel["title"] == "Memory that can be had")
    steps = low["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["color"], step["value"]) for step in steps] == [("red", None), ("orange", 0.05), ("green", 0.15)]


def test_a_table_has_a_column_for_each_query() -> None:
    table = next(panel for panel in drawn(DASHBOARDS[-1])["panels"] if panel["type"] == "table")
    assert all(target["instant"] and target["format"] == "table" for target in table["targets"])
    organized = table["transformations"][1]["options"]
    assert organized["renameByName"]["Value #A"] == "up"
    assert organized["excludeByName"]["Time"]
    units = {one["matcher"]["options"]: one["properties"][0]["value"] for one in table["fieldConfig"]["overrides"]}
    assert units == {"up": "s", "cores": "percentunit", "memory": "bytes"}


def test_files_are_the_same_every_time_and_found_by_grafana(tmp_path: Path) -> None:
    files = grafana.files(tmp_path)
    assert files == grafana.files(tmp_path)
    dashboards = {name for name in files if name.startswith("dashboards/")}
    assert dashboards == {f"dashboards/zonemesh-{one.name}.json" for one in DASHBOARDS}
    provider = yaml.safe_load(files["provisioning/dashboards/zonemesh.yml"])["providers"][0]
    assert provider["options"]["path"] == str(tmp_path / "dashboards")
    source = yaml.safe_load(files["provisioning/datasources/zonemesh.yml"])["datasources"][0]
    assert (source["type"], source["jsonData"]["timeInterval"]) == ("prometheus", "10s")
