"""docs/metrics.md is what the nodes count, and what they count is named as the field does.

Written anew with `python -m tests.test_metrics_page`.
"""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from mesh.clock import SystemClock
from mesh.hosts import HostUsage
from mesh.metrics import Declared
from mesh.testing import Cluster, run, with_cluster
from mesh.topology import load
from mesh.usage import Usage
from nodes.ops.node import OpsNode
from tests.world import ROLES, SETTINGS

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
PAIR = """
[cluster]
name = "every"
[settings.dc]
standby = { "dc.1" = "dc.2" }
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["dc.2"]
[[process]]
nodes = ["log.1"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["scene.1"]
[[process]]
nodes = ["gate.1"]
[[process]]
nodes = ["ops.1"]
"""
TITLES = {
    "mesh": "Every node",
    "gate": "Gate",
    "login": "Login",
    "center": "Center",
    "scene": "Scene",
    "dc": "DC",
    "log": "Log",
    "ops": "Ops",
    "process": "Every process",
    "python": "Every process: the interpreter",
    "host": "Every machine",
}
UNBOUNDED = {"player", "account", "character", "session", "address", "name", "email", "token", "item"}
"""What a label must not be: there is no end to their values."""
HEAD = """# Metrics

What the nodes count, as they show it at `/metrics` of their process and tell it to the ops node. Names follow the rules
of Prometheus: `_total` only grows until the node's next start, `_seconds` and `_bytes` are units, a histogram has
`_bucket`, `_sum` and `_count`. Every metric of a node carries the labels `node` and `role`; a metric has at most 400
sets of label values, and no label is ever a player.

This page is made from what the nodes declare (`python -m tests.test_metrics_page`), and a test holds it to that.
"""


def declared() -> list[Declared]:
    """By every role of a whole cluster, with a pair of DCs, by a process and by a machine."""

    async def whole() -> list[Declared]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "every.toml"
            file.write_text(PAIR + SETTINGS)

            async def told(cluster: Cluster) -> list[Declared]:
                return [one for node in cluster.nodes.values() for one in node.metrics.declared]

            topology = load(file, runtime=Path(folder) / "run")
            return await with_cluster(topology, {**ROLES, "ops": OpsNode}, Path(folder) / "data", told)

    around = Usage(SystemClock()).metrics.declared + HostUsage(Path.cwd()).metrics.declared
    return sorted(set(run(whole()) + around))


EVERY = declared()


def page(metrics: Iterable[Declared]) -> str:
    """The whole page."""
    metrics = list(metrics)
    parts = [HEAD]
    for prefix, title in TITLES.items():
        rows = [
            f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.text} |"
            for one in metrics
            if one.name.split("_")[0] == prefix
        ]
        parts.append(
            f"## {title}\n\n| name | kind | labels | what it says |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def test_the_page_says_what_there_is():
    assert PAGE.read_text(encoding="utf-8") == page(EVERY), "write it anew: python -m tests.test_metrics_page"


def test_every_metric_has_a_place_on_it():
    assert {one.name.split("_")[0] for one in EVERY} == set(TITLES)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_a_name_follows_the_rules_of_the_field(one: Declared):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", one.name)
    assert (one.kind == "counter") == one.name.endswith("_total")
    if one.kind == "histogram":
        assert one.name.endswith(("_seconds", "_bytes", "_operations"))
    assert not re.search(r"_(ms|milliseconds|kb|mb|percent|minutes)(_|$)", one.name)
    assert one.text.endswith(".")
    assert not set(one.labels) & UNBOUNDED
    assert len(set(one.labels)) == len(one.labels)


def test_a_name_means_one_thing():
    by_name: dict[str, set[Declared]] = {}
    for one in EVERY:
        by_name.setdefault(one.name, set()).add(one)
    assert {name: sorted(meanings) for name, meanings in by_name.items() if len(meanings) > 1} == {}


if __name__ == "__main__":
    PAGE.write_text(page(EVERY), encoding="utf-8")
