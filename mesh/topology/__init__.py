"""TOML -> who exists, where, and who may talk to whom.

A topology is data: clusters differ in files, not in code. Everything that is wrong with a file is reported at once.
What a role's own settings mean is that role's business (`nodes/<role>/settings.py`); here they are raw tables.

    model.py    what a topology is: zones, processes, nodes, links
    tables.py   reading TOML tables without trusting them
    places.py   processes and their nodes: names, addresses, ports
    rules.py    what every zone needs
    policy.py   what is left out under pressure
    file.py     `load`: a whole file, and what the command line changes in it
"""

from mesh.topology.file import load
from mesh.topology.model import (
    DEFAULT_LINKS,
    METRICS_OFFSET,
    NEEDS,
    PROCESSES_MAX,
    PUB_OFFSET,
    ROLES,
    ROUTER_OFFSET,
    SHARED,
    SINGLE,
    ZONES_MAX,
    NodeSpec,
    Process,
    Topology,
    zone_in,
)
from mesh.topology.places import is_loopback, socket_folder

__all__ = [
    "DEFAULT_LINKS",
    "METRICS_OFFSET",
    "NEEDS",
    "PROCESSES_MAX",
    "PUB_OFFSET",
    "ROLES",
    "ROUTER_OFFSET",
    "SHARED",
    "SINGLE",
    "ZONES_MAX",
    "NodeSpec",
    "Process",
    "Topology",
    "is_loopback",
    "load",
    "socket_folder",
    "zone_in",
]
