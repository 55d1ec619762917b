"""Gates: connections, what goes in and out, what is dropped and refused."""

from tools.ctl.observability.panels import NODE, WINDOW, Dashboard, Panel, Query, Row, nodes
from tools.ctl.observability.promql import PLAYING, of, rate, total


def _each(counters: dict[str, str]) -> tuple[Query, ...]:
    """Counters of all gates that are chosen, side by side."""
    return tuple(Query(rate(counter, WINDOW, "", NODE), name) for counter, name in counters.items())


_CONNECTIONS = Row(
    "Connections",
    (
        Panel(
            title="Players by gate",
            text="They should lie evenly on the gates.",
            queries=(Query(total("gate_clients", "node", NODE, PLAYING), "{{node}}"),),
        ),
        Panel(
            title="By state",
            text="From Connected, where nothing was said yet, to Leaving.",
            queries=(Query(total("gate_clients", "state", NODE), "{{state}}"),),
            stacked=True,
        ),
        Panel(
            title="How unevenly players lie",
            text="The fullest gate, as a multiple of the average. 1 is even.",
            queries=(
                Query(
                    f"max by (zone) ({total('gate_clients', 'zone, node', NODE, PLAYING)})"
                    f" / avg by (zone) ({total('gate_clients', 'zone, node', NODE, PLAYING)})",
                    "{{zone}}",
                ),
            ),
            warn=1.3,
            bad=1.6,
        ),
        Panel(
            title="Connections that come",
            text="A second; refused: above a limit of the gate or of an address.",
            queries=(
                Query(rate("gate_connections_total", WINDOW, "node", NODE), "{{node}}"),
                Query(rate("gate_refused_connections_total", WINDOW, "node", NODE), "{{node}}: refused"),
            ),
            unit="reqps",
        ),
        Panel(
            title="Connections that end",
            text="By why. connection_lost is the network or the client, moved and shutdown are drains and stops.",
            queries=(Query(rate("gate_disconnections_total", WINDOW, "reason", NODE), "{{reason}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Moved",
            text="Clients that went to another gate when asked, and to another scene or line.",
            queries=_each(
                {
                    "gate_moved_total": "to another gate",
                    "gate_transfers_total": "to another scene or line",
                    "gate_stray_transfers_total": "of those who had gone",
                    "gate_attaches_failed_total": "not taken by a scene",
                }
            ),
            unit="ops",
        ),
    ),
)

_TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            title="Bytes",
            text="From and to clients, without what WebSocket and TCP add.",
            queries=(
                Query(rate("gate_bytes_received_total", WINDOW, "node", NODE), "{{node}} in"),
                Query(rate("gate_bytes_sent_total", WINDOW, "node", NODE), "{{node}} out"),
            ),
            unit="Bps",
        ),
        Panel(
            title="Frames",
            text="From and to clients: each is a system call at the worst.",
            queries=(
                Query(rate("gate_frames_received_total", WINDOW, "node", NODE), "{{node}} in"),
                Query(rate("gate_frames_sent_total", WINDOW, "node", NODE), "{{node}} out"),
            ),
            unit="pps",
        ),
        Panel(
            title="Bytes to one player",
            text="On average.",
            queries=(
                Query(
                    f"{rate('gate_bytes_sent_total', WINDOW, 'node', NODE)}"
                    f" / ({total('gate_clients', 'node', NODE, PLAYING)} > 0)",
                    "{{node}}",
                ),
            ),
            unit="Bps",
        ),
        Panel(
            title="By lane",
            text="Bytes: control is never left out, updates are movement, bulk is chat and the like, plays and moves "
            "come from clients.",
            queries=(Query(rate("gate_traffic_bytes_total", WINDOW, "lane", NODE), "{{lane}}"),),
            unit="Bps",
            stacked=True,
        ),
        Panel(
            title="By line",
            text="Bytes to and from the players of each line.",
            queries=(Query(rate("gate_traffic_bytes_total", WINDOW, "line", NODE), "{{line}}"),),
            unit="Bps",
            stacked=True,
        ),
        Panel(
            title="Passed on to scenes",
            text="Moves and play messages.",
            queries=(Query(rate("gate_forwarded_total", WINDOW, "lane", NODE), "{{lane}}"),),
            unit="ops",
        ),
    ),
)

_LOST = Row(
    "What does not arrive",
    (
        Panel(
            title="Dropped by the rules of a lane",
            text="movement, chat and cosmetic are dropped for clients that are behind; early, moves and plays should "
            "be none.",
            queries=(Query(rate("gate_dropped_total", WINDOW, "lane", NODE), "{{lane}}"),),
            unit="ops",
            stacked=True,
        ),
        Panel(
            title="Refused",
            text="Messages of clients, by code: too_many is above a rate, bad_message does not decode.",
            queries=(Query(rate("gate_refused_total", WINDOW, "code", NODE), "{{code}}"),),
            unit="ops",
            stacked=True,
        ),
        Panel(
            title="Not sent yet",
            text="What clients are still to be told.",
            queries=(Query(total("gate_unsent_bytes", "node", NODE), "{{node}}"),),
            unit="bytes",
            warn=4e6,
        ),
        Panel(
            title="Clients that are behind",
            text="Whose network bears less than they could be told.",
            queries=(Query(total("gate_hindered_clients", "node", NODE), "{{node}}"),),
        ),
        Panel(
            title="Consequences",
            text="Scenes that were told to wait with movement, views asked for again, connections cut as nobody read.",
            queries=_each(
                {
                    "gate_paced_total": "scenes told to wait",
                    "gate_full_views_total": "full views again",
                    "gate_slow_readers_total": "connections cut",
                }
            ),
            unit="ops",
        ),
        Panel(
            title="Strays",
            text="For players that had left, of scenes that break the rules, in transfers. Good is hardly any.",
            queries=_each(
                {
                    "gate_unknown_handles_total": "for players that had left",
                    "gate_malformed_batches_total": "batches that break the rules",
                    "gate_fenced_total": "thrown away in transfers",
                }
            ),
            unit="ops",
        ),
    ),
)

_LEVEL = Row(
    "Pressure",
    (
        Panel(
            title="Signals",
            text="1 is where players begin to feel it.",
            queries=(Query(of("mesh_pressure", NODE), "{{node}}: {{signal}}"),),
            warn=0.8,
            bad=1,
            width=12,
        ),
        Panel(
            title="Level of the policy",
            text="What is left out under pressure: 0 is nothing.",
            queries=(Query(f"max by (node) ({of('mesh_level', NODE)})", "{{node}}"),),
            warn=1,
            bad=3,
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="gates",
    title="Gates",
    text="Connections, what goes in and out, and what is dropped or refused.",
    rows=(_CONNECTIONS, _TRAFFIC, _LOST, _LEVEL),
    variables=nodes("gate"),
)
