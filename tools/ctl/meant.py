"""What a word on the command line means in a cluster: a node, a zone, the centers of the zones. Pure; a CommandError
says what there is instead."""

from mesh.topology import NodeSpec, Topology
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean


def node_meant(topology: Topology, word: str) -> NodeSpec:
    """By short or full name."""
    try:
        return topology.node(word)
    except KeyError:
        known = [n.short for n in topology.nodes.values()]
        text = f"there is no node {word or repr(word)} in {topology.runtime.name}{did_you_mean(word, known)}"
        raise CommandError(text, Exit.NOT_FOUND) from None


def only_one(role: str) -> str:
    """Why there is no second node of one of the roles in SINGLE."""
    return "all zones of a file share one database" if role == "dc" else f"a zone has one {role}"


def zones_meant(topology: Topology, zone: str) -> list[str]:
    """This one, or all when none was named."""
    if not zone:
        return topology.zones
    if zone not in topology.zones:
        text = f"there is no zone {zone} in {topology.runtime.name}{did_you_mean(zone, topology.zones)}"
        raise CommandError(text, Exit.NOT_FOUND)
    return [zone]


def one_zone(topology: Topology, zone: str) -> str:
    """For what cannot be done in several zones at once."""
    zones = zones_meant(topology, zone)
    if len(zones) > 1:
        raise CommandError(f"say in which zone: --zone {' or --zone '.join(zones)}", Exit.USAGE)
    return zones[0]


def centers_meant(topology: Topology, zone: str) -> list[NodeSpec]:
    """The centers of these zones."""
    return [topology.center_of(name) for name in zones_meant(topology, zone)]
