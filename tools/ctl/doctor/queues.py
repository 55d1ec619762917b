"""What waits: for a commit, for the disk, for a log node, for a place in the world."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, Severity, at_node, more_of, relief, worse
from tools.ctl.output import brief, short
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural, sized, spell

QUEUE_MAX = 20_000  # of a DC, when the topology does not say (nodes/dc/settings.py)
QUEUED, QUEUED_MAX = 0.05, 0.5  # of it
UNFLUSHED_S, UNFLUSHED_S_MAX = 2.0, 10.0  # a cached write is to be on disk within one
WAITING_BYTES, WAITING_BYTES_MAX = 16 << 20, 48 << 20  # a log node refuses at 64 MiB
EVENTS_S, EVENTS_S_MAX = 5.0, 60.0
LOGINS, LOGINS_MAX = 64, 1000
HASHES = 0.5  # of what may wait to be checked
HASHES_MAX = 256  # when the topology does not say (nodes/login/settings.py)
UNDER_WAY, UNDER_WAY_MAX = 5_000, 15_000  # a node refuses at 20,000


def dc_queue(snapshot: Snapshot) -> Iterator[Finding]:
    """Operations do not pile up before the database."""
    most = snapshot.setting("dc", "queue_max", QUEUE_MAX)
    for view, figures in snapshot.told("dc"):
        depth, change = figures.value("dc_queue_depth") or 0.0, figures.change("dc_queue_depth") or 0.0
        if depth > QUEUED * most and change >= 0:
            text = f"{plural(depth, 'operation waits', 'operations wait')} for a commit, and they do not get fewer."
            limit = f"at most {QUEUED * most:.0f}, of {most:.0f} that it takes"
            severity = worse(depth, QUEUED_MAX * most)
            yield at_node(view, severity, text, "dc_queue_depth", depth, limit, f"mesh slowlog {view.short}")


def unflushed(snapshot: Snapshot) -> Iterator[Finding]:
    """What players did is on disk within a second or two."""
    for view, figures in snapshot.told("dc"):
        age_s = figures.value("dc_oldest_unflushed_seconds") or 0.0
        if age_s > UNFLUSHED_S:
            waiting = figures.value("dc_states_waiting") or 0.0
            states = plural(waiting, "character state waits", "character states wait")
            text = f"{states} for the disk, the oldest for {spell(age_s)}."
            limit, severity = f"at most {spell(UNFLUSHED_S)}", worse(age_s, UNFLUSHED_S_MAX)
            mend = f"mesh info {view.short}"
            yield at_node(view, severity, text, "dc_oldest_unflushed_seconds", age_s, limit, mend, "s")


def log_queue(snapshot: Snapshot) -> Iterator[Finding]:
    """Log nodes write as fast as events come."""
    for view, figures in snapshot.told("log"):
        waiting = figures.value("log_waiting_bytes") or 0.0
        if waiting > WAITING_BYTES:
            text = f"{sized(waiting)} of events wait to be written."
            limit, severity = f"at most {sized(WAITING_BYTES)}", worse(waiting, WAITING_BYTES_MAX)
            yield at_node(view, severity, text, "log_waiting_bytes", waiting, limit, relief(snapshot, view), "bytes")


def events_lag(snapshot: Snapshot) -> Iterator[Finding]:
    """Events of the behaviour log are stored within moments."""
    for view, figures in snapshot.told():
        age_s = figures.value("mesh_events_lag_seconds") or 0.0
        if age_s > EVENTS_S:
            pending = figures.value("mesh_events_pending") or 0.0
            text = f"{plural(pending, 'event waits', 'events wait')} for a log node, the oldest for {brief(age_s)}."
            limit, severity = f"at most {spell(EVENTS_S)}", worse(age_s, EVENTS_S_MAX)
            yield at_node(view, severity, text, "mesh_events_lag_seconds", age_s, limit, more_of(snapshot, "log"), "s")


def logins_waiting(snapshot: Snapshot) -> Iterator[Finding]:
    """Nobody waits for long before a login begins."""
    for view, figures in snapshot.told("gate"):
        waiting, change = figures.value("gate_logins_waiting") or 0.0, figures.change("gate_logins_waiting") or 0.0
        if waiting > LOGINS and change >= 0:
            text = f"{plural(waiting, 'login waits', 'logins wait')} for its turn, and they do not get fewer."
            limit, severity = f"at most {LOGINS}", worse(waiting, LOGINS_MAX)
            yield at_node(view, severity, text, "gate_logins_waiting", waiting, limit, more_of(snapshot, "login"))


def hashes(snapshot: Snapshot) -> Iterator[Finding]:
    """Passwords are checked as fast as they come."""
    most = snapshot.setting("login", "hash_queue_max", HASHES_MAX)
    for view, figures in snapshot.told("login"):
        pending, refused = figures.value("login_hashes_pending") or 0.0, figures.grown("login_hashes_refused_total")
        if refused or pending > HASHES * most:
            words = f", and {plural(refused, 'password was', 'passwords were')} refused unchecked" if refused else ""
            text = f"{plural(pending, 'password waits', 'passwords wait')} to be checked{words}."
            limit, mend = f"at most {HASHES * most:.0f}", relief(snapshot, view)
            severity: Severity = "critical" if refused else "warning"
            yield at_node(view, severity, text, "login_hashes_pending", pending, limit, mend)


def queue(snapshot: Snapshot) -> Iterator[Finding]:
    """Nobody waits for a place in the world."""
    for view, figures in snapshot.told("center"):
        waiting = figures.value("center_queue") or 0.0
        if waiting:
            shut = view.status.facts.get("shut", [])
            why = "the zone is full" if not shut else f"{plural(len(shut), 'scene lets', 'scenes let')} nobody new in"
            text = f"{plural(waiting, 'player waits', 'players wait')} to be let in: {why}."
            mend = "mesh pressure" if shut else "mesh lines"
            peers = tuple(short(str(name)) for name in shut)
            yield at_node(view, "warning", text, "center_queue", waiting, "0", mend, peers=peers)


def homeless(snapshot: Snapshot) -> Iterator[Finding]:
    """No player is without a scene."""
    for view, figures in snapshot.told("center"):
        count = figures.value("center_homeless") or 0.0
        if count:
            text = f"{plural(count, 'player has', 'players have')} lost the scene, and no other one has room yet."
            yield at_node(view, "critical", text, "center_homeless", count, "0", "mesh lines")


def under_way(snapshot: Snapshot) -> Iterator[Finding]:
    """Requests do not pile up inside a node."""
    for view, figures in snapshot.told():
        count = figures.value("mesh_under_way") or 0.0
        if count > UNDER_WAY:
            text = f"It works on {count:.0f} requests at once."
            limit, severity = f"at most {UNDER_WAY}", worse(count, UNDER_WAY_MAX)
            yield at_node(view, severity, text, "mesh_under_way", count, limit, f"mesh slowlog {view.short}")
