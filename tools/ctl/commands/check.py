"""`mesh check TOPOLOGY`."""

from pathlib import Path

import rich_click as click

from mesh.topology import load
from tools.ctl import clusters
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, complete_cluster, json_option, parse_settings, start_options
from tools.ctl.output import emit, emit_json, say
from tools.ctl.prechecks import settings_problems


@click.command()
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@start_options
@json_option
@click.pass_obj
def check(
    environment: Environment,
    topology: str,
    base_port: int | None,
    runtime: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Check a topology without starting it: all mistakes at once, each with file, key and remedy.

    TOPOLOGY is a .toml file or the name of one that comes along (default: local).

    Exit codes: 0 it can be started, 2 it has mistakes.
    """
    file = clusters.topology_file(topology)
    overrides = parse_settings(settings)
    problems = settings_problems(file, base_port, runtime, overrides)
    if as_json:
        emit_json({"topology": str(file), "problems": problems})
    elif problems:
        emit("\n".join(problems))
        say(f"mesh: {len(problems)} problem{'s' if len(problems) > 1 else ''} in {file}")
    else:
        checked = load(file, base_port=base_port, runtime=runtime, overrides=overrides, environment=environment)
        say(f"mesh: {file} is fine: {len(checked.nodes)} nodes in {len(checked.processes)} processes")
    return Exit.USAGE if problems else Exit.OK
