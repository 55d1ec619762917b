"""`mesh tap`: the messages that nodes hear, while they hear them."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import rich_click as click

from mesh.clock import Clock, SystemClock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.monitoring import Tap, Tapped, TapRead
from mesh.topology import ROLES, NodeSpec, Topology
from tools.ctl import clusters, state
from tools.ctl.asking import expect
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.meant import node_meant
from tools.ctl.options import Environment, cluster_option, complete_node, json_option
from tools.ctl.output import emit, emit_json_line, say, short
from tools.ctl.when import show_ms

ANSWER_S = 2.0
POLL_S = 0.3
SAID_S = 2.0  # between two sentences about what was left out
CLIENT = "client"
OWN = "Tap"  # our own question, which nobody wants to see who does not ask for it
WIDTH_MIN = 40  # a terminal that is narrower gets lines of this length


class Filters(msgspec.Struct, frozen=True):
    """What is looked at; empty: everything."""

    message: str = ""
    player: str = ""
    source: str = ""


class Caught(msgspec.Struct, frozen=True):
    """One message, as --json prints it."""

    wall_ms: int
    node: str
    message: str
    source: str
    player: str
    bytes: int
    fields: str


@click.command()
@click.option("--player", default="", metavar="NAME", help="Only what is about this character or account.")
@click.option("--node", default=None, metavar="NODE", shell_complete=complete_node, help="Only what this node hears.")
@click.option("--message", default="", metavar="KIND", help="Only messages of this kind: Login, Say, Enter ...")
@click.option("--from", "source", default="", metavar="NODE|ROLE", help="Only from this node, role or `client`.")
@click.option(
    "-t", "--time", "seconds", type=click.FloatRange(0.1), default=None, metavar="S", help="End after so many seconds."
)
@click.option("-n", "--limit", type=click.IntRange(1), default=None, help="End after so many messages.")
@cluster_option
@json_option
@click.pass_obj
def tap(
    environment: Environment,
    player: str,
    node: str | None,
    message: str,
    source: str,
    seconds: float | None,
    limit: int | None,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Show the messages that nodes hear, as they hear them, until Ctrl-C; secrets are masked by the nodes.

    A node shows at most 500 messages a second to at most four taps, and says what it left out: name a player, a node
    or a message to see everything. Batches of movement are no messages. With --json: one object per line.

    Exit codes: 0, 2 not a role, 3 no such node or cluster, 4 or 5 no node answers.
    """
    topology = clusters.find(cluster, environment).load()
    nodes = [node_meant(topology, node)] if node is not None else _running(topology)
    filters = Filters(message, player, source_meant(topology, source))
    if message and (hint := unknown_message(message)):
        say(f"mesh: {hint}")
    tapping = Tapping(nodes, filters, SystemClock(), _show_json if as_json else Lines())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(topology, tapping, seconds, limit))
    if tapping.lost and not tapping.heard_from:
        raise next(iter(tapping.lost.values()))
    say(f"mesh: {tapping.summary()}")
    return Exit.OK


def _running(topology: Topology) -> list[NodeSpec]:
    return [spec for spec in topology.nodes.values() if not state.has_ended(topology, spec.short)]


def source_meant(topology: Topology, word: str) -> str:
    """A role, `client`, or the full name of a node."""
    if word in ("", CLIENT, "ctl", *ROLES):
        return word
    if "." in word:
        return node_meant(topology, word).name
    known = [CLIENT, *ROLES, *(spec.short for spec in topology.nodes.values())]
    raise CommandError(f"{word!r} is neither a role nor a node{did_you_mean(word, known)}", Exit.USAGE)


def unknown_message(name: str) -> str:
    """A sentence about a message that is not in the catalogue, "" for one that is. A game may have others."""
    from mesh.protocol.catalogue import CATALOGUE
    from tools.waterfall import KNOWN_MODULES

    assert KNOWN_MODULES, "they have entered their messages"
    known = [declared.type.__name__ for declared in CATALOGUE.values()]
    return "" if name in known else f"no message of ours is called {name}{_close(name, known)}"


