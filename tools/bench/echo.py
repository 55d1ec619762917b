"""The other end of the `rpc` bench: a node in a process of its own that answers, and counts what comes in batches.

    python -P -m tools.bench.echo TOPOLOGY --base-port N --runtime DIR

It passes for a scene beside those of a running cluster, and ends on SIGTERM or when its stdin is closed.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

import uvloop

from mesh import topology as topologies
from mesh.clock import SystemClock
from mesh.node import Caller, on, on_batch
from mesh.protocol.cluster import Attach, Attached
from mesh.protocol.envelope import Lane
from tools.bench.cluster import Cluster
from tools.bench.standin import StandIn, stand_in

NUMBER = 9
COUNT = 2**32  # what a handle can say
HANDLE_BYTES = 4


class Echo(StandIn):
    """Answers `Attach` with its session as the handle; session 0 asks how many records came so far. Whoever says that
    it is a resume is answered by a handler that could wait, as most handlers of nodes can."""

    ROLE = "scene"
    records = 0

    @on(Attach)
    def on_attach(self, said: Attach, _caller: Caller) -> Attached | Coroutine[None, None, Attached]:
        if said.resumed:
            return self._in_a_task(said)
        return Attached((said.session or self.records) % COUNT)

    async def _in_a_task(self, said: Attach) -> Attached:
        return Attached(said.session % COUNT)

    @on_batch(Lane.MOVES)
    def on_moves(self, blobs: list[bytes], _caller: Caller) -> None:
        self.records += len(blobs[0]) // HANDLE_BYTES


async def serve(cluster: Cluster) -> None:
    """Until somebody wants the end."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, over.set)
    loop.add_reader(sys.stdin.fileno(), over.set)  # nobody writes to it, so this is its end
    async with stand_in(cluster, Echo, NUMBER):
        await over.wait()
    loop.remove_reader(sys.stdin.fileno())


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.bench.echo", description=__doc__)
    parser.add_argument("topology", type=Path)
    parser.add_argument("--base-port", type=int, required=True)
    parser.add_argument("--runtime", type=Path, required=True)
    asked = parser.parse_args()
    topology = topologies.load(asked.topology, base_port=asked.base_port, runtime=asked.runtime)
    uvloop.run(serve(Cluster(topology, {}, (), asked.runtime, SystemClock())))


if __name__ == "__main__":
    main()
