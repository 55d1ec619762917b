"""A topology as other supervisors want it: a Procfile for honcho, units for systemd. Pure: a topology in, texts out.

Under honcho each line is a `keep`, because honcho ends everything when one line ends. Under systemd each process is a
service of its own, without a keep: systemd starts it again, limits it and stops all in order. Rejected: one template
unit for all processes, because the order of a stop (gates first, the DC last) is one of names.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from mesh.topology import Process, Topology
from tools.ctl.supervision import CONFIGURATION, STOP_ORDER, stage_of

OPEN_FILES = 65_536  # a gate has one for each client
STOP_S = 10  # a node takes at most 4 s
RESTART_MS = 250
HONCHO_NAME = re.compile(r"[^A-Za-z0-9_-]")
PRIVATE = "UMask=0077\nNoNewPrivileges=yes\nProtectSystem=full\n"


@dataclass(frozen=True)
class Place:
    """What the topology does not say about a machine."""

    folder: str  # the working directory
    user: str
    python: str = sys.executable


def procfile(topology: Topology, processes: list[Process], overrides: Mapping[str, str], place: Place) -> str:
    """One line for each process."""
    lines = [f"# {topology.file.name} for honcho, written by `mesh export procfile`: honcho start", "#"]
    lines += ["# honcho ends everything when one line ends, so each line keeps its node alive by itself.", ""]
    for process in processes:
        words = [place.python, "-P", "-m", "tools.ctl.keep", process.name, *_given(topology, overrides)]
        lines.append(f"{honcho_name(process)}: exec {shlex.join(words)}")
    return "\n".join(lines) + "\n"


def honcho_name(process: Process) -> str:
    """`gate1` of gate.1, `gate1_scene1` of gate.1+scene.1: what honcho takes as a name."""
    return HONCHO_NAME.sub("_", process.name.replace(".", ""))


def systemd_units(
    topology: Topology, processes: list[Process], overrides: Mapping[str, str], place: Place
) -> dict[str, str]:
    """File name -> text: a service for each process, and a target for all of them."""
    target = f"{_family(topology)}.target"
    units = {target: _target(topology, [unit_name(topology, p) for p in processes])}
    for process in processes:
        units[unit_name(topology, process)] = _service(topology, process, processes, overrides, place)
    return units


def unit_name(topology: Topology, process: Process) -> str:
    """A unit's name has no `+`."""
    return f"{_family(topology)}-{process.name.replace('+', '_')}.service"


def _family(topology: Topology) -> str:
    return f"zonemesh-{topology.runtime.name}"


def _target(topology: Topology, services: list[str]) -> str:
    return (
        "[Unit]\n"
        f"Description=zonemesh cluster {topology.runtime.name}\n"
        f"Wants={' '.join(services)}\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def _service(
    topology: Topology, process: Process, processes: list[Process], overrides: Mapping[str, str], place: Place
) -> str:
    """systemd stops in the reverse of the order in which it starts, and waits for each: so what stops later is what
    this is started after. Nodes wait for each other by themselves, so a start waits for nothing."""
    target = f"{_family(topology)}.target"
    stage = stage_of(n.role for n in process.nodes)
    later = [unit_name(topology, p) for p in processes if stage_of(n.role for n in p.nodes) > stage]
    command = [place.python, "-P", "-m", "nodes", process.name, *_given(topology, overrides)]
    return (
        "[Unit]\n"
        f"Description=zonemesh {topology.runtime.name}: {process.name}\n"
        f"PartOf={target}\n"
        "Wants=network-online.target\n"
        f"After={' '.join(['network-online.target', *later])}\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        "Type=exec\n"
        f"ExecStart={' '.join(_quoted(word) for word in command)}\n"
        f"User={place.user}\n"
        f"WorkingDirectory={_escaped(place.folder)}\n"
        "Restart=on-failure\n"
        f"RestartSec={RESTART_MS}ms\n"
        f"RestartPreventExitStatus={CONFIGURATION}\n"
        f"TimeoutStopSec={STOP_S}\n"
        f"LimitNOFILE={OPEN_FILES}\n"
        f"{PRIVATE}"
        f"{_last_to_be_killed(stage)}"
        "\n"
        "[Install]\n"
        f"WantedBy={target}\n"
    )


def _last_to_be_killed(stage: int) -> str:
    """When memory runs out, the disks go last."""
    return "OOMScoreAdjust=-500\n" if stage == len(STOP_ORDER) - 1 else ""


def _given(topology: Topology, overrides: Mapping[str, str]) -> list[str]:
    """Everything is said, so that neither the environment nor the working directory changes what it means."""
    words = ["--topology", str(topology.file), "--base-port", str(topology.base_port)]
    words += ["--runtime", str(topology.runtime)]
    for key, value in overrides.items():
        words += ["--set", f"{key}={value}"]
    return words


def _quoted(word: str) -> str:
    """For ExecStart: specifiers (%) and variables ($) mean themselves, spaces and quotes do not end a word."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped


def _escaped(path: str) -> str:
    return path.replace("%", "%%")
