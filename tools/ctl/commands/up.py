"""`mesh up`: in the foreground until Ctrl-C, or detached."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mesh.errors import TopologyError
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.detached import Order, Report
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import (
    Environment,
    complete_cluster,
    host_option,
    json_option,
    parse_settings,
    start_options,
)
from tools.ctl.output import emit_json, say
from tools.ctl.prechecks import settings_problems
from tools.ctl.run import Outcome, supervise_cluster


@click.command()
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@click.option("-d", "--detach", is_flag=True, help="Return when all nodes are Ready; the cluster goes on.")
@host_option
@start_options
@json_option
@click.pass_obj
def up(
    environment: Environment,
    topology: str,
    detach: bool,
    host: str,
    base_port: int | None,
    runtime: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Start a cluster and look after it.

    TOPOLOGY is a .toml file or the name of one that comes along (default: local). All nodes are started, waited for
    until they are Ready, started again when they die, and stopped in order at Ctrl-C (a second Ctrl-C is impatient).

    A cluster on several machines has one file and on each machine its keys (`mesh keys new`); there --host starts the
    processes of that machine, which wait up to five minutes for those of the others.

    Exit codes: 0 stopped as asked (or, detached, all Ready), 1 it runs already or a port is taken, 2 the topology has
    mistakes, 4 a node did not become Ready, 130 interrupted before all were Ready.
    """
    overrides = parse_settings(settings)
    try:
        chosen = clusters.load(
            topology, base_port=base_port, runtime=runtime, overrides=overrides, environment=environment
        )
    except TopologyError as error:
        # The roles' own settings may have mistakes, too: all are shown at once.
        file = clusters.topology_file(topology)
        raise TopologyError(settings_problems(file, base_port, runtime, overrides) or error.problems) from None
    try:
        if detach:
            return _detached(chosen, overrides, host, as_json)
        return supervise_cluster(chosen, overrides, environment, _say, emit_json if as_json else _ignore, host)
    except Outcome as outcome:
        say(f"mesh: {outcome}")
        return outcome.exit_code


def _say(text: str) -> None:
    say(f"mesh: {text}")


def _ignore(summary: dict[str, Any]) -> None:
    """Without --json the sentence on stderr is enough."""


def _detached(topology: Topology, overrides: Mapping[str, str], host: str, as_json: bool) -> int:
    """Start the supervisor in a session of its own and pass on what it says until it is settled."""
    order = Order(str(topology.file), topology.base_port, str(topology.runtime), dict(overrides), host)
    command = [sys.executable, "-P", "-m", "tools.ctl.detached", msgspec.json.encode(order).decode()]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as supervisor:
        try:
            return _follow(supervisor, topology, as_json)
        except KeyboardInterrupt:
            say("mesh: interrupted, stopping what was started")
            supervisor.send_signal(signal.SIGTERM)
            with contextlib.suppress(CommandError):
                _follow(supervisor, topology, as_json=False)
            return Exit.INTERRUPTED


def _follow(supervisor: subprocess.Popen[bytes], topology: Topology, as_json: bool) -> int:
    assert supervisor.stdout is not None, "it is a pipe"
    assert supervisor.stderr is not None, "it is a pipe"
    for line in supervisor.stdout:
        report = msgspec.json.decode(line, type=Report)
        if report.say:
            _say(report.say)
        if report.ready is not None:
            if as_json:
                emit_json(report.ready)
            # It lives on without us: leaving the `with` must not wait for it.
            supervisor.returncode = 0
            return Exit.OK
        if report.exit is not None:
            if report.error:
                say(report.error if "\n" in report.error else f"mesh: {report.error}")
            return report.exit
    words = supervisor.stderr.read().decode(errors="replace").strip().splitlines()
    last = words[-1] if words else f"see {topology.runtime / 'logs' / 'supervisor.log'}"
    raise CommandError(f"the supervisor ended without a word ({last})", Exit.UNHEALTHY)
