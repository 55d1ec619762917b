"""What processes and their machines run out of: cores, memory, descriptors, disk."""

from tools.ctl.observability.forms import Alert, Group

_PROCESS = "{{ $labels.nodes }} of cluster {{ $labels.cluster }}"

_CORES = (
    Alert(
        name="LoopLate",
        expr="node:mesh_loop_lag_seconds:p99_1m > 0.1",
        lasts="2m",
        summary="The loop of {{ $labels.node }} of cluster {{ $labels.cluster }} is late",
        description="One in a hundred of its turns is {{ $value | humanizeDuration }} late or takes as long, and "
        "everything that the node does waits for it. It has too much to do, or gets too little of a core.",
        runbook="cpu-hog",
    ),
    Alert(
        name="LoopVeryLate",
        expr="node:mesh_loop_lag_seconds:p99_1m > 0.5",
        lasts="1m",
        severity="critical",
        summary="The loop of {{ $labels.node }} of cluster {{ $labels.cluster }} is very late",
        description="One in a hundred of its turns is {{ $value | humanizeDuration }} late or takes as long: players "
        "feel that.",
        runbook="cpu-hog",
    ),
    Alert(
        name="LevelRaised",
        expr="mesh_level > 0",
        lasts="15m",
        summary="{{ $labels.node }} of cluster {{ $labels.cluster }} has been leaving things out for long",
        description="It works at level {{ $value }} of the policy, so it is at its limit. `mesh pressure` says by "
        "which signal, and whether an operator has set the level.",
        runbook="cpu-hog",
    ),
    Alert(
        name="CoresTaken",
        expr="host:host_cpu_stolen:ratio_rate5m > 0.1",
        lasts="5m",
        summary="The cores of {{ $labels.host }} are given to others",
        description="{{ $value | humanizePercentage }} of the time of its cores was taken by the machine on which it "
        "runs.",
        runbook="cpu-hog",
    ),
    Alert(
        name="CoresBusy",
        expr="host:host_cpu_busy:ratio_rate5m > 0.95",
        lasts="10m",
        summary="The cores of {{ $labels.host }} are all busy",
        description="{{ $value | humanizePercentage }} of their time for ten minutes.",
        runbook="cpu-hog",
    ),
    Alert(
        name="OthersUseCores",
        expr="""
            host:host_cpu_busy:ratio_rate5m
              - host:process_cpu:rate5m / sum by (cluster, region, host) (host_cpus) > 0.5
            and host:host_cpu_busy:ratio_rate5m > 0.8
            """,
        lasts="5m",
        summary="Other programs use the cores of {{ $labels.host }}",
        description="{{ $value | humanizePercentage }} of its cores are used by what is no node of cluster "
        "{{ $labels.cluster }}. `top -o %CPU` shows what.",
        runbook="cpu-hog",
    ),
)

_MEMORY = (
    Alert(
        name="MemoryGrows",
        expr="""
            (
              predict_linear(process_resident_memory_bytes[30m], 4 * 3600) - process_resident_memory_bytes
            ) > on (cluster, region, host) group_left ()
              max by (cluster, region, host) (host_memory_available_bytes)
            and time() - process_start_time_seconds > 2700
            """,
        lasts="15m",
        summary=f"The memory of {_PROCESS} grows and grows",
        description="At the pace of the last half hour it takes {{ $value | humanize1024 }}B more within four hours: "
        "all that {{ $labels.host }} has left.",
        runbook="memory-leak",
    ),
    Alert(
        name="MemoryLow",
        expr="host_memory_available_bytes / host_memory_bytes < 0.05",
        lasts="2m",
        severity="critical",
        summary="{{ $labels.host }} is out of memory soon",
        description="{{ $value | humanizePercentage }} of its memory can still be had. When nothing is left the system "
        "ends a process.",
        runbook="memory-leak",
    ),
    Alert(
        name="DescriptorsFew",
        expr="process_open_fds / process_max_fds > 0.8",
        lasts="2m",
        severity="critical",
        summary=f"{_PROCESS} has hardly any descriptors left",
        description="{{ $value | humanizePercentage }} of its limit are open; each connection of a player takes one. "
        "`LimitNOFILE` of its service, or `ulimit -n`, says how many it may have.",
        runbook="descriptors",
    ),
)

_DISK = (
    Alert(
        name="DiskLow",
        expr="host_disk_free_bytes / host_disk_bytes < 0.1",
        lasts="5m",
        summary="The disk of {{ $labels.host }} has little room left",
        description="{{ $value | humanizePercentage }} of the disk with the data are free.",
        runbook="disk-full",
    ),
    Alert(
        name="DiskNearlyFull",
        expr="host_disk_free_bytes / host_disk_bytes < 0.03",
        lasts="1m",
        severity="critical",
        summary="The disk of {{ $labels.host }} is nearly full",
        description="{{ $value | humanizePercentage }} of the disk with the data are free. When nothing is, the DC "
        "refuses changes and the log events.",
        runbook="disk-full",
    ),
    Alert(
        name="DiskFills",
        expr="""
            predict_linear(host_disk_free_bytes[6h], 24 * 3600) < 0
            and host_disk_free_bytes / host_disk_bytes < 0.4
            """,
        lasts="1h",
        summary="The disk of {{ $labels.host }} will be full within a day",
        description="At the pace of the last six hours nothing of the disk with the data is free tomorrow.",
        runbook="disk-full",
    ),
)

GROUP = Group("zonemesh-machines-alerts", (*_CORES, *_MEMORY, *_DISK))
