"""`mesh say TEXT`."""

import asyncio

import rich_click as click

from mesh.errors import MeshError
from mesh.protocol.cluster import Publicise
from mesh.protocol.control import Done
from mesh.protocol.placement import TellPlayer
from mesh.topology import NodeSpec, Topology, zone_in
from tools.ctl import clusters
from tools.ctl.asking import gather
from tools.ctl.commands.account import check_name
from tools.ctl.commands.player import worst
from tools.ctl.exits import CommandError, Exit
from tools.ctl.meant import centers_meant
from tools.ctl.options import Environment, cluster_option, zone_option
from tools.ctl.output import say as tell

ANSWER_S = 3.0
SPEAKER = "operator"
TEXT_MAX = 128  # the catalogue's Chat
SPEAKER_MAX = 64  # and its Label


@click.command()
@click.argument("text")
@click.option("--to", default=None, metavar="NAME", help="Say it to this player, and to nobody else.")
@click.option("--speaker", default=SPEAKER, show_default=True, metavar="NAME", help="Who says it.")
@zone_option
@cluster_option
@click.pass_obj
def say(environment: Environment, text: str, to: str | None, speaker: str, zone: str, cluster: str | None) -> int:
    """Say something to every player of the cluster, or of one zone, or to one player.

    Exit codes: 0, 1 the player is not connected at the moment, 2 nothing to say, or too long, 3 no such player, cluster
    or zone, 4 a center does not answer.
    """
    said = _fits("speaker", speaker, SPEAKER_MAX), _fits("text", text, TEXT_MAX)
    name = check_name(to) if to is not None else ""
    topology = clusters.find(cluster, environment).load()
    centers = centers_meant(topology, zone)
    if name:
        _to_one(topology, centers, TellPlayer(name, *said))
    else:
        _to_all(topology, centers, Publicise(*said))
    return Exit.OK


def _to_all(topology: Topology, centers: list[NodeSpec], question: Publicise) -> None:
    answers = asyncio.run(gather(topology, [node.name for node in centers], question, Done, ANSWER_S))
    failed = {center: answer for center, answer in answers.items() if isinstance(answer, MeshError)}
    heard = [zone_in(center) for center in answers if center not in failed]
    if heard:
        tell(f"mesh: said in zone {', '.join(heard)}")
    for center, why in failed.items():
        raise CommandError(f"zone {zone_in(center)} did not hear it: {why}", Exit.UNHEALTHY)


def _to_one(topology: Topology, centers: list[NodeSpec], question: TellPlayer) -> None:
    """Whichever center has the player passes it on."""
    answers = asyncio.run(gather(topology, [node.name for node in centers], question, Done, ANSWER_S))
    heard = [zone_in(center) for center, answer in answers.items() if isinstance(answer, Done)]
    if not heard:
        raise worst(answers, f"{question.name} is not in the world")
    tell(f"mesh: said to {question.name} in zone {', '.join(heard)}")


def _fits(what: str, text: str, most: int) -> str:
    """The catalogue's rule, before anybody is asked."""
    if not text.strip():
        raise CommandError(f"the {what} is empty; it has 1 to {most} characters", Exit.USAGE)
    if len(text) > most:
        raise CommandError(f"the {what} is too long: {len(text)} characters, at most {most} fit", Exit.USAGE)
    return text
