"""The signals of a cluster, as data. What is alarming about each stands here and nowhere else.

The p99 of a latency is what players feel, and what objectives are about. What opens an incident is mostly the p90: of a
hundred turns of a loop one is late in any garbage collection, ten are late when something is wrong.
"""

import msgspec

from nodes.ops.forms import Figure, Late, Lesser, Quantile, Signal, Spread, Sum

FAILED = ("unavailable", "internal", "error", "shutdown", "disk_full", "zone_full")
"""Results of logins that are our fault."""

WRONG = ("bad_credentials", "banned")
"""Results that are the player's."""

LANES = ("movement", "chat", "cosmetic", "early", "moves", "plays")
LEAN_LANES = ("movement", "chat", "cosmetic")
"""Of these something is left out on purpose when there is too much to do."""

LOGIN_S, MOVE_S, UNFLUSHED_S = 1.0, 0.25, 1.0
"""What the objectives call late."""


def _rate(*metrics: str, window_s: float = 10.0) -> Figure:
    return Figure(tuple(Sum(metric) for metric in metrics), window_s=window_s)


def _level(metric: str) -> Figure:
    return Figure((Sum(metric),))


def _mean(histogram: str, window_s: float = 10.0) -> Figure:
    per = (Sum(f"{histogram}_count"),)
    return Figure((Sum(f"{histogram}_sum"),), per=per, window_s=window_s, per_grows=True, least=1.0)


def _logins(*results: str) -> Sum:
    return Sum("gate_logins_total", (("result", results),) if results else ())


def _share_of_logins(results: tuple[str, ...], least: float) -> Figure:
    """Two of them in half a minute say nothing, however few others there are."""
    return Figure((_logins(*results),), per=(_logins(),), window_s=30.0, per_grows=True, least=least, free=2.0)


_CLIENTS = Sum("gate_clients")
_BEGUN, _ENDED = Sum("gate_connections_total"), Sum("gate_disconnections_total")
_SAID, _HEARD = Sum("mesh_said_total"), Sum("mesh_heard_total")
_BATCHES_SAID, _BATCHES_HEARD = Sum("mesh_batches_said_total"), Sum("mesh_batches_heard_total")
_SERIOUS = Sum("mesh_log_lines_total", (("level", ("ERROR", "CRITICAL", "error", "critical")),))

