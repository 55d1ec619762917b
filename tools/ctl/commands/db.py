"""`mesh db`: rows and sizes of the player database, of the running DC or from the file of a stopped one."""

import asyncio
from typing import Any

import rich_click as click

from mesh.protocol.records import (
    DbStat,
    ReadRecords,
    Records,
    StatDb,
)
from tools.ctl import clusters
from tools.ctl.asking import first
from tools.ctl.commands.db_checks import audit, check, verify
from tools.ctl.commands.db_copies import backup, export, import_, restore
from tools.ctl.commands.db_data import data_of
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, json_option
from tools.ctl.output import emit_json, emit_json_line, facts_table, say


@click.group()
def db() -> None:
    """Look into the player database, check it, back it up.

    What `restore` and `import` put in its place is checked first; nothing else here changes a row.
    """


@db.command()
@click.argument("table_name", metavar="TABLE")
@click.argument("prefix", default="")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@any_cluster_option
@json_option
@click.pass_obj
def get(environment: Environment, table_name: str, prefix: str, limit: int, cluster: str | None, as_json: bool) -> int:
    """Print rows of TABLE, all or those whose key begins with PREFIX, one JSON object per line.

    Where keys are account numbers, PREFIX may also be the beginning of an account's name. `mesh db stat` lists the
    tables. Password hashes are left out.

    Exit codes: 0, 3 no such table or row, 4 the DC does not answer.
    """
    topology, running = clusters.find_or_load(cluster, environment)
    if running:
        answer = asyncio.run(first(topology, "dc", ReadRecords(table_name, prefix, limit), Records))
        rows, more = [{"key": key, **row} for key, row in answer.rows], answer.more
    else:
        value, _ = run_offline("dc", "get", data_of(topology), [table_name, prefix, "--limit", str(limit)])
        rows, more = value["rows"], value["more"]
    if as_json:
        emit_json({"rows": rows, "more": more})
    else:
        for row in rows:
            emit_json_line(row)
    if more:
        say("mesh: there are more rows: --limit")
    if prefix and not rows:
        raise CommandError(f"{table_name} has no row that begins with {prefix}", Exit.NOT_FOUND)
    return Exit.OK


@db.command()
@any_cluster_option
@json_option
@click.pass_obj
def stat(environment: Environment, cluster: str | None, as_json: bool) -> int:
    """Show rows per table, sizes, what waits to be flushed, and the totals of the economy."""
    topology, running = clusters.find_or_load(cluster, environment)
    facts: dict[str, Any]
    if running:
        facts = asyncio.run(first(topology, "dc", StatDb(), DbStat)).facts
    else:
        facts, _ = run_offline("dc", "stat", data_of(topology))
    if as_json:
        emit_json(facts)
    else:
        facts_table(facts)
    return Exit.OK


for command in (check, verify, audit, backup, restore, export, import_):
    db.add_command(command)
