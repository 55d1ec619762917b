"""How players come in, and where they are."""

from tools.ctl.observability.panels import WINDOW, ZONE, Dashboard, Panel, Query, Row, zones
from tools.ctl.observability.promql import WRONG, mean, quantile, rate, total

_OK = 'result="ok"'


def _each(counters: dict[str, str]) -> tuple[Query, ...]:
    """Counters of a center, side by side."""
    rates = {rate(counter, WINDOW, "zone", ZONE): name for counter, name in counters.items()}
    return tuple(Query(expr, f"{{{{zone}}}} {name}") for expr, name in rates.items())


_LOGINS = Row(
    "Logins",
    (
        Panel(
            title="By result, at the gates",
            text="Logins a second, and how they ended: in the world (ok, resumed), in the queue, or refused by a code.",
            queries=(Query(rate("gate_logins_total", WINDOW, "result", ZONE), "{{result}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="By method and result, at the login nodes",
            text="What the login nodes answered the gates.",
            queries=(Query(rate("login_results_total", WINDOW, "method, result", ZONE), "{{method}} {{result}}"),),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Wrong passwords, bans",
            text="Share of all logins. Much of it for long is somebody who tries passwords.",
            queries=(
                Query(
                    f"{rate('gate_logins_total', WINDOW, 'zone', ZONE, WRONG)}"
                    f" / {rate('gate_logins_total', WINDOW, 'zone', ZONE)}",
                    "{{zone}}",
                ),
            ),
            unit="percentunit",
            warn=0.4,
            bad=0.75,
        ),
        Panel(
            title="How long a login takes",
            text="From its first word to the world, of those that came in. Good is a p99 of less than a second.",
            queries=tuple(
                Query(quantile(share, "gate_login_seconds", "5m", "", ZONE, _OK), name)
                for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
            ),
            unit="s",
            warn=0.5,
            bad=1,
        ),
        Panel(
            title="How long logins take",
            text="All that came in: the darker, the more.",
            queries=(Query(rate("gate_login_seconds_bucket", WINDOW, "le", ZONE, _OK)),),
            kind="heatmap",
            unit="s",
        ),
        Panel(
            title="How long those take that end in another way",
            text="On average, by result. A refusal that takes as long as a time-out is one.",
            queries=(Query(mean("gate_login_seconds", WINDOW, "result", ZONE, 'result!="ok"'), "{{result}}"),),
            unit="s",
        ),
    ),
)

_WAITING = Row(
    "Who waits",
    (
        Panel(
            title="In the queue",
            text="The zone is full or lets nobody new in; positions are held for those who lost the connection.",
            queries=(
                Query(total("center_queue", "zone", ZONE), "{{zone}} waiting"),
                Query(total("center_queue_held", "zone", ZONE), "{{zone}} held"),
            ),
            warn=1,
            bad=500,
        ),
        Panel(
            title="For their turn",
            text="At the gates, since only so many logins are under way together, and passwords that wait to be "
            "checked.",
            queries=(
                Query(total("gate_logins_waiting", "node", ZONE), "{{node}}: turn"),
                Query(total("login_hashes_pending", "node", ZONE), "{{node}}: password"),
            ),
        ),
        Panel(
            title="Newcomers refused",
            text="By nodes that are late with what they have to do already, and passwords refused as too many waited.",
            queries=(
                Query(rate("mesh_admission_refused_total", WINDOW, "node", ZONE), "{{node}}"),
                Query(rate("dc_newcomers_refused_total", WINDOW, "node", ZONE), "{{node}}: its queue"),
                Query(rate("login_hashes_refused_total", WINDOW, "node", ZONE), "{{node}}: passwords"),
            ),
            unit="reqps",
        ),
    ),
)

_PLAYERS = Row(
    "Players",
    (
        Panel(
            title="In the world",
            text="online; linkdead: without a connection, for a while; leaving: being saved.",
            queries=(Query(total("center_players", "zone, stage", ZONE), "{{zone}} {{stage}}"),),
            stacked=True,
        ),
        Panel(
            title="Sessions that begin or go on",
            text="Came in, took the place of an older connection, or went on after a broken one.",
            queries=_each(
                {
                    "center_placed_total": "came in",
                    "center_resumed_total": "went on",
                    "center_taken_over_total": "took over",
                    "center_admitted_total": "from the queue",
                }
            ),
            unit="reqps",
        ),
        Panel(
            title="Sessions that end without being asked",
            text="Did not come back in time, or lost their scene and found no other one. Good is none of the second.",
            queries=_each(
                {
                    "center_expired_total": "did not come back",
                    "center_lost_total": "lost their scene",
                    "center_kicks_total": "were ended",
                    "center_enters_failed_total": "were not taken by a scene",
                }
            ),
            unit="reqps",
        ),
        Panel(
            title="To another line",
            text="Transfers a second, by why: portals, evacuations, wishes.",
            queries=(
                Query(rate("center_transfers_total", WINDOW, "why", ZONE), "{{why}}"),
                Query(rate("center_transfers_failed_total", WINDOW, "why", ZONE), "{{why}}: failed"),
            ),
            unit="reqps",
        ),
        Panel(
            title="How long a transfer takes",
            text="p99, by why.",
            queries=(Query(quantile(0.99, "center_transfer_seconds", "5m", "why", ZONE), "{{why}}"),),
            unit="s",
            warn=0.5,
            bad=2,
        ),
        Panel(
            title="Without a scene",
            text="Players whose scene was lost and who wait for another one, and those who have found one.",
            queries=(
                Query(total("center_homeless", "zone", ZONE), "{{zone}} waiting"),
                Query(rate("center_rehomed_total", WINDOW, "zone", ZONE), "{{zone}} found one, a second"),
            ),
            bad=1,
        ),
    ),
)

_SOCIETY = Row(
    "Between players",
    (
        Panel(
            title="What is said",
            text="Shouts, whispers and words on channels.",
            queries=_each(
                {
                    "center_shouts_total": "shouts",
                    "center_whispers_total": "whispers",
                    "center_spoken_total": "on channels",
                    "center_social_denied_total": "refused",
                }
            ),
            unit="reqps",
            width=12,
        ),
        Panel(
            title="Parties and lines",
            text="Parties, and lines by map.",
            queries=(
                Query(total("center_parties", "zone", ZONE), "{{zone}} parties"),
                Query(total("center_lines", "zone, map", ZONE), "{{zone}} lines of {{map}}"),
            ),
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="logins",
    title="Players and logins",
    text="How players come in, how long that takes, who waits, and where they are.",
    rows=(_LOGINS, _WAITING, _PLAYERS, _SOCIETY),
    variables=zones(),
)
