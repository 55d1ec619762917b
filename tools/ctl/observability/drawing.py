"""Panels as Grafana's JSON: what each kind looks like, everywhere in the same way."""

from typing import Any

from tools.ctl.observability.panels import Panel, Query

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GOOD, WARN, BAD, PLAIN = "green", "orange", "red", "text"
_FORMATS = {"heatmap": "heatmap", "table": "table"}
_TYPES = {"states": "state-timeline"}


def draw(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    """A panel at its place."""
    drawn = {
        "id": number,
        "type": _TYPES.get(panel.kind, panel.kind),
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": grid,
        "targets": [_target(panel, query, index) for index, query in enumerate(panel.queries)],
    }
    match panel.kind:
        case "timeseries":
            return drawn | _timeseries(panel)
        case "stat":
            return drawn | _stat(panel)
        case "heatmap":
            return drawn | _heatmap(panel)
        case "states":
            return drawn | _states(panel)
        case "table":
            return drawn | _table(panel)


def _target(panel: Panel, query: Query, index: int) -> dict[str, Any]:
    is_table = panel.kind == "table"
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": "{{le}}" if panel.kind == "heatmap" else query.legend,
        "format": _FORMATS.get(panel.kind, "time_series"),
        "range": not is_table,
        "instant": is_table,
    }


def _timeseries(panel: Panel) -> dict[str, Any]:
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.warn is None and panel.bad is None else "dashed"},
    }
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    defaults = _defaults(panel) | {"color": {"mode": "palette-classic"}, "custom": custom, "min": 0}
    return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def _stat(panel: Panel) -> dict[str, Any]:
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    defaults = _defaults(panel) | {"color": {"mode": "thresholds"}}
    return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def _heatmap(panel: Panel) -> dict[str, Any]:
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": False,
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"show": True, "yHistogram": False},
        "yAxis": {"unit": panel.unit, "axisPlacement": "left", "reverse": False},
    }
    custom = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    return {"fieldConfig": {"defaults": {"custom": custom}, "overrides": []}, "options": options}


def _states(panel: Panel) -> dict[str, Any]:
    named = {
        str(number): {"text": name, "color": colour, "index": index}
        for index, (number, name, colour) in enumerate(panel.states)
    }
    options = {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    defaults = _defaults(panel) | {
        "color": {"mode": "thresholds"},
        "custom": {"fillOpacity": 70, "lineWidth": 0},
        "mappings": [{"type": "value", "options": named}] if named else [],
    }
    return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def _table(panel: Panel) -> dict[str, Any]:
    """A line for each set of labels, a column for each query."""
    letters = [chr(ord("A") + index) for index in range(len(panel.queries))]
    values = [f"Value #{letter}" for letter in letters] if len(letters) > 1 else ["Value"]
    names = {value: query.legend for value, query in zip(values, panel.queries, strict=True)}
    hidden = dict.fromkeys(("Time", *panel.hidden), True)
    overrides = [
        {"matcher": {"id": "byName", "options": query.legend}, "properties": [{"id": "unit", "value": query.unit}]}
        for query in panel.queries
        if query.unit
    ]
    return {
        "fieldConfig": {"defaults": _defaults(panel) | {"custom": {"align": "auto", "filterable": True}},
                        "overrides": overrides},
        "options": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": hidden, "renameByName": names, "indexByName": {}}},
        ],
    }  # fmt: skip


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": _steps(panel)}}
    return found | ({"max": panel.most} if panel.most is not None else {})


def _steps(panel: Panel) -> list[dict[str, Any]]:
    """The first one has no number: it is below all others."""
    warn, bad = panel.warn, panel.bad
    if warn is None and bad is None:
        return [{"color": PLAIN, "value": None}]
    if warn is not None and bad is not None and bad < warn:
        return [{"color": BAD, "value": None}, {"color": WARN, "value": bad}, {"color": GOOD, "value": warn}]
    above = [(WARN, warn), (BAD, bad)]
    return [{"color": GOOD, "value": None}, *({"color": name, "value": at} for name, at in above if at is not None)]
