"""Sources of a cluster that does not exist: thirty nodes in two zones, ten thousand players, and a bad evening.

Everything follows from the clock, so that two of them with the same clock say the same. Actions change what is said
afterwards, as they would in a real cluster, and are refused where a real one refuses them.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from mesh.clock import Clock
from mesh.errors import Code, PeerLost, RefusedError
from nodes.ops.console.answers import (
    Alert,
    Band,
    ChartOf,
    Done,
    EventQuery,
    Events,
    Figure,
    Incident,
    IncidentRow,
    Line,
    LinkNow,
    LogLines,
    LogQuery,
    MetricName,
    Moment,
    NodeNow,
    Overview,
    Series,
    Silence,
    Trace,
    TraceRow,
    Vocabulary,
    Wanted,
    ZoneNow,
)
from nodes.ops.console.people import Heat, LineNow, Player, PlayerRow
from tests.ops.fake_people import People, Soul
from tests.ops.fake_shapes import BY_NAME, METRICS, MetricOf, NodeOf, Story, noise, nodes, smooth
from tests.ops.fake_story import EVENT_KINDS, LOG_LEVELS, Written

LEVELS = ["full", "busy", "crowded", "strained", "scarce", "slow", "slowest"]
ZONES = {"one": 6400, "two": 3600}
SIDE = 48
LINES_MAX = 24
_ORDER = {"critical": 0, "warning": 1, "notice": 2, "": 3}


class FakeSources:
    """See the module. `delay_s`: how long an action takes."""

    def __init__(self, clock: Clock, delay_s: float = 0.0) -> None:
        self.clock, self.delay_s = clock, delay_s
        self.now_s = clock.wall()
        self.story = Story(self.now_s)
        self.nodes = {node.name: node for node in nodes()}
        scenes = {zone: [one.name for one in self.nodes.values() if one[1:3] == ("scene", zone)] for zone in ZONES}
        self.people = People(self.now_s, ZONES, scenes)
        subjects = [(soul.name, soul.account) for soul in islice(self.people.by_name.values(), 0, None, 37)]
        self.written = Written(self.now_s, self.story, list(self.nodes), subjects)
        self.did: list[tuple[Any, ...]] = []
        self.pinned: dict[str, int] = {}
        self.draining: set[str] = set()
        self.restarted: dict[str, float] = {}
        self.muted: dict[str, tuple[float, str]] = {}
        self.banned: dict[str, tuple[float, str]] = {}
        self.silenced: dict[str, Silence] = {}
        self.lost: str = ""  # a node that no action reaches

    # --- the mesh ---

    async def overview(self) -> Overview:
        at = self.clock.wall()
        rows = [self._node(node, at) for node in self.nodes.values()]
        zones = [ZoneNow(zone, self._players(zone, at), round(most * 1.35), 0) for zone, most in ZONES.items()]
        return Overview(at, "evening", "0.2.1", LEVELS, zones, self._figures(at), rows, self._links(at))

    def _players(self, zone: str, at: float) -> int:
        return ZONES[zone] + round(60 * smooth(("players", zone), at, 40) - 30)

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
            "Draining" if node.name in self.draining else "Ready", "0.2.1" if node.role == "gate" else "0.2.0",
            f"{int(noise('life', node.name, since) * 2**52):013x}", at - since, 0.0,
            0 if node.name in self.draining else players, 2500 if node.role == "gate" else 0,
            self._of(node, "process_cpu_seconds_total", at), int(self._of(node, "process_resident_memory_bytes", at)),
            self._of(node, "mesh_loop_lag_seconds", at), self._of(node, "mesh_said_total", at) * 2, pressure, level,
            node.name in self.pinned, "tick time" if crowded else "operator" if node.name in self.pinned else "",
            sum(alert.node == node.name for alert in self.written.alerts),
            {"dc.1": "writes", "dc.2": "standby, in sync"}.get(node.name, ""),
        )  # fmt: skip

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
        dc, gate, scene = self.nodes["dc.1"], self.nodes["gate.1"], self.nodes["scene.7"]
        commit, tick = self._of(dc, "dc_commit_seconds", at), self._of(scene, "scene_tick_seconds", at)
        login, late = self._of(self.nodes["login.1"], "login_seconds", at), self._of(gate, "gate_move_seconds", at)
        rate = sum(self._of(self.nodes[name], "login_results_total", at) for name in ("login.1", "login.2", "login.3"))
        said = sum(self._of(node, "mesh_said_total", at) for node in self.nodes.values())
        players = float(sum(self._players(zone, at) for zone in ZONES))

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
            MetricName(one.name, one.kind, one.unit, one.text, ["node", "role", "zone", *(name for name, _ in one.labels)])
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
            wanted.name, metric.unit, wanted.start_s, wanted.step_s, lines, band, len(groups) - len(kept)  # type: ignore[arg-type]
        )

    def _point(
        self, metric: MetricOf, of: list[tuple[str, str]], at: float, how: str, usual: bool = False
    ) -> float | None:
        if at > self.clock.wall() and not usual:
            return None
        if how == "rate" and not usual and abs(at - self.story.deployed_s) < 20 and any("gate" in name for name, _ in of):
            return None  # while it was restarted
        found = [self.story.value(metric, name, label, at, how, usual) for name, label in of]
        put = max(found) if metric.kind == "histogram" or metric.name == "mesh_level" else sum(found)
        return float(f"{put:.5g}")

    async def moments(self, start_s: float, end_s: float) -> Sequence[Moment]:
        return [moment for moment in self.written.moments() if start_s <= moment.at_s <= end_s]

    # --- incidents and alerts ---

    async def alerts(self) -> Sequence[Alert]:
        now = self.clock.wall()
        found = []
        for alert in self.written.alerts:
            fits = [s for s in self.silenced.values() if s.rule in ("", alert.rule) and s.node in ("", alert.node)]
            until = max((one.until_s for one in fits if one.until_s > now), default=0.0)
            found.append(msgspec.structs.replace(alert, silenced_until_s=until))
        return sorted(found, key=lambda alert: _ORDER[alert.severity])

    async def open_incidents(self) -> Sequence[IncidentRow]:
        found = [one.about for one in self.written.incidents.values() if one.about.state != "ended"]
        return sorted(found, key=lambda row: (row.state == "acknowledged", _ORDER[row.severity]))

    async def incidents(self, since_s: float, limit: int) -> Sequence[IncidentRow]:
        found = [one.about for one in self.written.incidents.values() if not 0 < one.about.ended_s < since_s]
        return sorted(found, key=lambda row: -row.begun_s)[:limit]

    async def incident(self, incident: str) -> Incident:
        if incident not in self.written.incidents:
            raise RefusedError(Code.NOT_FOUND, f"there is no incident {incident}")
        return self.written.incidents[incident]

    async def acknowledge(self, incident: str, note: str, by: str) -> Done:
        await self._did("acknowledge", incident, note, by)
        known = await self.incident(incident)
        about = msgspec.structs.replace(known.about, state="acknowledged", acknowledged_by=by)
        text = f"{by} has acknowledged it{': ' + note if note else ''}"
        moments = [*known.moments, Moment(self.clock.wall(), "note", text)]
        self.written.incidents[incident] = msgspec.structs.replace(known, about=about, moments=moments)
        return Done(f"incident {incident} is acknowledged")

    async def silences(self) -> Sequence[Silence]:
        return [one for one in self.silenced.values() if one.until_s > self.clock.wall()]

    async def silence(self, rule: str, node: str, for_s: float, reason: str, by: str) -> Done:
        await self._did("silence", rule, node, for_s, by)
        now, key = self.clock.wall(), f"s{len(self.silenced) + 1}"
        self.silenced[key] = Silence(key, rule, node, now + for_s, by, reason, now)
        return Done(f"{' on '.join(word for word in (rule or 'everything', node) if word)} is silent")

    async def end_silence(self, silence: str, by: str) -> Done:
        if self.silenced.pop(silence, None) is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no silence {silence}")
        return Done("the silence has ended")

    # --- the world, players ---

    async def lines(self) -> Sequence[LineNow]:
        return self.people.lines

    def _line(self, zone: str, map_: str, line: int) -> LineNow:
        found = self.people.line(zone, map_, line)
        if found is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no line {map_}:{line} in zone {zone}")
        return found

    async def heat(self, zone: str, map_: str, line: int) -> Heat:
        found, at = self._line(zone, map_, line), self.clock.wall()
        return Heat(zone, map_, line, at, found.size_m, SIDE, self.people.counts(zone, map_, line, SIDE, at))

    async def players_in(
        self, zone: str, map_: str, line: int, west_m: float, south_m: float, east_m: float, north_m: float, limit: int
    ) -> Sequence[PlayerRow]:
        self._line(zone, map_, line)
        rows = [self.people.row(soul, self.clock.wall()) for soul in self.people.on[(zone, map_, line)]]
        inside = [row for row in rows if west_m <= row.x_m < east_m and south_m <= row.y_m < north_m]
        return sorted(inside, key=lambda row: row.name)[:limit]

    async def find_players(self, text: str, limit: int) -> Sequence[PlayerRow]:
        wanted, at = text.casefold(), self.clock.wall()
        found = (
            soul for key, soul in self.people.by_name.items() if key.startswith(wanted) or str(soul.account) == wanted
        )
        return sorted((self.people.row(soul, at) for soul in islice(found, limit)), key=lambda row: row.name)

    def _soul(self, name: str) -> Soul:
        soul = self.people.by_name.get(name.casefold())
        if soul is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no player {name}")
        return soul

    async def player(self, name: str) -> Player:
        soul, nothing = self._soul(name), (0.0, "")
        gate = f"gate.{5 + soul.account % 2 if soul.zone == 'two' else 1 + soul.account % 4}"
        banned, muted = self.banned.get(soul.name, nothing), self.muted.get(soul.name, nothing)
        return self.people.page(soul, self.clock.wall(), gate, banned, muted)

    async def message(self, player: str, text: str, by: str) -> Done:
        await self._did("message", player, text, by)
        if self._soul(player).name in self.banned:
            raise RefusedError(Code.NOT_FOUND, f"{player} is not in the world")
        return Done(f"{player} was told")

    async def kick(self, player: str, reason: str, by: str) -> Done:
        await self._did("kick", player, reason, by)
        return Done(f"{self._soul(player).name} was taken out of zone {self._soul(player).zone}")

    async def mute(self, player: str, for_s: float, reason: str, by: str) -> Done:
        await self._did("mute", player, for_s, reason, by)
        name = self._soul(player).name
        if not for_s:
            self.muted.pop(name, None)
            return Done(f"{name} may speak again")
        self.muted[name] = (self.clock.wall() + for_s, reason)
        return Done(f"{name} is muted")

    async def ban(self, player: str, for_s: float, reason: str, by: str) -> Done:
        await self._did("ban", player, for_s, reason, by)
        name = self._soul(player).name
        if not for_s:
            self.banned.pop(name, None)
            return Done(f"{name} is not banned any more")
        self.banned[name] = (-1.0 if for_s < 0 else self.clock.wall() + for_s, reason)
        return Done(f"{name} is banned{' for ever' if for_s < 0 else ''}")

    # --- traces, log lines, events ---

    async def traces(self, kind: str, subject: str, order: str, limit: int) -> Sequence[TraceRow]:
        found = [
            row
            for row in self.written.traces.values()
            if (not kind or row.kind == kind)
            and (not subject or row.subject.casefold().startswith(subject.casefold()))
            and (order != "failed" or row.failed)
        ]
        return sorted(found, key=lambda row: -row.duration_us if order == "slowest" else -row.began_s)[:limit]

    async def trace(self, trace: str) -> Trace:
        if trace not in self.written.traces:
            raise RefusedError(Code.NOT_FOUND, f"there is no trace {trace}: nodes keep the last 500 and the slowest")
        return self.written.trace(self.written.traces[trace])

    async def log_lines(self, query: LogQuery) -> LogLines:
        worst = LOG_LEVELS.index(query.level) if query.level in LOG_LEVELS else 0
        wanted = query.text.casefold()
        every = self.written.lines(query.until_s or self.clock.wall())
        if query.trace:
            every = iter(self.written.trace(self.written.traces[query.trace]).lines)
        fits = (
            line
            for line in every
            if (not query.node or line.node == query.node)
            and LOG_LEVELS.index(line.level) >= worst
            and line.at_s >= query.since_s
            and (not wanted or wanted in f"{line.text} {line.fields}".casefold())
        )
        found = list(islice(fits, query.limit + 1))
        return LogLines(found[: query.limit], len(found) > query.limit)

    async def events(self, query: EventQuery) -> Events:
        soul = self._soul(query.player) if query.player else None
        every = self.written.events(query.until_s or self.clock.wall(), (soul.name, soul.account) if soul else None)
        fits = (
            event
            for event in every
            if (not query.kinds or event.kind in query.kinds)
            and (not query.node or event.node == query.node)
            and event.at_s >= query.since_s
        )
        found = list(islice(fits, query.limit + 1))
        return Events(found[: query.limit], len(found) > query.limit)

    # --- nodes ---

    def _check_node(self, node: str) -> NodeOf:
        if node not in self.nodes:
            raise RefusedError(Code.NOT_FOUND, f"there is no node {node}")
        if node == self.lost:
            raise PeerLost(f"{node} is gone: whether it did anything is not known")
        return self.nodes[node]

    async def drain(self, node: str, by: str) -> Done:
        await self._did("drain", node, by)
        if self._check_node(node).role in ("center", "dc"):
            text = f"{node} cannot be drained: a zone has one {self.nodes[node].role}, which is restarted instead"
            raise RefusedError(Code.NOT_ALLOWED, text)
        self.draining.add(node)
        return Done(f"{node} is empty: 1,214 players moved in 3.1 s; a restart makes it serve again")

    async def restart(self, node: str, cold: bool, by: str) -> Done:
        await self._did("restart", node, cold, by)
        self._check_node(node)
        self.draining.discard(node)
        self.restarted[node] = self.clock.wall()
        return Done(f"{node} is Ready again after 2.4 s")

    async def scale(self, role: str, zone: str, count: int, by: str) -> Done:
        await self._did("scale", role, zone, count, by)
        if role not in ("gate", "login", "scene", "log"):
            raise RefusedError(Code.NOT_ALLOWED, f"a zone has one {role}")
        return Done(f"{role} in zone {zone}: {count} serve now")

    async def pin(self, node: str, level: int | None, by: str) -> Done:
        await self._did("pin", node, level, by)
        self._check_node(node)
        if level is None:
            self.pinned.pop(node, None)
            return Done(f"{node} works as its pressure says")
        self.pinned[node] = level
        return Done(f"{node} works at {level} ({LEVELS[level]})")

    async def broadcast(self, zone: str, text: str, by: str) -> Done:
        await self._did("broadcast", zone, text, by)
        return Done(f"said in {'zone ' + zone if zone else 'all zones'}")

    async def _did(self, *what: Any) -> None:
        self.did.append(what)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)


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
