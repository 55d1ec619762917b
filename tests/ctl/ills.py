"""What can be wrong with a cluster, and what is just not enough for it: an entry for each check of `mesh doctor`."""

from collections.abc import Callable

from tests.ctl.making import Made, observed
from tools.ctl.snapshot.model import BotsProcess
from tools.ctl.state import SCALED_AWAY

Change = Callable[[Made, str], object]
"""What is changed, at the node that the entry is about: for a machine the one that tells of it."""


def set_node(**fields: object) -> Change:
    def change(made: Made, short: str) -> None:
        for name, value in fields.items():
            setattr(made[short], name, value)

    return change


def on(short: str, change: Change) -> Change:
    """At another node."""
    return lambda made, _: change(made, short)


def both(*changes: Change) -> Change:
    def change(made: Made, short: str) -> None:
        for one in changes:
            one(made, short)

    return change


def now(**values: float) -> Change:
    return lambda made, short: made.now(short, values)


def series(text: str, value: float) -> Change:
    return lambda made, short: made.now(short, {text: value})


def grown(text: str, value: float) -> Change:
    return lambda made, short: made.grown(short, {text: value})


def saw(name: str, values: list[float], labels: str = "") -> Change:
    return lambda made, short: made.grown(short, observed(name, values, labels))


def lines(*players: int) -> Change:
    """So many on the first line of the meadow, the second ..."""

    def change(made: Made, _: str) -> None:
        for at, number in enumerate(players):
            made.line(at + 1, f"scene.{at % 2 + 1}", number)

    return change


def unlink(one: str, other: str) -> Change:
    def change(made: Made, _: str) -> None:
        made[one].links.remove(made[other].spec.name)
        made[other].links.remove(made[one].spec.name)

    return change


def forget(short: str) -> Change:
    """The center does not have this node in its registry."""

    def change(made: Made, _: str) -> None:
        facts = made["center.1"].facts
        facts["members"] = [member for member in facts["members"] if member[0] != made[short].spec.name]

    return change


def logins(**results: int) -> Change:
    return lambda made, short: made.grown(short, {f"gate_logins_total{{result={r}}}": n for r, n in results.items()})


