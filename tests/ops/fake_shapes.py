"""Numbers for a cluster that does not exist: smooth, plausible, and the same whenever the same moment is asked for."""

import math
import zlib
from typing import NamedTuple

DAY_S = 86_400.0


def noise(*words: object) -> float:
    """0..1, of these words and nothing else."""
    mixed = zlib.crc32(repr(words).encode())  # which is linear: words that are alike are not to give numbers that are
    mixed = ((mixed ^ mixed >> 16) * 0x7FEB352D) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 15) * 0x846CA68B) & 0xFFFFFFFF
    return (mixed ^ mixed >> 16) / 2**32


def smooth(seed: object, at_s: float, every_s: float) -> float:
    """0..1, changing over about `every_s`."""
    whole, part = divmod(at_s / every_s, 1.0)
    before, after = noise(seed, int(whole)), noise(seed, int(whole) + 1)
    return before + (after - before) * (3 - 2 * part) * part * part


def daily(at_s: float) -> float:
    """0.45..1: how many of all play at this time of day; most of them in the evening."""
    return 0.725 + 0.275 * math.cos((at_s % DAY_S / DAY_S - 20 / 24) * 2 * math.pi)


def rises(at_s: float, from_s: float, until_s: float = math.inf, over_s: float = 45.0) -> float:
    """0 before, 1 while it lasts, with slopes."""
    up = min(max((at_s - from_s) / over_s, 0.0), 1.0)
    down = min(max((at_s - until_s) / over_s, 0.0), 1.0) if until_s != math.inf else 0.0
    return up * (1 - down)


class NodeOf(NamedTuple):
    name: str
    role: str
    zone: str
    host: str


def nodes() -> list[NodeOf]:
    """Thirty, in two zones."""
    counts = (
        ("one", "center", [1]), ("one", "dc", [1, 2]), ("one", "log", [1, 2]), ("one", "login", [1, 2]),
        ("one", "gate", [1, 2, 3, 4]), ("one", "scene", [1, 2, 3, 4, 5, 6, 7, 8]), ("one", "ops", [1]),
        ("two", "center", [2]), ("two", "login", [3]), ("two", "gate", [5, 6]),
        ("two", "scene", [9, 10, 11, 12, 13, 14]),
    )  # fmt: skip
    hosts = {"one": ("10.77.0.1", "10.77.0.2", "10.77.0.3"), "two": ("10.77.1.1", "10.77.1.2")}
    return [
        NodeOf(f"{role}.{number}", role, zone, hosts[zone][number % len(hosts[zone])])
        for zone, role, numbers in counts
        for number in numbers
    ]


class MetricOf(NamedTuple):
    """`base` is what one node has at the busiest time; `load` of it follows how many play, the rest is always there."""

    name: str
    kind: str
    unit: str
    text: str
    roles: tuple[str, ...]
    base: float
    load: float = 1.0
    wobble: float = 0.25
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()


