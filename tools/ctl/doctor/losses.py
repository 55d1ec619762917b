"""What is lost, refused or makes no sense: sends, batches, events, questions, messages, figures, connections."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, at_node, more_of, relief, worse
from tools.ctl.output import short
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural, shown, spell

SAME = "no more than before"
REFUSED_MAX = 100  # sends in a second
DROPPED, DROPPED_MIN = 0.01, 50  # of a gate's frames; of clients who do not read fast enough there are always some
CUT, CUT_MIN = 0.01, 5  # of the clients
CHURN, CHURN_MIN = 0.02, 10.0  # connections that end in a second, of the clients
MALFORMED = ("mesh_malformed_total", "gate_malformed_batches_total", "scene_malformed_total", "mesh_misaddressed_total")


def refused_sends(snapshot: Snapshot) -> Iterator[Finding]:
    """Links take what is said on them."""
    for view, figures in snapshot.told():
        rate = figures.rate("mesh_refused_sends_total") or 0.0
        if rate:
            text = f"{shown(rate, '/s')} of its messages found no link, or one that was full."
            severity, mend = worse(rate, REFUSED_MAX), f"mesh info {view.short}"
            yield at_node(view, severity, text, "mesh_refused_sends_total", rate, SAME, mend, "/s")


def dropped(snapshot: Snapshot) -> Iterator[Finding]:
    """Movement and what goes with it reaches gates and clients."""
    for view, figures in snapshot.told("scene"):
        names = ("scene_updates_dropped_total", "scene_bulk_dropped_total")
        count = sum(figures.grown(name) or 0.0 for name in names)
        if count:
            text = f"{plural(count, 'batch', 'batches')} for gates found a link that was full."
            yield at_node(view, "warning", text, " + ".join(names), count, SAME, relief(snapshot, view))
    for view, figures in snapshot.told("gate"):
        count, sent = figures.grown("gate_dropped_total") or 0.0, figures.grown("gate_frames_sent_total") or 0.0
        if count >= DROPPED_MIN and count > DROPPED * sent:
            lanes = figures.grown_by("lane", "gate_dropped_total")
            most = max(lanes, key=lanes.__getitem__)
            text = f"{count:.0f} messages for clients were dropped, most of them {most}."
            limit, mend = f"at most {shown(DROPPED, 'share')} of the frames", relief(snapshot, view)
            yield at_node(view, "warning", text, "gate_dropped_total", count, limit, mend)


def events_dropped(snapshot: Snapshot) -> Iterator[Finding]:
    """No event of the behaviour log is lost."""
    for view, figures in snapshot.told():
        count, ever = figures.grown("mesh_events_dropped_total") or 0.0, figures.value("mesh_events_dropped_total")
        if count:
            text = f"{plural(count, 'event')} of the behaviour log found no room: lost for good."
            yield at_node(view, "critical", text, "mesh_events_dropped_total", count, SAME, more_of(snapshot, "log"))
        elif ever:
            text = f"Since its start {plural(ever, 'event')} of the behaviour log found no room; now they find it."
            yield at_node(view, "note", text, "mesh_events_dropped_total", ever, "0", "mesh events --losses")
    for view, figures in snapshot.told("log"):
        count = figures.grown("log_refused_total") or 0.0
        if count:
            text = f"It has refused {plural(count, 'batch', 'batches')} of events; their senders keep them."
            yield at_node(view, "warning", text, "log_refused_total", count, SAME, relief(snapshot, view))


def breakers(snapshot: Snapshot) -> Iterator[Finding]:
    """Every node asks whom it needs."""
    for view, figures in snapshot.told():
        peers = tuple(sorted(map(short, figures.by("peer", "mesh_breaker_open"))))
        if peers:
            messages = ", ".join(sorted(figures.by("message", "mesh_breaker_open")))
            text = f"It does not ask {', '.join(peers)} for a while ({messages}), as no answer came lately."
            mend, count = f"mesh info {peers[0]}", figures.value("mesh_breaker_open") or 0.0
            yield at_node(view, "warning", text, "mesh_breaker_open", count, "0", mend, peers=peers)


def saves(snapshot: Snapshot) -> Iterator[Finding]:
    """The DC takes what scenes save."""
    for view, figures in snapshot.told("scene"):
        count = figures.grown("scene_saves_failed_total") or 0.0
        if count:
            text = f"{plural(count, 'character state')} could not be saved, to be sent again."
            mend = f"mesh info {snapshot.first('dc')}"
            yield at_node(view, "warning", text, "scene_saves_failed_total", count, SAME, mend)


def malformed(snapshot: Snapshot) -> Iterator[Finding]:
    """Nodes understand what they say to each other."""
    for view, figures in snapshot.told():
        count = sum(figures.grown(name) or 0.0 for name in MALFORMED)
        if count:
            text = f"It has heard {plural(count, 'message')} without sense, or meant for somebody else."
            yield at_node(view, "warning", text, "mesh_malformed_total", count, SAME, "mesh upgrade")


def figures_told(snapshot: Snapshot) -> Iterator[Finding]:
    """Every node tells figures that make sense."""
    for view in snapshot.answering:
        if view.problem:
            yield at_node(
                view, "warning", f"It answers, but {view.problem}.", "series", 0, "some", f"mesh restart {view.short}"
            )
    for view, figures in snapshot.told():
        failed = figures.grown("mesh_figures_failed_total") or 0.0
        if failed:
            text = f"{plural(failed, 'figure')} of it could not be read."
            mend = f"mesh logs {view.short} -n 50"
            yield at_node(view, "warning", text, "mesh_figures_failed_total", failed, SAME, mend)
    for view, figures in snapshot.told("ops"):
        refused = {of: count for of, count in figures.grown_by("of", "ops_refused_total").items() if count}
        if refused:
            text = f"The figures of {', '.join(sorted(refused))} make no sense, and are left out."
            mend = f"mesh restart {min(refused)}"
            yield at_node(
                view, "warning", text, "ops_refused_total", sum(refused.values()), SAME, mend, peers=tuple(refused)
            )


def labels(snapshot: Snapshot) -> Iterator[Finding]:
    """No metric has more labels than anybody can look at."""
    for view, figures in snapshot.told():
        refused = figures.by("metric", "mesh_metric_series_refused")
        if refused:
            names = ", ".join(sorted(refused))
            text = f"{names}: too many label values; those above the limit are left out."
            count = sum(refused.values())
            yield at_node(view, "warning", text, "mesh_metric_series_refused", count, "0", f"mesh info {view.short}")


def connections(snapshot: Snapshot) -> Iterator[Finding]:
    """Clients stay connected, and read what they are sent."""
    for view, figures in snapshot.told("gate"):
        clients = figures.value("gate_clients") or 0.0
        rate = figures.rate("gate_disconnections_total") or 0.0
        if rate > CHURN_MIN and rate > CHURN * clients:
            reasons = figures.grown_by("reason", "gate_disconnections_total")
            most = max(reasons, key=reasons.__getitem__)
            text = f"{rate:.0f} of its {plural(clients, 'connection')} end in a second, most of them as {most}."
            limit, mend = f"at most {shown(CHURN, 'share')} of them", "mesh events -k disconnected"
            yield at_node(view, "warning", text, "gate_disconnections_total", rate, limit, mend, "/s")
        cut = figures.grown("gate_slow_readers_total") or 0.0
        if cut >= CUT_MIN and cut > CUT * clients:
            text = f"{cut:.0f} clients were cut off within {spell(figures.seconds)}, as they did not read."
            limit, mend = f"at most {shown(CUT, 'share')} of them", "mesh events -k disconnected"
            yield at_node(view, "warning", text, "gate_slow_readers_total", cut, limit, mend)