ILLS: list[tuple[str, str, Change, Change]] = [
    # check, where it finds something, what is changed for that, what is not enough for it
    ("host-stolen", "host 127.0.0.1", lambda m, _: m.cpu(stolen=1.0), lambda m, _: m.cpu(stolen=0.3)),
    (
        "bots",
        "mesh bots",
        lambda m, _: m.bots.append(BotsProcess(7, 0.97)),
        lambda m, _: m.bots.append(BotsProcess(7, 0.8)),
    ),
    ("memory", "scene.1", now(process_resident_memory_bytes=5e9), now(process_resident_memory_bytes=3e9)),
    (
        "memory",
        "dc.1",
        both(now(process_resident_memory_bytes=2e9), grown("process_resident_memory_bytes", 100e6)),
        both(now(process_resident_memory_bytes=2e9), grown("process_resident_memory_bytes", 2e6)),
    ),
    ("host-memory", "host 127.0.0.1", now(host_memory_available_bytes=0.5e9), now(host_memory_available_bytes=0.9e9)),
    ("host-cpu", "host 127.0.0.1", lambda m, _: m.cpu(user=7.4, idle=0.1), lambda m, _: m.cpu(user=7.0, idle=0.5)),
    ("disk-full", "dc.1", now(dc_disk_full=1), now(dc_disk_full=0)),
    ("disk-full", "log.1", grown("log_disk_full_total", 1), now(log_disk_full_total=9)),
    ("disk-space", "host 127.0.0.1", now(host_disk_free_bytes=5e9), now(host_disk_free_bytes=11e9)),
    (
        "disk-space",
        "host 127.0.0.1",
        now(host_disk_free_bytes=5e9),
        now(host_disk_free_bytes=25e9, host_disk_bytes=900e9),
    ),
    (
        "disk-busy",
        "host 127.0.0.1",
        grown("host_disk_busy_seconds_total", 1.95),
        grown("host_disk_busy_seconds_total", 1.7),
    ),
    ("versions", "cluster", lambda m, _: m["gate.1"].facts.update(version="0.9"), lambda m, _: m.lost("gate.1")),
    ("clocks", "scene.1", set_node(apart_s=-3600.0), set_node(apart_s=0.9, unsure_s=0.5)),
    ("nodes", "dc.1", lambda m, _: m.lost("dc.1"), lambda m, _: m.lost("dc.1", "Shutdown", SCALED_AWAY)),
    ("nodes", "dc.1", lambda m, _: m.lost("dc.1", "Silent", ""), set_node(uptime_s=1.0)),
    ("nodes", "gate.1", set_node(state="Draining"), set_node(restarts=3)),
    ("nodes", "gate.1", lambda m, _: m.lost("gate.1", "Waiting"), set_node(reason="was ended by SIGKILL")),
    ("restarts", "gate.1", set_node(restarts=1, uptime_s=30.0), set_node(restarts=1)),
    ("descriptors", "gate.1", now(process_open_fds=900), now(process_open_fds=800)),
    (
        "gates",
        "gate.1",
        series("gate_clients{state=playing}", 500),
        both(series("gate_clients{state=playing}", 500), on("gate.2", series("gate_clients{state=playing}", 260))),
    ),
    (
        "gates",
        "gate.1",
        series("gate_clients{state=playing}", 500),
        both(series("gate_clients{state=playing}", 500), on("gate.2", set_node(uptime_s=20.0))),
    ),
    ("lines", "center.1", lines(95, 20), lines(85, 20)),
    (
        "scenes",
        "scene.2",
        now(scene_pressure=0.9),
        both(now(scene_pressure=0.9), on("scene.1", now(scene_pressure=0.5))),
    ),
    ("pauses", "scene.1", grown("mesh_pauses_total", 1), now(mesh_pauses_total=4)),
    ("gc", "scene.1", grown("process_gc_seconds_total", 0.5), grown("process_gc_seconds_total", 0.1)),
    ("cpu", "scene.1", grown("process_cpu_seconds_total", 1.9), grown("process_cpu_seconds_total", 1.7)),
    (
        "loop-lag",
        "scene.1",
        saw("mesh_loop_lag_seconds", [0.001] * 10 + [0.2] * 6),
        saw("mesh_loop_lag_seconds", [0.001] * 15 + [0.9]),
    ),
    ("errors", "scene.1", grown("mesh_errors_total", 1), now(mesh_errors_total=7)),
    (
        "standby",
        "dc.1",
        lambda m, _: m["dc.1"].facts.update(standby="alone"),
        lambda m, _: m["dc.2"].facts.update(batch=3),
    ),
    ("standby", "dc.1", lambda m, _: m["dc.1"].facts.update(pair="standby"), lambda m, _: m.lost("dc.2")),
    ("links", "gate.1", unlink("gate.1", "scene.1"), unlink("gate.1", "dc.1")),
    (
        "links",
        "gate.1",
        unlink("gate.1", "scene.1"),
        both(unlink("gate.1", "scene.1"), on("scene.1", set_node(uptime_s=2.0))),
    ),
    ("gaps", "scene.1", grown("mesh_gaps_total", 1), now(mesh_gaps_total=2)),
    ("registry", "center.1", forget("gate.2"), both(forget("gate.2"), lambda m, _: m.lost("gate.2"))),
    ("registry", "center.1", grown("center_members", 1), now(center_members=9)),
    ("refused-sends", "scene.1", grown("mesh_refused_sends_total", 10), now(mesh_refused_sends_total=10)),
    ("malformed", "scene.1", grown("mesh_malformed_total", 1), now(mesh_malformed_total=1)),
    ("figures", "scene.1", set_node(problem="its figures make no sense: 7 numbers"), now(mesh_figures_failed_total=5)),
    ("figures", "ops.1", grown("ops_refused_total{of=scene.1}", 2), series("ops_refused_total{of=scene.1}", 2)),
    ("figures", "scene.1", grown("mesh_figures_failed_total", 2), now(mesh_figures_failed_total=2)),
    ("labels", "gate.1", series("mesh_metric_series_refused{metric=gate_traffic_total}", 3), now(mesh_links=3)),
    ("commits", "dc.1", saw("dc_commit_seconds", [0.01] * 8 + [0.4] * 2), saw("dc_commit_seconds", [0.9, 0.9])),
    ("log-writes", "log.1", saw("log_write_seconds", [0.01, 0.9, 0.9]), saw("log_write_seconds", [0.1] * 9)),
    ("lmdb-map", "dc.1", now(dc_used_bytes=60e9, dc_map_bytes=64 << 30), now(dc_used_bytes=250e6)),
    ("lmdb-map", "dc.1", now(dc_used_bytes=39e9, dc_map_bytes=40e9), now(dc_used_bytes=30e9, dc_map_bytes=40e9)),
    ("lmdb-readers", "dc.1", now(dc_reader_slots=100), now(dc_reader_slots=50)),
    ("lmdb-readers", "dc.1", now(dc_stale_readers=1), now(dc_stale_readers=0)),
    ("dc-queue", "dc.1", now(dc_queue_depth=2000), both(now(dc_queue_depth=2000), grown("dc_queue_depth", -500))),
    ("dc-queue", "dc.1", now(dc_queue_depth=2000), now(dc_queue_depth=900)),
    ("unflushed", "dc.1", now(dc_oldest_unflushed_seconds=3), now(dc_oldest_unflushed_seconds=1.5)),
    ("saves", "scene.1", grown("scene_saves_failed_total", 3), now(scene_saves_failed_total=3)),
    ("log-queue", "log.1", now(log_waiting_bytes=20e6), now(log_waiting_bytes=10e6)),
    ("events-lag", "gate.1", now(mesh_events_lag_seconds=6, mesh_events_pending=800), now(mesh_events_lag_seconds=2)),
    ("events-dropped", "gate.1", grown("mesh_events_dropped_total", 5), now(mesh_events_dropped_total=0)),
    ("events-dropped", "log.1", grown("log_refused_total", 1), now(log_refused_total=4)),
    (
        "breakers",
        "gate.1",
        series("mesh_breaker_open{message=Attach,peer=eu.one.scene.1}", 1),
        now(mesh_breaker_opened_total=1),
    ),
    ("slow-answers", "dc.1", grown("mesh_given_up_total", 2), now(mesh_given_up_total=2)),
    ("under-way", "dc.1", now(mesh_under_way=6000), now(mesh_under_way=600)),
    ("log-errors", "dc.1", grown("mesh_log_lines_total{level=ERROR}", 1), grown("mesh_log_lines_total{level=INFO}", 9)),
    (
        "ticks",
        "scene.1",
        both(grown("scene_ticks_total", 10), grown("scene_ticks_skipped_total", 10)),
        grown("scene_ticks_skipped_total", 1),
    ),
    ("ticks", "scene.1", saw("scene_tick_seconds", [0.09] * 20), saw("scene_tick_seconds", [0.04] * 20)),
    (
        "pinned",
        "scene.1",
        lambda m, _: m.pressed("scene.1", pinned=True, level=2, name="crowded"),
        lambda m, _: m.pressed("scene.1", level=2),
    ),
    (
        "levels",
        "scene.1",
        both(now(mesh_level=2), lambda m, _: m.pressed("scene.1", level=2, name="crowded", reason="tick time")),
        both(now(mesh_level=2), lambda m, _: m.pressed("scene.1", pinned=True)),
    ),
    ("dilation", "scene.1", now(scene_dilation=0.6), now(scene_dilation=1)),
    ("dropped", "scene.1", grown("scene_updates_dropped_total", 4), now(scene_updates_dropped_total=4)),
    (
        "dropped",
        "gate.1",
        grown("gate_dropped_total{lane=movement}", 90),
        grown("gate_dropped_total{lane=movement}", 40),
    ),
    (
        "connections",
        "gate.1",
        grown("gate_disconnections_total{reason=idle}", 60),
        grown("gate_disconnections_total{reason=idle}", 10),
    ),
    ("connections", "gate.1", grown("gate_slow_readers_total", 6), grown("gate_slow_readers_total", 2)),
    ("admission", "login.1", now(mesh_admission_shut=1), now(mesh_admission_shut=0)),
    ("hashes", "login.1", now(login_hashes_pending=200), now(login_hashes_pending=100)),
    ("hashes", "login.1", grown("login_hashes_refused_total", 1), now(login_hashes_refused_total=1)),
    ("logins", "gate.1", logins(ok=5, unavailable=5), logins(ok=500, unavailable=5)),
    ("logins", "gate.1", logins(ok=5, bad_credentials=40), logins(ok=5, bad_credentials=9)),
    (
        "login-time",
        "gate.1",
        saw("gate_login_seconds", [0.1, 4.0, 4.0], "result=ok"),
        saw("gate_login_seconds", [0.1, 0.2, 0.4], "result=ok"),
    ),
    (
        "logins-waiting",
        "gate.1",
        now(gate_logins_waiting=80),
        both(now(gate_logins_waiting=80), grown("gate_logins_waiting", -40)),
    ),
    ("queue", "center.1", now(center_queue=1), now(center_queue=0)),
    ("homeless", "center.1", now(center_homeless=3), now(center_homeless=0)),
]
