"""All rules, as the files that a Prometheus reads: one for any number of clusters, and one for the limits of each."""

from inspect import cleandoc
from typing import Any

from mesh.topology import Topology
from tools.ctl.observability import alerts, objectives, recordings
from tools.ctl.observability.alerts import limits
from tools.ctl.observability.forms import Alert, Group, Recording
from tools.ctl.observability.yamltext import render

FILE = "zonemesh.rules.yml"
PATTERN = "zonemesh*.rules.yml"
RUNBOOKS = "docs/runbooks"

GROUPS: tuple[Group, ...] = (
    *recordings.GROUPS,
    objectives.RECORDED,
    *alerts.GROUPS,
    objectives.ALERTS,
)
"""What is recorded stands before what asks for it."""

_HEAD = """\
# Rules of zonemesh for Prometheus 2.42 or later, written by `mesh export alerts`. They are the same for every cluster,
# and one Prometheus may watch several. Changes of your own belong into a file of your own: this one is replaced when it
# is written again.
#
#     promtool check rules zonemesh*.rules.yml

"""
_LIMITS_HEAD = """\
# Limits of cluster {name}, from {file}, written by `mesh export alerts`: write it again when the topology changes.

"""


def files(topology: Topology) -> dict[str, str]:
    """File name -> text."""
    own = _LIMITS_HEAD.format(name=topology.runtime.name, file=topology.file.name)
    return {
        FILE: _HEAD + text(GROUPS),
        f"zonemesh-{topology.runtime.name}.rules.yml": own + text((limits.group(topology),)),
    }


def text(groups: tuple[Group, ...]) -> str:
    """As YAML."""
    return render({"groups": [_group(one) for one in groups]})


def every_alert(topology: Topology) -> list[Alert]:
    """Of all groups, those of the topology's limits included."""
    groups = (*GROUPS, limits.group(topology))
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]


def _group(one: Group) -> dict[str, Any]:
    head: dict[str, Any] = {"name": one.name}
    if one.interval:
        head["interval"] = one.interval
    return head | {"rules": [_alert(rule) if isinstance(rule, Alert) else _recording(rule) for rule in one.rules]}


def _recording(one: Recording) -> dict[str, Any]:
    return {"record": one.name, "expr": cleandoc(one.expr)}


def _alert(one: Alert) -> dict[str, Any]:
    said: dict[str, Any] = {"alert": one.name, "expr": cleandoc(one.expr)}
    if one.lasts:
        said["for"] = one.lasts
    return said | {
        "labels": {"severity": one.severity, **one.labels},
        "annotations": {
            "summary": one.summary,
            "description": one.description,
            "runbook": f"{RUNBOOKS}/{one.runbook}.md",
        },
    }
