"""`mesh db check | verify | audit`: is the player database what it should be? It is only read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from tools.ctl import clusters
from tools.ctl.commands.db_data import readable
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, json_option
from tools.ctl.output import emit_json, facts_table, say

FROM = click.option(
    "--backup", "backup", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A backup, instead of the database of a cluster.",
)  # fmt: skip


@click.command()
@FROM
@any_cluster_option
@json_option
@click.pass_obj
def check(environment: Environment, backup: Path | None, cluster: str | None, as_json: bool) -> int:
    """Verify and audit: read the whole database, and say all that is wrong with it.

    Exit codes: 0 it is whole, 1 it cannot be read, 3 there is none, 6 it is damaged.
    """
    return _judge("check", environment, backup, cluster, as_json, "the database is whole", "the database is damaged")


@click.command()
@FROM
@any_cluster_option
@json_option
@click.pass_obj
def verify(environment: Environment, backup: Path | None, cluster: str | None, as_json: bool) -> int:
    """Read every row: its checksum, its key, and what it says about other rows.

    A running DC makes a copy of the database first, which is read: players do not notice, the disk needs the room.
    Exit codes: 0 all rows are right, 1 it cannot be read, 3 there is none, 6 it is damaged.
    """
    right, wrong = "every row is what was written", "the database is damaged"
    return _judge("verify", environment, backup, cluster, as_json, right, wrong)


@click.command()
@FROM
@any_cluster_option
@json_option
@click.pass_obj
def audit(environment: Environment, backup: Path | None, cluster: str | None, as_json: bool) -> int:
    """Prove the totals of the economy: compute every purse, every item and every mail anew from the ledger.

    What was minted less what was burned must be what is in purses and mails, and every item in one place, the one
    where the ledger has brought it. Of a running cluster a copy is read, as with verify. Exit codes: 0 it adds up,
    1 it cannot be read, 3 there is none, 6 it does not.
    """
    right, wrong = "the economy follows from the ledger", "the economy does not follow from the ledger"
    return _judge("audit", environment, backup, cluster, as_json, right, wrong)


def _judge(
    command: str, environment: Environment, backup: Path | None, cluster: str | None, as_json: bool,
    right: str, wrong: str,
) -> int:  # fmt: skip
    if backup is not None:
        verdict, code = run_offline("dc", command, backup, ["--backup"])
    else:
        with readable(*clusters.find_or_load(cluster, environment)) as (data, options):
            verdict, code = run_offline("dc", command, data, options)
    tell(verdict, as_json, right, wrong)
    return code


def tell(verdict: dict[str, Any], as_json: bool, right: str, wrong: str) -> None:
    """A verdict, for people or for programs."""
    if as_json:
        emit_json(verdict)
        return
    for problem in verdict["problems"]:
        say(problem)
    facts = {key: value for key, value in verdict.items() if key != "problems" and value != ""}
    if "made_s" in facts:
        facts["made"] = f"{datetime.fromtimestamp(facts.pop('made_s'), UTC):%Y-%m-%d %H:%M:%S} UTC"
    facts_table(facts)
    say(f"mesh: {right if verdict['ok'] else wrong}")
