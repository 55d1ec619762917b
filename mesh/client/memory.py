"""The client's wire in a test or simulation: no socket, paired with `mesh.testing.MemoryFront`.

    cluster = Cluster(...)
    player = await Player.login("gate.1", "anna", "secret", dial=memory_dial(cluster), clock=cluster.clock)

A gate is named by its short name or by the address that it tells its clients.
"""

from mesh.client.wire import Dial, OnClosed, OnFrame, Wire
from mesh.errors import PeerLost
from mesh.testing import Cluster, MemoryClient

__all__ = ["MemoryWire", "memory_dial"]


class MemoryWire:
    """See `mesh.client.wire.Wire`; `client` is the end in memory, for tests that stop reading."""

    def __init__(self, client: MemoryClient, on_frame: OnFrame, on_closed: OnClosed) -> None:
        self.client = client
        for frame in client.frames:
            on_frame(frame)
        client.frames.clear()
        client.on_frame = on_frame
        client.on_closed = on_closed
        if client.closed is not None:
            on_closed(client.closed)

    def send(self, frame: bytes) -> None:
        if self.client.closed is None:
            self.client.send(frame)

    def close(self) -> None:
        if self.client.closed is None:
            self.client.close()

    def abort(self) -> None:
        if self.client.closed is None and self.client.connection is not None:
            self.client.connection.abort()


def memory_dial(cluster: Cluster, address: str = "127.0.0.1") -> Dial:
    """Connects to the gates of a cluster in memory, as a client with this address."""

    async def dial(url: str, on_frame: OnFrame, on_closed: OnClosed) -> Wire:
        for short, front in cluster.fronts.items():
            node = cluster.nodes.get(short)
            if node is not None and url in (short, node.facts().get("ws")):
                try:
                    return MemoryWire(front.connect(address), on_frame, on_closed)
                except ConnectionError as error:
                    raise PeerLost(f"no connection to {url}: {error}") from None
        raise PeerLost(f"no connection to {url}: nobody is there")

    return dial
