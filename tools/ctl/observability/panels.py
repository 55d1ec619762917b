"""What dashboards are made of, as data: panels with their queries, rows, variables. How Grafana writes them down is
grafana.py's business.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["timeseries", "stat", "heatmap", "states", "table"]
WINDOW = "$__rate_interval"
"""Grafana's word for a window that has some scrapes in it, however far one zooms."""

CLUSTER = 'cluster=~"$cluster",region=~"$region"'
ZONE = f'{CLUSTER},zone=~"$zone"'
NODE = f'{ZONE},node=~"$node"'
"""What series are asked for, by the variables of the dashboard."""


class Query(NamedTuple):
    """`legend` has labels as {{node}}; of a table it is the name of the column, which may have a unit of its own."""

    expr: str
    legend: str = ""
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`text` says what one sees, and what is good. `warn` and `bad` are where it begins to be worrying and where it is;
    bad below warn means that less is worse."""

    title: str
    text: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: str = "short"
    width: int = 8  # of 24
    height: int = 8
    warn: float | None = None
    bad: float | None = None
    most: float | None = None  # the upper end of the axis
    stacked: bool = False
    hidden: tuple[str, ...] = ()  # labels that a table does not show
    states: tuple[tuple[int, str, str], ...] = ()  # number, its name, its colour


class Row(NamedTuple):
    """Panels from left to right, then the next line."""

    title: str
    panels: tuple[Panel, ...]


class Variable(NamedTuple):
    """A choice at the top of a dashboard: the values of a label of some series."""

    name: str
    label: str
    series: str
    of: str  # the label


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """`name` is the end of its uid and of its file."""

    name: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = field(default_factory=tuple)


def stat(
    title: str, text: str, expr: str, unit: str = "short", warn: float | None = None, bad: float | None = None
) -> Panel:
    """One number."""
    queries = (Query(expr),)
    return Panel(title=title, text=text, queries=queries, kind="stat", unit=unit, width=3, height=4, warn=warn, bad=bad)


def clusters() -> tuple[Variable, ...]:
    """Which cluster and region."""
    up = 'up{job="zonemesh"}'
    return (
        Variable("cluster", "Cluster", up, "cluster"),
        Variable("region", "Region", 'up{job="zonemesh",cluster=~"$cluster"}', "region"),
    )


def zones() -> tuple[Variable, ...]:
    """And which zone."""
    return (*clusters(), Variable("zone", "Zone", f'up{{job="zonemesh",{CLUSTER}}}', "zone"))


def nodes(role: str = "") -> tuple[Variable, ...]:
    """And which node, of one role or of all."""
    where = f'{ZONE},role="{role}"' if role else ZONE
    return (*zones(), Variable("node", "Node", f"mesh_ready{{{where}}}", "node"))
