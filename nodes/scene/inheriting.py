"""How a process that was started beside its predecessor becomes the scene.

It builds all that the old process gives, says so, and only when that has answered it has a place in the mesh: under the
same name, at the same address, as another incarnation. It plays when it is registered, the gates are there that carry
its players, and the DC. Any failure before ends this process, and the old one plays on.
"""

import asyncio
from typing import TYPE_CHECKING

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.operator import Operator
from mesh.protocol.control import Describe
from mesh.protocol.succession import Estate, HandOver, Inherited
from nodes.scene.estate import EstateError
from nodes.scene.heritage import put_in_place
from nodes.scene.ledger import DC
from nodes.scene.portals import OUTSIDE

if TYPE_CHECKING:
    from nodes.scene.node import SceneNode

THERE_S = 2.0  # to say anything at all: a process that hangs has nothing to give
ESTATE_S = 20.0  # for the old process to come to rest: it tries several times
PART_S = 5.0
TAKEN_S = 5.0
LINKS_S = 0.6  # for the gates and the DC, before it plays without those that are missing
GATE_S = 2.0  # for a gate; then its players have none
PREDECESSOR_S = 3.0  # for the old process to end, and leave its address to this one
LOOK_S = 0.003


async def inherit(node: "SceneNode") -> None:
    """Returns when this process is the scene. MeshError when it is not to be: PeerLost or DeadlineExceeded when the old
    process says nothing at all, or does not know what it is asked for. One that has answered once may play on whatever
    it says then, and must not be ended for that."""
    network = None if node.topology.curve else node.seat.network
    async with Operator(node.topology, network, node.clock) as operator:
        await operator.ask(node.name, Describe(), THERE_S)
        try:
            await _take_over(node, operator)
        except (PeerLost, DeadlineExceeded) as error:
            raise EstateError(f"the old process answers no more: {error}") from None
        except RefusedError as error:
            if error.code == Code.UNKNOWN_MESSAGE:
                raise PeerLost(f"what runs there is of a version that hands nothing over: {error.text}") from None
            raise
    node.switchboard.predecessor_s = PREDECESSOR_S
    node.seat.failpoints.hit("scene.handing-taken")


async def _take_over(node: "SceneNode", operator: Operator) -> None:
    body = await _estate(node, operator)
    node.handing.stand_still()
    put_in_place(node, body)
    node.seat.failpoints.hit("scene.handing-built")
    await operator.ask(node.name, Inherited(node.incarnation), TAKEN_S)


async def _estate(node: "SceneNode", operator: Operator) -> bytes:
    bodies: list[bytes] = []
    parts = 1
    while len(bodies) < parts:
        part = len(bodies)
        answer = await operator.ask(node.name, HandOver(node.incarnation, part), PART_S if part else ESTATE_S)
        assert isinstance(answer, Estate), "the catalogue names the only answer"
        parts = answer.parts
        bodies.append(answer.body)
        if not parts:
            raise EstateError("the old process gave nothing")
    return b"".join(bodies)


async def play_on(node: "SceneNode") -> None:
    """The links are being made: begin when they are there."""
    await node.registry.registered.wait()
    gates, up = {session.gate for session in node.sessions} - {""}, node.switchboard.links.up
    until = node.clock.now() + LINKS_S
    while not (gates <= up.keys() and node.peers(DC)) and node.clock.now() < until:  # noqa: ASYNC110 - it has an end
        await asyncio.sleep(LOOK_S)
    node.handing.move_on()
    node.ticker.restart(node.clock.now() - node.ticker.period_s)
    node.level_changed()
    _cross(node)
    still_ms = round(1000 * (node.clock.now() - node.handing.still_since))
    node.log.info("this scene goes on with what its predecessor had", players=len(node.sessions), still_ms=still_ms)
    await asyncio.sleep(GATE_S)
    for gate in gates - up.keys():
        node.residents.gate_lost(gate)
    node.handing.gates = {}


def _cross(node: "SceneNode") -> None:
    """Who stood in a portal and waited for the center's word may wait for a word to the old process."""
    for number in node.crossings.again():
        session = node.sessions.find(number)
        if session is None:
            continue
        portals = node.lines.of(session).portals
        inside = int(portals.inside[session.slot])
        if inside != OUTSIDE:
            node.crossings.begin(session, portals.portals[inside])