_EVERY_NODE = (
    Signal(name="loop_lag", text="loop lag, p90", unit="s", form=Quantile("mesh_loop_lag_seconds", 0.9, 10.0),
           kind="other-deviation", floor=0.003, matters=0.012, limit=0.15, times=3.0),
    Signal(name="loop_lag_p99", text="loop lag, p99", unit="s", form=Quantile("mesh_loop_lag_seconds", 0.99, 10.0),
           floor=0.005, matters=0.05),
    Signal(name="cpu", text="cores used by the process", family="cpu", form=_rate("process_cpu_seconds_total"),
           floor=0.05, matters=0.5),
    Signal(name="memory", text="memory of the process", unit="bytes", family="memory",
           form=_level("process_resident_memory_bytes"), floor=20e6, judged=False),
    Signal(name="descriptors", text="open descriptors, share of the limit", unit="ratio", family="descriptors",
           form=Figure((Sum("process_open_fds"),), per=(Sum("process_max_fds"),), least=1.0), kind="descriptors",
           floor=0.02, judged=False, limit=0.85),
    Signal(name="mistakes", text="handlers and tasks that failed by a mistake of ours", unit="per_s", family="errors",
           form=_rate("mesh_errors_total", window_s=30.0), kind="other-deviation", floor=0.03, matters=0.1, limit=0.5),
    Signal(name="refused_sends", text="sends that a link did not take", unit="per_s", family="loss",
           form=_rate("mesh_refused_sends_total"), kind="message-loss", floor=0.5, matters=2.0, limit=20.0,
           limit_calm_s=60.0),
    Signal(name="publication_gaps", text="gaps in the center's publications", unit="per_s", family="loss",
           form=_rate("mesh_gaps_total", window_s=30.0), kind="message-loss", floor=0.02, matters=0.06, limit=0.15,
           for_s=8.0, limit_calm_s=60.0),
    Signal(name="malformed", text="messages that broke the rules", unit="per_s", family="errors",
           form=_rate("mesh_malformed_total", window_s=30.0), kind="other-deviation", floor=0.1, matters=0.5,
           limit=5.0),
    Signal(name="overdue", text="requests that nobody waited for any more", unit="per_s", family="backlog",
           form=_rate("mesh_overdue_total", "mesh_given_up_total", "mesh_hopeless_total"), floor=0.3, matters=1.0),
    Signal(name="answers", text="answers of others, p90", unit="s", form=Quantile("mesh_answered_seconds", 0.9, 10.0),
           floor=0.01, matters=0.1),
    Signal(name="handling", text="handlers, p90", unit="s", form=Quantile("mesh_handled_seconds", 0.9, 10.0),
           floor=0.005, matters=0.05),
    Signal(name="under_way", text="requests that are worked on", family="backlog", form=_level("mesh_under_way"),
           floor=20.0, matters=200.0),
    Signal(name="breakers", text="breakers that opened", unit="per_s", family="loss",
           form=_rate("mesh_breaker_opened_total", window_s=30.0), floor=0.03, matters=0.06),
    Signal(name="events_pending", text="events that no log node has stored yet", family="backlog",
           form=_level("mesh_events_pending"), kind="log-drops", floor=1000.0, matters=10_000.0, limit=200_000.0),
    Signal(name="events_lag", text="age of the oldest event that is not stored", unit="s", family="backlog",
           form=_level("mesh_events_lag_seconds"), kind="log-drops", floor=1.0, matters=10.0, limit=60.0),
    Signal(name="events_dropped", text="events dropped for want of room", unit="per_s", family="backlog",
           form=_rate("mesh_events_dropped_total"), kind="log-drops", floor=0.5, judged=False, limit=0.5, for_s=4.0),
    Signal(name="serious_lines", text="lines of the ops log that are errors", unit="per_s", family="errors",
           form=Figure((_SERIOUS,), window_s=30.0), floor=0.05, matters=0.2),
    Signal(name="garbage", text="time in garbage collections", unit="ratio", family="cpu",
           form=_rate("python_gc_seconds_total", window_s=30.0), floor=0.01, matters=0.05),
    Signal(name="level", text="level of the policy", family="slow", form=_level("mesh_level"), floor=1.0, matters=1.0),
)  # fmt: skip

_SCENE = (
    Signal(name="tick", text="a tick, on average", unit="s", form=_mean("scene_tick_seconds"), kind="slow-scene",
           floor=0.003, matters=0.02),
    Signal(name="tick_p99", text="ticks, p99", unit="s", form=Quantile("scene_tick_seconds", 0.99, 10.0),
           floor=0.01, matters=0.05),
    Signal(name="tick_share", text="ticks, share of their period", unit="ratio", form=_level("scene_pressure"),
           kind="slow-scene", floor=0.1, matters=0.6, limit=0.95),
    Signal(name="ticks_skipped", text="ticks left out", unit="per_s", form=_rate("scene_ticks_skipped_total"),
           kind="slow-scene", floor=0.1, matters=0.3, limit=1.0),
    Signal(name="line_players", text="players of the fullest line", family="balance",
           form=Figure((Sum("scene_players", how="max"),)), floor=20.0, matters=100.0),
    Signal(name="updates_dropped", text="batches to gates that were lost", unit="per_s", family="loss",
           form=_rate("scene_updates_dropped_total", "scene_bulk_dropped_total", "scene_views_again_total"),
           kind="message-loss", floor=0.5, matters=5.0),
    Signal(name="saves_failed", text="states of characters that the DC did not take", unit="per_s", family="backlog",
           form=_rate("scene_saves_failed_total", window_s=30.0), kind="other-deviation", floor=0.2, matters=1.0),
)  # fmt: skip

