"""`mesh player`, `mesh friends`, `mesh kick`: one player, found by the centers of all zones or, when it is in none, by
what the DC keeps of it."""

import asyncio
from typing import Any

import rich_click as click

from mesh.errors import RefusedError
from mesh.protocol.control import Done
from mesh.protocol.placement import FindPlayer, KickPlayer, PlayerFound
from mesh.topology import Topology, zone_in
from tools.ctl import clusters
from tools.ctl.asking import gather
from tools.ctl.commands.account import check_name
from tools.ctl.exits import CommandError, Exit
from tools.ctl.meant import centers_meant
from tools.ctl.options import Environment, any_cluster_option, cluster_option, json_option, zone_option
from tools.ctl.output import console, emit, emit_json, say, short, table
from tools.ctl.players import account_of, row_of

ANSWER_S = 3.0
KICK_S = 10.0  # it is saved first
TEXT_MAX = 256


@click.command()
@click.argument("name")
@any_cluster_option
@json_option
@click.pass_obj
def player(environment: Environment, name: str, cluster: str | None, as_json: bool) -> int:
    """Show where a player is: zone, map, line, scene, gate and party; or where it was last.

    Exit codes: 0 also when it is not in the world, 3 no such player or cluster, 4 neither center nor DC answers.
    """
    checked = check_name(name)
    topology, running = clusters.find_or_load(cluster, environment)
    found = asyncio.run(find_player(topology, checked)) if running else None
    about = present(*found) if found else asyncio.run(_absent(topology, checked, running is not None))
    if as_json:
        emit_json(about)
    else:
        emit(where_sentence(about))
    return Exit.OK


@click.command()
@click.argument("name")
@any_cluster_option
@json_option
@click.pass_obj
def friends(environment: Environment, name: str, cluster: str | None, as_json: bool) -> int:
    """Show a player's friends, requests and blocks, and who of them is online; also of one who is not.

    States: friend, asked (by the other), asking (the other), blocked (by this player).

    Exit codes: 0, 3 no such player or cluster, 4 neither center nor DC answers.
    """
    checked = check_name(name)
    topology, running = clusters.find_or_load(cluster, environment)
    rows, shown = asyncio.run(_friends(topology, checked, running is not None))
    if as_json:
        emit_json({"name": shown, "friends": rows})
        return Exit.OK
    drawn = table("name", "state", "online")
    for row in rows:
        drawn.add_row(row["name"], row["state"], {True: "yes", False: "", None: "?"}[row["online"]])
    if rows:
        console().print(drawn, markup=False)
        say(f"mesh: {shown} has {len(rows)} on the list")
    else:
        emit(f"{shown} has no friends yet")
    return Exit.OK


@click.command()
@click.argument("name")
@click.option("--text", default="", metavar="TEXT", help="What the player is told.")
@zone_option
@cluster_option
@click.pass_obj
def kick(environment: Environment, name: str, text: str, zone: str, cluster: str | None) -> int:
    """Take a player out of the world: the character is saved, its client is told why. It may log in again; `mesh
    account ban` ends that.

    Exit codes: 0, 3 it is not in the world, or no such cluster or zone, 4 no center answers.
    """
    checked = check_name(name)
    if len(text) > TEXT_MAX:
        raise CommandError(f"--text has at most {TEXT_MAX} characters", Exit.USAGE)
    topology = clusters.find(cluster, environment).load()
    centers = [node.name for node in centers_meant(topology, zone)]
    answers = asyncio.run(gather(topology, centers, KickPlayer(checked, text), Done, KICK_S))
    done = [zone_in(center) for center, answer in answers.items() if isinstance(answer, Done)]
    if not done:
        raise worst(answers, f"{checked} is not in the world")
    say(f"mesh: {checked} was taken out of zone {', '.join(done)}")
    return Exit.OK


async def find_player(topology: Topology, name: str, zone: str = "") -> tuple[str, PlayerFound] | None:
    """The zone that has this player, and what its center says; None when it is in none of those that answered."""
    centers = [node.name for node in centers_meant(topology, zone)]
    answers = await gather(topology, centers, FindPlayer(name), PlayerFound, ANSWER_S)
    for center, answer in answers.items():
        if isinstance(answer, PlayerFound):
            return zone_in(center), answer
        if not isinstance(answer, RefusedError):
            say(f"mesh: {short(center)} did not answer: {answer}")
    return None


def worst(answers: dict[str, Any], unknown: str) -> Exception:
    """Of centers none of which did it: that one does not answer says more than that the others do not know it."""
    for answer in answers.values():
        if not (isinstance(answer, RefusedError) and answer.code == "not_found"):
            assert isinstance(answer, Exception), "one that did it is no failure"
            return answer
    return CommandError(unknown, Exit.NOT_FOUND)


def present(zone: str, found: PlayerFound) -> dict[str, Any]:
    at = found.placement
    return {
        "name": found.name,
        "stage": found.stage,
        "session": found.session,
        "zone": zone,
        "map": at.map,
        "line": at.line,
        "scene": at.scene,
        "gate": found.gate,
        "party": found.party,
    }


async def _absent(topology: Topology, name: str, runs: bool) -> dict[str, Any]:
    account = await account_of(topology, name, runs)
    character, state = (
        await row_of(topology, "characters", account, runs),
        await row_of(topology, "states", account, runs),
    )
    shown = character.get("name", name)
    return {"name": shown, "stage": "offline", **{key: state[key] for key in ("map", "x", "y") if key in state}}


def where_sentence(about: dict[str, Any]) -> str:
    if about["stage"] == "offline":
        was = f"; last on {about['map']} at {about['x']:.0f}, {about['y']:.0f} m" if about.get("map") else ""
        return f"{about['name']} is not in the world{was}"
    gate = f", by {short(about['gate'])}" if about["gate"] else ""
    where = f"{about['map']}:{about['line']} on {short(about['scene'])}"
    party = f"; party: {', '.join(about['party'])} (the first one leads)" if about["party"] else ""
    return f"{about['name']} is {about['stage']}: zone {about['zone']}, {where}{gate}{party}"


async def _friends(topology: Topology, name: str, runs: bool) -> tuple[list[dict[str, Any]], str]:
    """From the center that has the player, who knows who is online, or from the DC, who does not (`online` is None)."""
    found = await find_player(topology, name) if runs else None
    if found is not None:
        rows = [{"name": other, "state": state, "online": online} for other, state, online in found[1].friends]
        return rows, found[1].name
    account = await account_of(topology, name, runs)
    row = await row_of(topology, "friends", account, runs)
    rows = [{"name": one["name"], "state": one["state"], "online": None} for one in row.get("friends", [])]
    return rows, (await row_of(topology, "characters", account, runs)).get("name", name)
