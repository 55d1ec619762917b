"""The nodes, links, figures and metrics of a cluster that does not exist; fake_sources.py has the rest of it."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from nodes.ops.console.answers import (
    Alert,
    Band,
    ChartOf,
    Figure,
    Line,
    LinkNow,
    MetricName,
    NodeNow,
    Overview,
    Series,
    Vocabulary,
    Wanted,
    ZoneNow,
)
from tests.ops.fake_shapes import BY_NAME, METRICS, MetricOf, NodeOf, Story, nodes, noise, smooth
from tests.ops.fake_story import EVENT_KINDS, LOG_LEVELS

LEVELS = ["full", "busy", "crowded", "strained", "scarce", "slow", "slowest"]
ZONES = {"one": 6400, "two": 3600}
LINES_MAX = 24
KILLED_S = 3.0  # until a node that was killed is there again


class FakeMesh:
    """Thirty nodes in two zones; `alerts` says which of them are in trouble."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.now_s = clock.wall()
        self.story = Story(self.now_s)
        self.nodes = {node.name: node for node in nodes()}
        self.warned: list[Alert] = []
        self.pinned: dict[str, int] = {}
        self.draining: set[str] = set()
        self.restarted: dict[str, float] = {}
        self.killed: dict[str, float] = {}

    async def overview(self) -> Overview:
        at = self.clock.wall()
        rows = [self._node(node, at) for node in self.nodes.values()]
        zones = [ZoneNow(zone, self._players(zone, at), round(most * 1.35), 0) for zone, most in ZONES.items()]
        return Overview(at, "evening", "0.2.1", LEVELS, zones, self._figures(at), rows, self._links(at))

    def _players(self, zone: str, at: float) -> int:
        return round(self._sum("center_players", at, zone=zone))

    def _sum(self, name: str, at: float, how: str = "value", zone: str = "", worst: bool = False) -> float:
        """Of all nodes and labels, as a chart has it."""
        metric = BY_NAME[name]
        labels = [one for _, values in metric.labels for one in values] or [""]
        own = [node for node in self.nodes.values() if node.role in metric.roles and zone in ("", node.zone)]
        found = [self.story.value(metric, node.name, label, at, how) for node in own for label in labels]
        return max(found) if worst else sum(found)

    def _node(self, node: NodeOf, at: float) -> NodeNow:
        crowded = node.name == "scene.7" and at > self.story.market_s + 60
        level = self.pinned.get(node.name, 2 if crowded else 0)
        share = {"scene": 0.52, "gate": 0.36, "dc": 0.44, "center": 0.3, "login": 0.18}.get(node.role, 0.12)
        if crowded:
            share = 1.02
        elif node.name == "dc.1" and at > self.story.backup_s:
            share = 0.83
        pressure = share * (0.85 + 0.3 * smooth(("pressure", node.name), at, 12))
        since = self.restarted.get(node.name, self.story.deployed_s if node.role == "gate" else self.now_s - 93_600)
        of_role = [one for one in self.nodes.values() if one[1:3] == node[1:3]]
        players = self._players(node.zone, at) // len(of_role) if node.role in ("gate", "scene") else 0
        players = round(players * (0.86 + 0.28 * noise("share", node.name))) if players else 0
        return NodeNow(
            node.name, node.role, node.zone, node.host, node.name.replace(".", "-"),
            self._state(node.name, at), "0.2.1" if node.role == "gate" else "0.2.0",
            f"{int(noise('life', node.name, since) * 2**52):013x}", at - since, 0.0,
            0 if node.name in self.draining else players, 2500 if node.role == "gate" else 0,
            self._of(node, "process_cpu_seconds_total", at), int(self._of(node, "process_resident_memory_bytes", at)),
            self._of(node, "mesh_loop_lag_seconds", at), self._of(node, "mesh_said_total", at) * 2, pressure, level,
            node.name in self.pinned, "tick time" if crowded else "operator" if node.name in self.pinned else "",
            sum(alert.node == node.name for alert in self.warned),
            {"dc.1": "writes", "dc.2": "standby, in sync"}.get(node.name, ""),
        )  # fmt: skip

    def _state(self, node: str, at: float) -> str:
        if at - self.killed.get(node, 0.0) < KILLED_S:
            return "Away"
        return "Draining" if node in self.draining else "Ready"

    def _of(self, node: NodeOf, name: str, at: float, how: str = "value") -> float:
        return self.story.value(BY_NAME[name], node.name, "", at, how)

    def _links(self, at: float) -> list[LinkNow]:
        every, found = list(self.nodes.values()), []
        for one in every:
            for other in every:
                near = one.zone == other.zone or other.role in ("dc", "log") or one.role == other.role == "center"
                if not near or one.name == other.name or (one.role, other.role) not in _TALKS:
                    continue
                if one.role == other.role and one.name > other.name:
                    continue
                rate = _TALKS[(one.role, other.role)] * (0.5 + noise(one.name, other.name))
                rate *= 0.7 + 0.6 * smooth(("link", one.name, other.name), at, 7)
                rate *= 0.02 if other.name == "log.2" and one.zone == "one" else 1
                found.append(LinkNow(one.name, other.name, round(rate, 1), round(rate * 310)))
        return found

    def _figures(self, at: float) -> list[Figure]:
        commit, tick = self._sum("dc_commit_seconds", at, worst=True), self._sum("scene_tick_seconds", at, worst=True)
        login, late = self._sum("login_seconds", at, worst=True), self._sum("gate_move_seconds", at, worst=True)
        rate, said = self._sum("login_results_total", at), self._sum("mesh_said_total", at)
        players = float(round(self._sum("center_players", at)))

        def figure(key: str, title: str, value: float, unit: Any, limit: float, name: str, how: Any) -> Figure:
            bad = "critical" if limit and value > 2 * limit else "warning" if limit and value > limit else ""
            return Figure(key, title, value, unit, bad, ChartOf(title, name, how))

        return [
            figure("players", "Players", players, "", 0, "center_players", "value"),
            figure("logins", "Logins", rate, "per_s", 0, "login_results_total", "rate"),
            figure("login", "Login time, 99 %", login, "s", 0.1, "login_seconds", "p99"),
            figure("tick", "Slowest tick, 99 %", tick, "s", 0.08, "scene_tick_seconds", "p99"),
            figure("commit", "Commit time, 99 %", commit, "s", 0.02, "dc_commit_seconds", "p99"),
            figure("move", "Movement age, 99 %", late, "s", 0.15, "gate_move_seconds", "p99"),
            figure("said", "Messages", said, "per_s", 0, "mesh_said_total", "rate"),
        ]

    async def vocabulary(self) -> Vocabulary:
        roles = list(dict.fromkeys(node.role for node in self.nodes.values()))
        return Vocabulary(
            list(ZONES), roles, ["gate", "login", "scene", "log"], LEVELS, LOG_LEVELS, EVENT_KINDS, ["login", "resume"]
        )

    # --- metrics ---

    async def metrics(self) -> Sequence[MetricName]:
        return [
            MetricName(
                one.name, one.kind, one.unit, one.text, ["node", "role", "zone", *(name for name, _ in one.labels)]
            )
            for one in METRICS
        ]  # type: ignore[arg-type]

    async def labels(self, name: str) -> dict[str, list[str]]:
        metric = self._metric(name)
        own = [node for node in self.nodes.values() if node.role in metric.roles]
        found = {key: list(dict.fromkeys(getattr(node, at) for node in own)) for key, at in _NODE_LABELS.items()}
        return found | {label: list(values) for label, values in metric.labels}

    def _metric(self, name: str) -> MetricOf:
        metric = BY_NAME.get(name)
        if metric is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no metric {name}")
        return metric

    async def series(self, wanted: Wanted) -> Series:
        metric = self._metric(wanted.name)
        groups: dict[tuple[tuple[str, str], ...], list[tuple[str, str]]] = {}
        for node in self.nodes.values():
            for label, value in [(name, one) for name, values in metric.labels for one in values] or [("", "")]:
                every = {key: getattr(node, at) for key, at in _NODE_LABELS.items()} | ({label: value} if label else {})
                if node.role in metric.roles and all(_fits(every.get(k, ""), v) for k, v in wanted.where.items()):
                    key = tuple((name, every[name]) for name in wanted.by if name in every)
                    groups.setdefault(key, []).append((node.name, value))
        count = round((wanted.end_s - wanted.start_s) / wanted.step_s)
        times = [wanted.start_s + at * wanted.step_s for at in range(count)]
        kept = list(islice(groups.items(), LINES_MAX))
        lines = [Line(dict(key), [self._point(metric, of, at, wanted.how) for at in times]) for key, of in kept]
        band = None
        if wanted.band and len(kept) == 1:
            usual = [self._point(metric, kept[0][1], at, wanted.how, usual=True) for at in times]
            band = Band([_cut(v, 0.76) for v in usual], [_cut(v, 1.3) for v in usual])
        return Series(
            wanted.name,
            metric.unit,
            wanted.start_s,
            wanted.step_s,
            lines,
            band,
            len(groups) - len(kept),  # type: ignore[arg-type]
        )

    def _point(
        self, metric: MetricOf, of: list[tuple[str, str]], at: float, how: str, usual: bool = False
    ) -> float | None:
        if at > self.clock.wall() and not usual:
            return None
        if (
            how == "rate"
            and not usual
            and abs(at - self.story.deployed_s) < 20
            and any("gate" in name for name, _ in of)
        ):
            return None  # while it was restarted
        found = [self.story.value(metric, name, label, at, how, usual) for name, label in of]
        is_worst = metric.kind == "histogram" or metric.unit == "ratio" or metric.name == "mesh_level"
        put = max(found) if is_worst else sum(found)
        return float(f"{put:.5g}")


_NODE_LABELS = {"node": "name", "role": "role", "zone": "zone"}
_TALKS = {
    ("gate", "scene"): 2600.0, ("gate", "center"): 60.0, ("gate", "login"): 14.0, ("login", "dc"): 22.0,
    ("login", "center"): 12.0, ("scene", "dc"): 190.0, ("scene", "log"): 110.0, ("scene", "center"): 24.0,
    ("center", "dc"): 18.0, ("center", "center"): 30.0, ("dc", "dc"): 640.0, ("gate", "log"): 20.0,
    ("ops", "center"): 3.0,
}  # fmt: skip


def _fits(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def _cut(value: float | None, factor: float) -> float | None:
    return None if value is None else float(f"{value * factor:.5g}")
