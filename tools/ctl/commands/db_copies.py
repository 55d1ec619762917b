"""`mesh db backup | restore | export | import`: copies of the player database, and how one takes its place."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from mesh.clock import SystemClock
from mesh.protocol.records import BackUpDb
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.commands.db_checks import tell
from tools.ctl.commands.db_data import BACKUPS, DATA_FILE, ask_for_copy, data_of, dcs_of, readable, stopped
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, json_option
from tools.ctl.output import emit, emit_json, say
from tools.ctl.processes import is_local

MIB = 1 << 20
TENURE_FILE = "tenure.mp"  # of a center: which DC of a pair writes
FORCE = click.option("--force", is_flag=True, help="Replace the database that is there; its file is kept beside.")


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--rate", type=click.IntRange(1, 100_000), help="MB a second, of a running DC.  [default: as it is set]")
@any_cluster_option
@json_option
@click.pass_obj
def backup(environment: Environment, folder: Path | None, rate: int | None, cluster: str | None, as_json: bool) -> int:
    """Copy the database, as it is at one moment, into a new FOLDER.

    Players play on. Without FOLDER it is named after the time, in `backups` of the runtime folder; its name is printed.
    A folder that has its name is whole and on disk. On a cluster of several machines it is on that of the DC. Keys are
    not in it.

    Exit codes: 0, 1 it was not made: there is no room, or FOLDER exists, 3 there is no database, 4 the DC does not
    answer.
    """
    topology, running = clusters.find_or_load(cluster, environment)
    target = (folder or topology.runtime / BACKUPS / _name()).absolute()
    facts: dict[str, Any]
    if running:
        facts = ask_for_copy(topology, BackUpDb(str(target), (rate or 0) * MIB))
    else:
        facts, _ = run_offline("dc", "backup", data_of(topology), [str(target)])
    if as_json:
        emit_json(facts)
    else:
        emit(str(target))
        rows = sum(facts["rows"].values())
        say(f"mesh: {rows} rows, {facts['bytes'] / MIB:.1f} MB; `mesh db check --backup` reads it")
    return 0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@FORCE
@any_cluster_option
@json_option
@click.pass_obj
def restore(environment: Environment, folder: Path, force: bool, cluster: str | None, as_json: bool) -> int:
    """Put the backup in FOLDER in the place of the database of a stopped cluster.

    Everything that happened after it was made is gone. The backup is checked first, its file and every row, and only
    when all is right anything is changed.

    Exit codes: 0, 1 it is no backup, or the cluster runs, or has a database and there is no --force, 6 the backup is
    damaged.
    """
    words = [str(folder.absolute()), *(["--force"] if force else [])]
    return _replace("restore", words, stopped(cluster, environment), as_json, "the backup is the database now")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--secrets", is_flag=True, help="Password hashes, too; without them accounts open by ticket only.")
@any_cluster_option
@json_option
@click.pass_obj
def export(environment: Environment, file: Path, secrets: bool, cluster: str | None, as_json: bool) -> int:
    """Write the whole database into a new FILE, one JSON value a line.

    Of a running cluster it is that of one moment. The first line says which version of the format it is, the last one
    has a checksum of the others; `nodes/dc/exporting.py` describes the lines.

    Exit codes: 0, 1 it was not written: FILE exists, or a row is damaged, 3 there is no database.
    """
    if str(file) == "-":
        raise CommandError("what is exported goes into a file, which is there when it is whole: name one", Exit.USAGE)
    words = [str(file.absolute()), *(["--secrets"] if secrets else [])]
    with readable(*clusters.find_or_load(cluster, environment)) as (data, options):
        facts, _ = run_offline("dc", "export", data, [*words, *options])
    if as_json:
        emit_json(facts)
    else:
        say(f"mesh: {facts['rows']} rows are in {facts['file']}")
    return 0


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@FORCE
@any_cluster_option
@json_option
@click.pass_obj
def import_(environment: Environment, file: Path, force: bool, cluster: str | None, as_json: bool) -> int:
    """Make the database of a stopped cluster out of what was exported.

    Every line is checked, then all that rows say about each other and the economy; only when all is right anything is
    changed.

    Exit codes: 0, 1 a line is wrong, or the cluster runs, or has a database and there is no --force, 6 the rows do not
    agree.
    """
    words = [str(file.absolute()), *(["--force"] if force else [])]
    return _replace("import", words, stopped(cluster, environment), as_json, "what was exported is the database now")


def _replace(command: str, words: list[str], topology: Topology, as_json: bool, done: str) -> int:
    """Of both DCs of a pair. What lies on another machine has to be done there, before anything is started."""
    verdict: dict[str, Any] = {}
    code = 0
    taken = [node for node in dcs_of(topology) if is_local(node.host) and (topology.data(node) / DATA_FILE).exists()]
    if taken and "--force" not in words:
        raise CommandError(f"{topology.data(taken[0])} has a database: --force replaces it, and keeps its file beside")
    for node in dcs_of(topology):
        if not is_local(node.host):
            say(f"mesh: {node.short} is on {node.host}: do the same there before you start the cluster")
            continue
        data = topology.data(node)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        verdict, code = run_offline("dc", command, data, words)
        if code:
            break
    if not verdict:
        raise CommandError("no DC of this cluster is on this machine")
    tell(verdict, as_json, done, "nothing was changed")
    if not code and len(dcs_of(topology)) > 1:
        _forget_who_wrote(topology)
    return code


def _forget_who_wrote(topology: Topology) -> None:
    """The record of the centers is about another database: by it neither of the two could write."""
    for node in topology.of_role("center"):
        file = topology.data(node) / TENURE_FILE
        if not is_local(node.host):
            say(f"mesh: {node.short} is on {node.host}: remove {file} there before you start the cluster")
        elif file.exists():
            file.unlink()
            say(f"mesh: who of the pair has written before is forgotten ({file})")


def _name() -> str:
    return datetime.fromtimestamp(SystemClock().wall(), UTC).strftime("%Y%m%d-%H%M%S")
