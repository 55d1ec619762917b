"""What gates and scenes say they have, held against the directory: how a center becomes whole after a restart, and how
what was lost on the way (a notice to a full link, a login that nobody waited for any more) is put right later.

Pure: answers what must be said to whom. The rules:

- a character that a scene hosts and nobody else has: it is kept, linkdead until a gate says that it has its client;
- of two sessions of one account the newer one stays, and the scene with the older one is told to drop it unsaved;
- a session that a scene should have and does not have has lost its scene, and goes on elsewhere (`rehoming.py`);
- one that departed from a scene and should be there goes back into the world there; what departed and is elsewhere is
  dropped. When it is not known where it is, it may be in the list of a scene that has not spoken yet: it waits;
- one that is on another line of its scene than it should be is there, and its gate hears of it;
- a session that a gate should have and does not have has lost its connection;
- a connection of a gate for a session that is over, or has another connection, is ended; one for a session that no
  scene has is let in like those whose scene was lost;
- a connection that is attached elsewhere than its session plays is told where that is.

A list is older than its arrival: that somebody is missing or departed there means nothing when it came there since the
list was asked for. What is too many somewhere is dropped under the account's lock, so after a transfer that is under
way, and only if the directory has it elsewhere then: it may be the copy that a transfer is about to use.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh.protocol.cluster import HostedAt, SessionAt
from mesh.protocol.sessions import Placement, account_of
from nodes.center.directory import Directory, Presence

SETTLE_S = 5.0  # a gate may need so long to hear of a login or a transfer that the center has finished


@dataclass(slots=True)
class SceneFindings:
    """What follows from a scene's list."""

    adopted: list[Presence] = field(default_factory=list)
    lost: list[Presence] = field(default_factory=list)  # still in the directory
    stale: list[tuple[str, int]] = field(default_factory=list)  # (scene, session) to be released unsaved
    departed: list[Presence] = field(default_factory=list)  # to be taken back
    moved: list[tuple[Presence, HostedAt]] = field(default_factory=list)  # on this line, and its gate has to hear it
    unknown: list[HostedAt] = field(default_factory=list)  # departed, and in the directory nowhere


@dataclass(slots=True)
class GateFindings:
    """What follows from a gate's list."""

    found: list[Presence] = field(default_factory=list)  # online again
    dropped: list[Presence] = field(default_factory=list)  # linkdead now
    elsewhere: list[Presence] = field(default_factory=list)  # to be attached anew
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
            if present.moving or present.scene != scene:
                findings.stale.append((scene, at.session))
            elif present.placed_at <= asked_at:
                _judge(findings, present, at)
        elif directory.is_over(at.session):
            # A scene that is building the newer session ends the older one by itself.
            if present is None or present.scene != scene:
                findings.stale.append((scene, at.session))
        elif at.departed:
            findings.unknown.append(at)
        else:
            if present is not None and present.scene != scene:
                findings.stale.append((present.scene, present.session))
            findings.adopted.append(adopt(directory, scene, at, now, linkdead_s))
    findings.lost = [
        p
        for p in directory.at_scene(scene)
        if p.session not in reported and p.stage != "entering" and not p.moving and p.placed_at <= asked_at
    ]
    return findings


def _judge(findings: SceneFindings, present: Presence, at: HostedAt) -> None:
    """Of a session that is on the scene where it should be. The end of its last transfer may have been lost with the
    link: then it is on another line there, or on its old one with nobody attached."""
    if at.departed:
        findings.departed.append(present)
    elif present.stage != "entering" and (
        (present.map, present.line) != (at.map, at.line) or (present.gate and not at.attached)
    ):
        findings.moved.append((present, at))


def adopt(directory: Directory, scene: str, at: HostedAt, now: float, linkdead_s: float) -> Presence:
    """Nobody else has it: it is where this scene says."""
    status = at.status
    presence = directory.adopt(at.session, status.name, status.friends, scene, at.map, at.line, now, now + linkdead_s)
    directory.learn_nonce(presence, at.nonce)
    presence.mute = status.mute
    if not at.attached:
        presence.told_at = now
    return presence


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
            if _is_elsewhere(present, at) or present.told_at > present.since - SETTLE_S:
                findings.elsewhere.append(present)
            directory.connect(present, gate, at.connection, now)
            directory.learn_nonce(present, at.nonce)
            findings.found.append(present)
        elif present.stage == "online" and (present.gate, present.connection) != (gate, at.connection):
            findings.superseded.append(at)
        elif present.stage == "online" and _is_elsewhere(present, at) and present.placed_at <= asked_at - SETTLE_S:
            findings.elsewhere.append(present)
    for present in directory.at_gate(gate):
        missing = present.session not in reported and present.since <= asked_at - SETTLE_S
        if missing and directory.drop(present.session, gate, present.connection, now, linkdead_s):
            findings.dropped.append(present)
    return findings


def _is_elsewhere(present: Presence, at: SessionAt) -> bool:
    """Does the gate think of another place? While a transfer is under way nobody can know."""
    return bool(at.scene) and not present.moving and Placement(at.scene, at.map, at.line) != present.placement
