"""Which processes `mesh upgrade` restarts, in which order, and when a cluster is well. Pure: a topology, what runs of
it and what the nodes say in, steps and complaints out.

Whoever is asked comes before whoever asks, so that nobody is asked for something that it does not know yet: log nodes,
the DC, the center, logins, scenes, gates last. Of two DCs the standby comes first and the one that writes last: it is
followed by one of the new version then. Rejected: gates first, because moving their clients costs nobody anything. New
gates would ask old nodes for new things for as long as the whole upgrade takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh.errors import MeshError
from mesh.protocol.control import Description
from mesh.topology import NodeSpec, Process, Topology
from tools.ctl.scaling import GONE
from tools.ctl.state import ProcessState

ORDER = ("ops", "log", "dc", "center", "login", "scene", "gate")

Answers = Mapping[str, Description | MeshError]
"""By full name: what each node says of itself, or why it says nothing."""


@dataclass(frozen=True)
class Step:
    """One process. `before`: the Python that it runs from, "" when its supervisor does not say."""

    process: Process
    before: str
    emptied: tuple[NodeSpec, ...] = ()  # their clients or players go to others first
    alone: tuple[NodeSpec, ...] = ()  # gates whose clients have nowhere to go


def plan(
    topology: Topology,
    known: Mapping[str, ProcessState],
    answers: Answers,
    *,
    only: str = "",
    python: str = "",
    cold: bool = False,
) -> list[Step]:
    """In the order in which they are restarted. Left out is what does not run here, and what runs from `python`
    already: an upgrade that was stopped goes on where it was. `cold`: scenes are emptied, too,
    and hand nothing over."""
    running = running_of(topology, known)
    chosen = [
        (process, state)
        for process, state in running
        if (not only or any(node.role == only for node in process.nodes)) and not (python and state.python == python)
    ]
    chosen.sort(key=lambda one: (_turn(one[0]), any(_writes(answers.get(node.name)) for node in one[0].nodes)))
    roles = ("gate", "scene") if cold else ("gate",)
    return [_step(process, state, [other for other, _ in running], roles) for process, state in chosen]


def running_of(topology: Topology, known: Mapping[str, ProcessState]) -> list[tuple[Process, ProcessState]]:
    """The processes that run here."""
    return [(p, s) for p in topology.processes if (s := known.get(p.nodes[0].short)) and s.phase not in GONE]


def _turn(process: Process) -> int:
    """Of the node in it that is asked first."""
    return min(ORDER.index(node.role) for node in process.nodes)


def _writes(answer: Description | MeshError | None) -> bool:
    return isinstance(answer, Description) and answer.facts.get("pair") == "writer"


def replaceable(process: Process, running: Sequence[Process], roles: Sequence[str]) -> tuple[NodeSpec, ...]:
    """Its nodes with one of these roles that can be emptied first, because another process has one of that role."""
    others = {(n.role, n.zone) for p in running if p is not process for n in p.nodes}
    return tuple(n for n in process.nodes if n.role in roles and (n.role, n.zone) in others)


def _step(process: Process, state: ProcessState, running: Sequence[Process], roles: Sequence[str]) -> Step:
    emptied = replaceable(process, running, roles)
    alone = tuple(n for n in process.nodes if n.role == "gate" and n not in emptied)
    return Step(process, state.python, emptied, alone)


def complaints(topology: Topology, answers: Answers) -> list[str]:
    """Why the cluster is not well, a sentence for each node that is not."""
    found = [_complaint(topology.nodes[name].short, answer) for name, answer in answers.items()]
    return [text for text in [*found, _without_writer(answers)] if text]


def _without_writer(answers: Answers) -> str:
    pair = [a for a in answers.values() if isinstance(a, Description) and "pair" in a.facts]
    return "neither DC of the pair writes" if pair and not any(map(_writes, pair)) else ""


def _complaint(short: str, answer: Description | MeshError) -> str:
    if isinstance(answer, MeshError):
        return f"{short} does not answer"
    if answer.state != "Ready":
        return f"{short} is {answer.state}"
    if not answer.facts.get("whole", True):
        return f"{short} does not know yet who is where"
    if _writes(answer) and answer.facts.get("standby") != "paired":
        return f"{short} writes, and its standby {answer.facts.get('other', '')} is not in sync"
    return ""


def links_of(topology: Topology, nodes: Sequence[NodeSpec], answers: Answers) -> dict[str, set[str]]:
    """With which nodes of the cluster each of these has a link that is up, by full names."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        answer = answers.get(node.name)
        links = answer.links if isinstance(answer, Description) else []
        found[node.name] = {peer for peer, state in links if state == "up" and peer in topology.nodes}
    return found


def missing_links(topology: Topology, before: Mapping[str, set[str]], now: Mapping[str, set[str]]) -> list[str]:
    """Links that were there before a restart and are not there again: a sentence for each node."""
    lacking = {name: sorted(peers - now.get(name, set())) for name, peers in before.items()}
    return [
        f"{topology.nodes[name].short} has no link to {', '.join(topology.nodes[peer].short for peer in peers)}"
        for name, peers in lacking.items()
        if peers
    ]


def version_of(answer: Description | MeshError | None) -> str:
    """Of its code; "" when it does not say."""
    return str(answer.facts.get("version", "")) if isinstance(answer, Description) else ""
