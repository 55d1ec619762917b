"""What the nodes say about themselves: figures from every /metrics page, and sums over them (parsing is pure)."""

import asyncio
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from mesh.topology import Topology
from tools.bots.scrape import read_page

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
