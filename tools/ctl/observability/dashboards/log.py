"""The behaviour log: what the nodes record, how far behind it is stored, and how it is written."""

from tools.ctl.observability.panels import NODE, WINDOW, ZONE, Dashboard, Panel, Query, Row, nodes
from tools.ctl.observability.promql import of, quantile, rate, total


def _each(counters: dict[str, str]) -> tuple[Query, ...]:
    """Counters of each log node, side by side."""
    rates = {rate(counter, WINDOW, "node", NODE): name for counter, name in counters.items()}
    return tuple(Query(expr, f"{{{{node}}}} {name}") for expr, name in rates.items())


_SENDERS = Row(
    "Senders: every node",
    (
        Panel(
            title="Events recorded",
            text="By role, a second.",
            queries=(Query(rate("mesh_events_recorded_total", WINDOW, "role", ZONE), "{{role}}"),),
            unit="ops",
            stacked=True,
        ),
        Panel(
            title="Not stored yet",
            text="They are kept until a log node has them.",
            queries=(Query(total("mesh_events_pending", "node", ZONE), "{{node}}"),),
            warn=10_000,
            bad=200_000,
        ),
        Panel(
            title="Age of the oldest that is not stored",
            text="Good is less than a second.",
            queries=(Query(f"max by (node) ({of('mesh_events_lag_seconds', ZONE)})", "{{node}}"),),
            unit="s",
            warn=10,
            bad=30,
        ),
        Panel(
            title="Dropped",
            text="As there was no room to keep them. Good is none: they are lost.",
            queries=(Query(rate("mesh_events_dropped_total", WINDOW, "node", ZONE), "{{node}}"),),
            unit="ops",
            bad=0.1,
        ),
        Panel(
            title="Sent again",
            text="Batches of which nobody knew whether they had arrived.",
            queries=(Query(rate("mesh_event_batches_resent_total", WINDOW, "node", ZONE), "{{node}}"),),
            unit="ops",
        ),
        Panel(
            title="Refused by log nodes",
            text="Batches; their senders try another log node.",
            queries=_each({"log_refused_total": "refused"}),
            unit="ops",
        ),
    ),
)

_WRITING = Row(
    "Log nodes",
    (
        Panel(
            title="Events stored",
            text="Twice: they came again and were skipped.",
            queries=_each({"log_events_stored_total": "stored", "log_events_duplicate_total": "twice"}),
            unit="ops",
        ),
        Panel(
            title="Bytes",
            text="Of events, and of what is left of them when they are compressed.",
            queries=_each({"log_raw_bytes_total": "of events", "log_bytes_written_total": "written"}),
            unit="Bps",
        ),
        Panel(
            title="Bytes of an event",
            text="On disk, on average.",
            queries=(
                Query(
                    f"{rate('log_bytes_written_total', WINDOW, 'node', NODE)}"
                    f" / {rate('log_events_stored_total', WINDOW, 'node', NODE)}",
                    "{{node}}",
                ),
            ),
            unit="bytes",
        ),
        Panel(
            title="How long a write takes",
            text="A group of blocks, compression included.",
            queries=tuple(
                Query(quantile(share, "log_write_seconds", WINDOW, "node", NODE), f"{{{{node}}}} {name}")
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            warn=0.25,
            bad=1,
        ),
        Panel(
            title="How long a query takes",
            text="p99; of `mesh events` and the like.",
            queries=(Query(quantile(0.99, "log_query_seconds", "5m", "node", NODE), "{{node}}"),),
            unit="s",
        ),
        Panel(
            title="They wait to be written",
            text="Bytes. At 64 MiB batches are refused.",
            queries=(Query(of("log_waiting_bytes", NODE), "{{node}}"),),
            unit="bytes",
            warn=8e6,
            bad=48e6,
        ),
    ),
)

_DISK = Row(
    "On disk",
    (
        Panel(
            title="Size of all segments",
            text="At most retention_bytes of [settings.log].",
            queries=(Query(of("log_bytes", NODE), "{{node}}"),),
            unit="bytes",
        ),
        Panel(
            title="Segments",
            text="On disk; begun and deleted, an hour.",
            queries=(
                Query(of("log_segments", NODE), "{{node}}"),
                Query(f"increase({of('log_segments_begun_total', NODE)}[1h])", "{{node}} begun"),
                Query(f"increase({of('log_segments_deleted_total', NODE)}[1h])", "{{node}} deleted"),
            ),
        ),
        Panel(
            title="Trouble",
            text="Refused as the disk was full, failures of the disk, damaged blocks that queries met. Good is none.",
            queries=_each(
                {
                    "log_disk_full_total": "disk full",
                    "log_failures_total": "failures",
                    "log_blocks_damaged_total": "damaged blocks",
                }
            ),
            unit="ops",
            bad=0.01,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="log",
    title="Log",
    text="The behaviour log: what the nodes record, how far behind it is stored, and how it is written.",
    rows=(_SENDERS, _WRITING, _DISK),
    variables=nodes("log"),
)
