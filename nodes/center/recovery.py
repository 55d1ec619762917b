"""What gates and scenes say they have, held against the directory: how a center becomes whole after a restart, and how
what was lost on the way (a notice to a full link, a login that nobody waited for any more) is put right later.

Pure: answers what must be said to whom. The rules:

- a character that a scene hosts and nobody else has: it is kept, linkdead until a gate says that it has its client;
- of two sessions of one account the newer one stays, and the scene with the older one is told to drop it unsaved;
- a session that a scene should have and does not have is lost;
- a session that a gate should have and does not have has lost its connection;
- a connection of a gate for a session that is not in the zone, or has another connection, is ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh.protocol.cluster import HostedAt, SessionAt, account_of
from nodes.center.directory import Directory, Presence

SETTLE_S = 5.0  # a gate may need so long to hear of a login that the center has finished


@dataclass(slots=True)
class SceneFindings:
    """What follows from a scene's list."""

    adopted: list[Presence] = field(default_factory=list)
    lost: list[Presence] = field(default_factory=list)  # still in the directory
    stale: list[tuple[str, int]] = field(default_factory=list)  # (scene, session) to be released unsaved


@dataclass(slots=True)
class GateFindings:
    """What follows from a gate's list."""

    found: list[Presence] = field(default_factory=list)  # online again
    dropped: list[Presence] = field(default_factory=list)  # linkdead now
    strangers: list[SessionAt] = field(default_factory=list)  # whose session is not in the zone
    superseded: list[SessionAt] = field(default_factory=list)  # whose session has another connection


def compare_scene(
    directory: Directory, scene: str, hosted: Iterable[HostedAt], asked_at: float, now: float, linkdead_s: float
) -> SceneFindings:
    """Hold the list of a scene, asked for at `asked_at`, against the directory."""
    findings = SceneFindings()
    reported: set[int] = set()
    for at in hosted:
        reported.add(at.session)
        present = directory.of_account(account_of(at.session))
        if present is not None and present.session == at.session:
            if present.scene != scene:
                findings.stale.append((scene, at.session))
        elif directory.is_over(at.session):
            # A scene that is building the newer session ends the older one by itself.
            if present is None or present.scene != scene:
                findings.stale.append((scene, at.session))
        else:
            if present is not None and present.scene != scene:
                findings.stale.append((present.scene, present.session))
            status = at.status
            findings.adopted.append(
                directory.adopt(at.session, status.name, status.friends, scene, at.map, at.line, now, now + linkdead_s)
            )
    findings.lost = [
        p
        for p in directory.at_scene(scene)
        if p.session not in reported and p.stage != "entering" and p.since <= asked_at
    ]
    return findings


def compare_gate(
    directory: Directory, gate: str, sessions: Iterable[SessionAt], asked_at: float, now: float, linkdead_s: float
) -> GateFindings:
    """Hold the list of a gate, asked for at `asked_at`, against the directory."""
    findings = GateFindings()
    reported: set[int] = set()
    for at in sessions:
        reported.add(at.session)
        present = directory.of_session(at.session)
        if present is None:
            findings.strangers.append(at)
        elif present.stage == "linkdead" and not present.gate:
            directory.connect(present, gate, at.connection, now)
            findings.found.append(present)
        elif present.stage == "online" and (present.gate, present.connection) != (gate, at.connection):
            findings.superseded.append(at)
    for present in directory.at_gate(gate):
        missing = present.session not in reported and present.since <= asked_at - SETTLE_S
        if missing and directory.drop(present.session, gate, present.connection, now, linkdead_s):
            findings.dropped.append(present)
    return findings
