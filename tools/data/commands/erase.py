"""`mesh data erase`: everything of a player out of the behaviour log and the lake."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.lake.erasing import Scrub
from mesh.lake.lake import Lake
from mesh.protocol.journal import ErasePlayer, PlayerErased
from mesh.topology import Topology
from tools.ctl import state
from tools.ctl.asking import ask_long
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, json_option
from tools.ctl.output import emit_json, say
from tools.ctl.processes import is_local
from tools.data.commands.compact import log_folders
from tools.data.commands.player import account_in_cluster, account_in_lake
from tools.data.views import Views
from tools.data.where import Place, known, lake_option, need, place_of

ANSWER_S = 3600.0  # all segments are read
NAMES = "SELECT DISTINCT name FROM deeds WHERE kind = 'enter' AND account = $account AND name IS NOT NULL ORDER BY name"
COUNTS = ("segments", "events", "mentions", "damaged")

LEFT = """What is left: the account itself, its character and its entries in the DC's ledger (`mesh db`), what the
nodes' own logs in <runtime>/logs say, and copies and backups that were made before. The ledger and the purses in the
lake still have the gold, of nobody."""


@click.command()
@click.argument("player", metavar="NAME|ID")
@click.option("--name", "names", multiple=True, help="Another name by which others' events know the player.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@lake_option
@json_option
@click.pass_obj
def erase(
    environment: Environment, player: str, names: tuple[str, ...], yes: bool, cluster: str | None, lake: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Take everything of a player out of log and lake: the segments of all log nodes and the data files, for ever.

    The player's events go; those of others stay, without the account where they name it and without its names in what
    was said. Log nodes that run do it themselves, while they serve. What the player does from now on is new: ban or
    delete the account first. With --lake only that lake is changed.

    Exit codes: 0, 1 something could not be changed (what, is said), 3 no such player or lake.
    """
    need("duckdb", "pyarrow")
    place = place_of(environment, cluster, lake)
    account, known_names = _who(place, player, names)
    shown = f"account {account}" + (f" ({', '.join(known_names)})" if known_names else "")
    if not yes:
        click.confirm(
            f"Erase {shown} from the behaviour log and {place.folder}? There is no way back.", abort=True, err=True
        )
    done: dict[str, Any] = {"account": account, "log": dict.fromkeys(COUNTS, 0), "problems": []}
    if place.topology is not None:
        _erase_from_log(place, place.topology, Scrub(account, known_names), done)
    done["lake"] = _erase_from_lake(place, Scrub(account, known_names))
    if as_json:
        emit_json(done)
    else:
        _tell(done, shown)
    return Exit.FAILURE if done["problems"] else Exit.OK


def _who(place: Place, player: str, names: tuple[str, ...]) -> tuple[int, list[str]]:
    """The account, and every name by which it entered a map."""
    from tools.data.desk import Desk, Limits, answer

    account = account_in_cluster(place, player)
    found: list[str] = []
    try:
        manifest = known(place)
    except CommandError:
        if account is None or place.topology is None:
            raise
    else:
        with Desk(place.folder, manifest, Limits(timeout_s=ANSWER_S), Views.TABLES) as desk:
            account = account if account is not None else answer(desk, lambda: account_in_lake(desk, player))
            found = [row[0] for row in answer(desk, lambda: desk.rows(NAMES, account=account))]
    given = [*names, *([] if player.isdigit() else [player])]
    return account, sorted({*found, *given}, key=str.lower)


def _erase_from_log(place: Place, topology: Topology, scrub: Scrub, done: dict[str, Any]) -> None:
    """Running log nodes are asked, wherever they are; the folders of the others on this machine are written anew."""
    running = []
    if place.running is not None:
        running = [node for node in topology.of_role("log") if not state.has_ended(topology, node.short)]
    for node in running:
        try:
            said = ErasePlayer(scrub.account, list(scrub.names))
            answer = asyncio.run(ask_long(topology, node, said, PlayerErased, ANSWER_S))
        except MeshError as error:
            done["problems"].append(f"{node.short} did not do it: {error}")
        else:
            _add(done, {name: getattr(answer, name) for name in COUNTS}, node.short)
    live = {topology.data(node) for node in running}
    for folder in log_folders(topology):
        if folder in live:
            continue
        words = ["--player", str(scrub.account), *(word for name in scrub.names for word in ("--name", name))]
        value, _ = run_offline("log", "erase", folder, words)
        if "error" in value:
            done["problems"].append(str(value["error"]))
        else:
            _add(done, value, folder.name)
    for node in topology.of_role("log"):
        if node not in running and not is_local(node.host):
            done["problems"].append(f"{node.short} is on {node.host} and does not run: call this there")


def _add(done: dict[str, Any], counts: dict[str, int], where: str) -> None:
    for name in COUNTS:
        done["log"][name] += counts[name]
    if counts["damaged"]:
        done["problems"].append(f"{where} has {counts['damaged']} damaged places that nobody can look into")


def _erase_from_lake(place: Place, scrub: Scrub) -> dict[str, int]:
    from mesh.lake.rewriting import erase as erase_from

    wall_ms = int(SystemClock().wall() * 1000)
    with Lake(place.folder, wall_ms, wait=True) as lake:
        return msgspec.structs.asdict(erase_from(lake, scrub, wall_ms))


def _tell(done: dict[str, Any], shown: str) -> None:
    log, lake = done["log"], done["lake"]
    say(
        f"mesh: {shown}: {log['events']:,} events erased from {log['segments']:,} segments, {lake['events']:,} from "
        f"{lake['files']:,} files of the lake; {log['mentions'] + lake['mentions']:,} of others do not name it any more"
    )
    for problem in done["problems"]:
        say(f"mesh: {problem}")
    say(f"mesh: {' '.join(LEFT.split())}")
