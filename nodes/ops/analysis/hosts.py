"""What other programs than nodes take of a machine's cores: all that is in use, less what the nodes there use. Pure.

A virtual machine whose host takes cores away shows the same: the time that was stolen counts as used.
"""

import math
from collections.abc import Sequence

from nodes.ops.analysis.presence import Standing
from nodes.ops.analysis.signals import Made, Signals


def foreign_cpu(signals: Signals, standings: Sequence[Standing]) -> list[Made]:
    """For each machine whose cores are known; as a share of them. Nodes of one process show the same processor time."""
    used: dict[str, dict[str, float]] = {}
    for one in standings:
        cpu = signals.value("cpu", one.node)
        if math.isfinite(cpu):
            used.setdefault(one.host, {})[one.process] = cpu
    made = []
    for host, processes in used.items():
        subject = f"host:{host}"
        cpus, ratio = signals.value("host_cpus", subject), signals.value("host_cpu", subject)
        if cpus > 0 and math.isfinite(ratio):
            made.append(Made("foreign_cpu", subject, "", max(0.0, ratio - sum(processes.values()) / cpus)))
    return made
