"""Run nodes: the only place that knows all roles.

    python -P -m nodes gate.1 --topology FILE        one process of a topology (gate.1+scene.1: two nodes, one loop)
    python -P -m nodes check FILE                    every problem of a topology, as JSON
    python -P -m nodes dc --offline COMMAND ...      work on the files of a stopped DC (or log), as JSON
    python -P -m nodes simulate --seeds N            the whole zone on virtual time, with seeded faults

Exit codes: 0 stopped as asked, 1 failure, 2 what a restart does not mend (topology, folder, port): the message
says what; 3 it has given everything to the process that was started beside it, 4 it was started beside one that does
not answer.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from mesh import detours, failpoints, spares
from mesh.errors import MeshError, StorageError, TopologyError
from mesh.topology import ROLES, Topology, load

CLASSES = {
    "center": ("nodes.center.node", "CenterNode"),
    "dc": ("nodes.dc.node", "DcNode"),
    "log": ("nodes.log.node", "LogNode"),
    "ops": ("nodes.ops.node", "OpsNode"),
    "login": ("nodes.login.node", "LoginNode"),
    "scene": ("nodes.scene.node", "SceneNode"),
    "gate": ("nodes.gate.node", "GateNode"),
}
SETTINGS = {role: (f"nodes.{role}.settings", f"{role.capitalize()}Settings") for role in CLASSES}

USAGE_EXIT = 2
ONE_THREAD = "OPENBLAS_NUM_THREADS"
"""Of the library under numpy, which else starts a thread for each core, for work that no node has. At a start these
take a third of its processor time, from those who go on playing."""
ADD = "a process of one node that runs besides those of the file; INDEX fixes its ports"


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["check"]:
        return check(words[1:])
    if "--offline" in words:
        return offline(words)
    if words[:1] == ["simulate"]:
        return int(importlib.import_module("nodes.simulation.command").main(words[1:]))
    options = _options().parse_args(words)
    os.environ.setdefault(ONE_THREAD, "1")  # before anybody imports numpy
    if options.spare and not _is_needed(options.nodes):
        return 0
    try:
        topology = load(
            options.topology,
            base_port=options.base_port,
            runtime=options.runtime,
            overrides=_pairs(options.set),
            environment=os.environ,
            added=options.add,
        )
        process = next((p for p in topology.processes if p.name == options.nodes), None)
        if process is None:
            names = ", ".join(p.name for p in topology.processes)
            raise TopologyError([f"{options.topology}: no process {options.nodes}; there are {names}"])
        from nodes.process import run_process

        armed = failpoints.parse(os.environ.get(failpoints.VARIABLE, ""))
        ways = detours.parse(os.environ.get(detours.VARIABLE, ""))
        return run_process(topology, process, _classes(process.nodes), options.parent, armed, ways, options.beside)
    except (TopologyError, StorageError, failpoints.FailpointError, detours.DetourError) as error:
        print(str(error), file=sys.stderr)
        return USAGE_EXIT
    except MeshError as error:
        print(str(error), file=sys.stderr)
        return 1


def _is_needed(process: str) -> bool:
    """Imports what this process is made of; True when it is wanted, False when it is not and never will be."""
    roles = [node.partition(".")[0] for node in process.split("+")]
    for module in ("nodes.process", "uvloop", *(CLASSES[role][0] for role in roles if role in CLASSES)):
        importlib.import_module(module)
    return spares.is_called(sys.stdin.buffer)


def _classes(nodes: list[Any]) -> dict[str, Any]:
    return {n.role: getattr(importlib.import_module(CLASSES[n.role][0]), CLASSES[n.role][1]) for n in nodes}


def _pairs(items: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (item.partition("=") for item in items)}


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodes", description="Run one process of a topology.")
    parser.add_argument("nodes", help="the process, such as gate.1 or gate.1+scene.1")
    parser.add_argument("--topology", type=Path, required=True)
    parser.add_argument("--base-port", type=int)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="ROLE.KEY=VALUE")
    parser.add_argument("--add", action="append", default=[], metavar="INDEX:NODE[@ZONE]", help=ADD)
    parser.add_argument("--beside", action="store_true", help="take over from the process that is this one still")
    parser.add_argument("--spare", action="store_true", help="wait on stdin for the word that it is needed")
    parser.add_argument("--parent", type=int, help="stop when this process is gone")
    return parser


def check(words: list[str]) -> int:
    """All problems of a topology, settings of the roles included, as {"problems": [...]}."""
    from mesh.settings import settings_of

    options = argparse.ArgumentParser(prog="nodes check")
    options.add_argument("file", type=Path)
    options.add_argument("--base-port", type=int)
    options.add_argument("--runtime", type=Path)
    options.add_argument("--set", action="append", default=[])
    options.add_argument("--add", action="append", default=[])
    options.add_argument("--json", action="store_true")
    given = options.parse_args(words)
    problems: list[str] = []
    topology: Topology | None = None
    try:
        overrides = _pairs(given.set)
        topology = load(
            given.file,
            base_port=given.base_port,
            runtime=given.runtime,
            overrides=overrides,
            environment=os.environ,
            added=given.add,
        )
    except TopologyError as error:
        problems += error.problems
    tables = topology.settings if topology is not None else _raw_settings(given.file)
    for role in ROLES:
        module, name = SETTINGS[role]
        try:
            settings_of(getattr(importlib.import_module(module), name), role, tables, str(given.file))
        except TopologyError as error:
            problems += error.problems
    print(json.dumps({"problems": problems}))
    return USAGE_EXIT if problems else 0


def _raw_settings(file: Path) -> dict[str, dict[str, Any]]:
    """The settings of a file that has other mistakes, so that all are shown at once."""
    import tomllib

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("settings", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    return {role: t for role, t in tables.items() if isinstance(t, dict)} if isinstance(tables, dict) else {}


def offline(words: list[str]) -> int:
    """Hand over to the role's own offline commands."""
    role = words[0]
    if role not in ("dc", "log"):
        print(f"{role} has no files of its own; dc and log have", file=sys.stderr)
        return USAGE_EXIT
    return int(importlib.import_module(f"nodes.{role}.offline").main([w for w in words[1:] if w != "--offline"]))


if __name__ == "__main__":
    sys.exit(main())
