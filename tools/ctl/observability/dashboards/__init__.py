"""The dashboards, each as data: what is asked, and how it is shown.

One for the whole and one for each thing that has figures of its own. Their panels are asked with the same words as the
rules (promql.py), over Grafana's window instead of a fixed one.
"""

from tools.ctl.observability.dashboards import dc, gates, log, logins, nodes, overview, scenes
from tools.ctl.observability.panels import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    logins.DASHBOARD,
    scenes.DASHBOARD,
    gates.DASHBOARD,
    dc.DASHBOARD,
    log.DASHBOARD,
    nodes.DASHBOARD,
)