_DC = (
    Signal(name="commit", text="commits of the DC, p90", unit="s", form=Quantile("dc_commit_seconds", 0.9, 10.0),
           kind="slow-disk", floor=0.002, matters=0.02, limit=0.25),
    Signal(name="commit_p99", text="commits of the DC, p99", unit="s", form=Quantile("dc_commit_seconds", 0.99, 10.0),
           floor=0.005, matters=0.05),
    Signal(name="dc_queue", text="operations that wait for a commit", family="backlog", form=_level("dc_queue_depth"),
           kind="other-deviation", floor=20.0, matters=200.0),
    Signal(name="unflushed", text="age of the oldest state that is not on disk", unit="s", family="backlog",
           form=_level("dc_oldest_unflushed_seconds"), kind="slow-disk", floor=0.3, matters=1.3, limit=2.0),
    Signal(name="store_full", text="no room on the disk of the DC", family="disk", form=_level("dc_disk_full"),
           kind="disk-full", judged=False, limit=0.5, for_s=0.0),
    Signal(name="stale_readers", text="readers of the store that are stale", form=_level("dc_stale_readers"),
           family="errors", kind="other-deviation", judged=False, limit=1.0, for_s=60.0),
    Signal(name="damaged", text="reads that met a damaged row", unit="per_s", family="errors",
           form=_rate("dc_damaged_reads_total", window_s=30.0), kind="other-deviation", judged=False, limit=0.03),
    Signal(name="standby", text="standbys that could take over", of="cluster", roles=("dc",), family="presence",
           form=_level("dc_standby_in_sync"), kind="other-deviation", low=True, judged=False, limit=0.5, for_s=60.0),
    Signal(name="gold", text="gold that came into the world, of one player", unit="per_s", of="cluster",
           roles=("dc", "gate"), family="economy", kind="gold-from-nothing", floor=0.02, times=3.3, for_s=15.0,
           form=Figure((Sum("dc_gold_made_total"),), (Sum("dc_gold_destroyed_total"),), (_CLIENTS,), 30.0, least=20.0)),
)  # fmt: skip

_LOG = (
    Signal(name="log_write", text="writes of the log, p90", unit="s", form=Quantile("log_write_seconds", 0.9, 10.0),
           kind="slow-disk", floor=0.005, matters=0.1, limit=1.0),
    Signal(name="log_waiting", text="events that wait to be written", unit="bytes", family="backlog",
           form=_level("log_waiting_bytes"), kind="log-drops", floor=1e6, matters=8e6, limit=48e6),
    Signal(name="log_refused", text="batches of events that the log refused", unit="per_s", family="backlog",
           form=_rate("log_refused_total"), kind="log-drops", floor=0.1, matters=0.2, limit=0.5, for_s=4.0),
)  # fmt: skip

_LOGIN = (
    Signal(name="hashes", text="passwords that wait to be checked", family="logins",
           form=_level("login_hashes_pending"), kind="other-deviation", floor=5.0, matters=30.0),
)  # fmt: skip

_GATE = (
    Signal(name="unsent", text="bytes that clients are still to be told", unit="bytes", family="backlog",
           form=_level("gate_unsent_bytes"), kind="other-deviation", floor=1e5, matters=4e6),
    Signal(name="slow_readers", text="clients cut because they did not read", unit="per_s", family="traffic",
           form=_rate("gate_slow_readers_total", window_s=30.0), floor=0.1, matters=0.5),
    Signal(name="logins_waiting", text="logins that wait for their turn", family="logins",
           form=_level("gate_logins_waiting"), kind="other-deviation", floor=5.0, matters=30.0),
    Signal(name="refused_connections", text="connections above a cap", unit="per_s", family="traffic",
           form=_rate("gate_refused_connections_total"), kind="bot-flood", floor=0.5, matters=2.0, limit=20.0),
    Signal(name="too_many", text="messages above a rate", unit="per_s", family="traffic", kind="bot-flood",
           form=Figure((Sum("gate_refused_total", (("code", ("too_many",)),)),), window_s=10.0), floor=1.0,
           matters=10.0),
    *(Signal(name=f"dropped_{lane}", text=f"dropped by the rules of the lane: {lane}", unit="per_s", family="loss",
             form=Figure((Sum("gate_dropped_total", (("lane", (lane,)),)),), window_s=10.0),
             kind="" if lane in LEAN_LANES else "message-loss", floor=0.5, matters=5.0) for lane in LANES),
)  # fmt: skip

