"""What Prometheus asks, and how often: prometheus.yml, and targets.json with every process of a cluster.

Processes are found by file, so that what `mesh scale` adds or stops needs no reload: Prometheus sees that targets.json
has changed. Rejected: finding them over HTTP, which needs somebody who is always there to answer.
"""

import json
from collections.abc import Collection
from typing import Any

from mesh.topology import Process, Topology
from tools.ctl.observability.rules import PATTERN

CONFIGURATION = "prometheus.yml"
TARGETS = "targets.json"
INTERVAL = "10s"

_TEXT = f"""\
# Prometheus 2.42 or later for zonemesh, written by `mesh export prometheus`. This file is yours from now on: it is not
# written again while it is there. Paths are relative to its folder.
#
#     promtool check config {CONFIGURATION}
#     prometheus --config.file={CONFIGURATION} --storage.tsdb.retention.time=30d
#
# Some alerts compare with last week: keep at least eight days.

global:
  scrape_interval: {INTERVAL}     # rules and dashboards take rates over a minute: at most 15s
  scrape_timeout: 5s
  evaluation_interval: {INTERVAL}

rule_files:
  - "{PATTERN}"     # mesh export alerts -o HERE

alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:9093"]

scrape_configs:
  - job_name: zonemesh     # rules and dashboards know it by this name
    file_sd_configs:
      # After `mesh scale` or a change of the topology write it again, by hand or from cron; no reload is needed:
      #     mesh export prometheus NAME --targets-only -o HERE
      # For another cluster add a file of its own, from another folder.
      - files: ["{TARGETS}"]
"""


def files(topology: Topology, processes: Collection[Process]) -> dict[str, str]:
    """File name -> text."""
    return {CONFIGURATION: _TEXT, TARGETS: targets(topology, processes)}


def targets(topology: Topology, processes: Collection[Process]) -> str:
    """A group for each process, as every series of a process has its labels."""
    return json.dumps([_group(topology, process) for process in processes], indent=2) + "\n"


def _group(topology: Topology, process: Process) -> dict[str, Any]:
    host = f"[{process.host}]" if ":" in process.host else process.host
    return {
        "targets": [f"{host}:{process.metrics_port}"],
        "labels": {
            "cluster": topology.runtime.name,
            "region": topology.region,
            "zone": process.nodes[0].zone,
            "host": process.host,
            "process": process.name,
            "nodes": ",".join(node.short for node in process.nodes),
        },
    }
