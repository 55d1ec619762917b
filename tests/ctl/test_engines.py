"""With Debian's real Prometheus, promtool and Alertmanager: files are understood, every alert fires on what it is for
and stays quiet otherwise, a node that is lost is told and so is its return, each query of the dashboards is answered.
"""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.testing import wait_until
from tests.cluster.running import ROOT, Running, mesh
from tests.ctl import rule_cases
from tests.ctl.engines import Alertmanager, Prometheus, Webhook, needs_engines, tool, wait_for
from tools.ctl import clusters
from tools.ctl.observability import grafana, notifying, rules, scraping
from tools.ctl.observability.dashboards import DASHBOARDS
from tools.ctl.observability.panels import Dashboard, Panel, Query

pytestmark = [pytest.mark.cluster, needs_engines]

LOCAL = clusters.load("local", environment={})
WITH_STANDBY = """
[[process]]
nodes = ["dc.2"]

[settings.dc]
standby = { "dc.1" = "dc.2" }
"""
PROCESSES = ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "dc.2")
WALKERS = 4
ANSWERS_S = 150.0  # a machine that has much else to do
NEVER = ("ALERTS{", "dc_refused_total", "gate_refused_total", "center_transfers_failed_total", "offset 1w")
"""What has no number in a cluster that is young and well, and whose players obey the rules."""


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
        file = folder / "watched.toml"
        file.write_text((ROOT / "topology" / "local.toml").read_text() + WITH_STANDBY)
        self.cluster = Running(folder, file)
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
    assert watched.prometheus.value("count(mesh_ready == 1)") == len(PROCESSES)
    assert watched.prometheus.query('mesh_ready{node="gate.1"}')[0]["metric"]["nodes"] == "gate.1"
    assert not watched.prometheus.query('{exported_node!=""}'), "no label of ours is taken by a target's"
    watched.cluster.mesh("scale", "scene=3")
    watched.refresh()
    wait_for("the new target", lambda: watched.are_up(*PROCESSES, "scene.3"))
    watched.cluster.mesh("scale", "scene=2")
    watched.refresh()
    wait_for("its end", lambda: watched.are_up(*PROCESSES))


def test_each_query_of_the_dashboards_is_answered(watched: Watched) -> None:
    """While players walk and talk, change lines, lose their connections and mistype their passwords."""

    async def play() -> list[str]:
        players = [await watched.cluster.login(f"walker-{n}") for n in range(WALKERS)]
        tasks = [asyncio.create_task(one) for one in (walk(players[1:]), stumble(watched.cluster, players[0]))]
        try:
            return await asyncio.to_thread(answered, watched.prometheus)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(one) for one in ended] == [asyncio.CancelledError] * len(tasks), ended
            for player in players:
                if player.playing:
                    await player.logout()

    watched.cluster.mesh("db", "backup")
    left = asyncio.run(asyncio.wait_for(play(), 2 * ANSWERS_S))
    assert not left, "\n".join(left)
    assert [line for line in watched.prometheus.words() if "level=error" in line or "rule" in line] == []


async def walk(players: list[Player]) -> None:
    while True:
        for step in (3, -3):
            for player in players:
                player.move(player.session.x + step, player.session.y)
            await asyncio.sleep(0.2)


async def stumble(cluster: Running, player: Player) -> None:
    """Everything goes wrong, again and again, and somebody looks it up."""
    for n in count():
        with contextlib.suppress(MeshError):
            await Player.login(cluster.url, secret="wrong", method="ticket", timeout_s=10)
        player.drop()
        await wait_until(lambda: not player.connected)
        await player.resume(timeout_s=60)
        with contextlib.suppress(MeshError):
            await player.switch_line(1 + n % 2, timeout_s=20)
        await asyncio.to_thread(cluster.mesh, "events", "-n", "1")


def answered(prometheus: Prometheus) -> list[str]:
    """Queries that have no answer after a while, and should have one."""
    for one in DASHBOARDS:
        for expr in asked_besides(one):
            prometheus.query(with_choices(expr))
    left = [
        (one, panel, query) for one in DASHBOARDS for row in one.rows for panel in row.panels for query in panel.queries
    ]

    def is_done() -> bool:
        left[:] = [asked for asked in left if not has_answer(prometheus, *asked)]
        return all(any(word in query.expr for word in NEVER) for _, _, query in left)

    try:
        wait_for("an answer to all", is_done, ANSWERS_S)
    except AssertionError:
        return [named(*asked) for asked in left]
    return []


def has_answer(prometheus: Prometheus, one: Dashboard, panel: Panel, query: Query) -> bool:
    """A number. One that is not understood fails at once, and so does a legend that would be empty."""
    found = prometheus.query(with_choices(query.expr))
    for sample in found:
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert sample["metric"].get(label), f"{named(one, panel, query)} has no {label}"
    return any(sample["value"][1] != "NaN" for sample in found)


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
    assert webhook.alert("NodeAway", "firing", nodes="scene.2") is None
    cluster.mesh("drain", "scene.2")
    cluster.kill("scene.2")
    told = wait_for("the alert", lambda: webhook.alert("NodeAway", "firing", nodes="scene.2"))
    assert told["labels"]["severity"] == "critical"
    assert told["labels"]["cluster"] == cluster.name
    assert told["annotations"]["summary"] == f"scene.2 of cluster {cluster.name} does not answer"
    assert told["annotations"]["runbook"] == "docs/runbooks/node-away.md"
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