ALL = ("center", "dc", "log", "login", "gate", "scene", "ops")
METRICS = (
    MetricOf("process_cpu_seconds_total", "counter", "s", "Processor time of the process.", ALL, 0.46, 0.8),
    MetricOf("process_resident_memory_bytes", "gauge", "bytes", "Memory of the process.", ALL, 210e6, 0.3, 0.05),
    MetricOf("mesh_loop_lag_seconds", "histogram", "s", "How late the loop is.", ALL, 0.0021, 0.6, 0.5),
    MetricOf("mesh_said_total", "counter", "", "Typed messages sent.", ALL, 900.0),
    MetricOf("mesh_heard_total", "counter", "", "Typed messages received.", ALL, 900.0),
    MetricOf("mesh_errors_total", "counter", "", "Handlers that failed by a mistake of ours.", ALL, 0.0, 0.0, 0.0),
    MetricOf("mesh_events_pending", "gauge", "", "Behaviour events that are not stored yet.", ALL, 42.0, 0.9, 0.9),
    MetricOf("mesh_level", "gauge", "", "Level of the policy.", ALL, 0.0, 0.0, 0.0),
    MetricOf("mesh_pressure", "gauge", "ratio", "Pressure by signal; 1.0 is the limit.", ALL, 0.62, 0.7, 0.3,
             (("signal", ("loop lag", "tick time", "queue delay")),)),
    MetricOf("mesh_handled_seconds", "histogram", "s", "How long requests took, by message.", ALL, 0.004, 0.5, 0.4,
             (("message", ("Authenticate", "LoadStatus", "Operate", "Enter")),)),
    MetricOf("gate_clients", "gauge", "", "Connections by state.", ("gate",), 1700.0, 1.0, 0.04,
             (("state", ("playing", "entering")),)),
    MetricOf("gate_bytes_sent_total", "counter", "bytes", "Bytes to clients.", ("gate",), 5.4e6),
    MetricOf("gate_move_seconds", "histogram", "s", "Age of movement when it goes out.", ("gate",), 0.062, 0.4, 0.2),
    MetricOf("gate_disconnections_total", "counter", "", "Connections that ended, by reason.", ("gate",), 0.9, 1.0, 0.6,
             (("reason", ("logout", "lost", "slow_reader")),)),
    MetricOf("login_seconds", "histogram", "s", "A whole login.", ("login",), 0.046, 0.5, 0.3),
    MetricOf("login_results_total", "counter", "", "How logins ended.", ("login",), 4.1, 1.0, 0.5,
             (("result", ("ok", "bad_credentials", "unavailable")),)),
    MetricOf("scene_tick_seconds", "histogram", "s", "A tick of all lines.", ("scene",), 0.041, 0.8, 0.2),
    MetricOf("scene_players", "gauge", "", "Characters in the world.", ("scene",), 240.0, 1.0, 0.05,
             (("map", ("city", "meadow", "forest")),)),
    MetricOf("scene_dilation", "gauge", "ratio", "Game seconds in a second.", ("scene",), 1.0, 0.0, 0.0),
    MetricOf("dc_commit_seconds", "histogram", "s", "A commit, fsync included.", ("dc",), 0.0062, 0.4, 0.35),
    MetricOf("dc_queue_depth", "gauge", "", "Operations that wait for a commit.", ("dc",), 9.0, 0.9, 0.8),
    MetricOf("dc_durable_acked_total", "counter", "", "Durable operations on disk.", ("dc",), 610.0),
    MetricOf("log_write_seconds", "histogram", "s", "One group of blocks.", ("log",), 0.0034, 0.4, 0.4),
    MetricOf("log_raw_bytes_total", "counter", "bytes", "Bytes of events before compression.", ("log",), 1.3e6),
    MetricOf("center_queue", "gauge", "", "Logins that wait for a place.", ("center",), 0.0, 0.0, 0.0),
    MetricOf("center_players", "gauge", "", "Characters in the zone, by stage.", ("center",), 5000.0, 1.0, 0.02,
             (("stage", ("online", "linkdead")),)),
    MetricOf("host_cpu_ratio", "gauge", "ratio", "Processors of the machine in use.", ("center",), 0.58, 0.8, 0.2),
    MetricOf("host_disk_write_seconds_total", "counter", "s", "Time spent writing.", ("dc", "log"), 0.12, 0.7, 0.5),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
_HOW = {"value": 1.0, "rate": 1.0, "mean": 0.42, "p50": 0.35, "p95": 0.8, "p99": 1.0}


class Story:
    """What goes wrong: a backup that keeps the disk of dc.1 busy, and a market on scene.7."""

    def __init__(self, now_s: float) -> None:
        self.deployed_s = now_s - 52 * 60
        self.backup_s = now_s - 12 * 60
        self.market_s = now_s - 7 * 60

    def factor(self, name: str, node: str, at_s: float) -> float:
        """How many times as much as usual."""
        disk, market = rises(at_s, self.backup_s), rises(at_s, self.market_s, over_s=90)
        if node == "dc.1" and name in ("dc_commit_seconds", "host_disk_write_seconds_total", "dc_queue_depth"):
            return 1 + 7.4 * disk
        if name == "login_seconds" and node in ("login.1", "login.2"):
            return 1 + 3.1 * disk
        if node == "scene.7" and name in ("scene_tick_seconds", "process_cpu_seconds_total", "scene_players"):
            return 1 + {"scene_tick_seconds": 1.05, "scene_players": 0.9}.get(name, 0.8) * market
        return 1.0

    def value(self, metric: MetricOf, node: str, label: str, at_s: float, how: str, usual: bool = False) -> float:
        """Of one node at one moment."""
        if metric.name == "mesh_level":
            return 2.0 * (node == "scene.7" and at_s > self.market_s + 60)
        if metric.name == "scene_dilation":
            return 1.0
        if metric.name == "center_players":
            most = {"center.1": 6400, "center.2": 3600}[node] * (0.012 if label == "linkdead" else 0.988)
            return most * (0.93 + 0.07 * smooth("evening", at_s, 5400) + 0.004 * smooth((node, label), at_s, 45))
        share = 1 - metric.load + metric.load * daily(at_s)
        own = 0.75 + 0.5 * noise("node", metric.name, node, label)
        slow = 1 + metric.wobble * (smooth((metric.name, node, label), at_s, 240) - 0.5)
        quick = 1 + metric.wobble * 0.5 * (smooth((metric.name, node, label, "q"), at_s, 9) - 0.5)
        odd = 1.0 if usual else self.factor(metric.name, node, at_s)
        weight = 1.0 if not label else 0.25 + 0.75 * noise("label", label)
        return metric.base * share * own * slow * quick * odd * weight * _HOW[how]
