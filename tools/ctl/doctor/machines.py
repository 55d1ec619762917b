"""The machines below the nodes: processors, memory, descriptors, and bots that share them."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, at_host, at_node, relief, worse
from tools.ctl.output import brief
from tools.ctl.snapshot.figures import Figures
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural, shown, sized

CPU = "host_cpu_seconds_total"
STOLEN, STOLEN_MAX = 0.05, 0.2
BUSY = 0.95
MEMORY, MEMORY_MAX = 0.1, 0.04  # of it available
RESIDENT = "process_resident_memory_bytes"
OWN = 0.5  # of the memory of the machine, by one process
GROWN_BYTES, GROWN_LEFT_S = 32e6, 600.0  # within the snapshot; until all is used up at this rate
DESCRIPTORS, DESCRIPTORS_MAX = 0.8, 0.95
BOTS = 0.9  # of a core


def stolen(snapshot: Snapshot) -> Iterator[Finding]:
    """The machines have their processors for themselves."""
    for view, figures in snapshot.machines():
        share = _share(figures, "stolen")
        if share > STOLEN:
            text = f"The machine below it gave {shown(share, 'share')} of its processor time to others."
            limit, severity = f"at most {shown(STOLEN, 'share')}", worse(share, STOLEN_MAX)
            mend = f"mesh check {snapshot.topology.file}    # after moving processes to another `host`"
            yield at_host(view, severity, text, f"{CPU}{{mode=stolen}}", share, limit, mend, "share")


def host_cpu(snapshot: Snapshot) -> Iterator[Finding]:
    """The machines have processor time to spare."""
    for view, figures in snapshot.machines():
        busy = 1.0 - _share(figures, "idle", "iowait")
        if busy > BUSY and figures.grown(CPU):
            cores = plural(figures.value("host_cpus") or 1, "processor")
            text = f"It has {cores}, busy {shown(busy, 'share')} of the time."
            limit = f"at most {shown(BUSY, 'share')}"
            yield at_host(view, "warning", text, CPU, busy, limit, "mesh top    # c sorts by processor", "share")


def _share(figures: Figures, *modes: str) -> float:
    """Of the time of all processors."""
    grown = figures.grown_by("mode", CPU)
    every = sum(grown.values())
    return sum(grown.get(mode, 0.0) for mode in modes) / every if every else 0.0


def host_memory(snapshot: Snapshot) -> Iterator[Finding]:
    """The machines have memory to spare."""
    for view, figures in snapshot.machines():
        free, size = figures.value("host_memory_available_bytes"), figures.value("host_memory_bytes")
        if free is not None and size and free < MEMORY * size:
            text = f"{sized(free)} of {sized(size)} of memory can still be had."
            limit, severity = f"at least {shown(MEMORY, 'share')}", worse(-free, -MEMORY_MAX * size)
            mend = "mesh top    # m sorts by memory"
            yield at_host(view, severity, text, "host_memory_available_bytes", free, limit, mend, "bytes")


def memory(snapshot: Snapshot) -> Iterator[Finding]:
    """No process grows until all memory is used up."""
    machines = {view.host: figures for view, figures in snapshot.machines()}
    for view, figures in snapshot.processes():
        machine = machines.get(view.host)
        used, grown = figures.value(RESIDENT), figures.change(RESIDENT) or 0.0
        if machine is None or used is None:
            continue
        size = machine.value("host_memory_bytes") or 0.0
        left = machine.value("host_memory_available_bytes") or 0.0
        left_s = left * figures.seconds / grown if grown > 0 else GROWN_LEFT_S
        mend = f"mesh restart {view.short}"
        if grown > GROWN_BYTES and left_s < GROWN_LEFT_S:
            text = f"Its process grew by {sized(grown)}; at this rate all memory is used up in {brief(left_s)}."
            limit = f"not within {brief(GROWN_LEFT_S)}"
            yield at_node(view, "critical", text, RESIDENT, used, limit, mend, "bytes")
        elif size and used > OWN * size:
            text = f"Its process has {sized(used)}, {shown(used / size, 'share')} of the machine's memory."
            yield at_node(view, "warning", text, RESIDENT, used, f"at most {sized(OWN * size)}", mend, "bytes")


def descriptors(snapshot: Snapshot) -> Iterator[Finding]:
    """No process is about to run out of descriptors."""
    for view, figures in snapshot.processes():
        used, most = figures.value("process_open_fds") or 0.0, figures.value("process_max_fds") or 0.0
        if most and used > DESCRIPTORS * most:
            text = f"{used:.0f} of its {most:.0f} descriptors are in use; then nobody can connect any more."
            limit, severity = f"at most {DESCRIPTORS * most:.0f}", worse(used / most, DESCRIPTORS_MAX)
            yield at_node(view, severity, text, "process_open_fds", used, limit, relief(snapshot, view))


def bots(snapshot: Snapshot) -> Iterator[Finding]:
    """No bots on this machine measure only themselves."""
    for process in snapshot.bots:
        if process.cpu > BOTS:
            used = shown(process.cpu, "share")
            text = f"Its process {process.pid} uses {used} of a core: the bots are the bottleneck."
            mend = f"mesh bots --processes {len(snapshot.bots) + 1}"
            yield Finding(
                "warning", "mesh bots", text, "processor time", process.cpu, f"at most {shown(BOTS, 'share')}", mend,
                "share", host=snapshot.here,
            )  # fmt: skip
            return
