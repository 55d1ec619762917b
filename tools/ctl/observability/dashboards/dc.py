"""The DC: commits, what waits for them, memory, disk, the pair, the gold."""

from tools.ctl.observability.panels import CLUSTER, NODE, WINDOW, Dashboard, Panel, Query, Row, nodes, stat
from tools.ctl.observability.promql import mean, of, quantile, rate, total


def _now(metric: str, legend: str = "{{node}}") -> Query:
    return Query(of(metric, NODE), legend)


def _each(counters: dict[str, str]) -> tuple[Query, ...]:
    """Counters of each DC, side by side."""
    rates = {rate(counter, WINDOW, "node", NODE): name for counter, name in counters.items()}
    return tuple(Query(expr, f"{{{{node}}}} {name}") for expr, name in rates.items())


_NOW = Row(
    "Now",
    (
        stat(
            "Commits, p99", "Fsync included. Good is less than 50 ms.",
            quantile(0.99, "dc_commit_seconds", WINDOW, "", NODE), "s", warn=0.05, bad=0.25,
        ),
        stat(
            "Oldest state not on disk", "Less than a second is promised.",
            f"max({of('dc_oldest_unflushed_seconds', NODE)})", "s", warn=0.8, bad=1,
        ),
        stat("Operations a second", "Acknowledged: on disk.", rate("dc_durable_acked_total", WINDOW, "", NODE), "ops"),
        stat("Operations that wait", "For a commit.", total("dc_queue_depth", "", NODE), warn=100, bad=500),
        stat("Store", "Bytes in use.", f"max({of('dc_used_bytes', NODE)})", "bytes"),
        stat("Disk full", "1 while changes are refused for want of room.", f"max({of('dc_disk_full', NODE)})", bad=1),
        stat("Damaged reads", "Since the start. Good is none.", total("dc_damaged_reads_total", "", NODE), bad=1),
        stat(
            "Since the last backup", "`mesh db backup`.",
            f"time() - max({of('dc_last_backup_timestamp_seconds', NODE)} > 0)", "s", warn=86_400, bad=172_800,
        ),
    ),
)  # fmt: skip