_ZONE = (
    Signal(name="login", text="logins, p90", unit="s", of="zone", roles=("gate", "login"), kind="other-deviation",
           form=Quantile("login_seconds", 0.9, 30.0), floor=0.1, matters=0.6, limit=5.0),
    Signal(name="login_p99", text="logins, p99", unit="s", of="zone", roles=("gate", "login"),
           form=Quantile("login_seconds", 0.99, 30.0), floor=0.1, matters=1.0),
    Signal(name="move", text="from a move to its frame, p90", unit="s", of="zone", roles=("gate",),
           form=Quantile("gate_move_seconds", 0.9, 10.0), kind="other-deviation", floor=0.02, matters=0.12, limit=0.6),
    Signal(name="move_p99", text="from a move to its frame, p99", unit="s", of="zone", roles=("gate",),
           form=Quantile("gate_move_seconds", 0.99, 10.0), floor=0.03, matters=0.2),
    Signal(name="login_failures", text="logins that failed for a fault of ours", unit="ratio", of="zone",
           roles=("gate",), form=_share_of_logins(FAILED, 5.0), family="logins", kind="login-failures", floor=0.03,
           matters=0.15, limit=0.4, limit_calm_s=60.0),
    Signal(name="login_wrong", text="logins with wrong passwords or of banned accounts", unit="ratio", of="zone",
           roles=("gate",), form=_share_of_logins(WRONG, 8.0), family="logins", kind="login-failures", floor=0.05,
           matters=0.4, limit=0.75),
    Signal(name="fresh_logins", text="logins that began a session", unit="per_s", of="zone", roles=("gate",),
           form=Figure((_logins("ok"),), window_s=10.0), family="traffic", floor=0.5, matters=5.0),
    Signal(name="influx", text="connections above twice those that ended, share of all", unit="per_s", of="zone",
           roles=("gate",), family="traffic", kind="bot-flood", floor=0.002, matters=0.01, for_s=8.0, calm_s=300.0,
           form=Figure((_BEGUN,), (_ENDED, _ENDED), (_CLIENTS,), 10.0, least=50.0)),
    Signal(name="churn", text="connections that ended while others came, share of all", unit="per_s", of="zone",
           roles=("gate",), family="traffic", kind="connection-churn", floor=0.002, matters=0.01, limit=0.1, for_s=8.0,
           calm_s=300.0, limit_calm_s=300.0, form=Lesser(_ENDED, _BEGUN, _CLIENTS, 10.0, 50.0)),
    Signal(name="exodus", text="connections that ended while none came, share of all", unit="per_s", of="zone",
           roles=("gate",), family="traffic", kind="other-deviation", floor=0.002, matters=0.03, for_s=8.0,
           calm_s=300.0, form=Figure((_ENDED,), (_BEGUN,), (_CLIENTS,), 10.0, least=50.0)),
    Signal(name="frames", text="frames of one client", unit="per_s", of="zone", roles=("gate",), family="traffic",
           kind="bot-flood", floor=2.0, matters=30.0,
           form=Figure((Sum("gate_frames_received_total"),), (), (_CLIENTS,), 10.0, least=20.0)),
    Signal(name="players", text="connections", of="zone", roles=("gate",), family="traffic",
           form=_level("gate_clients"), floor=30.0, judged=False),
    Signal(name="imbalance", text="how unevenly players lie on the gates", unit="ratio", of="zone", roles=("gate",),
           form=Spread(_CLIENTS, Sum("mesh_ready")), family="balance", kind="unbalanced-gates", floor=0.1, judged=False,
           limit=0.7, limit_calm_s=3600.0),
    Signal(name="queue", text="logins that wait for a place", of="zone", roles=("center",), family="logins",
           form=_level("center_queue"), floor=10.0, matters=50.0),
    Signal(name="homeless", text="sessions that lost their scene and wait", of="zone", roles=("center",),
           form=_level("center_homeless"), family="traffic", kind="other-deviation", floor=2.0, matters=5.0,
           limit=20.0),
    Signal(name="succeeded", text="scenes whose process handed over", unit="per_s", of="zone", roles=("center",),
           form=_rate("center_scenes_succeeded_total", window_s=30.0), family="presence", judged=False),
    Signal(name="unheard", text="messages that were said and not heard", unit="ratio", of="cluster", family="loss",
           kind="message-loss", floor=0.01, matters=0.03,
           form=Figure((_SAID,), (_HEARD,), (_SAID,), 30.0, True, 300.0)),
    Signal(name="batches_unheard", text="batches that were said and not heard", unit="ratio", of="cluster",
           family="loss", kind="message-loss", floor=0.01, matters=0.03,
           form=Figure((_BATCHES_SAID,), (_BATCHES_HEARD,), (_BATCHES_SAID,), 30.0, True, 300.0)),
)  # fmt: skip

