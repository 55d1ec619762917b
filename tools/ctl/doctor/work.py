"""How hard the nodes work: loops, processors, ticks, what is left out under pressure, mistakes."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, at_node, relief, worse
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural, shown, spell

LAG, LAG_SHARE = "mesh_loop_lag_seconds", 0.9
LAG_S, LAG_S_MAX = 0.05, 0.25  # of one look in ten: an attack passes four loops, and is to take less than 150 ms
LOOKS_MIN = 5
CPU, CPU_SHARE = "process_cpu_seconds_total", 0.9  # of a core: one process has one loop
GC_SHARE = 0.1
TICKS_MIN = 10
SKIPPED, SKIPPED_MAX = 0.05, 0.25  # of the ticks
TICK_SHARE = 0.8  # of the time between two ticks


def loop_lag(snapshot: Snapshot) -> Iterator[Finding]:
    """The loops of all processes come round in time."""
    for view, figures in snapshot.processes():
        late_s = figures.quantile(LAG_SHARE, LAG)
        if late_s is not None and late_s > LAG_S and figures.times(LAG) >= LOOKS_MIN:
            text = f"Its loop is late: one look in ten found it {spell(late_s)} behind or more."
            mend = relief(snapshot, view)
            yield at_node(
                view, worse(late_s, LAG_S_MAX), text, f"{LAG} p90", late_s, f"at most {spell(LAG_S)}", mend, "s"
            )


def pauses(snapshot: Snapshot) -> Iterator[Finding]:
    """No process stood still."""
    for view, figures in snapshot.processes():
        count = figures.grown("mesh_pauses_total") or 0.0
        if count:
            text = "It stood still for more than a second: it was stopped, or got no processor."
            limit, mend = "no more than before", f"mesh logs {view.short} -n 50"
            yield at_node(view, "critical", text, "mesh_pauses_total", count, limit, mend)


def cpu(snapshot: Snapshot) -> Iterator[Finding]:
    """No process uses a whole core."""
    for view, figures in snapshot.processes():
        used = figures.rate(CPU)
        if used is not None and used > CPU_SHARE:
            text = f"Its process uses {shown(used, 'share')} of a core, and its loop can have one."
            limit = f"at most {shown(CPU_SHARE, 'share')}"
            yield at_node(view, "warning", text, CPU, used, limit, relief(snapshot, view), "share")


def collections(snapshot: Snapshot) -> Iterator[Finding]:
    """Looking for cycles takes no time worth mentioning."""
    for view, figures in snapshot.processes():
        share = figures.rate("process_gc_seconds_total")
        if share is not None and share > GC_SHARE:
            text = f"It spends {shown(share, 'share')} of its time on looking for cycles of objects."
            limit, mend = f"at most {shown(GC_SHARE, 'share')}", relief(snapshot, view)
            yield at_node(view, "warning", text, "process_gc_seconds_total", share, limit, mend, "share")


def ticks(snapshot: Snapshot) -> Iterator[Finding]:
    """Scenes tick in time."""
    period_s = 1 / snapshot.setting("scene", "tick_hz", 10.0)
    for view, figures in snapshot.told("scene"):
        done, skipped = figures.grown("scene_ticks_total") or 0.0, figures.grown("scene_ticks_skipped_total") or 0.0
        if done + skipped < TICKS_MIN:
            continue
        share = skipped / (done + skipped)
        if share > SKIPPED:
            text = f"It left out {skipped:.0f} of {done + skipped:.0f} ticks, as those before them were late."
            limit = f"at most {shown(SKIPPED, 'share')}"
            severity, mend = worse(share, SKIPPED_MAX), relief(snapshot, view)
            yield at_node(view, severity, text, "scene_ticks_skipped_total", share, limit, mend, "share")
            continue
        tick_s = figures.mean("scene_tick_seconds")
        if tick_s is not None and tick_s > TICK_SHARE * period_s:
            text = f"Its ticks take {spell(tick_s)} of the {spell(period_s)} that they have."
            limit = f"at most {spell(TICK_SHARE * period_s)}"
            yield at_node(view, "warning", text, "scene_tick_seconds mean", tick_s, limit, relief(snapshot, view), "s")


def dilation(snapshot: Snapshot) -> Iterator[Finding]:
    """Time in the game goes as fast as outside."""
    for view, figures in snapshot.told("scene"):
        rate = figures.value("scene_dilation")
        if rate is not None and rate < 1:
            text = f"Time goes slower on it: {shown(rate, 'share')} of a second in a second."
            mend = relief(snapshot, view)
            yield at_node(view, "warning", text, "scene_dilation", rate, "100 %", mend, "share")


def levels(snapshot: Snapshot) -> Iterator[Finding]:
    """No node leaves anything out."""
    for view, figures in snapshot.told():
        level = figures.value("mesh_level") or 0.0
        said = view.status.facts.get("pressure", {})
        if level and not said.get("pinned"):
            why = f": {said['reason']}" if said.get("reason") else ""
            text = f"It leaves out what level {level:.0f} ({said.get('name', '?')}) says{why}."
            yield at_node(view, "warning", text, "mesh_level", level, "0", relief(snapshot, view))


def pinned(snapshot: Snapshot) -> Iterator[Finding]:
    """No operator holds a node at a level."""
    for view in snapshot.answering:
        said = view.status.facts.get("pressure", {})
        if said.get("pinned"):
            level = float(said.get("level", 0))
            text = f"An operator holds it at level {level:.0f} ({said.get('name', '?')}), whatever its pressure."
            mend = f"mesh pressure {view.short} --level auto"
            yield at_node(view, "warning", text, "mesh_level", level, "as the pressure says", mend)


def admission(snapshot: Snapshot) -> Iterator[Finding]:
    """No node refuses newcomers."""
    for view, figures in snapshot.told():
        if figures.value("mesh_admission_shut"):
            text = "It refuses newcomers, as those who are here wait for too long."
            yield at_node(view, "critical", text, "mesh_admission_shut", 1, "0", relief(snapshot, view))


def slow_answers(snapshot: Snapshot) -> Iterator[Finding]:
    """Nodes answer in time."""
    for view, figures in snapshot.told():
        late = sum(
            figures.grown(name) or 0.0
            for name in ("mesh_given_up_total", "mesh_overdue_total", "mesh_late_answers_total")
        )
        if late:
            text = f"{plural(late, 'request')} had no answer before the asker's time was over."
            metric, limit = "mesh_given_up_total + overdue + late", "no more than before"
            yield at_node(view, "warning", text, metric, late, limit, f"mesh slowlog {view.short}")


def errors(snapshot: Snapshot) -> Iterator[Finding]:
    """No handler fails by a mistake in the code."""
    for view, figures in snapshot.told():
        count = figures.grown("mesh_errors_total") or 0.0
        if count:
            text = f"{plural(count, 'handler')} failed by a mistake in the code; the log has the places."
            limit, mend = "no more than before", f"mesh logs {view.short} -n 200"
            yield at_node(view, "critical", text, "mesh_errors_total", count, limit, mend)


def log_errors(snapshot: Snapshot) -> Iterator[Finding]:
    """Nobody logs errors."""
    for view, figures in snapshot.processes():
        by_level = figures.grown_by("level", "mesh_log_lines_total")
        count = by_level.get("ERROR", 0.0) + by_level.get("CRITICAL", 0.0)
        if count:
            text = f"It has logged {plural(count, 'error')} within {spell(figures.seconds)}."
            metric, limit = "mesh_log_lines_total{level=ERROR}", "no more than before"
            yield at_node(view, "warning", text, metric, count, limit, f"mesh logs {view.short} -n 50")
