"""Series that are worked out once and asked for often: by alerts, and where something is compared with last week.

Those of objectives stand with the objectives.
"""

from tools.ctl.observability.forms import Group, Recording
from tools.ctl.observability.promql import (
    CLUSTER,
    HOST,
    JOB,
    NODE,
    PLAYING,
    ZONE,
    mean,
    of,
    quantile,
    rate,
    total,
)

CPU, BUSY, STOLEN = "host_cpu_seconds_total", 'mode!~"idle|iowait"', 'mode="stolen"'

LATENCIES = Group(
    "zonemesh-latencies",
    (
        Recording("node:mesh_loop_lag_seconds:p99_1m", quantile(0.99, "mesh_loop_lag_seconds", "1m", NODE)),
        Recording("node:scene_tick_seconds:p99_1m", quantile(0.99, "scene_tick_seconds", "1m", NODE)),
        Recording("node:scene_tick_seconds:mean_5m", mean("scene_tick_seconds", "5m", NODE)),
        Recording("node:dc_commit_seconds:p99_1m", quantile(0.99, "dc_commit_seconds", "1m", NODE)),
        Recording("node:log_write_seconds:p99_1m", quantile(0.99, "log_write_seconds", "1m", NODE)),
        Recording("zone:gate_login_seconds:p99_5m", quantile(0.99, "gate_login_seconds", "5m", ZONE, 'result="ok"')),
        Recording("zone:scene_move_seconds:p99_1m", quantile(0.99, "scene_move_seconds", "1m", ZONE)),
        Recording("role:mesh_handled_seconds:p99_1m", quantile(0.99, "mesh_handled_seconds", "1m", f"{ZONE}, role")),
    ),
)

RATES = Group(
    "zonemesh-rates",
    (
        Recording("cluster:up:ratio", f"avg by ({CLUSTER}) ({of('up', JOB)})"),
        Recording("cluster:mesh_ready:ratio", f"avg by ({CLUSTER}) (mesh_ready)"),
        Recording("role:mesh_said:rate1m", rate("mesh_said_total", "1m", f"{ZONE}, role")),
        Recording("role:mesh_heard:rate1m", rate("mesh_heard_total", "1m", f"{ZONE}, role")),
        Recording("role:mesh_batches_said:rate1m", rate("mesh_batches_said_total", "1m", f"{ZONE}, role")),
        Recording("role:mesh_refused_sends:rate1m", rate("mesh_refused_sends_total", "1m", f"{ZONE}, role")),
        Recording("role:mesh_errors:rate5m", rate("mesh_errors_total", "5m", f"{ZONE}, role")),
        Recording("role:mesh_events_recorded:rate1m", rate("mesh_events_recorded_total", "1m", f"{ZONE}, role")),
        Recording("zone:gate_logins:rate1m", rate("gate_logins_total", "1m", f"{ZONE}, result")),
        Recording("zone:gate_connections:rate5m", rate("gate_connections_total", "5m", ZONE)),
        Recording("zone:gate_players:sum", total("gate_clients", ZONE, PLAYING)),
        Recording(
            # One that is being drained is empty on purpose.
            "node:gate_players:sum",
            f"{total('gate_clients', NODE, PLAYING)} and on (cluster, zone, node) mesh_ready == 1",
        ),
        Recording("node:scene_players:sum", total("scene_players", NODE)),
        Recording("zone:scene_players:sum", total("scene_players", ZONE)),
    ),
)

MACHINES = Group(
    "zonemesh-machines",
    (
        Recording(
            "host:host_cpu_busy:ratio_rate5m",
            f"{rate(CPU, '5m', HOST, BUSY)} / {rate(CPU, '5m', HOST)}",
        ),
        Recording(
            "host:host_cpu_stolen:ratio_rate5m",
            f"{rate(CPU, '5m', HOST, STOLEN)} / {rate(CPU, '5m', HOST)}",
        ),
        Recording("host:process_cpu:rate5m", rate("process_cpu_seconds_total", "5m", HOST)),
    ),
)

ECONOMY = Group(
    "zonemesh-economy",
    (
        Recording(
            # The number is kept in the database and not by the process, so that it never begins anew: what looks like
            # a reset to `increase` is a backup that was put back. Both DCs of a pair know it.
            "cluster:dc_gold_made:per_s_15m",
            f"max by ({CLUSTER}) (delta(dc_gold_made_total[15m])) / 900",
        ),
        Recording("cluster:gate_players:avg_15m", f"sum by ({CLUSTER}) (avg_over_time(zone:gate_players:sum[15m]))"),
        Recording(
            "cluster:dc_gold_made_per_player:per_s_15m",
            "cluster:dc_gold_made:per_s_15m / (cluster:gate_players:avg_15m > 0)",
        ),
    ),
)

GROUPS = (LATENCIES, RATES, MACHINES, ECONOMY)