_COMMITS = Row(
    "Commits",
    (
        Panel(
            title="How long a commit takes",
            text="Fsync included. Whoever trades, loots or logs in waits for one.",
            queries=tuple(
                Query(quantile(share, "dc_commit_seconds", WINDOW, "node", NODE), f"{{{{node}}}} {name}")
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            warn=0.05,
            bad=0.25,
        ),
        Panel(
            title="How long commits take",
            text="The darker, the more.",
            queries=(Query(rate("dc_commit_seconds_bucket", WINDOW, "le", NODE)),),
            kind="heatmap",
            unit="s",
        ),
        Panel(
            title="Commits, and operations in one",
            text="The slower the disk, the more go together.",
            queries=(
                Query(rate("dc_commits_total", WINDOW, "node", NODE), "{{node}} commits a second"),
                Query(mean("dc_commit_operations", WINDOW, "node", NODE), "{{node}} operations in one"),
            ),
        ),
        Panel(
            title="Operations",
            text="Acknowledged, and found to be carried out already.",
            queries=_each({"dc_durable_acked_total": "acknowledged", "dc_repeated_total": "repeated"}),
            unit="ops",
        ),
        Panel(
            title="Refused",
            text="By code. unavailable: the disk does not keep up; insufficient and the like are rules of the game.",
            queries=(Query(rate("dc_refused_total", WINDOW, "code", NODE), "{{code}}"),),
            unit="ops",
            stacked=True,
        ),
        Panel(
            title="They wait for a commit",
            text="Durable operations.",
            queries=(_now("dc_queue_depth"),),
            warn=100,
            bad=500,
        ),
    ),
)

_STATES = Row(
    "States of characters",
    (
        Panel(
            title="Oldest that is not on disk",
            text="Less than a second is promised: so much is lost when the machine fails.",
            queries=(_now("dc_oldest_unflushed_seconds"),),
            unit="s",
            warn=0.8,
            bad=1,
        ),
        Panel(
            title="Not on disk yet",
            text="Characters whose state waits for the next commit.",
            queries=(_now("dc_states_waiting"),),
        ),
        Panel(
            title="Taken and written",
            text="Into memory, to disk; ignored: of sessions that had ended.",
            queries=_each(
                {
                    "dc_states_saved_total": "taken",
                    "dc_states_flushed_total": "written",
                    "dc_states_fenced_total": "ignored",
                }
            ),
            unit="ops",
        ),
    ),
)

_ROOM = Row(
    "Memory and disk",
    (
        Panel(
            title="Rows found in memory",
            text="Share of all rows that were asked for.",
            queries=(
                Query(
                    f"{rate('dc_cache_hits_total', WINDOW, 'node', NODE)} /"
                    f" ({rate('dc_cache_hits_total', WINDOW, 'node', NODE)}"
                    f" + {rate('dc_cache_misses_total', WINDOW, 'node', NODE)})",
                    "{{node}}",
                ),
            ),
            unit="percentunit",
            most=1,
        ),
        Panel(
            title="Rows in memory",
            text="Their size is estimated. Dropped: for want of room.",
            queries=(
                _now("dc_cache_rows", "{{node}} rows"),
                *_each({"dc_cache_evicted_total": "dropped a second"}),
            ),
        ),
        Panel(
            title="Memory of these rows",
            text="At most cache_bytes_max of [settings.dc].",
            queries=(_now("dc_cache_bytes"),),
            unit="bytes",
        ),
        Panel(
            title="Size of the store",
            text="In use, and what it may use before it is enlarged, up to map_bytes_max of [settings.dc].",
            queries=(_now("dc_used_bytes", "{{node}} in use"), _now("dc_map_bytes", "{{node}} before it is enlarged")),
            unit="bytes",
        ),
        Panel(
            title="Slots for readers",
            text="Taken, and how many there are.",
            queries=(_now("dc_reader_slots", "{{node}} taken"), _now("dc_reader_slots_max", "{{node}} there are")),
        ),
        Panel(
            title="Room on the disk with the data",
            text="Of the machines of the cluster.",
            queries=(Query(f"min by (host) ({of('host_disk_free_bytes', CLUSTER)})", "{{host}}"),),
            unit="bytes",
        ),
    ),
)

_PAIR = Row(
    "A pair: the DC and its standby",
    (
        Panel(
            title="Which one writes",
            text="One of the two.",
            queries=(_now("dc_writes"),),
            kind="states",
            states=((0, "follows", "blue"), (1, "writes", "green")),
        ),
        Panel(
            title="Commits that the standby has not",
            text="As the writer knows. In sync: it could take over.",
            queries=(
                _now("dc_replication_lag_batches", "{{node}} behind"),
                _now("dc_standby_in_sync", "{{node}} in sync"),
            ),
        ),
        Panel(
            title="Replicated",
            text="Commits of the writer put on the standby's disk, a second.",
            queries=_each({"dc_replicated_batches_total": "commits"}),
            unit="ops",
        ),
    ),
)

_GOLD = Row(
    "Gold",
    (
        Panel(
            title="Gold that comes and goes",
            text="Coins a second. Both should have the rhythm of the players, every day the same.",
            queries=(
                Query(f"max(delta({of('dc_gold_made_total', NODE)}[15m])) / 900", "made"),
                Query(f"max(delta({of('dc_gold_burnt_total', NODE)}[15m])) / 900", "burnt"),
            ),
            width=12,
        ),
        Panel(
            title="Gold made, against a week ago",
            text="Coins a second.",
            queries=(
                Query(f"max(delta({of('dc_gold_made_total', NODE)}[15m])) / 900", "now"),
                Query(f"max(delta({of('dc_gold_made_total', NODE)}[15m] offset 1w)) / 900", "a week ago"),
            ),
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="dc",
    title="DC",
    text="Commits and what waits for them, memory and disk, the standby, the gold of the world.",
    rows=(_NOW, _COMMITS, _STATES, _ROOM, _PAIR, _GOLD),
    variables=nodes("dc"),
)
