"""From the readings of each second to the signals of that second.

    signals = Signals(CATALOGUE)
    values = signals.look(readings, now_s, made)     # values[i] is of signals.slots[i]; NaN: not known

Owns the readings of the last half minute, as columns (see `blocks.py`), and the slots: each signal of each subject has
one, for ever, so that whoever keeps something for a slot keeps it in an array. What comes only once in a while (a new
node, other bounds of a histogram) has everything prepared anew; all else is the same few operations on arrays.

A node that starts anew begins to count at zero: its past is forgotten, and what needs a window is not known until that
has passed. A node without a reading has no values; what it counted meanwhile comes with its next one.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nodes.ops.blocks import (
    FigureOf,
    Figures,
    Group,
    LesserOf,
    Lessers,
    QuantileOf,
    Quantiles,
    SpreadOf,
    fill_spread,
)
from nodes.ops.catalogue import CATALOGUE
from nodes.ops.forms import CLUSTER, WINDOWS_S, Figure, Late, Lesser, Quantile, Signal, Spread, Sum
from nodes.ops.plans import Floats, Indices, Plan, bucket
from nodes.ops.reading import Reading

SLOTS_MAX = 20_000  # signals of subjects; further ones are not looked at, and counted
FORGOTTEN_S = 3600.0  # a node that has been away for so long is not expected to come back under its name
SLACK_S = 0.5  # a window may be shorter by this
GAP_S_MAX = 60.0  # between two looks
SHORTEST_S = 4.0  # of what is known at the beginning, before there is a window


class Slot(NamedTuple):
    """One signal of one subject."""

    signal: Signal
    subject: str  # "scene.1", "zone:one", "cluster", "host:a"
    node: str  # whose it is; "" when it is of several
    zone: str


class Made(NamedTuple):
    """A value that was worked out elsewhere."""

    signal: str
    subject: str
    zone: str
    value: float


class _Node:
    def __init__(self, name: str, zone: str, index: int) -> None:
        self.name, self.zone, self.index = name, zone, index
        self.plan: Plan | None = None
        self.keys: dict[Sum, int] = {}  # columns
        self.span = slice(0, 0)
        self.incarnation = -1
        self.seen_s = 0.0


class _Row(NamedTuple):
    at_s: float
    columns: Floats
    times: Floats  # of the readings, by node


class Signals:
    """See the module."""

    def __init__(self, catalogue: Sequence[Signal] = CATALOGUE) -> None:
        self.slots: list[Slot] = []
        self.places: dict[tuple[str, str], int] = {}  # of a signal's name and a subject: the slot
        self.values: Floats = np.empty(0)
        self.nonsense = 0  # readings whose values are not those of their layout
        self.refused = 0  # slots beyond SLOTS_MAX
        self._catalogue = tuple(catalogue)
        self._by_name = {one.name: one for one in catalogue}
        self._nodes: dict[str, _Node] = {}
        self._plans: dict[tuple[int, str], Plan] = {}
        self._rows: list[_Row] = []
        self._node_of: Indices = np.empty(0, np.intp)  # each column
        self._fresh: Floats = np.empty(0)
        self._parts: list[Figures | Quantiles | Lessers] = []
        self._spreads: list[SpreadOf] = []

    def value(self, signal: str, subject: str) -> float:
        """NaN when it is not known."""
        at = self.places.get((signal, subject))
        return float(self.values[at]) if at is not None and at < len(self.values) else float("nan")

    def look(self, readings: Sequence[Reading], now_s: float, made: Iterable[Made] = ()) -> Floats:
        """The values of all slots. `now_s` is the wall clock; where that has jumped, what is known of the past goes."""
        if self._rows and not 0 < now_s - self._rows[-1].at_s <= GAP_S_MAX:
            self._rows.clear()
        stale = [self._take_plan(one, now_s) for one in readings]
        if any(stale) or self._forget(now_s):
            self._prepare()
        with np.errstate(all="ignore"):
            columns = self._columns(readings, now_s)
            made_here = [(self._slot(self._by_name[one.signal], one.subject, one.zone), one.value) for one in made]
            self.values = np.full(len(self.slots), np.nan)
            for part in self._parts:
                part.fill(self.values, columns)
            for spread in self._spreads:
                fill_spread(spread, self.values, columns)
        for slot, value in made_here:
            if slot >= 0:
                self.values[slot] = value
        self.values[~np.isfinite(self.values)] = np.nan
        return self.values

    def enter(self, made: Iterable[Made]) -> None:
        """More values of this second, that follow from the others."""
        for one in made:
            slot = self._slot(self._by_name[one.signal], one.subject, one.zone)
            if slot >= len(self.values):
                self.values = np.append(self.values, np.nan)
            if slot >= 0:
                self.values[slot] = one.value

    # --- what is known of the nodes ---

    def _take_plan(self, reading: Reading, now_s: float) -> bool:
        """Has everything to be prepared anew?"""
        node = self._nodes.get(reading.node)
        if node is None:
            node = self._nodes[reading.node] = _Node(reading.node, reading.zone, len(self._nodes))
        node.seen_s = now_s
        if node.plan is not None and node.plan.layout is reading.layout:
            return False
        before, node.plan = node.plan, self._plan_of(reading)
        return before is None or before.keys != node.plan.keys or before.signals != node.plan.signals

    def _plan_of(self, reading: Reading) -> Plan:
        """Nodes of a role may share a layout."""
        key = (id(reading.layout), reading.role)
        plan = self._plans.get(key)
        if plan is None or plan.layout is not reading.layout:
            used = {id(node.plan) for node in self._nodes.values()}
            self._plans = {known: one for known, one in self._plans.items() if id(one) in used}
            plan = self._plans[key] = Plan(reading.layout, reading.role, self._catalogue)
        return plan

    def _forget(self, now_s: float) -> bool:
        gone = [name for name, node in self._nodes.items() if now_s - node.seen_s > FORGOTTEN_S]
        for name in gone:
            del self._nodes[name]
        return bool(gone)

    def _columns(self, readings: Sequence[Reading], now_s: float) -> dict[float, Floats]:
        last = self._rows[-1] if self._rows else None
        row = last.columns.copy() if last is not None else np.full(len(self._node_of), np.nan)
        times = last.times.copy() if last is not None else np.full(len(self._nodes), np.nan)
        self._fresh[:] = np.nan
        for reading in readings:
            node = self._nodes[reading.node]
            gathered = node.plan.gather(reading.values) if node.plan is not None else None
            if gathered is None:
                self.nonsense += 1
                continue
            if reading.incarnation != node.incarnation:
                node.incarnation = reading.incarnation
                for older in self._rows:
                    older.columns[node.span] = np.nan
            row[node.span] = gathered
            times[node.index] = reading.at_s
            self._fresh[node.index] = 0.0
        self._rows.append(_Row(now_s, row, times))
        while len(self._rows) > 2 and self._rows[1].at_s <= now_s - WINDOWS_S[-1] - SLACK_S:
            self._rows.pop(0)
        now = row + self._fresh[self._node_of]
        return {0.0: now, **{window_s: self._growth(now, window_s) for window_s in WINDOWS_S}}

    def _growth(self, now: Floats, window_s: float) -> Floats:
        """A second, within the window or what there is of it."""
        latest = self._rows[-1]
        at = bisect.bisect_right(self._rows, latest.at_s - window_s + SLACK_S, key=lambda row: row.at_s) - 1
        base = self._rows[max(0, at)]
        if latest.at_s - base.at_s < min(SHORTEST_S, window_s - SLACK_S):
            return np.full(len(now), np.nan)
        elapsed = latest.times - base.times
        elapsed[elapsed <= 0] = np.nan
        growth: Floats = (now - base.columns) / elapsed[self._node_of]
        growth[growth < 0] = np.nan
        return growth

    # --- what is prepared ---

    def _prepare(self) -> None:
        """Give every number of every node a column, and write down which of them make which signal."""
        nodes = list(self._nodes.values())
        before = [(node, node.index, node.keys) for node in nodes]
        moved: list[tuple[int, int]] = []
        total = 0
        for index, (node, _, keys) in enumerate(before):
            assert node.plan is not None, "a node has a plan since its first reading"
            node.index, node.span = index, slice(total, total + len(node.plan.keys))
            node.keys = {key: total + n for n, key in enumerate(node.plan.keys)}
            moved += [(keys[key], at) for key, at in node.keys.items() if key in keys]
            total = node.span.stop
        self._node_of = np.repeat(np.arange(len(nodes)), [len(node.keys) for node in nodes])
        self._fresh = np.empty(len(nodes))
        kept = [(old, node.index) for node, old, keys in before if keys]
        self._rows = [
            _Row(row.at_s, _moved(row.columns, moved, total), _moved(row.times, kept, len(nodes))) for row in self._rows
        ]
        self._wire(nodes)

    def _wire(self, nodes: Sequence[_Node]) -> None:
        figures: dict[tuple[float, bool, bool], list[FigureOf]] = defaultdict(list)
        quantiles: dict[float, list[QuantileOf]] = defaultdict(list)
        lessers: dict[float, list[LesserOf]] = defaultdict(list)
        self._spreads = []
        for signal, subject, zone, members in self._subjects(nodes):
            slot = self._slot(signal, subject, zone)
            if slot < 0:
                continue
            match signal.form:
                case Figure() as form:
                    figures[(form.window_s, bool(form.per), form.per_grows)].append(_figure(slot, form, members))
                case Late() as form:
                    figures[(form.window_s, False, False)].append(_late(slot, form, members))
                case Quantile() as form:
                    quantiles[form.window_s].append(_quantile(slot, form, members))
                case Lesser() as form:
                    lessers[form.window_s].append(_lesser(slot, form, members))
                case Spread() as form:
                    what = np.array([node.keys[form.what] for node in members], np.intp)
                    counted = np.array([node.keys[form.counted] for node in members], np.intp)
                    self._spreads.append(SpreadOf(slot, what, counted, form.chance))
        self._parts = [
            *(Figures(window_s, grows, some) for (window_s, _, grows), some in figures.items()),
            *(Quantiles(window_s, some) for window_s, some in quantiles.items()),
            *(Lessers(window_s, some) for window_s, some in lessers.items()),
        ]

    def _subjects(self, nodes: Sequence[_Node]) -> Iterator[tuple[Signal, str, str, list[_Node]]]:
        """Every signal that somebody has: its subject, its zone, and the nodes that it is made of."""
        having: dict[str, list[_Node]] = defaultdict(list)
        for node in nodes:
            for signal in node.plan.signals if node.plan is not None else ():
                having[signal.name].append(node)
        for name, some in having.items():
            signal = self._by_name[name]
            if signal.of in ("node", "host"):
                yield from ((signal, node.name, node.zone, [node]) for node in some)
            elif signal.of == "cluster":
                yield signal, CLUSTER, "", some
            else:
                for zone in dict.fromkeys(node.zone for node in some):
                    yield signal, f"zone:{zone}", zone, [node for node in some if node.zone == zone]

    def _slot(self, signal: Signal, subject: str, zone: str) -> int:
        """-1: there are too many."""
        key = (signal.name, subject)
        if key not in self.places:
            if len(self.slots) >= SLOTS_MAX:
                self.refused += 1
                return -1
            self.places[key] = len(self.slots)
            self.slots.append(Slot(signal, subject, subject if signal.of == "node" else "", zone))
        return self.places[key]


def _moved(row: Floats, places: Sequence[tuple[int, int]], size: int) -> Floats:
    result = np.full(size, np.nan)
    if places:
        old, new = np.array(places, np.intp).T
        result[new] = row[old]
    return result


def _group(members: Sequence[_Node], plus: Sequence[Sum], minus: Sequence[Sum] = ()) -> Group:
    """Of a single node everything has to be known, of several something."""
    columns = [node.keys[one] for node in members for one in (*plus, *minus)]
    signs = [*[1.0] * len(plus), *[-1.0] * len(minus)] * len(members)
    return Group(columns, signs, len(columns) if len(members) == 1 else 1)


def _figure(slot: int, form: Figure, members: Sequence[_Node]) -> FigureOf:
    under = _group(members, form.per) if form.per else None
    return FigureOf(slot, _group(members, form.plus, form.minus), under, form.least, form.free)


def _lesser(slot: int, form: Lesser, members: Sequence[_Node]) -> LesserOf:
    one, other, per = (_group(members, (each,)) for each in (form.one, form.other, form.per))
    return LesserOf(slot, (one, other, per), form.least)


def _shared_bounds(form: Quantile | Late, members: Sequence[_Node]) -> list[str]:
    """Those that all nodes have, from low to high; nodes of two versions may have different ones."""
    plans = [node.plan for node in members if node.plan is not None]
    bounds = [plan.bounds_of(form.metric, form.where) for plan in plans]
    return [one for one in bounds[0] if all(one in others for others in bounds[1:])]


def _quantile(slot: int, form: Quantile, members: Sequence[_Node]) -> QuantileOf:
    bounds = _shared_bounds(form, members)
    buckets = [_group(members, (bucket(form.metric, form.where, bound),)) for bound in bounds]
    return QuantileOf(slot, form.q, [float(bound) for bound in bounds], buckets, form.least)


def _late(slot: int, form: Late, members: Sequence[_Node]) -> FigureOf:
    bounds = _shared_bounds(form, members)
    bound = next(one for one in bounds if float(one) >= form.within_s)
    plus, minus = (bucket(form.metric, form.where, one) for one in (bounds[-1], bound))
    return FigureOf(slot, _group(members, (plus,), (minus,)), None, 0.0)
