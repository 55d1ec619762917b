"""What is written: the database of players and the behaviour log."""

from tools.ctl.observability.forms import Alert, Group
from tools.ctl.observability.promql import NODE, rate

_NODE = "{{ $labels.node }} of cluster {{ $labels.cluster }}"

_DC = (
    Alert(
        name="CommitsSlow",
        expr="node:dc_commit_seconds:p99_1m > 0.25",
        lasts="2m",
        summary=f"Commits of {_NODE} are slow",
        description="One in a hundred takes {{ $value | humanizeDuration }}, and whoever trades, loots or logs in "
        "waits for it. `iostat -x 1` on {{ $labels.host }}: something else writes there, or the disk is worn.",
        runbook="slow-disk",
    ),
    Alert(
        name="WritesLate",
        expr="dc_oldest_unflushed_seconds > 1.5",
        lasts="1m",
        severity="critical",
        summary=f"What {_NODE} acknowledges is on its disk too late",
        description="The oldest state has waited for {{ $value | humanizeDuration }}; a second is promised. If the "
        "machine failed now, that much would be lost.",
        runbook="slow-disk",
    ),
    Alert(
        name="DcQueueLong",
        expr="dc_queue_depth > 500",
        lasts="1m",
        summary=f"Many operations wait for a commit of {_NODE}",
        description="{{ $value }} durable operations for a minute.",
        runbook="slow-disk",
    ),
    Alert(
        name="OperationsRefused",
        expr=rate("dc_refused_total", "5m", NODE, 'code="unavailable"') + " > 1",
        lasts="2m",
        summary=f"{_NODE} refuses operations, as its disk does not keep up",
        description="{{ $value | humanize }} a second. Scenes ask again; players see that trades and loot take long.",
        runbook="slow-disk",
    ),
    Alert(
        name="DcDiskFull",
        expr="dc_disk_full == 1",
        severity="critical",
        summary=f"{_NODE} has no room on its disk and refuses changes",
        description="Nothing that was acknowledged is lost, and reading goes on. It writes again as soon as there is "
        "room.",
        runbook="disk-full",
    ),
    Alert(
        name="StandbyOutOfSync",
        expr="dc_standby_in_sync == 0 and dc_writes == 1",
        lasts="2m",
        summary=f"{_NODE} has no standby that could take over",
        description="Its standby is away or has not everything yet. When the machine of the writer is lost now, nobody "
        "can write until it is back, and operations that need two copies are refused.",
        runbook="node-away",
    ),
    Alert(
        name="NoDcWrites",
        expr="max by (cluster, region) (dc_writes) == 0",
        lasts="30s",
        severity="critical",
        summary="No DC of cluster {{ $labels.cluster }} writes",
        description="Of a pair neither is the writer: the center, which has a vote, or both are away. Nobody can log "
        "in.",
        runbook="node-away",
    ),
    Alert(
        name="RowsDamaged",
        expr="increase(dc_damaged_reads_total[15m]) > 0",
        severity="critical",
        summary=f"{_NODE} has met damaged rows",
        description="{{ $value | humanize }} reads within a quarter of an hour found a row whose checksum is wrong: "
        "the disk fails. `mesh db verify` lists what is damaged; docs/operations.md says how to restore a backup.",
        runbook="slow-disk",
    ),
)

_LOG = (
    Alert(
        name="EventsDropped",
        expr="increase(mesh_events_dropped_total[5m]) > 0",
        severity="critical",
        summary=f"{_NODE} drops events of the behaviour log",
        description="{{ $value | humanize }} within five minutes: no log node takes them, and there is no more room to "
        "keep them. `mesh events --losses` shows what is missing.",
        runbook="log-drops",
    ),
    Alert(
        name="EventsLate",
        expr="mesh_events_lag_seconds > 30",
        lasts="2m",
        summary=f"Events of {_NODE} are not stored",
        description="The oldest has waited for {{ $value | humanizeDuration }}: the log nodes are away, or slow. Some "
        "are kept; what is above that will be dropped.",
        runbook="log-drops",
    ),
    Alert(
        name="LogWritesSlow",
        expr="node:log_write_seconds:p99_1m > 1",
        lasts="5m",
        summary=f"Writes of {_NODE} are slow",
        description="One in a hundred takes {{ $value | humanizeDuration }}. `iostat -x 1` on {{ $labels.host }}.",
        runbook="slow-disk",
    ),
    Alert(
        name="LogDiskFull",
        expr="increase(log_disk_full_total[5m]) > 0",
        severity="critical",
        summary=f"{_NODE} has no room on its disk and refuses events",
        description="Their senders keep some, and then drop what is new. Make room, or let `retention_bytes` of "
        "[settings.log] be less.",
        runbook="disk-full",
    ),
    Alert(
        name="LogDiskFails",
        expr="increase(log_failures_total[15m]) > 0",
        summary=f"The disk of {_NODE} fails",
        description="{{ $value | humanize }} writes within a quarter of an hour. `mesh logs {{ $labels.node }}` has "
        "what the system says about it.",
        runbook="slow-disk",
    ),
)

GROUP = Group("zonemesh-storage", (*_DC, *_LOG))
