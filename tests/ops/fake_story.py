"""What was written down of a cluster that does not exist: incidents, traces, log lines, events."""

from collections.abc import Iterator
from typing import NamedTuple

from nodes.ops.console.answers import (
    Alert,
    ChartOf,
    EventRow,
    Incident,
    IncidentRow,
    LogLine,
    Moment,
    Span,
    Trace,
    TraceRow,
)
from tests.ops.fake_shapes import Story, noise

EVENT_KINDS = ["login", "logout", "enter", "leave", "trade", "loot", "kill", "say", "transfer", "mail", "level"]
LOG_LEVELS = ["INFO", "WARNING", "ERROR"]
_LINES = (
    ("INFO", "scene", "a line was opened", {"map": "city", "line": 6}),
    ("INFO", "gate", "clients went to another gate", {"moved": 12}),
    ("WARNING", "gate", "a client does not read what it is told", {"unsent_bytes": 262_144}),
    ("INFO", "center", "a node is Ready", {"peer": "scene.11"}),
    ("INFO", "log", "a segment was sealed", {"events": 412_330, "bytes": 67_101_232}),
    ("WARNING", "login", "a login waits for the dc", {"waited_s": 0.41}),
    ("INFO", "scene", "a tick was left out", {"late_s": 0.13}),
    ("INFO", "dc", "a backup was made", {"bytes": 3_412_889_600}),
    ("WARNING", "scene", "the level of the policy changed", {"level": 1, "reason": "tick time"}),
    ("ERROR", "scene", "a state could not be saved", {"reason": "deadline", "again_s": 0.8}),
)
_EVENT_FIELDS = {
    "trade": {"gold": 120, "with": "Selra"}, "loot": {"kind": "amber", "gold": 14}, "kill": {"npc": "marsh boar"},
    "say": {"characters": 31}, "transfer": {"from": "city:2", "to": "city:3"}, "level": {"level": 22},
    "login": {"method": "ticket"}, "logout": {"played_s": 4210}, "enter": {"map": "city", "line": 2},
    "leave": {"map": "city", "line": 2}, "mail": {"items": 1},
}  # fmt: skip


class Step(NamedTuple):
    """Of a login: at which depth, what, by whom, to whom, and which parts of the whole it takes."""

    depth: int
    step: int
    request: str
    source: str
    target: str
    starts: float
    ends: float


_LOGIN = (
    Step(0, 1, "Login", "client", "gate.2", 0.0, 1.0),
    Step(1, 2, "Authenticate", "gate.2", "login.1", 0.02, 0.93),
    Step(2, 3, "FindAccount", "login.1", "dc.1", 0.04, 0.12),
    Step(3, 4, "query", "dc.1", "store", 0.06, 0.10),
    Step(2, 5, "LoadStatus", "login.1", "dc.1", 0.36, 0.68),
    Step(3, 0, "commit", "dc.1", "store", 0.38, 0.66),
    Step(2, 5, "Online", "login.1", "center.1", 0.69, 0.91),
    Step(3, 6, "Enter", "center.1", "scene.3", 0.72, 0.88),
    Step(1, 7, "Attach", "gate.2", "scene.3", 0.94, 0.99),
)


def spans(trace: str, duration_us: int, failed: str) -> list[Span]:
    """Where the time of a login went. In a slow one the commit has most of it."""
    slow = duration_us > 150_000
    found = []
    for at, step in enumerate(_LOGIN):
        starts, ends = _bent(step.starts, slow), _bent(step.ends, slow)
        way = 0.004 + 0.004 * noise(trace, at)
        below = [one for one in _LOGIN[at + 1 :] if one.depth == step.depth + 1 and one.starts < step.ends]
        waits = [
            (int(_bent(one.starts, slow) * duration_us), int(_bent(one.ends, slow) * duration_us)) for one in below
        ]
        found.append(
            Span(
                step.depth, step.step, step.request, step.source, step.target, int(starts * duration_us),
                int((starts + way) * duration_us), int((ends - way) * duration_us), int(ends * duration_us), waits,
                failed if failed and step.request in ("LoadStatus", "Authenticate", "Login") else "",
            )
        )  # fmt: skip
        if failed and step.request == "commit":
            break
    return found


