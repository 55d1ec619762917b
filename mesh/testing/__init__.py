"""Fakes that are good enough for the real nodes: time that jumps, a network in memory, clients in memory.

They pass the same contract tests as the real ones (`tests/mesh/test_transport.py`), so that what is shown with them
holds for processes and sockets, too. A whole zone runs in one test:

    async def story(cluster):
        ...
    run(with_cluster(topology, story))
"""

from mesh.testing.clients import MemoryClient, MemoryConnection, MemoryFront
from mesh.testing.network import MemoryEndpoint, MemoryNetwork
from mesh.testing.virtual import InlineWorkers, ManualClock, SilentLog, VirtualLoop, run, wait_until
from mesh.testing.zone import Cluster, with_cluster

__all__ = [
    "Cluster",
    "InlineWorkers",
    "ManualClock",
    "MemoryClient",
    "MemoryConnection",
    "MemoryEndpoint",
    "MemoryFront",
    "MemoryNetwork",
    "SilentLog",
    "VirtualLoop",
    "run",
    "wait_until",
    "with_cluster",
]
