"""Questions to the nodes of a running cluster, for all commands that ask.

Many nodes are asked at the same time, and one that does not answer costs its own line and not the whole command.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Describe
from mesh.topology import NodeSpec, Topology
from tools.ctl import state
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import say

ANSWER_S = 5.0
SIGN_S = 2.0  # between two looks whether a node that is at work is alive
M = TypeVar("M", bound=Message)


async def gather(
    topology: Topology, nodes: Sequence[str], question: Message, kind: type[M], timeout_s: float
) -> dict[str, M | MeshError]:
    """Every node's answer, or why there is none."""
    async with Operator(topology) as operator:

        async def one(node: str) -> M | MeshError:
            try:
                return expect(await operator.ask(node, question, timeout_s), kind)
            except MeshError as error:
                return error

        return dict(zip(nodes, await asyncio.gather(*(one(node) for node in nodes)), strict=True))


async def gather_good(
    topology: Topology, nodes: Sequence[str], question: Message, kind: type[M], timeout_s: float, missing: str = ""
) -> list[M]:
    """The answers that came. A node that did not answer is said, with what is `missing` by that; its error is raised
    when nobody answered."""
    answers = await gather(topology, nodes, question, kind, timeout_s)
    good = [answer for answer in answers.values() if isinstance(answer, kind)]
    for node, answer in answers.items():
        if isinstance(answer, MeshError):
            say(f"mesh: {node} did not answer{missing}: {answer}")
            if not good:
                raise answer
    return good


async def ask_one(
    topology: Topology, node: NodeSpec, question: Message, kind: type[M], timeout_s: float = ANSWER_S
) -> M:
    """The answer of this node. A refusal is raised in its words."""
    async with Operator(topology) as operator:
        return expect(await operator.ask(node.name, question, timeout_s), kind)


async def ask_long(topology: Topology, node: NodeSpec, question: Message, kind: type[M], timeout_s: float) -> M:
    """The same, for what takes long: a node that does not even describe itself meanwhile is given up."""
    async with Operator(topology) as operator:
        asking = asyncio.ensure_future(operator.ask(node.name, question, timeout_s))
        try:
            while True:
                done, _ = await asyncio.wait([asking], timeout=SIGN_S)
                if done:
                    return expect(await asking, kind)
                await operator.ask(node.name, Describe(), ANSWER_S)
        finally:
            asking.cancel()


async def first(topology: Topology, role: str, question: Message, kind: type[M], timeout_s: float = ANSWER_S) -> M:
    """The answer of one node of a role: the first that can be reached. Its refusal is the answer, too, but for that of
    a DC that does not write: then the other one of the pair is meant."""
    every = topology.of_role(role)
    if not every:
        raise CommandError(f"{topology.file.name} has no {role} node", Exit.NOT_FOUND)
    nodes = [node for node in every if not state.has_ended(topology, node.short)] or every
    async with Operator(topology) as operator:
        for at, node in enumerate(nodes):
            try:
                return expect(await operator.ask(node.name, question, timeout_s), kind)
            except (TimeoutError, MeshError) as error:
                if at + 1 == len(nodes) or not _is_another_meant(error):
                    raise
    raise AssertionError("the loop returns or raises")


def _is_another_meant(error: Exception) -> bool:
    from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError

    if isinstance(error, RefusedError):
        return error.code == Code.STALE_EPOCH
    return isinstance(error, PeerLost | DeadlineExceeded | TimeoutError)


def expect(answer: Message, kind: type[M]) -> M:
    """The catalogue promises this type."""
    if not isinstance(answer, kind):
        raise CommandError(f"expected {kind.__name__}, the node answered {type(answer).__name__}")
    return answer