def _bent(share: float, slow: bool) -> float:
    """Everything before the commit in a tenth, the commit itself in most of the rest."""
    if not slow:
        return share
    if share <= 0.38:
        return share * 0.25
    return 0.095 + (share - 0.38) / 0.28 * 0.77 if share <= 0.66 else 0.865 + (share - 0.66) / 0.34 * 0.135


class Written:
    """Everything that was written down until now."""

    def __init__(self, now_s: float, story: Story, names: list[str], subjects: list[tuple[str, int]]) -> None:
        self.now_s, self.story, self.names, self.subjects = now_s, story, names, subjects
        self.alerts = self._alerts()
        self.incidents = self._incidents()
        self.traces = {row.id: row for row in self._traces()}

    def moments(self) -> list[Moment]:
        now, story = self.now_s, self.story
        return [
            Moment(now - 26 * 3600, "deployment", "0.2.0 rolled out to all nodes", "", ""),
            Moment(now - 9 * 3600, "restart", "log.2 was restarted by berta", "log.2", ""),
            Moment(story.deployed_s, "deployment", "gate.1 to gate.6 went to 0.2.1", "", ""),
            Moment(story.deployed_s + 35, "restart", "gate.3 was restarted", "gate.3", ""),
            Moment(story.backup_s - 40, "action", "nightly backup of dc.1 began", "dc.1", ""),
            Moment(story.market_s + 80, "state", "scene.7 went to level 2 (crowded)", "scene.7", "warning"),
        ]

    def _alerts(self) -> list[Alert]:
        story = self.story
        return [
            Alert("a1", "commit time", "critical", "dc.1", "one", "99 % of commits of dc.1 take up to 46 ms", 0.046,
                  0.02, "s", story.backup_s + 48, "42"),
            Alert("a2", "login time", "warning", "login.1", "one", "99 % of logins take up to 168 ms", 0.168, 0.1, "s",
                  story.backup_s + 75, "42"),
            Alert("a3", "login time", "warning", "login.2", "one", "99 % of logins take up to 171 ms", 0.171, 0.1, "s",
                  story.backup_s + 81, "42"),
            Alert("a4", "tick time", "warning", "scene.7", "one", "99 % of ticks of scene.7 take up to 91 ms of 100 ms",
                  0.091, 0.08, "s", story.market_s + 96, "41"),
            Alert("a5", "loop lag", "notice", "gate.3", "one", "gate.3 is late by up to 11 ms since its restart", 0.011,
                  0.01, "s", story.deployed_s + 190, "40"),
        ]  # fmt: skip

    def _incidents(self) -> dict[str, Incident]:
        story, now = self.story, self.now_s
        slow = IncidentRow("42", "Commits of dc.1 take seven times as long as usual", "critical", "open",
                           story.backup_s + 48, 0.0, ["dc.1", "login.1", "login.2"], 3)  # fmt: skip
        market = IncidentRow("41", "scene.7 leaves things out: level 2, crowded", "warning", "open",
                             story.market_s + 60, 0.0, ["scene.7"], 1)  # fmt: skip
        late = IncidentRow("40", "gate.3 is late since its restart", "notice", "acknowledged",
                           story.deployed_s + 190, 0.0, ["gate.3"], 1, "berta")  # fmt: skip
        found = {"42": self._slow_disk(slow), "41": self._market(market), "40": self._late_gate(late)}
        titles = ("dc.2 fell behind by 1,200 commits", "login.3 refused logins: the zone was full", "gate.5 was lost",
                  "scene.2 ran at level 3, strained", "log.1 had 96 % of its disk in use", "scene.12 was lost",
                  "Logins took four times as long as usual", "center.2 was restarted by its supervisor")  # fmt: skip
        for back, title in enumerate(titles):
            began = now - 86_400 * (0.6 + back * 0.9 + noise("incident", back))
            row = IncidentRow(str(39 - back), title, ("warning", "critical", "notice")[back % 3], "ended", began,
                              began + 240 + 3000 * noise("lasted", back), [title.split()[0]] if "." in title else [], 1,
                              "anna" if back % 2 else "")  # fmt: skip
            moments = [
                Moment(row.begun_s, "alert", title, "", row.severity),
                Moment(row.ended_s, "recovery", "All is as usual"),
            ]
            found[row.id] = Incident(row, "It ended by itself.", "Nothing is to be done.", moments, [], [])
        return found

    def _slow_disk(self, row: IncidentRow) -> Incident:
        story = self.story
        moments = [
            Moment(story.deployed_s, "deployment", "gate.1 to gate.6 went to 0.2.1"),
            Moment(story.backup_s - 40, "action", "Nightly backup of dc.1 began", "dc.1"),
            Moment(story.backup_s + 5, "state", "The disk of 10.77.0.2 is writing all of the time", "dc.1", "warning"),
            Moment(story.backup_s + 48, "alert", "99 % of commits take up to 46 ms (limit 20 ms)", "dc.1", "critical"),
            Moment(
                story.backup_s + 75, "alert", "99 % of logins take up to 168 ms (limit 100 ms)", "login.1", "warning"
            ),
            Moment(
                story.backup_s + 81, "alert", "99 % of logins take up to 171 ms (limit 100 ms)", "login.2", "warning"
            ),
        ]
        evidence = [
            ChartOf("Commit time, 99 %", "dc_commit_seconds", "p99", ["node"], {"node": "dc.1"}),
            ChartOf("Time spent writing", "host_disk_write_seconds_total", "rate", ["node"], {"node": "dc.1"}),
            ChartOf("Login time, 99 %", "login_seconds", "p99", ["node"], {}),
            ChartOf("Operations that wait", "dc_queue_depth", "value", ["node"], {"node": "dc.1"}),
        ]
        return Incident(
            row,
            "The disk of dc.1 has been writing without a pause since its nightly backup began, 88 s before the first "
            "alert. Commits wait for it, and logins wait for commits.",
            "It ends with the backup, in about 9 minutes. If it must not wait: end the "
            "backup, and write backups to another disk than the database.",
            moments,
            evidence,
            [alert for alert in self.alerts if alert.incident == "42"],
        )

    def _market(self, row: IncidentRow) -> Incident:
        story = self.story
        return Incident(
            row,
            "city:2 has nearly twice as many players in one place as usual; a tick of scene.7 takes 91 ms of 100 ms.",
            "The policy handles it. If players complain: open a further line of city, or scale scene by one.",
            [
                Moment(story.market_s, "state", "The number of players on city:2 grows", "scene.7"),
                Moment(story.market_s + 80, "state", "scene.7 went to level 2 (crowded)", "scene.7", "warning"),
                Moment(
                    story.market_s + 96, "alert", "99 % of ticks take up to 91 ms (limit 80 ms)", "scene.7", "warning"
                ),
            ],
            [
                ChartOf("Tick time, 99 %", "scene_tick_seconds", "p99", ["node"], {"node": "scene.7"}),
                ChartOf("Players", "scene_players", "value", ["map"], {"node": "scene.7"}),
            ],
            [alert for alert in self.alerts if alert.incident == "41"],
        )

    def _late_gate(self, row: IncidentRow) -> Incident:
        return Incident(
            row,
            "gate.3 has been late by 4 to 11 ms since it was restarted with 0.2.1.",
            "Restart it once more, when few play; if it comes back, look at its processor time.",
            [
                Moment(self.story.deployed_s + 35, "restart", "gate.3 was restarted", "gate.3"),
                Moment(self.story.deployed_s + 190, "alert", "The loop is late by up to 11 ms", "gate.3", "notice"),
                Moment(self.story.deployed_s + 700, "note", "berta has acknowledged it", "gate.3"),
            ],
            [ChartOf("Loop lag, 99 %", "mesh_loop_lag_seconds", "p99", ["node"], {"node": "gate.3"})],
            [alert for alert in self.alerts if alert.incident == "40"],
        )

    def _traces(self) -> Iterator[TraceRow]:
        for back in range(120):
            at = self.now_s - 4 - back * 9 * (0.5 + noise("trace", back))
            quick = 31_000 + 40_000 * noise("duration", back) ** 2
            duration = quick * (4.4 if at > self.story.backup_s + 60 and noise("slow", back) < 0.5 else 1)
            failed = "deadline" if noise("failed", back) < 0.05 else ""
            name, account = self.subjects[int(noise("subject", back) * len(self.subjects))]
            kind = "resume" if noise("kind", back) < 0.2 else "login"
            number = int(noise("id", back) * 2**32) << 24 | account
            yield TraceRow(f"{number:014x}", kind, name, at, int(duration), 9 if not failed else 6, failed)

    def trace(self, row: TraceRow) -> Trace:
        ended = row.began_s + row.duration_us / 1e6
        account = int(row.id, 16) & 0xFFFFFF
        lines = [LogLine(ended - 0.002, "INFO", "login.1", "somebody came in", {"method": "ticket"}, row.id)]
        if row.duration_us > 150_000:
            waited = round(row.duration_us * 0.77 / 1e6, 3)
            lines.insert(
                0, LogLine(ended - 0.02, "WARNING", "dc.1", "a commit took long", {"seconds": waited, "operations": 31},
                           row.id)
            )  # fmt: skip
        if row.failed:
            lines.append(LogLine(ended, "ERROR", "gate.2", "a login failed", {"code": row.failed}, row.id))
        place = {"map": "city", "line": 2}
        events = [
            EventRow(ended, "login", row.subject, account, "gate.2", {"method": "ticket"}, row.id),
            EventRow(ended + 0.001, "enter", row.subject, account, "scene.3", place, row.id),
        ]
        return Trace(row, spans(row.id, row.duration_us, row.failed), lines, events if not row.failed else events[:1])

    def lines(self, until_s: float) -> Iterator[LogLine]:
        """Newest first, one about every seven seconds, for a day."""
        for number in range(int(until_s / 7), int(until_s / 7) - 12_342, -1):
            at = number * 7 + 6.9 * noise("line at", number)
            level, role, text, fields = _LINES[int(noise("line", number) ** 1.5 * len(_LINES))]
            named = [name for name in self.names if name.startswith(f"{role}.")]
            node = named[int(noise("line node", number) * len(named))]
            yield LogLine(at, level, node, text, fields, "")
            if number == int(self.story.market_s / 7):
                fields = {"level": 2, "reason": "tick time", "pressure": 1.12}
                yield LogLine(at, "WARNING", "scene.7", "the level of the policy changed", fields)

    def events(self, until_s: float, subject: tuple[str, int] | None) -> Iterator[EventRow]:
        """Newest first: of one player every forty seconds, of all of them about one a second."""
        every = 40.0 if subject else 0.9
        for number in range(int(until_s / every), int(until_s / every) - 20_000, -1):
            at = number * every + every * 0.9 * noise("event at", number)
            name, account = subject or self.subjects[int(noise("event of", number) * len(self.subjects))]
            kind = EVENT_KINDS[int(noise("event", number, account) * len(EVENT_KINDS))]
            node = f"scene.{1 + account % 8}"
            yield EventRow(at, kind, name, account, node, _EVENT_FIELDS.get(kind, {}), "")
