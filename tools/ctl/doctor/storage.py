"""Disks and the database on them."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, at_host, at_node, relief, worse
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import shown, sized, spell

COMMIT, COMMIT_S, COMMIT_S_MAX = "dc_commit_seconds", 0.1, 0.5
WRITE, WRITE_S, WRITE_S_MAX = "log_write_seconds", 0.25, 1.0
WRITES_MIN = 3
MAP_BYTES_MAX = 64 << 30  # when the topology does not say (nodes/dc/settings.py)
MAP, MAP_MAX = 0.8, 0.95
READERS = 0.5
DISK, DISK_MAX = 0.1, 0.03  # of the disk free; on a large one so many bytes are enough
DISK_BYTES, DISK_BYTES_MAX = 20e9, 2e9
BUSY = 0.9


def disk_full(snapshot: Snapshot) -> Iterator[Finding]:
    """There is room on the disks for what is to be written."""
    folder = snapshot.topology.runtime
    for view, figures in snapshot.told():
        refused = figures.grown("log_disk_full_total") or 0.0
        if figures.value("dc_disk_full") or refused:
            metric = "log_disk_full_total" if refused else "dc_disk_full"
            text = "There is no room left on its disk: what is to be kept is refused."
            mend = f"df -h {folder}    # on {view.host}; it goes on by itself when there is room"
            yield at_node(view, "critical", text, metric, refused or 1.0, "0", mend)


def disk_space(snapshot: Snapshot) -> Iterator[Finding]:
    """Disks are far from full."""
    for view, figures in snapshot.machines():
        free, size = figures.value("host_disk_free_bytes"), figures.value("host_disk_bytes")
        if free is None or not size:
            continue
        is_low = free < DISK_BYTES and free < DISK * size
        if is_low:
            share = shown(free / size, "share")
            text = f"{sized(free)} are free on the disk of {snapshot.topology.runtime}, {share} of it."
            is_critical = free < DISK_BYTES_MAX and free < DISK_MAX * size
            limit = f"at least {shown(DISK, 'share')} or {sized(DISK_BYTES)}"
            mend = f"df -h {snapshot.topology.runtime}    # on {view.host}"
            severity = worse(is_critical, 0)
            yield at_host(view, severity, text, "host_disk_free_bytes", free, limit, mend, "bytes")


def disk_busy(snapshot: Snapshot) -> Iterator[Finding]:
    """Disks have time to spare."""
    for view, figures in snapshot.machines():
        busy = figures.rate("host_disk_busy_seconds_total")
        if busy is not None and busy > BUSY:
            text = f"Its disks were at work for {shown(busy, 'share')} of the time, all together."
            limit, mend = f"at most {shown(BUSY, 'share')}", f"mesh info {_writer_on(snapshot, view.host)}"
            yield at_host(view, "note", text, "host_disk_busy_seconds_total", busy, limit, mend, "share")


def _writer_on(snapshot: Snapshot, host: str) -> str:
    """Who writes most of all that is on a machine."""
    there = {view.role: view.short for view in snapshot.nodes if view.host == host}
    return there.get("dc") or there.get("log") or next(iter(there.values()))


def commits(snapshot: Snapshot) -> Iterator[Finding]:
    """The disk of the DC takes commits within moments."""
    for view, figures in snapshot.told("dc"):
        took_s = figures.quantile(0.95, COMMIT)
        if took_s is not None and took_s > COMMIT_S and figures.times(COMMIT) >= WRITES_MIN:
            text = f"One commit in twenty takes {spell(took_s)} or longer: everybody who trades or loots waits for it."
            limit, severity = f"at most {spell(COMMIT_S)}", worse(took_s, COMMIT_S_MAX)
            yield at_node(view, severity, text, f"{COMMIT} p95", took_s, limit, f"mesh info {view.short}", "s")


def log_writes(snapshot: Snapshot) -> Iterator[Finding]:
    """The disks of log nodes take events within moments."""
    for view, figures in snapshot.told("log"):
        took_s = figures.quantile(0.95, WRITE)
        if took_s is not None and took_s > WRITE_S and figures.times(WRITE) >= WRITES_MIN:
            text = f"One write in twenty takes {spell(took_s)} or longer."
            limit, severity = f"at most {spell(WRITE_S)}", worse(took_s, WRITE_S_MAX)
            yield at_node(view, severity, text, f"{WRITE} p95", took_s, limit, relief(snapshot, view), "s")


def lmdb_map(snapshot: Snapshot) -> Iterator[Finding]:
    """The database may still grow."""
    most = snapshot.setting("dc", "map_bytes_max", MAP_BYTES_MAX)
    for view, figures in snapshot.told("dc"):
        used, mapped = figures.value("dc_used_bytes") or 0.0, figures.value("dc_map_bytes") or 0.0
        end = mapped if 2 * mapped > most else most  # it is doubled, or not at all
        if mapped and used > MAP * end:
            text = f"Its database has {sized(used)}, and may not become larger than {sized(end)}."
            mend = f"mesh restart {view.short}    # after raising settings.dc.map_bytes_max in the topology"
            severity, limit = worse(used / end, MAP_MAX), f"at most {shown(MAP, 'share')} of {sized(end)}"
            yield at_node(view, severity, text, "dc_used_bytes", used, limit, mend, "bytes")


def lmdb_readers(snapshot: Snapshot) -> Iterator[Finding]:
    """Nobody who is gone holds a place among the readers of the database."""
    for view, figures in snapshot.told("dc"):
        taken, most = figures.value("dc_reader_slots") or 0.0, figures.value("dc_reader_slots_max") or 0.0
        stale = figures.value("dc_stale_readers") or 0.0
        if stale or (most and taken > READERS * most):
            who = f"{stale:.0f} of them by readers that are gone" if stale else "by readers that may be gone"
            text = f"{taken:.0f} of {most:.0f} places for readers are taken, {who}: the file grows meanwhile."
            metric, value = ("dc_stale_readers", stale) if stale else ("dc_reader_slots", taken)
            limit = "0" if stale else f"at most {READERS * most:.0f}"
            yield at_node(view, "warning", text, metric, value, limit, f"mesh restart {view.short}")
