"""The whole at a glance: is it there, what do players feel, how hard does it work, what is wrong."""

from tools.ctl.observability.objectives import OBJECTIVES
from tools.ctl.observability.panels import CLUSTER, WINDOW, ZONE, Dashboard, Panel, Query, Row, stat, zones
from tools.ctl.observability.promql import FAILED, JOB, of, quantile, rate, total

_UP = of("up", JOB, ZONE)
_READY = ((0, "not Ready", "red"), (1, "Ready", "green"))
_FIRING = of("ALERTS", 'alertstate="firing"', CLUSTER)

_NOW = Row(
    "Now",
    (
        stat("Players", "Characters in the world.", total("center_players", "", ZONE, 'stage="online"')),
        stat("In the queue", "Logins that wait for a place.", total("center_queue", "", ZONE), warn=1, bad=500),
        stat("Logins a second", "Of all kinds, whatever came of them.", rate("gate_logins_total", WINDOW, "", ZONE)),
        stat(
            "Logins, p99", "99 % of the logins are in the world within this time. Good is less than a second.",
            quantile(0.99, "gate_login_seconds", "5m", "", ZONE, 'result="ok"'), "s", warn=0.5, bad=1,
        ),
        stat(
            "Movement, p99", "From the first movement that a tick has to tell to its end. Good is less than 250 ms.",
            quantile(0.99, "scene_move_seconds", WINDOW, "", ZONE), "s", warn=0.15, bad=0.25,
        ),
        stat("Nodes Ready", "Nodes that serve.", total("mesh_ready", "", ZONE)),
        stat(
            "Processes away", "Processes of targets.json that do not answer. Good is none.",
            f"sum({_UP} == bool 0)", warn=1, bad=1,
        ),
        stat("Alerts", "That fire now.", f"count({_FIRING}) or vector(0)", warn=1, bad=3),
    ),
)  # fmt: skip

_PLAYERS = Row(
    "Players",
    (
        Panel(
            title="Players by zone",
            text="Characters in the world. Who lost the connection stays for a while: linkdead.",
            queries=(Query(total("center_players", "zone, stage", ZONE), "{{zone}} {{stage}}"),),
            stacked=True,
        ),
        Panel(
            title="Logins by result",
            text="Logins a second, and how they ended. ok and resumed are good, queued has to wait.",
            queries=(Query(rate("gate_logins_total", WINDOW, "result", ZONE), "{{result}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Logins that fail for a fault of ours",
            text="Share of all logins. Good is less than one in a thousand.",
            queries=(
                Query(
                    f"(({rate('gate_logins_total', WINDOW, 'zone', ZONE, FAILED)})"
                    f" or 0 * {rate('gate_logins_total', WINDOW, 'zone', ZONE)})"
                    f" / {rate('gate_logins_total', WINDOW, 'zone', ZONE)}",
                    "{{zone}}",
                ),
            ),
            unit="percentunit",
            warn=0.01,
            bad=0.2,
        ),
    ),
)

_FELT = Row(
    "What players feel",
    (
        Panel(
            title="Logins",
            text="From the first word of a login to the world, of those that came in.",
            queries=tuple(
                Query(quantile(share, "gate_login_seconds", "5m", "zone", ZONE, 'result="ok"'), f"{{{{zone}}}} {name}")
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            bad=1,
        ),
        Panel(
            title="Movement",
            text="From the first movement that a tick has to tell to the end of the tick, at the scene.",
            queries=tuple(
                Query(quantile(share, "scene_move_seconds", WINDOW, "zone", ZONE), f"{{{{zone}}}} {name}")
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            bad=0.25,
        ),
        Panel(
            title="Game time",
            text="Game seconds in a second. Below 1 everything goes slower: the last thing that the policy does.",
            queries=(Query(f"min by (node) ({of('scene_dilation', ZONE)})", "{{node}}"),),
            warn=1,
            bad=0.6,
            most=1,
        ),
    ),
)

_PRESSURE = Row(
    "How hard it works",
    (
        Panel(
            title="Pressure",
            text="The signal of each node that is nearest to its limit: 1 is where players begin to feel it.",
            queries=(Query(f"max by (node) ({of('mesh_pressure', ZONE)})", "{{node}}"),),
            warn=0.8,
            bad=1,
        ),
        Panel(
            title="Loop lag, p99",
            text="How late the loop of a node is, or how long one turn of it takes: everything waits for that.",
            queries=(Query(quantile(0.99, "mesh_loop_lag_seconds", WINDOW, "node", ZONE), "{{node}}"),),
            unit="s",
            warn=0.03,
            bad=0.1,
        ),
        Panel(
            title="Level of the policy",
            text="What is left out under pressure: 0 is nothing, from 3 on nobody new is let in, from 5 on time slows.",
            queries=(Query(f"max by (node) ({of('mesh_level', ZONE)})", "{{node}}"),),
            warn=1,
            bad=3,
        ),
    ),
)

_NODES = Row(
    "Nodes",
    (
        Panel(
            title="Ready",
            text="A gap is a node that did not answer.",
            queries=(Query(f"min by (node) ({of('mesh_ready', ZONE)})", "{{node}}"),),
            kind="states",
            width=12,
            height=10,
            states=_READY,
        ),
        Panel(
            title="Alerts that fire",
            text="Each is explained by its page in docs/runbooks.",
            queries=(Query(_FIRING, "firing"),),
            kind="table",
            width=12,
            height=10,
            hidden=("__name__", "alertstate", "job", "instance", "host", "process", "region", "Value"),
        ),
    ),
)

_OBJECTIVES = Row(
    "Objectives",
    tuple(
        Panel(
            title=f"{one.name}: burn rate",
            text=f"{one.text}. 1 uses up exactly the budget of 30 days; 14.4 over an hour is an alert. Needs the rules "
            "of `mesh export alerts`.",
            queries=tuple(
                Query(
                    f"max by (zone) ({of(one.series(f'bad_ratio_{window}'), ZONE)}) / {one.budget:g}",
                    f"{{{{zone}}}} {window}",
                )
                for window in ("5m", "1h", "6h", "3d")
            ),
            width=6,
            warn=1,
            bad=14.4,
        )
        for one in OBJECTIVES
    ),
)

DASHBOARD = Dashboard(
    name="overview",
    title="Overview",
    text="Is it there, what do players feel, how hard does it work, and what is wrong.",
    rows=(_NOW, _PLAYERS, _FELT, _PRESSURE, _NODES, _OBJECTIVES),
    variables=zones(),
)
