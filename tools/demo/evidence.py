"""What the nodes say about themselves: figures from every /metrics page, and sums over them (parsing is pure)."""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from mesh.errors import PeerLost
from mesh.topology import Topology

PAGE_BYTES_MAX = 4 << 20
PAGE_S = 5.0

Samples = list[tuple[str, dict[str, str], float]]


class Figures(NamedTuple):
    """Sums over all nodes."""

    steps: dict[str, int]
    events_recorded: int
    events_stored: int
    events_dropped: int
    events_pending: int
    durable_acked: int
    errors: int  # mistakes of ours, as the nodes count them


def parse(page: str) -> Samples:
    """The samples of one page: name, labels, value."""
    return [(s.name, s.labels, s.value) for family in text_string_to_metric_families(page) for s in family.samples]


def figures(samples: Samples) -> Figures:
    """Add up what is needed of all pages."""

    def total(name: str) -> int:
        return int(sum(value for found, _, value in samples if found == name))

    steps = {str(step): 0 for step in range(1, 10)}
    for name, labels, value in samples:
        if name == "mesh_steps_total" and labels.get("step") in steps:
            steps[labels["step"]] += int(value)
    return Figures(
        steps,
        total("mesh_events_recorded_total"),
        total("mesh_events_stored_total"),
        total("mesh_events_dropped_total"),
        total("mesh_events_pending"),
        total("dc_durable_acked_total"),
        total("mesh_errors_total"),
    )


async def collect(topology: Topology) -> Figures:
    """Every process's page, now. PeerLost when one does not answer."""
    urls = {f"http://{process.host}:{process.metrics_port}/metrics" for process in topology.processes}
    pages = await asyncio.gather(*(read_page(url) for url in sorted(urls)))
    return figures([sample for page in pages for sample in parse(page)])


async def read_page(url: str) -> str:
    """One GET. Our own door answers in one piece and closes, so a whole HTTP client is not needed."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PAGE_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            answer = await reader.read(PAGE_BYTES_MAX)
            while more := await reader.read(PAGE_BYTES_MAX):
                answer += more
            writer.close()
    except (OSError, TimeoutError) as error:
        raise PeerLost(f"{url} does not answer: {error}") from None
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise PeerLost(f"{url} answers {head[:40].decode(errors='replace')}")
    return body.decode()
