"""The supervisor of `mesh up --detach`: runs in a session of its own, without a terminal.

Until the cluster is Ready (or has failed) it reports to the command that started it, one JSON object per line on its
stdout; after that it only writes its log. Started as `python -P -m tools.ctl.detached` with the cluster as one JSON
argument; not meant to be called by people.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from mesh import topology as topologies
from mesh.errors import MeshError
from tools.ctl.exits import Exit, exit_of
from tools.ctl.run import supervise_cluster


class Order(msgspec.Struct, frozen=True):
    """Which cluster to run."""

    topology: str
    base_port: int
    runtime: str
    overrides: dict[str, str]
    host: str = ""  # only the processes of this one


class Report(msgspec.Struct, frozen=True):
    """One line to the waiting command: something to tell, or how it ended."""

    say: str = ""
    ready: dict[str, Any] | None = None
    exit: int | None = None
    error: str = ""


def main() -> int:
    """Run the cluster of the order in argv[1]."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    try:
        topology = topologies.load(
            Path(order.topology), base_port=order.base_port, runtime=Path(order.runtime), overrides=order.overrides
        )
        code = supervise_cluster(topology, order.overrides, os.environ, _say, _ready, order.host)
        _report(Report(exit=int(code)))
    except (MeshError, OSError) as error:
        code = exit_of(error)
        _report(Report(exit=int(code), error=str(error)))
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    return int(code)


def _say(text: str) -> None:
    _report(Report(say=text))


def _ready(summary: dict[str, Any]) -> None:
    """The last report: from now on nobody listens."""
    _report(Report(ready=summary))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _report(report: Report) -> None:
    """Straight to the descriptor; the command that waited may be gone, which is no reason to stop."""
    with contextlib.suppress(OSError):
        os.write(1, msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
