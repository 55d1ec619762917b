"""With Debian's real Prometheus, promtool and Alertmanager: files are understood, every alert fires on what it is for
and stays quiet otherwise, a node that is lost is told and so is its return, each query of the dashboards is answered.
"""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.testing import wait_until
from tests.cluster.running import Running, mesh
from tests.ctl import rule_cases
from tests.ctl.engines import Alertmanager, Prometheus, Webhook, needs_engines, tool, wait_for
from tools.ctl import clusters
from tools.ctl.observability import grafana, notifying, rules, scraping
from tools.ctl.observability.dashboards import DASHBOARDS
from tools.ctl.observability.panels import Dashboard, Panel, Query

pytestmark = [pytest.mark.cluster, needs_engines]

LOCAL = clusters.load("local", environment={})
BOTS = 6
NEVER = ("offset 1w", "mesh_breaker_open")
"""What a cluster that is a minute old and well has no answer to."""
EMPTY = {
    ("overview", "Alerts that fire"),
    ("dc", "Since the last backup"),
    ("dc", "Refused"),
    ("dc", "Which one writes"),
    ("dc", "Commits that the standby has not"),
    ("dc", "Replicated"),
    ("logins", "Wrong passwords, bans"),
    ("logins", "How long those take that end in another way"),
    ("logins", "To another line"),
    ("logins", "How long a transfer takes"),
    ("gates", "Refused"),
    ("gates", "Connections that end"),
    ("log", "How long a query takes"),
}
"""Panels of what did not happen in it, or it has not: a pair of DCs."""


# --- files ---


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    every = scraping.files(LOCAL, LOCAL.processes) | rules.files(LOCAL) | notifying.files(LOCAL)
    for name, text in every.items():
        (folder / name).write_text(text)
    return folder


def test_promtool_and_amtool_find_no_fault(files: Path) -> None:
    for words in (
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules.files(LOCAL)),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        done = tool(*words, folder=files)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    cases = (*rule_cases.CASES, *rule_cases.HOURS, *rule_cases.WEEK)
    limits = {test["labels"] for test in rule_cases.limits([])["tests"][0]["promql_expr_test"][0]["exp_samples"]}
    names = {case.alert for case in cases} | {re.findall(r'"(\w+)"', labels)[0] for labels in limits}
    assert names == {alert.name for alert in rules.every_alert(LOCAL)}


@pytest.mark.parametrize("name", ["short", "hours", "week", "limits"])
def test_alerts_fire_on_what_they_are_for_and_on_nothing_else(files: Path, name: str) -> None:
    always = {"ClusterUnknown": "local"}
    loaded = [str(files / one) for one in rules.files(LOCAL)]
    made = {
        "short": lambda: rule_cases.written(rule_cases.CASES, rule_cases.SHORT, loaded, always),
        "hours": lambda: rule_cases.written(rule_cases.HOURS, rule_cases.HOURLY, loaded, always),
        "week": lambda: rule_cases.written(rule_cases.WEEK, rule_cases.LONG, loaded, always),
        "limits": lambda: rule_cases.limits(loaded),
    }[name]()
    (files / f"{name}.test.yml").write_text(json.dumps(made))
    done = tool("promtool", "test", "rules", f"{name}.test.yml", folder=files)
    assert done.returncode == 0, done.stdout + done.stderr


# --- a cluster ---


