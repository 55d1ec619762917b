"""Where the commands of `mesh db` find a database: in the folder of a stopped DC, or in a copy of a running one.

A running DC is never read by anybody else: it is asked for a backup, and that is read. So a check of a database that
players use is a check of one moment of it, costs them nothing, and needs room on the disk for the copy.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mesh.errors import MeshError
from mesh.protocol.control import Describe, Description
from mesh.protocol.records import BackUpDb, DbStat
from mesh.topology import NodeSpec, Topology
from tools.ctl import clusters
from tools.ctl.asking import ANSWER_S, ask_long, gather
from tools.ctl.clusters import Running
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment
from tools.ctl.output import say
from tools.ctl.processes import is_local

COPY_S = 3600.0  # a large database at a low rate
COPIES = "copies"  # in the runtime folder: each in a folder named after the process that looks at it
DATA_FILE = "data.mdb"
BACKUPS = "backups"  # the same: what `mesh db backup` makes when it is not told where


def dc_of(topology: Topology) -> NodeSpec:
    """The DC whose folder is meant: the first of the file."""
    return topology.of_role("dc")[0]


def dcs_of(topology: Topology) -> list[NodeSpec]:
    """That one, and the other of its pair when it has a standby: what is put into the place of the one's database has
    to be put into the other's, too, or the older of the two would come back."""
    one, standbys = dc_of(topology), topology.standbys
    others = standbys | {standby: name for name, standby in standbys.items()}
    return [one, topology.node(others[one.name])] if one.name in others else [one]


def data_of(topology: Topology) -> Path:
    """The folder of a stopped DC; of a pair that of the one that is further: it has written last."""
    folders = [topology.data(node) for node in dcs_of(topology) if is_local(node.host)]
    there = [folder for folder in folders if (folder / DATA_FILE).exists()]
    if len(there) < 2:
        return there[0] if there else topology.data(dc_of(topology))
    return max(there, key=_position)


def _position(data: Path) -> tuple[int, int]:
    """Epoch and number of its newest transaction; one that cannot be read, or is no whole, is behind every other."""
    try:
        found, _ = run_offline("dc", "get", data, ["meta"])
    except CommandError as error:
        say(f"mesh: {error}")
        return -1, 0
    row: dict[str, int] = next(iter(found["rows"]), {})
    return row.get("epoch", -1), row.get("batch", 0)


def stopped(name: str | None, environment: Environment) -> Topology:
    """Of a cluster that does not run, whether it ever did or not; CommandError when it runs."""
    try:
        topology, running = clusters.find_or_load(name, environment)
    except CommandError as error:
        if error.exit_code is not Exit.NOT_FOUND:
            raise
        return clusters.load(name or clusters.DEFAULT_TOPOLOGY, environment=environment)
    if running:
        raise CommandError(f"the database of {running.label} is in use: first `mesh down {running.label}`")
    return topology


def ask_for_copy(topology: Topology, said: BackUpDb) -> dict[str, Any]:
    """What the DC says that writes, of a pair. It may take an hour, in which it must show that it is alive."""
    node = asyncio.run(_writing(topology))
    try:
        return asyncio.run(ask_long(topology, node, said, DbStat, COPY_S)).facts
    except KeyboardInterrupt:
        say(f"mesh: {node.short} goes on with the copy into {said.folder}, and makes no other one before its end")
        raise


async def _writing(topology: Topology) -> NodeSpec:
    """The DC that writes; the error of the first when none answers."""
    nodes = {node.name: node for node in dcs_of(topology)}
    answers = await gather(topology, list(nodes), Describe(), Description, ANSWER_S)
    there = {name: answer for name, answer in answers.items() if isinstance(answer, Description)}
    for name, answer in there.items():
        if answer.facts.get("pair", "writer") == "writer":
            return nodes[name]
    if there:
        raise CommandError(
            f"no DC writes at the moment: {', '.join(nodes[name].short for name in there)}; `mesh status` says why",
            Exit.UNHEALTHY,
        )
    raise next(answer for answer in answers.values() if isinstance(answer, MeshError))


@contextmanager
def readable(topology: Topology, running: Running | None) -> Iterator[tuple[Path, list[str]]]:
    """A folder with a database that holds still, and the options that say what it is."""
    if running is None:
        yield data_of(topology), []
        return
    if not is_local(dc_of(topology).host):
        raise CommandError(f"the DC runs on {dc_of(topology).host}: call this there")
    copies = topology.runtime / COPIES
    _clear(copies)
    folder = copies / str(os.getpid())
    say("mesh: the database is in use: a copy of it, as it is now, is looked at")
    try:
        ask_for_copy(topology, BackUpDb(str(folder.absolute()), kept=False))
        yield folder, ["--backup"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _clear(copies)


def _clear(copies: Path) -> None:
    """What was left by a command that was killed."""
    if not copies.is_dir():
        return
    for left in copies.iterdir():
        if not Path("/proc", left.name.split(".")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    if not any(copies.iterdir()):
        copies.rmdir()
