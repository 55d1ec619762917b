"""The figures of a role that tell most about it: what `mesh info` and `mesh top` show besides what every node has. Data
only."""

from typing import Literal, NamedTuple

from tools.ctl.snapshot.units import Unit

How = Literal["now", "rate", "p50", "p99", "by", "rate by"]
"""As it is; growth in a second; of what was observed; each value of a label, or the growth of each."""


class Key(NamedTuple):
    """One figure."""

    text: str
    metric: str
    how: How = "now"
    unit: Unit = ""
    label: str = ""  # of "by"


KEYS: dict[str, tuple[Key, ...]] = {
    "gate": (
        Key("clients", "gate_clients", "by", label="state"),
        Key("logins", "gate_logins_total", "rate by", "/s", "result"),
        Key("logins waiting", "gate_logins_waiting"),
        Key("login p99", "gate_login_seconds", "p99", "s"),
        Key("connections", "gate_connections_total", "rate", "/s"),
        Key("ended", "gate_disconnections_total", "rate by", "/s", "reason"),
        Key("frames in", "gate_frames_received_total", "rate", "/s"),
        Key("frames out", "gate_frames_sent_total", "rate", "/s"),
        Key("bytes out", "gate_bytes_sent_total", "rate", "bytes/s"),
        Key("dropped", "gate_dropped_total", "rate by", "/s", "lane"),
        Key("unsent", "gate_unsent_bytes", "now", "bytes"),
        Key("clients with poor networks", "gate_hindered_clients"),
    ),
    "login": (
        Key("logins", "login_results_total", "rate by", "/s", "result"),
        Key("passwords waiting", "login_hashes_pending"),
        Key("passwords refused", "login_hashes_refused_total", "rate", "/s"),
    ),
    "center": (
        Key("players", "center_players", "by", label="stage"),
        Key("queue", "center_queue"),
        Key("members", "center_members"),
        Key("lines", "center_lines", "by", label="map"),
        Key("let in", "center_placed_total", "rate", "/s"),
        Key("transfers", "center_transfers_total", "rate", "/s"),
        Key("without a scene", "center_homeless"),
        Key("broadcasts", "center_shouts_total", "rate", "/s"),
    ),
    "scene": (
        Key("players", "scene_players", "by", label="map"),
        Key("ticks", "scene_ticks_total", "rate", "/s"),
        Key("tick p50", "scene_tick_seconds", "p50", "s"),
        Key("tick p99", "scene_tick_seconds", "p99", "s"),
        Key("skipped", "scene_ticks_skipped_total", "rate", "/s"),
        Key("where ticks go", "scene_tick_parts_seconds_total", "rate by", "share", "part"),
        Key("speed of time", "scene_dilation", "now", "share"),
        Key("plays", "scene_plays_total", "rate", "/s"),
        Key("plays denied", "scene_plays_denied_total", "rate", "/s"),
        Key("records of movement", "scene_updates_total", "rate", "/s"),
        Key("saved", "scene_saved_total", "rate", "/s"),
        Key("saves failed", "scene_saves_failed_total", "rate", "/s"),
    ),
    "dc": (
        Key("operations", "dc_durable_acked_total", "rate", "/s"),
        Key("refused", "dc_refused_total", "rate by", "/s", "code"),
        Key("waiting", "dc_queue_depth"),
        Key("commits", "dc_commits_total", "rate", "/s"),
        Key("commit p50", "dc_commit_seconds", "p50", "s"),
        Key("commit p99", "dc_commit_seconds", "p99", "s"),
        Key("states waiting", "dc_states_waiting"),
        Key("oldest unflushed", "dc_oldest_unflushed_seconds", "now", "s"),
        Key("cache hits", "dc_cache_hits_total", "rate", "/s"),
        Key("cache misses", "dc_cache_misses_total", "rate", "/s"),
        Key("store", "dc_used_bytes", "now", "bytes"),
        Key("readers", "dc_reader_slots"),
        Key("commits behind", "dc_replication_lag_batches"),
    ),
    "log": (
        Key("events", "log_events_stored_total", "rate", "/s"),
        Key("written", "log_bytes_written_total", "rate", "bytes/s"),
        Key("waiting", "log_waiting_bytes", "now", "bytes"),
        Key("write p99", "log_write_seconds", "p99", "s"),
        Key("query p99", "log_query_seconds", "p99", "s"),
        Key("segments", "log_segments"),
        Key("on disk", "log_bytes", "now", "bytes"),
        Key("refused", "log_refused_total", "rate", "/s"),
    ),
    "ops": (
        Key("nodes read", "ops_nodes_read"),
        Key("rounds", "ops_rounds_total", "rate", "/s"),
        Key("late", "ops_late_total", "rate by", "/s", "of"),
        Key("nonsense", "ops_refused_total", "rate by", "/s", "of"),
    ),
}
"""By role, the most important ones first."""
