"""What explains what: a saturated machine the late loops on it, a node that is away the sends to it that are refused.

The rules know nothing of numbers. A finding is explained by the first rule for its check that fits another finding, and
by nothing when none fits: then it is a cause itself. Only checks further up in the catalogue explain those further
down, so nothing explains itself.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tools.ctl.doctor.finding import SEVERITIES, Finding
from tools.ctl.snapshot.model import NodeView, Snapshot

Relation = Literal["host", "process", "node", "named", "peer", "any"]
"""Of an effect to its cause: on the same machine, in the same process, of the same node, the effect names the cause's
node, the two nodes speak with each other, or whatever they are about."""
Rule = tuple[str, Relation]

HOST: tuple[Rule, ...] = (("host-stolen", "host"), ("host-memory", "host"), ("host-cpu", "host"))
BUSY: tuple[Rule, ...] = (*HOST, ("pauses", "process"), ("gc", "process"), ("cpu", "process"))
LATE: tuple[Rule, ...] = (*BUSY, ("loop-lag", "process"))
DISK: tuple[Rule, ...] = (("disk-full", "node"), ("disk-space", "host"), ("disk-busy", "host"), *HOST)
AWAY: tuple[Rule, ...] = (("nodes", "named"), ("nodes", "peer"), ("restarts", "named"), ("restarts", "peer"))
SLOW_PEER: tuple[Rule, ...] = (("pauses", "peer"), ("loop-lag", "peer"))
DATABASE: tuple[Rule, ...] = (("standby", "any"), ("commits", "any"), ("dc-queue", "any"))
ENTRY: tuple[Rule, ...] = (
    ("disk-full", "any"), *AWAY, ("nodes", "any"), ("restarts", "any"), ("breakers", "node"), ("admission", "any"),
    *DATABASE,
)  # fmt: skip

RULES: Mapping[str, tuple[Rule, ...]] = {
    "host-memory": (("memory", "host"),),
    "host-cpu": (("host-stolen", "host"), ("bots", "host")),
    "disk-space": (("disk-full", "host"),),
    "restarts": (("memory", "process"), ("host-memory", "host"), ("disk-full", "node")),
    "scenes": HOST,
    "pauses": HOST,
    "gc": HOST,
    "cpu": (("gc", "process"), ("gates", "node"), ("lines", "named"), ("scenes", "node")),
    "loop-lag": BUSY,
    "standby": (*AWAY, ("disk-full", "peer"), *SLOW_PEER),
    "links": (*AWAY, *SLOW_PEER),
    "gaps": (*AWAY, *LATE),
    "registry": (*AWAY, ("gaps", "any"), *SLOW_PEER),
    "refused-sends": (*AWAY, ("links", "node"), *SLOW_PEER),
    "malformed": (("versions", "any"),),
    "figures": (("versions", "any"),),
    "commits": DISK,
    "log-writes": DISK,
    "dc-queue": (("standby", "node"), ("commits", "node"), *LATE),
    "unflushed": (("disk-full", "node"), ("commits", "node"), *LATE),
    "saves": (*AWAY, ("disk-full", "peer"), ("dc-queue", "peer"), ("commits", "peer")),
    "log-queue": (("log-writes", "node"), *LATE),
    "events-lag": (*AWAY, ("links", "node"), ("log-writes", "peer"), ("log-queue", "peer"), *LATE),
    "events-dropped": (("events-lag", "node"), *AWAY, ("disk-full", "peer"), ("log-queue", "peer")),
    "breakers": (("nodes", "named"), ("restarts", "named"), ("pauses", "named"), ("loop-lag", "named")),
    "slow-answers": (*LATE, ("disk-full", "node"), ("commits", "node"), *AWAY, *SLOW_PEER, ("commits", "peer")),
    "under-way": (*LATE, ("commits", "peer"), *AWAY),
    "log-errors": (("errors", "process"), ("disk-full", "node"), *AWAY),
    "ticks": (*HOST, ("pauses", "process"), ("gc", "process"), ("lines", "named"), ("scenes", "node"), *LATE),
    "levels": (("ticks", "node"), ("commits", "node"), ("dc-queue", "node"), ("log-queue", "node"), *LATE),
    "dilation": (("pinned", "node"), ("levels", "node"), ("ticks", "node"), *LATE),
    "dropped": (*AWAY, ("refused-sends", "node"), ("bots", "any"), *SLOW_PEER, *LATE),
    "connections": (*AWAY, ("bots", "any"), ("dropped", "node"), *LATE),
    "admission": (("commits", "node"), *LATE),
    "hashes": (*HOST, ("cpu", "process")),
    "logins": (*ENTRY, ("hashes", "any")),
    "login-time": (*ENTRY, *LATE, *SLOW_PEER, ("hashes", "any"), ("logins-waiting", "node")),
    "logins-waiting": (*ENTRY, *LATE, *SLOW_PEER, ("hashes", "any")),
    "queue": (("nodes", "peer"), ("levels", "any"), ("pinned", "any"), ("lines", "any")),
    "homeless": (("nodes", "any"), ("restarts", "any"), ("admission", "any")),
}


def ranked(findings: Sequence[Finding], snapshot: Snapshot, order: Sequence[str]) -> list[Finding]:
    """Causes first, the gravest and those that explain most before others; each followed by what it explains. `order`:
    the names of the checks as in the catalogue."""
    places = {name: place for place, name in enumerate(order)}
    explained = [msgspec.structs.replace(one, because=_cause(one, findings, snapshot, places)) for one in findings]
    below: dict[str, list[Finding]] = {}
    for one in sorted(explained, key=lambda one: (places[one.check], one.where)):
        below.setdefault(one.because, []).append(one)
    trees = [_tree(root, below) for root in below.get("", [])]
    trees.sort(key=lambda tree: (min(SEVERITIES.index(one.severity) for one in tree), -len(tree)))
    return [one for tree in trees for one in tree]


def _tree(root: Finding, below: dict[str, list[Finding]]) -> list[Finding]:
    found = [root]
    for one in below.pop(root.key, []):
        found += _tree(one, below)
    return found


def _cause(effect: Finding, findings: Sequence[Finding], snapshot: Snapshot, places: Mapping[str, int]) -> str:
    """The key of the likely cause, "" when there is none."""
    for check, relation in RULES.get(effect.check, ()):
        for cause in findings:
            is_before = places[cause.check] < places[effect.check]
            if cause.check == check and is_before and _are_related(relation, effect, cause, snapshot):
                return cause.key
    return ""


def _are_related(relation: Relation, effect: Finding, cause: Finding, snapshot: Snapshot) -> bool:
    if relation == "any":
        return True
    effects, causes = _views(effect, snapshot), _views(cause, snapshot)
    if relation == "host":
        hosts = {view.host for view in effects} | {effect.host} - {""}
        return bool(hosts & ({view.host for view in causes} | {cause.host} - {""}))
    if relation == "process":
        return bool({view.spec.process for view in effects} & {view.spec.process for view in causes})
    if relation == "node":
        return bool({view.short for view in effects} & {view.short for view in causes})
    if relation == "named":
        return bool(cause.node) and cause.node in effect.peers
    return any(_speak(one, other, snapshot) for one in effects for other in causes)


def _views(finding: Finding, snapshot: Snapshot) -> list[NodeView]:
    """The nodes that it is about: its own, or those that it names when it is about several."""
    names = (finding.node,) if finding.node else finding.peers
    return [view for name in names if (view := snapshot.view(name)) is not None]


def _speak(one: NodeView, other: NodeView, snapshot: Snapshot) -> bool:
    """Do these two have to do with each other?"""
    topology = snapshot.topology
    if one.short == other.short or not topology.may_talk(one.role, other.role):
        return False
    serves = (topology.zone_serving(other.role, one.zone), topology.zone_serving(one.role, other.zone))
    return serves[0] == other.zone or serves[1] == one.zone
