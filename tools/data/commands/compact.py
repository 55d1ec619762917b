"""`mesh data compact`: the log of a cluster into its lake, at once."""

from pathlib import Path
from typing import Any

import rich_click as click

from mesh.clock import SystemClock
from mesh.topology import Topology
from tools.ctl.commands.db_data import DATA_FILE, dc_of
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, json_option
from tools.ctl.output import emit_json, say
from tools.ctl.processes import is_local
from tools.data.where import Place, lake_option, need, place_of


@click.command()
@click.option("--no-ledger", is_flag=True, help="Only the behaviour log, not the DC's ledger.")
@lake_option
@json_option
@click.pass_obj
def compact(environment: Environment, no_ledger: bool, cluster: str | None, lake: Path | None, as_json: bool) -> int:
    """Bring everything that is new into the lake: the behaviour log of this machine's log nodes, also of those that
    have stopped, and the ledger of the DC with what everybody holds.

    Log nodes do the first by themselves every ten minutes (compact_s of [settings.log]); the ledger comes only this
    way. A DC that runs makes a copy of its database for it, as for `mesh db check`. With --lake the lake is in another
    folder than that of the cluster.

    Exit codes: 0, 1 it could not be done, or not all of it, 3 no such cluster, 4 the DC does not answer.
    """
    need("pyarrow")
    place = place_of(environment, cluster, None)
    if lake is not None:
        place = place._replace(folder=lake.absolute())
    assert place.topology is not None, "it is the lake of a cluster"
    done, code = compact_log(place)
    if not no_ledger and code == Exit.OK:
        done["ledger"] = _ledger(place)
    if as_json:
        emit_json(done)
    else:
        _tell(done)
    return code


def log_folders(topology: Topology) -> list[Path]:
    """Of all log nodes that were ever on this machine."""
    return sorted(path for path in (topology.runtime / "data").glob("log.*") if path.is_dir())


def compact_log(place: Place) -> tuple[dict[str, Any], int]:
    """What the compaction says, and the exit code."""
    assert place.topology is not None, "it is the lake of a cluster"
    folders = log_folders(place.topology)
    if not folders:
        raise CommandError(f"{place.topology.runtime} has no behaviour log yet", Exit.NOT_FOUND)
    more = [word for folder in folders[1:] for word in ("--data", str(folder))]
    return run_offline("log", "compact", folders[0], [*more, "--lake", str(place.folder), "--wait"])


def _ledger(place: Place) -> dict[str, int] | None:
    from mesh.lake.lake import Lake
    from tools.data.ledger import take_ledger

    topology = place.topology
    assert topology is not None, "it is the lake of a cluster"
    dc = dc_of(topology)
    if not is_local(dc.host):
        say(f"mesh: the DC is on {dc.host}: its ledger was not taken")
        return None
    if place.running is None and not (topology.data(dc) / DATA_FILE).exists():
        say("mesh: the cluster has no player database yet, so there is no ledger")
        return None
    wall_ms = int(SystemClock().wall() * 1000)
    with Lake(place.folder, wall_ms, wait=True) as lake:
        taken = take_ledger(lake, place, wall_ms)
    return {"moves": taken.moves, "holders": taken.holders}


def _tell(done: dict[str, Any]) -> None:
    if "error" in done:
        say(f"mesh: {done['error']}")
        return
    say(f"mesh: {done['events']:,} events came into the lake, {done['twice']:,} were in it already")
    if done["lost"]:
        say(
            f"mesh: {done['lost']:,} places in segments cannot be read (at least {done['lost_events']:,} events); "
            "`mesh data tables` names them"
        )
    for text in done["unread"]:
        say(f"mesh: {text}")
    if ledger := done.get("ledger"):
        say(f"mesh: {ledger['moves']:,} moves of gold came into the lake, and what {ledger['holders']:,} players hold")
    say(f"mesh: {done['files']:,} files, {done['bytes'] / (1 << 20):,.1f} MiB")