_OBJECTIVES = (
    Signal(name="logins_all", text="logins", unit="per_s", of="zone", roles=("gate", "login"), judged=False,
           form=_rate("login_seconds_count"), family="logins"),
    Signal(name="logins_late", text=f"logins that took more than {LOGIN_S:g} s", unit="per_s", of="zone",
           roles=("gate", "login"), form=Late("login_seconds", LOGIN_S, 10.0), judged=False),
    Signal(name="logins_failed", text="logins that failed for a fault of ours", unit="per_s", of="zone",
           roles=("gate",), form=Figure((_logins(*FAILED),), window_s=10.0), judged=False, family="logins"),
    Signal(name="logins_tried", text="logins, whatever came of them", unit="per_s", of="zone", roles=("gate",),
           form=Figure((_logins(),), window_s=10.0), judged=False, family="logins"),
    Signal(name="moves_all", text="moves that went out to others", unit="per_s", of="zone", roles=("gate",),
           form=_rate("gate_move_seconds_count"), judged=False),
    Signal(name="moves_late", text=f"moves that took more than {1000 * MOVE_S:g} ms", unit="per_s", of="zone",
           roles=("gate",), form=Late("gate_move_seconds", MOVE_S, 10.0), judged=False),
)  # fmt: skip

_HOST = (
    Signal(name="host_cpu", text="cores of the machine in use", unit="ratio", of="host", roles=("host",), family="cpu",
           form=_level("host_cpu_ratio"), kind="other-deviation", floor=0.1, judged=False, limit=0.97, for_s=20.0),
    Signal(name="host_cpus", text="cores of the machine", of="host", roles=("host",), form=_level("host_cpus"),
           family="cpu", judged=False),
    Signal(name="foreign_cpu", text="cores that other programs than nodes use", unit="ratio", of="host", family="cpu",
           kind="cpu-hog", floor=0.1, matters=0.4, limit=0.9, times=2.0),
    Signal(name="memory_left", text="memory of the machine that is free", unit="bytes", of="host", roles=("host",),
           form=Figure((Sum("host_memory_available_bytes", how="min"),)), family="memory", kind="memory-leak",
           floor=1e8, low=True, judged=False, limit=2.56e8),
    Signal(name="disk_left", text="room on the fullest disk", unit="bytes", of="host", roles=("host",),
           form=Figure((Sum("host_disk_free_bytes", how="min"),)), family="disk", kind="disk-full", floor=1e9,
           low=True, judged=False, limit=1e9),
    Signal(name="disk_busy", text="time that writes to disks take", unit="ratio", of="host", roles=("host",),
           form=_rate("host_disk_write_seconds_total"), family="disk", floor=0.05, matters=0.3),
    Signal(name="network", text="bytes in and out", unit="bytes_per_s", of="host", roles=("host",), family="traffic",
           form=_rate("host_network_bytes_total"), floor=1e6, matters=2e7),
)  # fmt: skip

_PRESENCE = (
    Signal(name="away", text="since it does not answer", unit="s", family="presence", kind="node-away", judged=False,
           limit=3.0, for_s=0.0),
    Signal(name="died", text="its process ended without being asked", family="presence", kind="node-away",
           judged=False, limit=0.5, for_s=0.0),
    Signal(name="clock_apart", text="how far its clock is from ours", unit="s", family="clock", kind="clock-apart",
           judged=False, limit=2.0),
    Signal(name="version_mix", text="since when nodes run different versions", unit="s", of="cluster",
           family="version", kind="version-mix", judged=False, limit=1800.0, for_s=0.0),
)  # fmt: skip


def _of(role: str, signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    """Those that are made of one role's own metrics."""
    return tuple(one if one.roles else msgspec.structs.replace(one, roles=(role,)) for one in signals)


CATALOGUE: tuple[Signal, ...] = (
    *_EVERY_NODE,
    *_of("scene", _SCENE),
    *_of("dc", _DC),
    *_of("log", _LOG),
    *_of("login", _LOGIN),
    *_of("gate", _GATE),
    *_ZONE,
    *_OBJECTIVES,
    *_HOST,
    *_PRESENCE,
)

BY_NAME = {one.name: one for one in CATALOGUE}