class Watched:
    """A cluster that plays, and the engines that watch it."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        self.cluster = Running(folder, "local")
        self.webhook = Webhook()
        self.engines: list[Prometheus | Alertmanager] = []
        try:
            for what in ("prometheus", "alerts", "grafana"):
                assert mesh("export", what, self.cluster.name, "-o", str(folder)).returncode == 0
            self._hurry(ports)
            self.alertmanager = Alertmanager(ports[1], folder)
            self.engines.append(self.alertmanager)
            self.prometheus = Prometheus(ports[0], folder)
            self.engines.append(self.prometheus)
        except BaseException:
            self.stop()
            raise

    def _hurry(self, ports: list[int]) -> None:
        """The files as they are written, but for addresses and for how long things take."""
        self._edit("prometheus.yml", (r"_interval: 10s", "_interval: 1s"), (r"_timeout: 5s", "_timeout: 1s"))
        self._edit("prometheus.yml", (r"127\.0\.0\.1:9093", f"127.0.0.1:{ports[1]}"))
        self._edit("zonemesh.rules.yml", (r"interval: 30s", "interval: 1s"), (r"for: 30s", "for: 2s"))
        self._edit("alertmanager.yml", (r"http://127\.0\.0\.1:9099/alerts", self.webhook.url))
        waits = (r"group_wait: 10s", "group_wait: 1s"), (r"group_interval: 1m", "group_interval: 1s")
        self._edit("alertmanager.yml", *waits)

    def _edit(self, name: str, *changes: tuple[str, str]) -> None:
        text = (self.folder / name).read_text()
        for pattern, new in changes:
            assert re.search(pattern, text), f"{name} has no {pattern}"
            text = re.sub(pattern, new, text)
        (self.folder / name).write_text(text)

    def refresh(self) -> None:
        """As cron does."""
        done = mesh("export", "prometheus", self.cluster.name, "--targets-only", "-o", str(self.folder))
        assert done.returncode == 0, done.stderr

    def are_up(self, *names: str) -> bool:
        return self.prometheus.targets() == dict.fromkeys(names, "up")

    def stop(self) -> None:
        for engine in self.engines:
            engine.stop()
        self.webhook.close()
        self.cluster.stop()


PROCESSES = ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    found = Watched(tmp_path_factory.mktemp("watched"), ports)
    try:
        yield found
    finally:
        found.stop()


def test_every_process_is_asked_and_so_is_one_that_is_added(watched: Watched) -> None:
    wait_for("all targets", lambda: watched.are_up(*PROCESSES))
    assert watched.prometheus.value("count(mesh_ready == 1)") == 7
    assert watched.prometheus.query('mesh_ready{node="gate.1"}')[0]["metric"]["nodes"] == "gate.1"
    assert not watched.prometheus.query('{exported_node!=""}'), "no label of ours is taken by a target's"
    watched.cluster.mesh("scale", "scene=3")
    watched.refresh()
    wait_for("the new target", lambda: watched.are_up(*PROCESSES, "scene.3"))
    watched.cluster.mesh("scale", "scene=2")
    watched.refresh()
    wait_for("its end", lambda: watched.are_up(*PROCESSES))


def test_each_query_of_the_dashboards_is_answered(watched: Watched) -> None:
    """While some players are in the world, who walk and talk."""

    async def play() -> list[str]:
        players = [await watched.cluster.login(f"walker-{n}") for n in range(BOTS)]
        task = asyncio.create_task(walk(players))
        try:
            await wait_until(lambda: watched.prometheus.value("sum(zone:gate_players:sum)") == BOTS)
            await asyncio.to_thread(wait_for, "rates", lambda: watched.prometheus.value(MOVES) > 0)
            return await asyncio.to_thread(unanswered, watched.prometheus)
        finally:
            task.cancel()
            for player in players:
                await player.logout()

    async def walk(players: list) -> None:
        while True:
            for step in (3, -3):
                for player in players:
                    player.move(player.session.x + step, player.session.y)
                await asyncio.sleep(0.2)

    assert asyncio.run(asyncio.wait_for(play(), 180)) == []
    assert [line for line in watched.prometheus.warnings() if "level=error" in line or "rule" in line] == []


MOVES = "sum(rate(scene_move_seconds_count[10s]))"


def unanswered(prometheus: Prometheus) -> list[str]:
    """Queries that have no answer and should have one. One that is not understood fails at once."""
    found = []
    for one in DASHBOARDS:
        for row in one.rows:
            for panel in row.panels:
                found += [named(one, panel, query) for query in panel.queries if lacks(prometheus, one, panel, query)]
        for expr in asked_besides(one):
            prometheus.query(with_choices(expr))
    return found


def lacks(prometheus: Prometheus, one: Dashboard, panel: Panel, query: Query) -> bool:
    answer = prometheus.query(with_choices(query.expr))
    for sample in answer:
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert sample["metric"].get(label), f"{named(one, panel, query)} has no {label}"
    return not answer and (one.name, panel.title) not in EMPTY and not any(word in query.expr for word in NEVER)


def named(one: Dashboard, panel: Panel, query: Query) -> str:
    return f"{one.name} / {panel.title} / {query.legend}: {query.expr}"


def asked_besides(one: Dashboard) -> list[str]:
    """By variables and annotations."""
    drawn = json.loads(grafana.text(one))
    asked = [variable.get("definition", "") for variable in drawn["templating"]["list"]]
    return [*re.findall(r"label_values\((.*), \w+\)", "\n".join(asked)), *(
        note["expr"] for note in drawn["annotations"]["list"] if "expr" in note
    )]  # fmt: skip


def with_choices(expr: str) -> str:
    """As Grafana fills it in when everything is chosen."""
    return re.sub(r"\$\w+", ".+", expr.replace("$__rate_interval", "10s"))


def test_a_node_that_is_lost_is_told_and_so_is_its_return(watched: Watched) -> None:
    cluster, webhook = watched.cluster, watched.webhook
    wait_for("all targets", lambda: watched.are_up(*PROCESSES))
    assert webhook.alert("NodeAway", "firing") is None
    cluster.mesh("drain", "scene.2")
    cluster.kill("scene.2")
    told = wait_for("the alert", lambda: webhook.alert("NodeAway", "firing", nodes="scene.2"))
    assert told["labels"]["severity"] == "critical"
    assert told["labels"]["cluster"] == cluster.name
    assert told["annotations"]["summary"] == f"scene.2 of cluster {cluster.name} does not answer"
    assert told["annotations"]["runbook"] == "docs/runbooks/node-away.md"
    alerts = [one["labels"] for message in webhook.said for one in message["alerts"]]
    assert {labels["nodes"] for labels in alerts if labels["alertname"] == "NodeAway"} == {"scene.2"}
    assert "scene.2 is Ready again" in cluster.mesh("restart", "scene.2")
    wait_for("its end", lambda: webhook.alert("NodeAway", "resolved", nodes="scene.2"))
    wait_for("the target", lambda: watched.are_up(*PROCESSES))


def test_a_cause_hides_what_follows_from_it(watched: Watched) -> None:
    def alert(name: str, **labels: str) -> dict:
        return {"labels": {"alertname": name, "severity": "critical", "cluster": "made", **labels}}

    made = [
        alert("NodeAway", nodes="dc.1", zone="one"),
        alert("LoginsFail", zone="one"),
        alert("DescriptorsFew", process="gate.1"),
        alert("LoginsFail", zone="one") | {"labels": {"alertname": "LoginsFail", "cluster": "other", "zone": "one"}},
    ]
    watched.alertmanager.ask("/api/v2/alerts", body=made)

    def states() -> dict[tuple[str, str], str]:
        found = [one for one in watched.alertmanager.alerts() if one["labels"]["cluster"] in ("made", "other")]
        return {(one["labels"]["alertname"], one["labels"]["cluster"]): one["status"]["state"] for one in found}

    expected = {
        ("NodeAway", "made"): "active",
        ("LoginsFail", "made"): "suppressed",
        ("DescriptorsFew", "made"): "active",
        ("LoginsFail", "other"): "active",
    }
    wait_for("the decision", lambda: states() == expected)
    wait_for("the word", lambda: watched.webhook.alert("DescriptorsFew", "firing", cluster="made"))
    assert watched.webhook.alert("LoginsFail", "firing", cluster="made") is None
