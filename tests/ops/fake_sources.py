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
    Done,
    EventQuery,
    Events,
    Incident,
    IncidentRow,
    LogLines,
    LogQuery,
    Moment,
    Silence,
    Trace,
    TraceRow,
)
from nodes.ops.console.people import Heat, LineNow, Player, PlayerRow
from tests.ops.fake_mesh import LEVELS, ZONES, FakeMesh
from tests.ops.fake_people import People, Soul
from tests.ops.fake_shapes import NodeOf
from tests.ops.fake_story import LOG_LEVELS, Written

SIDE = 48
LOST_S = 4.0
_ORDER = {"critical": 0, "warning": 1, "notice": 2, "": 3}


class FakeSources(FakeMesh):
    """See the module. `delay_s`: how long an action takes."""

    def __init__(self, clock: Clock, delay_s: float = 0.0) -> None:
        super().__init__(clock)
        self.delay_s = delay_s
        scenes = {zone: [one.name for one in self.nodes.values() if one[1:3] == ("scene", zone)] for zone in ZONES}
        self.people = People(self.now_s, ZONES, scenes)
        subjects = [(soul.name, soul.account) for soul in islice(self.people.by_name.values(), 0, None, 37)]
        self.written = Written(self.now_s, self.story, list(self.nodes), subjects)
        self.warned = self.written.alerts
        self.did: list[tuple[Any, ...]] = []
        self.muted: dict[str, tuple[float, str]] = {}
        self.banned: dict[str, tuple[float, str]] = {}
        self.silenced: dict[str, Silence] = {}
        self.lost: str = ""  # a node that no action reaches

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
        every = [*(one.about for one in self.written.incidents.values()), *self._losses()]
        found = [row for row in every if row.state != "ended"]
        return sorted(found, key=lambda row: (row.state == "acknowledged", _ORDER[row.severity]))

    async def incidents(self, since_s: float, limit: int) -> Sequence[IncidentRow]:
        every = [*(one.about for one in self.written.incidents.values()), *self._losses()]
        found = [row for row in every if not 0 < row.ended_s < since_s]
        return sorted(found, key=lambda row: -row.begun_s)[:limit]

    def _losses(self) -> list[IncidentRow]:
        """Of nodes that were killed: open for some seconds."""
        now = self.clock.wall()
        return [
            IncidentRow(f"k{node}", f"{node} is lost", "critical", "ended" if now > at + LOST_S else "open", at,
                        at + LOST_S if now > at + LOST_S else 0.0, [node], 1)
            for node, at in self.killed.items()
        ]  # fmt: skip

    async def incident(self, incident: str) -> Incident:
        for row in self._losses():
            if row.id == incident:
                return Incident(row, f"{row.nodes[0]} was ended from the console.", "Nothing.", [], [], [])
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
        if cold:
            self.killed[node] = self.clock.wall()
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
