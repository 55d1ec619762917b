"""Nodes that are not there, not Ready, or not what the others are."""

from tools.ctl.observability.forms import Alert, Group

_NODE = "{{ $labels.node }} of cluster {{ $labels.cluster }}"
_PROCESS = "{{ $labels.nodes }} of cluster {{ $labels.cluster }}"

GROUP = Group(
    "zonemesh-nodes",
    (
        Alert(
            name="ClusterAway",
            expr='max by (cluster, region) (up{job="zonemesh"}) == 0',
            lasts="30s",
            severity="critical",
            summary="No process of cluster {{ $labels.cluster }} answers",
            description="None of its processes could be asked for its metrics for half a minute. `mesh status` on its "
            "machine says what is left of it; the way from Prometheus to there may be broken, too.",
            runbook="node-away",
        ),
        Alert(
            name="NodeAway",
            expr='up{job="zonemesh"} == 0',
            lasts="30s",
            severity="critical",
            summary=f"{_PROCESS} does not answer",
            description="Process {{ $labels.process }} on {{ $labels.host }} could not be asked for its metrics for "
            "half a minute: it has ended, hangs, or cannot be reached. `mesh status`, then `mesh logs`.",
            runbook="node-away",
        ),
        Alert(
            name="NodeNotReady",
            expr="mesh_ready == 0",
            lasts="1m",
            summary=f"{_NODE} is not Ready",
            description="It starts, waits for a node that it needs, or was drained. `mesh status` says which.",
            runbook="node-away",
        ),
        Alert(
            name="NodeStartsAgainAndAgain",
            expr="changes(process_start_time_seconds[15m]) >= 3",
            summary=f"{_PROCESS} has started {{{{ $value }}}} times within a quarter of an hour",
            description="It crashes, or somebody restarts it. `mesh logs {{ $labels.process }}` has the reason.",
            runbook="node-away",
        ),
        Alert(
            name="HandlersFail",
            expr="increase(mesh_errors_total[10m]) > 0",
            summary=f"Handlers of {_NODE} fail by a mistake of ours",
            description="{{ $value | humanize }} of its handlers or tasks ended with a traceback within ten minutes. "
            "`mesh logs {{ $labels.node }}` has them.",
            runbook="node-away",
        ),
        Alert(
            name="SessionsHomeless",
            expr="center_homeless > 0",
            lasts="1m",
            severity="critical",
            summary="{{ $value }} players of zone {{ $labels.zone }} have lost their scene and wait for another",
            description="No scene has room for them, or takes them. They are sent away when that goes on for a minute.",
            runbook="node-away",
        ),
        Alert(
            name="ClockApart",
            expr="abs(host_time_seconds - timestamp(host_time_seconds)) > 2",
            lasts="2m",
            summary="The clock of {{ $labels.host }} is {{ $value | humanizeDuration }} away from ours",
            description="Ours is that of Prometheus. Nothing in the game depends on it; times of events and backups, "
            "and how long tickets are good for, do. `timedatectl` on both machines.",
            runbook="clock-apart",
        ),
        Alert(
            name="VersionsMixed",
            expr="count by (cluster, region) (count by (cluster, region, version) (mesh_build_info)) > 1",
            lasts="30m",
            severity="info",
            summary="Nodes of cluster {{ $labels.cluster }} run {{ $value }} versions of the code",
            description="Two versions work in one mesh, so that it can be upgraded node by node; after half an hour it "
            "looks as if an upgrade was left half done. `mesh status` shows the versions.",
            runbook="version-mix",
        ),
    ),
)
