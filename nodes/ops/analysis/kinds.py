"""The kinds of trouble that have a name, as data, in the order in which one is the cause of another.

A kind that stands before another one is taken for the cause where both are seen and the first explains what points to
the second: a machine whose cores are taken away has late loops, slow ticks and slow commits, none of which takes the
cores away. `scope` is where such a cause sits; `explains` are the families of signals that follow from it.
"""

from typing import Literal

import msgspec

from nodes.ops.analysis.forms import Family

Place = Literal["node", "process", "host", "zone", "cluster"]
Severity = Literal["notice", "warning", "critical"]

OTHER = "other-deviation"
SLOW_S, AT_ONCE_S = 330.0, 30.0
"""How much earlier than its cause something may have been seen: windows begin to tell at different moments."""


class Kind(msgspec.Struct, frozen=True):
    """One kind. `title` has {where}."""

    name: str
    title: str
    scope: Place
    explains: frozenset[Family]
    severity: Severity
    check: str  # of `mesh doctor`
    advice: str  # what to do first
    slack_s: float = AT_ONCE_S

    @property
    def runbook(self) -> str:
        """docs/runbooks/NAME.md"""
        return self.name


def _families(*names: Family) -> frozenset[Family]:
    return frozenset(names)


KINDS = (
    Kind("node-away", "{where} does not answer", "node",
         _families("slow", "backlog", "loss", "logins", "traffic", "balance", "errors", "cpu", "presence"), "critical",
         "nodes", "mesh status; mesh logs {node}; mesh restart {node}"),
    Kind("disk-full", "the disk of {where} is full or soon will be", "host",
         _families("slow", "backlog", "loss", "logins", "errors", "disk"), "critical",
         "disk-room", "df -h; make room, the DC goes on by itself"),
    Kind("clock-apart", "the clock of {where} is not that of the others", "host",
         _families("clock", "logins"), "warning",
         "clocks", "timedatectl; start the time service of that machine"),
    Kind("bot-flood", "far more connections come to {where} than usual", "zone",
         _families("slow", "backlog", "loss", "logins", "traffic", "balance", "cpu", "errors", "descriptors", "memory"),
         "critical", "connections", "mesh status; lower settings.gate.connections_per_address_max"),
    Kind("cpu-hog", "other programs take the cores of {where}", "host",
         _families("slow", "backlog", "loss", "logins", "traffic", "cpu", "errors"), "critical",
         "loop-lag", "top -o %CPU; stop or move what does not belong there"),
    Kind("slow-disk", "the disk of {where} is slow", "host",
         _families("slow", "backlog", "loss", "logins", "disk", "errors"), "critical",
         "slow-disk", "mesh status -v; iostat -x 1; stop backups and what else writes there"),
    Kind("descriptors", "{where} has hardly any descriptors left", "process",
         _families("descriptors", "slow", "loss", "logins", "traffic", "errors"), "critical",
         "descriptors", "ulimit -n; mesh restart {node}"),
    Kind("message-loss", "messages get lost in {where}", "cluster",
         _families("loss", "slow", "backlog", "logins", "traffic", "errors"), "critical",
         "drops", "mesh status; mesh logs; look at the network between the machines"),
    Kind("memory-leak", "the memory of {where} grows and grows", "process",
         _families("memory", "slow", "cpu", "errors"), "warning",
         "memory", "mesh restart {node} before it is ended by the system", SLOW_S),
    Kind("tick-creep", "ticks of {where} take longer and longer", "node",
         _families("slow", "cpu", "backlog"), "warning",
         "ticks", "mesh pressure; mesh lines; mesh restart {node}", SLOW_S),
    Kind("slow-scene", "ticks of {where} take too long", "node",
         _families("slow", "cpu", "backlog", "loss", "logins"), "critical",
         "ticks", "mesh pressure; mesh lines open MAP; mesh drain {node}"),
    Kind("connection-churn", "connections to {where} come and go", "zone",
         _families("traffic", "slow", "backlog", "cpu", "logins", "balance", "loss", "errors"), "warning",
         "connections", "mesh logs gate.1; look at the network in front of the gates"),
    Kind("log-drops", "the behaviour log of {where} takes too little", "cluster",
         _families("backlog", "errors"), "warning",
         "log", "mesh events --losses; mesh status -v; mesh scale log=2"),
    Kind("login-failures", "logins to {where} fail", "zone",
         _families("logins", "traffic", "errors", "slow"), "critical",
         "logins", "mesh trace; mesh logs login.1"),
    Kind("unbalanced-gates", "players of {where} lie on few of the gates", "zone",
         _families("balance", "slow", "cpu"), "warning",
         "balance", "mesh status; mesh drain the fullest gate, then mesh restart it"),
    Kind("gold-from-nothing", "far more gold comes into {where} than usual", "cluster",
         _families("economy"), "critical",
         "economy", "mesh db audit; mesh events -k trade -k loot"),
    Kind("version-mix", "nodes of {where} run different versions", "cluster",
         _families("version", "errors"), "notice",
         "versions", "mesh status; mesh upgrade"),
    Kind(OTHER, "{where} is not as usual", "cluster",
         _families("slow", "backlog", "loss", "logins", "traffic", "balance", "cpu", "errors", "presence", "memory"),
         "warning", "nodes", "mesh status; mesh pressure; mesh logs"),
)  # fmt: skip

BY_NAME = {one.name: one for one in KINDS}
RANK = {one.name: at for at, one in enumerate(KINDS)}
