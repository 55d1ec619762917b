"""`mesh player`, `mesh friends`, `mesh kick`: one player, found by the centers of all zones or, when it is in none, by
what the DC keeps of it; or those whose names begin alike."""

import asyncio
from typing import Any

import rich_click as click

from mesh.clock import SystemClock
from mesh.errors import RefusedError
from mesh.protocol.control import Done
from mesh.protocol.placement import FindPlayer, KickPlayer, PlayerFound
from mesh.topology import Topology, zone_in
from tools.ctl import clusters
from tools.ctl.asking import gather
from tools.ctl.commands.account import ban_words, check_name, mute_words
from tools.ctl.exits import CommandError, Exit
from tools.ctl.meant import centers_meant
from tools.ctl.options import Environment, any_cluster_option, cluster_option, json_option, zone_option
from tools.ctl.output import console, emit, emit_json, say, short, table
from tools.ctl.players import account_of, row_of
from tools.ctl.search import PlayerRow, search

ANSWER_S = 3.0
KICK_S = 10.0  # it is saved first
TEXT_MAX = 256


@click.command()
@click.argument("name", required=False)
@click.option("--search", "prefix", metavar="TEXT", help="List those whose names begin so, in the world or not.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="With --search.")
@any_cluster_option
@json_option
@click.pass_obj
def player(
    environment: Environment, name: str | None, prefix: str | None, limit: int, cluster: str | None, as_json: bool
) -> int:
    """Show where a player is: zone, map, line, scene, gate and party; or where it was last.

    Exit codes: 0 also when it is not in the world, 2 neither a name nor how one begins, 3 no such player or cluster, 4
    neither center nor DC answers.
    """
    if (name is None) == (prefix is None):
        raise click.UsageError("give the NAME of a player, or --search TEXT to find it")
    wanted = check_name(name if name is not None else prefix or "")
    topology, running = clusters.find_or_load(cluster, environment)
    if name is None:
        _list(*asyncio.run(search(topology, wanted, limit, running is not None)), as_json)
        return Exit.OK
    found = asyncio.run(find_player(topology, wanted)) if running else None
    about = present(*found) if found else asyncio.run(_absent(topology, wanted, running is not None))
    if as_json:
        emit_json(about)
    else:
        emit(where_sentence(about) + mute_sentence(about, SystemClock().wall()))
    return Exit.OK


def _list(rows: list[PlayerRow], more: bool, as_json: bool) -> None:
    if as_json:
        emit_json({"players": rows, "more": more})
        return
    wall_s = SystemClock().wall()
    drawn = table("name", "stage", "zone", "line", "scene", "gate", "account")
    for row in rows:
        words = [ban_words(row.banned_until_s) if row.banned_until_s else "", mute_words(row.muted_until_s, wall_s)]
        line = f"{row.map}:{row.line}" if row.map else ""
        drawn.add_row(
            row.name, row.stage, row.zone, line, short(row.scene), short(row.gate), ", ".join(filter(None, words))
        )
    if rows:
        console().print(drawn, markup=False)
    say(f"mesh: {len(rows)} player{'' if len(rows) == 1 else 's'}{', there are more: --limit' if more else ''}")


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
        "muted_until_s": found.muted_until_s,
        "mute_reason": found.mute_reason,
    }


async def _absent(topology: Topology, name: str, runs: bool) -> dict[str, Any]:
    account = await account_of(topology, name, runs)
    character, state, kept = [
        await row_of(topology, table, account, runs) for table in ("characters", "states", "accounts")
    ]
    shown = {"name": character.get("name", name), "stage": "offline"}
    shown |= {key: state[key] for key in ("map", "x", "y") if key in state}
    return shown | {key: kept[key] for key in ("muted_until_s", "mute_reason") if key in kept}


def where_sentence(about: dict[str, Any]) -> str:
    if about["stage"] == "offline":
        was = f"; last on {about['map']} at {about['x']:.0f}, {about['y']:.0f} m" if about.get("map") else ""
        return f"{about['name']} is not in the world{was}"
    gate = f", by {short(about['gate'])}" if about["gate"] else ""
    where = f"{about['map']}:{about['line']} on {short(about['scene'])}"
    party = f"; party: {', '.join(about['party'])} (the first one leads)" if about["party"] else ""
    return f"{about['name']} is {about['stage']}: zone {about['zone']}, {where}{gate}{party}"


def mute_sentence(about: dict[str, Any], wall_s: float) -> str:
    """What follows of one that may not speak; nothing of others."""
    words, reason = mute_words(about.get("muted_until_s", 0), wall_s), about.get("mute_reason")
    return f"; {words}{f' ({reason})' if reason else ''}" if words else ""


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
