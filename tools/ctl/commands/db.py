"""`mesh db`: rows, sizes and the check of the player database, of the running DC or from the file of a stopped one."""

import asyncio
from pathlib import Path
from typing import Any

import rich_click as click

from mesh.protocol.records import (
    DbStat,
    ReadRecords,
    Records,
    StatDb,
)
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.asking import first
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, json_option
from tools.ctl.output import console, emit_json, emit_json_line, say, table


@click.group()
def db() -> None:
    """Look into the player database. Nothing here changes a row."""


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
        value, _ = run_offline("dc", "get", _data(topology), [table_name, prefix, "--limit", str(limit)])
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
        facts, _ = run_offline("dc", "stat", _data(topology))
    if as_json:
        emit_json(facts)
    else:
        _draw(facts)
    return Exit.OK


@db.command()
@any_cluster_option
@json_option
@click.pass_obj
def check(environment: Environment, cluster: str | None, as_json: bool) -> int:
    """Read the whole database of a stopped cluster: every checksum, every reference, the economy computed anew.

    Exit codes: 0 it is whole, 1 it is in use or cannot be read, 3 there is none, 6 it is damaged.
    """
    topology, running = clusters.find_or_load(cluster, environment)
    if running:
        raise CommandError(
            f"the database of {running.label} is in use, and a check needs it to hold still: first `mesh down "
            f"{running.label}`; `mesh db stat` shows the totals of a running one"
        )
    verdict, code = run_offline("dc", "check", _data(topology))
    if as_json:
        emit_json(verdict)
    else:
        for problem in verdict["problems"]:
            say(problem)
        _draw({key: value for key, value in verdict.items() if key != "problems"})
        say("mesh: the database is whole" if verdict["ok"] else "mesh: the database is damaged")
    return code


def _data(topology: Topology) -> Path:
    return topology.data(topology.of_role("dc")[0])


def _draw(facts: dict[str, Any]) -> None:
    drawn = table("what", "value", right=("value",))
    for key, value in facts.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                drawn.add_row(f"{key}.{inner}", _number(number))
        else:
            drawn.add_row(key, _number(value))
    console().print(drawn, markup=False)


def _number(value: Any) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) and not isinstance(value, bool) else str(value)
