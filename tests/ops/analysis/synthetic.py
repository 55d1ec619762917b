"""A cluster that does not exist: what its nodes would have read out, second by second, on good and on bad days.

One center, DC, log and login, two gates and two scenes on a machine with eight cores. Players come and go with the hour
of the day and the day of the week; everything that nodes count follows from them, with noise, with garbage collections
now and then, with a backup each night. An event evening and a deployment can be had, and any of `EFFECTS` from a moment
on. The same seed makes the same numbers. Made in pieces of some hundred steps, since it is mostly random numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from mesh.protocol.monitoring import Series
from nodes.ops.analysis.presence import Standing
from nodes.ops.reading import Layout, Reading

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MONDAY = 1_763_942_400.0  # 2025-11-24 00:00 UTC
HOUR, DAY = 3600.0, 86_400.0
CORES = 8
NODES = ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
HOST = "host:one"
ROLES = {node: node.split(".")[0] for node in NODES}
CHUNK = 360
GATES_SETTLE_S = 1800.0  # in which half of what lay unevenly on the gates has become even by coming and going


@dataclass(frozen=True)
class Effect:
    """What a trouble does to one quantity of some nodes: base * times * (1 + swells * s) + more + grows * s."""

    what: str
    nodes: str = "*"
    times: float = 1.0
    more: float = 0.0
    swells: float = 0.0
    grows: float = 0.0


EFFECTS: dict[str, tuple[Effect, ...]] = {
    "cpu-hog": (
        Effect("host_cpu", times=1.0, more=0.75), Effect("lag", times=14), Effect("tick", "scene.*", times=1.9),
        Effect("commit", times=2), Effect("answers", times=3), Effect("move", times=1.8), Effect("login", times=2),
    ),
    "slow-disk": (
        Effect("commit", times=90), Effect("dc_queue", more=120), Effect("unflushed", more=1.2),
        Effect("login", times=3), Effect("log_write", times=12), Effect("disk_busy", more=0.8),
        Effect("answers", "scene.*", times=4), Effect("answers", "login.*", times=4),
    ),
    "memory-leak": (Effect("memory", "scene.1", grows=0.5e6),),
    "message-loss": (
        Effect("heard", times=0.9), Effect("gaps", "scene.*", more=0.3), Effect("gaps", "gate.*", more=0.3),
        Effect("answers", times=3), Effect("overdue", more=1.0), Effect("login", times=2.5),
    ),
    "login-failures": (Effect("unavailable", more=0.6), Effect("login", times=2)),
    "slow-scene": (
        Effect("tick", "scene.2", more=0.13), Effect("skipped", "scene.2", more=4.0),
        Effect("lag", "scene.2", times=60), Effect("cpu", "scene.2", more=0.7), Effect("move", times=1.6),
    ),
    "unbalanced-gates": (Effect("share", more=0.45),),
    "log-drops": (
        Effect("dropped", "scene.*", more=200), Effect("events_pending", more=130_000), Effect("events_lag", grows=1.0),
        Effect("log_refused", more=5.0),
    ),
    "bot-flood": (
        Effect("arrivals", more=40.0), Effect("bots", grows=40.0), Effect("lag", "gate.*", times=3),
        Effect("cpu", "gate.*", more=0.2), Effect("cpu", "login.*", more=0.5), Effect("login", times=2),
        Effect("host_cpu", more=0.3),
    ),
    "gold-from-nothing": (Effect("gold", times=12),),
    "connection-churn": (
        Effect("arrivals", more=40.0), Effect("departures", more=40.0), Effect("lag", "gate.*", times=2),
        Effect("cpu", "gate.*", more=0.15), Effect("login", times=1.5),
    ),
    "tick-creep": (Effect("tick", "scene.1", swells=0.15 / 60),),
    "wrong-passwords": (Effect("wrong", more=0.8), Effect("arrivals", more=5.0), Effect("departures", more=5.0)),
    "descriptors": (Effect("fds", "gate.1", grows=800.0),),
    "disk-full": (Effect("disk_left", more=-119.2e9, grows=-1e6),),
    "node-away": (
        Effect("refused", "gate.*", more=30.0), Effect("refused", "dc.1", more=2.0),
        Effect("answers", "gate.*", times=5),
        Effect("move", times=1.5),
    ),
}  # fmt: skip
"""By the kind of trouble that is to be found (two names for login-failures)."""


@dataclass(frozen=True)
class Trouble:
    """One of EFFECTS within some time."""

    kind: str
    from_s: float
    to_s: float
    strength: float = 1.0  # of 1: as EFFECTS says it; of 0: nothing


@dataclass(frozen=True)
class Restart:
    """A node is drained, ends and comes back; without being asked it has no drain."""

    node: str
    drain_s: float
    gone_s: float
    back_s: float
    asked: bool = True


def deployment(at_s: float) -> list[Restart]:
    """All nodes, one after the other, in the order of `mesh upgrade`."""
    order = ("log.1", "dc.1", "center.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
    return [Restart(node, at_s + 40 * n, at_s + 40 * n + 12, at_s + 40 * n + 16) for n, node in enumerate(order)]


@dataclass(frozen=True)
class Second:
    """One step."""

    at_s: float
    readings: list[Reading]
    standings: Sequence[Standing]


@dataclass
class _Sheet:
    """The series of one node in one piece, as they are entered; the first piece makes the layout."""

    chance: np.random.Generator
    count: int
    series: list[Series] = field(default_factory=list)
    columns: list[Any] = field(default_factory=list)

    def gauge(self, name: str, values: Any, **labels: str) -> None:
        self._enter(name, "gauge", values, labels)

    def counter(self, name: str, rate: Any, dt: float, of: float = 1.0, **labels: str) -> Any:
        """Poisson, `of` at a time; returns the increments."""
        rate = np.broadcast_to(np.maximum(rate, 0.0), (self.count,))
        steps = of * self.chance.poisson(rate * dt / of)
        self._enter(name, "counter", steps, labels)
        return steps

    def exact(self, name: str, steps: Any, **labels: str) -> None:
        """A counter with these increments."""
        self._enter(name, "counter", steps, labels)

    def histogram(self, name: str, rate: Any, dt: float, median: Any, sigma: float, spikes: Any = 0.0) -> None:
        """Lognormal; `spikes`: how many a second are long ones (a garbage collection), beside the rest."""
        rate, median = (np.broadcast_to(one, (self.count,)) for one in (rate, median))
        z = (np.log(BOUNDS)[None, :] - np.log(median)[:, None]) / sigma
        below = 1.0 / (1.0 + np.exp(-np.clip(1.5976 * z + 0.070565 * z**3, -60, 60)))  # of a normal distribution
        shares = np.diff(np.concatenate((np.zeros((self.count, 1)), below, np.ones((self.count, 1))), axis=1), axis=1)
        counts = self.chance.poisson(np.maximum(shares, 0.0) * (rate * dt)[:, None]).astype(np.float64)
        ordinary, long = counts.sum(axis=1), self.chance.poisson(np.broadcast_to(spikes, (self.count,)) * dt)
        counts[:, 7] += long
        ladder = np.cumsum(counts, axis=1)
        for at, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            self._enter(f"{name}_bucket", "counter", ladder[:, at], {"le": bound})
        mean = median * np.exp(sigma**2 / 2) * (1 + self.chance.normal(0, sigma, self.count) / np.sqrt(ordinary + 1))
        self._enter(f"{name}_count", "counter", ladder[:, -1], {})
        self._enter(f"{name}_sum", "counter", np.maximum(ordinary * mean, 0) + 0.075 * long, {})

    def _enter(self, name: str, kind: str, values: Any, labels: dict[str, str]) -> None:
        self.series.append(Series(name, kind, tuple(sorted(labels.items()))))
        self.columns.append(np.broadcast_to(values, (self.count,)))


class Synthetic:
    """See the module. `step_s` may be anything; the world is the same, seen less often."""

    def __init__(
        self,
        seed: int,
        *,
        start_s: float = MONDAY,
        step_s: float = 1.0,
        peak: float = 1200.0,
        troubles: Sequence[Trouble] = (),
        restarts: Sequence[Restart] = (),
        events: Sequence[tuple[float, float]] = (),
        unheard: float = 0.0,
        versions: Sequence[tuple[str, float, str]] = (),
        clocks: Sequence[tuple[str, float, float]] = (),
    ) -> None:
        """`events`: evenings with three times the players, from and to; `unheard`: share of readings that do not
        come; `versions`, `clocks`: a node has another version, or a clock that is apart, from a moment on."""
        self.chance = np.random.default_rng(seed)
        self.start_s, self.step_s, self.peak = start_s, step_s, peak
        self.troubles, self.restarts, self.events = list(troubles), list(restarts), list(events)
        self.unheard, self.versions, self.clocks = unheard, list(versions), list(clocks)
        self._noise: dict[str, float] = {}
        self._layouts: dict[str, Layout] = {}
        self._counted: dict[str, Any] = {}  # counters at the end of the piece before
        self._offset: dict[str, Any] = {}  # what counters had at the beginning of the present life
        self._life: dict[str, float] = {}
        self._most: dict[str, float] = {}
        self._standings: dict[tuple[Any, ...], list[Standing]] = {}
        self._players: float | None = None

    def run(self, duration_s: float) -> Iterator[Second]:
        """Step by step."""
        steps = int(duration_s / self.step_s)
        for begin in range(0, steps, CHUNK):
            numbers = np.arange(begin, min(begin + CHUNK, steps))
            yield from self._piece(self.start_s + (numbers + 1) * self.step_s)

    # --- one piece ---

    def _piece(self, t: Any) -> Iterator[Second]:
        tables = self._tables(t)
        lives = {node: self._lives(node, t) for node in NODES}
        for node in NODES:
            tables[node] = self._reset(node, tables[node], lives[node])
        heard = self.chance.random((len(t), len(NODES))) >= self.unheard
        for at, at_s in enumerate(t.tolist()):
            readings = [
                Reading(node, ROLES[node], "one", int(lives[node][at]), at_s, self._layouts[node], tables[node][at])
                for n, node in enumerate(NODES)
                if lives[node][at] >= 0 and heard[at, n]
            ]
            readings.append(Reading(HOST, "host", "", 1, at_s, self._layouts[HOST], tables[HOST][at]))
            yield Second(at_s, readings, self._standings_at(at_s))

    def _lives(self, node: str, t: Any) -> Any:
        """The incarnation at each moment; -1 while it is away."""
        lives = np.ones(len(t))
        for one in self.restarts:
            if one.node == node:
                lives[t >= one.back_s] += 1
                lives[(t >= one.gone_s) & (t < one.back_s)] = -1
        return lives

    def _reset(self, node: str, table: Any, lives: Any) -> Any:
        """Counters begin anew with each life."""
        counters = np.array([one.kind == "counter" for one in self._layouts[node].series])
        before = np.concatenate(([self._life.get(node, lives[0])], lives[:-1]))
        raw = table[:, counters].copy()
        if node in self._offset:
            table[:, counters] = raw - self._offset[node]
        for at in np.flatnonzero((lives > 0) & (lives != before)):
            self._offset[node] = raw[at]
            table[at:, counters] = raw[at:] - raw[at]
        self._life[node] = float(lives[-1])
        return table

    def _standings_at(self, at_s: float) -> list[Standing]:
        """The same object as long as nothing changes."""
        key = tuple(self._state(node, at_s) for node in NODES)
        if key not in self._standings:
            self._standings[key] = [
                Standing(node, node.split(".")[0], "one", "one", node, state, version, apart_s)
                for node, (state, version, apart_s) in zip(NODES, key, strict=True)
            ]
        return self._standings[key]

    def _state(self, node: str, at_s: float) -> tuple[str, str, float]:
        state = "Ready"
        for one in self.restarts:
            if one.node == node and one.drain_s <= at_s < one.back_s + 3:
                if at_s < one.gone_s:
                    state = "Draining" if one.asked else "Ready"
                else:
                    state = "" if at_s < one.back_s else "Starting"
        version = next((name for who, from_s, name in self.versions if who == node and at_s >= from_s), "0.3.0")
        apart_s = next((by for who, from_s, by in self.clocks if who == node and at_s >= from_s), 0.0)
        return state, version, apart_s

    # --- quantities ---

    def _with(self, what: str, node: str, base: Any, t: Any) -> Any:
        """As the troubles make it."""
        value = np.broadcast_to(np.asarray(base, np.float64), (len(t),)).copy()
        for trouble in self.troubles:
            on = (t >= trouble.from_s) & (t < trouble.to_s)
            if not on.any():
                continue
            for one in EFFECTS[trouble.kind]:
                if one.what == what and fnmatchcase(node, one.nodes):
                    since_s, by = t[on] - trouble.from_s, trouble.strength
                    times = 1.0 + (one.times - 1.0) * by
                    more = by * (one.more + one.grows * since_s)
                    value[on] = value[on] * times * (1 + one.swells * by * since_s) + more
        return value

    def _wander(self, name: str, t: Any, spread: float, tau_s: float) -> Any:
        """An Ornstein-Uhlenbeck process around 0."""
        keep = np.exp(-self.step_s / tau_s)
        steps = self.chance.normal(0.0, spread * np.sqrt(1 - keep**2), len(t))
        value, values = self._noise.get(name, 0.0), np.empty(len(t))
        for at, step in enumerate(steps.tolist()):
            value = value * keep + step
            values[at] = value
        self._noise[name] = value
        return values

    def _population(self, t: Any) -> Any:
        """Players that want to be there."""
        hour = (t % DAY) / HOUR
        evening = np.exp(-(((hour - 20.0 + 12) % 24 - 12) ** 2) / 18.0)
        noon = 0.45 * np.exp(-(((hour - 13.0 + 12) % 24 - 12) ** 2) / 20.0)
        weekend = np.interp(
            (t - MONDAY) % (7 * DAY) / DAY, (0.0, 0.25, 4.5, 5.5, 6.75, 7.0), (1.1, 1.0, 1.0, 1.3, 1.3, 1.1)
        )
        shape = (0.07 + evening + noon) * weekend
        for from_s, to_s in self.events:
            ramp = 1 / (1 + np.exp(-np.clip((t - from_s - 450) / 120, -50, 50)))
            shape = shape * (1 + 2 * ramp * (1 - 1 / (1 + np.exp(-np.clip((t - to_s - 450) / 120, -50, 50)))))
        return self.peak * shape * np.exp(self._wander("players", t, 0.04, 1800.0))

    def _share(self, t: Any) -> Any:
        """Of gate.1: drained gates are empty, then they fill up again."""
        share = fair = 0.5 + self._wander("share", t, 0.01, 600.0)
        for one in sorted(self.restarts, key=lambda one: one.back_s):
            if one.node.startswith("gate"):
                side = 0.0 if one.node == "gate.1" else 1.0
                share = np.where(t >= one.drain_s, side, share)
                settled = fair + (side - 0.5) * np.exp(-np.maximum(t - one.back_s, 0.0) / GATES_SETTLE_S)
                share = np.where(t >= one.back_s, settled, share)
        return np.clip(self._with("share", "zone", share, t), 0.0, 1.0)

    def _moved(self, node: str, t: Any, players: Any) -> tuple[Any, Any]:
        """Clients that come from a drained gate, and that leave one, a second."""
        came = left = np.zeros(len(t))
        for one in self.restarts:
            if one.node.startswith("gate"):
                drained = players * 0.7 / 10 * ((t >= one.drain_s) & (t < one.drain_s + 10))
                came, left = (came, left + drained) if one.node == node else (came + drained, left)
        return came, left

    def _spikes(self, name: str) -> float:
        """Long garbage collections a second; the rarest take longer, and all are one thing among many."""
        return 1 / 45 if name.startswith(("scene", "gate")) else 1 / 120

    # --- nodes ---

    def _tables(self, t: Any) -> dict[str, Any]:
        dt, players = self.step_s, self._population(t)
        before = self._players if self._players is not None else players[0]
        change = np.diff(players, prepend=before) / dt
        self._players = float(players[-1])
        come = self._with("arrivals", "zone", players / 2400 + np.maximum(change, 0), t)
        go = self._with("departures", "zone", players / 2400 + np.maximum(-change, 0), t)
        players = players + self._with("bots", "zone", 0.0, t)
        share = self._share(t)
        sheets = {node: _Sheet(self.chance, len(t)) for node in (*NODES, HOST)}
        used = np.zeros(len(t))
        for node in NODES:
            part = {"gate.1": share, "gate.2": 1 - share, "scene.1": 0.55, "scene.2": 0.45}.get(node, 1.0)
            used = used + self._common(sheets[node], node, t, players * part)
        self._messages(sheets, t, players)
        for node, part in (("gate.1", share), ("gate.2", 1 - share)):
            moved = self._moved(node, t, players)
            self._gate(sheets[node], node, t, players * part, come * part + moved[0], go * part + moved[1], moved[0])
        for node, part in (("scene.1", 0.55), ("scene.2", 0.45)):
            self._scene(sheets[node], node, t, players * part)
        self._dc(sheets["dc.1"], t, players)
        self._log_and_rest(sheets, t, players)
        self._host(sheets[HOST], t, used)
        return {node: self._table(node, sheet) for node, sheet in sheets.items()}

    def _table(self, node: str, sheet: _Sheet) -> Any:
        if node not in self._layouts:
            self._layouts[node] = Layout(tuple(sheet.series))
        table = np.array(sheet.columns, np.float64).T.copy()
        counters = np.array([one.kind == "counter" for one in self._layouts[node].series])
        table[:, counters] = np.cumsum(table[:, counters], axis=0) + self._counted.get(node, 0.0)
        self._counted[node] = table[-1, counters].copy()
        return table

    def _common(self, sheet: _Sheet, node: str, t: Any, players: Any) -> Any:
        """What every node has; returns the cores it uses."""
        dt, role = self.step_s, node.split(".")[0]
        busy = {"gate": 0.5, "scene": 0.6, "dc": 0.15, "log": 0.08, "center": 0.06, "login": 0.05}[role]
        cpu = self._with("cpu", node, (0.03 + busy * players / 1200) * np.exp(self._wander(node, t, 0.08, 60.0)), t)
        sheet.exact("process_cpu_seconds_total", cpu * dt)
        lag = self._with("lag", node, 0.0003 + 0.0012 * cpu, t)
        sheet.histogram("mesh_loop_lag_seconds", 8.3, dt, lag, 0.9, self._spikes(node))
        sheet.histogram("mesh_answered_seconds", 4 + players / 60, dt, self._with("answers", node, 0.002, t), 0.7)
        sheet.histogram("mesh_handled_seconds", 4 + players / 60, dt, 0.0004 + lag / 4, 0.8)
        memory = {"gate": 30e3, "scene": 26e3, "dc": 0.0}.get(role, 4e3) * self._most_yet(node, players)
        begun = [one.back_s for one in self.restarts if one.node == node and one.back_s <= t[0]]
        age_s = t - max([self.start_s - DAY, *begun])
        memory = memory + (130e6 * (1 - np.exp(-age_s / 1200)) if role == "dc" else 0.0)
        memory = 85e6 + memory + self.chance.normal(0, 1.5e5, len(t))
        sheet.gauge("process_resident_memory_bytes", self._with("memory", node, memory, t))
        fds = 40 + (players if role == "gate" else 0.0)
        sheet.gauge("process_open_fds", np.minimum(self._with("fds", node, fds, t), 65_000.0))
        sheet.gauge("process_max_fds", 65_536.0)
        sheet.counter("python_gc_seconds_total", 0.004, dt, of=0.01)
        sheet.counter("mesh_errors_total", 0.0, dt)
        sheet.counter("mesh_malformed_total", 0.0005, dt)
        sheet.counter("mesh_breaker_opened_total", 0.0, dt)
        sheet.counter("mesh_refused_sends_total", self._with("refused", node, 0.002, t), dt)
        sheet.counter("mesh_gaps_total", self._with("gaps", node, 0.00002, t), dt)
        sheet.counter("mesh_overdue_total", self._with("overdue", node, 0.001, t), dt)
        sheet.counter("mesh_log_lines_total", 0.05, dt, level="INFO")
        sheet.counter("mesh_log_lines_total", 0.0005, dt, level="ERROR")
        sheet.gauge("mesh_under_way", self.chance.poisson(1.0 + players / 400))
        sheet.gauge("mesh_ready", 1.0)
        sheet.gauge("mesh_level", 0.0)
        pending, lag_s = self.chance.poisson(0.2 * players + 1), 0.1 + 0.1 * self.chance.random(len(t))
        sheet.gauge("mesh_events_pending", self._with("events_pending", node, pending, t))
        sheet.gauge("mesh_events_lag_seconds", self._with("events_lag", node, lag_s, t))
        sheet.counter("mesh_events_dropped_total", self._with("dropped", node, 0.0, t), dt)
        return cpu

    def _most_yet(self, node: str, players: Any) -> Any:
        """Memory is not given back."""
        most = np.maximum.accumulate(np.maximum(players, self._most.get(node, 0.0)))
        self._most[node] = float(most[-1])
        return most

    def _messages(self, sheets: dict[str, _Sheet], t: Any, players: Any) -> None:
        """What is said is heard by somebody."""
        for lane, each in (("", 60.0), ("batches_", 90.0)):
            said = {node: self.chance.poisson((each + 0.3 * players) * self.step_s) for node in NODES}
            total = np.sum(list(said.values()), axis=0)
            for node in NODES:
                heard = np.floor(self._with("heard", node, total / len(NODES), t))
                sheets[node].exact(f"mesh_{lane}said_total", said[node])
                sheets[node].exact(f"mesh_{lane}heard_total", heard)

    def _gate(self, sheet: _Sheet, node: str, t: Any, players: Any, come: Any, go: Any, resumed: Any) -> None:
        dt = self.step_s
        sheet.gauge("gate_clients", np.round(players), state="in")
        sheet.gauge("gate_clients", self.chance.poisson(0.5, len(t)), state="new")
        flapping = players / 6000
        sheet.counter("gate_connections_total", come + flapping, dt)
        sheet.counter("gate_disconnections_total", go * 0.8 + flapping, dt, reason="left")
        sheet.counter("gate_disconnections_total", go * 0.2, dt, reason="lost")
        lost = np.clip(self._with("unavailable", node, 0.0002, t), 0, 1)
        wrong = np.clip(self._with("wrong", node, 0.04, t), 0, 1 - lost)
        for result, part in (("ok", 1 - lost - wrong), ("bad_credentials", wrong), ("unavailable", lost)):
            sheet.counter("gate_logins_total", (come - resumed) * part, dt, result=result)
        sheet.counter("gate_logins_total", flapping + resumed, dt, result="resumed")
        sheet.histogram("login_seconds", come, dt, self._with("login", node, 0.06, t), 0.5)
        sheet.histogram("scene_move_seconds", players * 2, dt, self._with("move", node, 0.035, t), 0.4, 0.05)
        sheet.counter("gate_frames_received_total", players * 6, dt)
        sheet.counter("gate_refused_connections_total", self._with("capped", node, 0.001, t), dt)
        sheet.counter("gate_refused_total", players * 2e-4, dt, code="too_many")
        for lane, rate in (("movement", 0.5), ("chat", 0.02), ("moves", 0.0), ("plays", 0.0)):
            sheet.counter("gate_dropped_total", rate, dt, lane=lane)
        sheet.gauge("gate_unsent_bytes", self.chance.gamma(2.0, 4000.0, len(t)))
        sheet.gauge("gate_logins_waiting", self.chance.poisson(0.2, len(t)))
        sheet.counter("gate_slow_readers_total", players * 1e-6, dt)

    def _scene(self, sheet: _Sheet, node: str, t: Any, players: Any) -> None:
        dt = self.step_s
        cost = (0.003 + 1.1e-5 * players) * np.exp(self._wander(f"tick {node}", t, 0.05, 90.0))
        tick = self._with("tick", node, cost, t)
        rate = np.minimum(10.0, 1 / np.maximum(tick, 1e-3))
        sheet.histogram("scene_tick_seconds", rate, dt, tick, 0.3, self._spikes(node))
        sheet.gauge("scene_pressure", tick / 0.1 * np.exp(self.chance.normal(0, 0.06, len(t))))
        sheet.counter("scene_ticks_skipped_total", self._with("skipped", node, 0.001, t), dt)
        for line in ("1", "2"):
            sheet.gauge("scene_players", np.round(players / 2), map="meadow", line=line)
        sheet.counter("scene_updates_dropped_total", 0.002, dt)
        sheet.counter("scene_saves_failed_total", 0.0005, dt)

    def _dc(self, sheet: _Sheet, t: Any, players: Any) -> None:
        dt, hour = self.step_s, (t % DAY) / HOUR
        backup = (hour >= 4.0) & (hour < 4.2)
        commit = self._with("commit", "dc.1", 0.0009 + 0.002 * backup, t)
        sheet.histogram("dc_commit_seconds", 6 + players / 60, dt, commit, 0.5, 0.02)
        sheet.gauge("dc_queue_depth", self._with("dc_queue", "dc.1", self.chance.poisson(1.0, len(t)), t))
        unflushed = self.chance.uniform(0.3, 0.99, len(t))
        sheet.gauge("dc_oldest_unflushed_seconds", self._with("unflushed", "dc.1", unflushed, t))
        sheet.gauge("dc_disk_full", 0.0)
        sheet.gauge("dc_stale_readers", 0.0)
        sheet.counter("dc_damaged_reads_total", 0.0, dt)
        sheet.counter("dc_gold_made_total", self._with("gold", "dc.1", 0.08 * players, t), dt, of=10.0)

    def _log_and_rest(self, sheets: dict[str, _Sheet], t: Any, players: Any) -> None:
        dt, log = self.step_s, sheets["log.1"]
        write = self._with("log_write", "log.1", 0.0012, t)
        log.histogram("log_write_seconds", 10 + players / 100, dt, write, 0.6, 0.02)
        log.gauge("log_waiting_bytes", self.chance.gamma(2.0, 2e4, len(t)))
        log.counter("log_refused_total", self._with("log_refused", "log.1", 0.0, t), dt)
        sheets["login.1"].gauge("login_hashes_pending", self.chance.poisson(0.3, len(t)))
        sheets["center.1"].gauge("center_queue", 0.0)
        sheets["center.1"].gauge("center_homeless", 0.0)
        sheets["center.1"].counter("center_scenes_succeeded_total", 0.0, dt)

    def _host(self, sheet: _Sheet, t: Any, used: Any) -> None:
        hour = (t % DAY) / HOUR
        other = 0.1 + 0.4 * ((hour >= 4.0) & (hour < 4.2)) + np.abs(self._wander("host", t, 0.05, 20.0))
        ratio = (used + other) / CORES + self.chance.normal(0, 0.02, len(t))
        sheet.gauge("host_cpu_ratio", np.clip(self._with("host_cpu", HOST, ratio, t), 0.0, 1.0))
        sheet.gauge("host_cpus", float(CORES))
        sheet.gauge("host_memory_available_bytes", 5e9 + self.chance.normal(0, 2e7, len(t)))
        left = 1.2e11 - 300.0 * (t - self.start_s) + self.chance.normal(0, 1e6, len(t))
        sheet.gauge("host_disk_free_bytes", np.maximum(self._with("disk_left", HOST, left, t), 0.0), path="/srv")
        busy = self._with("disk_busy", HOST, 0.02 + 0.4 * ((hour >= 4.0) & (hour < 4.2)), t)
        sheet.exact("host_disk_write_seconds_total", busy * self.step_s)
        sheet.counter("host_network_bytes_total", 1e6, self.step_s, of=1500.0, direction="out")
