"""Dashboards as Grafana 10 and later read them, and the two files by which it finds them and a Prometheus.

Owns the places of panels and what all dashboards have in common; what they show is data (dashboards/). The data source
is a variable, so that they can also be imported by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.ctl.observability import drawing
from tools.ctl.observability.dashboards import DASHBOARDS
from tools.ctl.observability.panels import CLUSTER, Dashboard, Row, Variable
from tools.ctl.observability.scraping import INTERVAL

COLUMNS = 24
TAG = "zonemesh"
SCHEMA = 38  # Grafana 10.0; later ones bring it up to theirs

_DATASOURCES = f"""\
# A data source for Grafana, written by `mesh export grafana`. Leave it out where there is one already.
apiVersion: 1

datasources:
  - name: zonemesh
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090
    jsonData:
      timeInterval: {INTERVAL}     # as in prometheus.yml: rates are never taken over less than some of these
"""
_PROVIDERS = """\
# Where Grafana finds the dashboards, written by `mesh export grafana`. They are read again when they change.
apiVersion: 1

providers:
  - name: zonemesh
    folder: zonemesh
    type: file
    options:
      path: {path}
"""


def files(folder: Path) -> dict[str, str]:
    """File name -> text; `folder` is where they are going to be."""
    found = {f"dashboards/{TAG}-{one.name}.json": text(one) for one in DASHBOARDS}
    found["provisioning/dashboards/zonemesh.yml"] = _PROVIDERS.format(path=json.dumps(str(folder / "dashboards")))
    found["provisioning/datasources/zonemesh.yml"] = _DATASOURCES
    return found


def text(one: Dashboard) -> str:
    """As Grafana's JSON."""
    return json.dumps(_dashboard(one), indent=2, ensure_ascii=False) + "\n"


def _dashboard(one: Dashboard) -> dict[str, Any]:
    return {
        "id": None,
        "uid": f"{TAG}-{one.name}",
        "title": f"zonemesh / {one.title}",
        "description": one.text,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "refresh": INTERVAL,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "annotations": {"list": _annotations()},
        "links": [_links()],
        "templating": {"list": [_datasource(), *(_variable(variable) for variable in one.variables)]},
        "panels": list(_panels(one.rows)),
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    """From left to right; a panel that finds no room begins a line."""
    number = y = 0
    for row in rows:
        number += 1
        grid = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": grid, "panels": []}
        y, x, tallest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            number += 1
            yield drawing.draw(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _links() -> dict[str, Any]:
    """To the other dashboards, with the same choices and the same time."""
    return {
        "type": "dashboards",
        "title": "zonemesh",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
        "options": [],
        "current": {},
    }


def _variable(one: Variable) -> dict[str, Any]:
    query = f"label_values({one.series}, {one.of})"
    return {
        "name": one.name,
        "label": one.label,
        "type": "query",
        "datasource": drawing.DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": "",
        "refresh": 2,  # with the time range
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "skipUrlSync": False,
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _annotations() -> list[dict[str, Any]]:
    """Starts of processes, at the moment at which they were started, and alerts while they fire."""
    return [
        {
            "builtIn": 1,
            "name": "Annotations & Alerts",
            "type": "dashboard",
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
        },
        _annotation("Starts", "blue", f"process_start_time_seconds{{{CLUSTER}}} * 1000", "{{process}} was started", "")
        | {"useValueForTime": True},
        _annotation(
            "Alerts",
            "red",
            f'ALERTS{{alertstate="firing",severity!="info",{CLUSTER}}}',
            "{{alertname}}",
            "{{severity}} {{zone}} {{nodes}} {{node}}",
        ),
    ]


def _annotation(name: str, colour: str, expr: str, title: str, words: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": drawing.DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": words,
        "tagKeys": "cluster,zone",
        "useValueForTime": False,
    }