def _close(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if "did you mean" in hint else ""


class Tapping:
    """Asks the nodes again and again, and shows what is new in the order of its time."""

    def __init__(self, nodes: list[NodeSpec], filters: Filters, clock: Clock, show: Callable[[Caught], None]) -> None:
        self.shown = 0
        self.missed: dict[str, int] = {}  # left out, by short name
        self.lost: dict[str, MeshError] = {}  # who did not answer the last time, and why
        self.heard_from: set[str] = set()
        self._after: dict[str, int] = {}  # by full name: where the next answer begins
        self._nodes, self._filters, self._clock, self._show = nodes, filters, clock, show
        self._said_at = clock.now()
        self._unsaid = 0

    async def poll(self, operator: Operator, most: int | None = None) -> None:
        """Ask everybody once, and show what there is; no more than `most`."""
        found = await asyncio.gather(*(self._ask(operator, spec) for spec in self._nodes))
        every = sorted((one for part in found for one in part), key=lambda one: one.wall_ms)
        for one in every if most is None else every[:most]:
            self.shown += 1
            self._show(one)
        self._say_missed()

    async def _ask(self, operator: Operator, spec: NodeSpec) -> list[Caught]:
        after, filters = self._after.get(spec.name), self._filters
        question = Tap(after or 0, filters.message, filters.player, filters.source)
        try:
            said = expect(await operator.ask(spec.name, question, ANSWER_S), TapRead)
        except MeshError as error:
            if spec.short not in self.lost:
                say(f"mesh: {spec.short} shows nothing: {error}")
            self.lost[spec.short] = error
            self._after.pop(spec.name, None)
            return []
        self.lost.pop(spec.short, None)
        self.heard_from.add(spec.short)
        self._after[spec.name] = said.last
        if after is None:  # what another one's tap with the same filters has heard before
            return []
        if said.missed:
            self.missed[spec.short] = self.missed.get(spec.short, 0) + said.missed
            self._unsaid += said.missed
        return [_caught(spec, one) for one in said.heard if one.message != OWN or filters.message == OWN]

    def _say_missed(self) -> None:
        now = self._clock.now()
        if self._unsaid and now - self._said_at >= SAID_S:
            say(f"mesh: {self._unsaid} more were left out, they are too many; --player, --node or --message take fewer")
            self._said_at, self._unsaid = now, 0

    def summary(self) -> str:
        """How it was, in one sentence."""
        left = sum(self.missed.values())
        where = ", ".join(f"{count} of {name}" for name, count in sorted(self.missed.items()))
        text = f"{self.shown} message{'' if self.shown == 1 else 's'}"
        return f"{text}; {left} more were left out ({where})" if left else text


async def _run(topology: Topology, tapping: Tapping, seconds: float | None, limit: int | None) -> None:
    clock = SystemClock()
    async with Operator(topology) as operator:
        await tapping.poll(operator)  # opens the taps
        if not tapping.heard_from:
            return
        end = None if seconds is None else clock.now() + seconds
        while (limit is None or tapping.shown < limit) and (end is None or clock.now() < end):
            await asyncio.sleep(POLL_S if end is None else max(0.0, min(POLL_S, end - clock.now())))
            await tapping.poll(operator, None if limit is None else limit - tapping.shown)


def _caught(spec: NodeSpec, one: Tapped) -> Caught:
    return Caught(one.wall_ms, spec.short, one.message, short(one.source), one.player, one.bytes, one.fields)


def line_of(one: Caught, width: int) -> str:
    """For a terminal: a line that fits, cut at its end."""
    whose = f" {one.player}" if one.player else ""
    at = show_ms(one.wall_ms)[11:]
    text = f"{at}  {one.node} < {one.source}  {one.message}{whose}  {one.bytes} B  {one.fields}"
    text = "".join(mark if mark.isprintable() else "?" for mark in text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


class Lines:
    """Shows a line for each; as wide as the terminal, or whole where there is none."""

    def __init__(self) -> None:
        from tools.ctl.output import console

        self._console = console()

    def __call__(self, one: Caught) -> None:
        emit(line_of(one, max(WIDTH_MIN, self._console.width)))


def _show_json(one: Caught) -> None:
    emit_json_line(one)
