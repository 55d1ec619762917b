"""`mesh account`: create, list, ban, mute, vip.

Passwords are asked for or read from a file, never taken from the command line.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.protocol.cluster import Account
from mesh.protocol.records import (
    AddAccount,
    BanAccount,
    MuteAccount,
    PrioritiseAccount,
    ReadRecords,
    Records,
)
from mesh.protocol.types import Name
from tools.ctl import clusters
from tools.ctl.asking import first
from tools.ctl.commands.db_data import data_of
from tools.ctl.exits import CommandError, Exit
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, cluster_option, json_option
from tools.ctl.output import console, emit_json, say, table
from tools.ctl.when import parse_length, show_ms

ANSWER_S = 10.0  # a password is hashed on the way
ACCOUNTS = "accounts"  # the DC's table
PASSWORD_MIN = 8
PASSWORD_MAX = 1024
FOR_EVER = -1
REASON_MAX = 1024  # characters, the catalogue's Text
LEVEL_MAX = 255


class Level(click.IntRange):
    """How early an account is let in; 0 is `--off`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        level = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LEVEL_MAX)) else -1
        if not 1 <= level <= LEVEL_MAX:
            off = "; --off ends it" if level == 0 else ""
            self.fail(f"{text!r} is not a whole number from 1 to {LEVEL_MAX}{off}", param, ctx)
        return level


@click.group()
def account() -> None:
    """Create, list, ban and mute accounts, let some in first."""


@account.command()
@click.argument("name")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Read the password from the first line of this file; - for stdin. Otherwise it is asked for.",
)
@cluster_option
@json_option
@click.pass_obj
def create(environment: Environment, name: str, password_file: Path | None, cluster: str | None, as_json: bool) -> int:
    """Create an account and its character.

    Exit codes: 0, 1 the name is taken, 2 not a name or password, 4 no login node answers.
    """
    checked = check_name(name)
    topology = clusters.find(cluster, environment).load()
    password = _password(password_file)
    made = asyncio.run(first(topology, "login", AddAccount(checked, password), Account, ANSWER_S))
    _tell(made, as_json, f"account {made.name} has number {made.account}")
    return Exit.OK


@account.command("list")
@click.argument("prefix", default="")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@any_cluster_option
@json_option
@click.pass_obj
def list_(environment: Environment, prefix: str, limit: int, cluster: str | None, as_json: bool) -> int:
    """List accounts, all or those whose name begins with PREFIX; also of a cluster that has stopped."""
    topology, running = clusters.find_or_load(cluster, environment)
    if running:
        answer = asyncio.run(first(topology, "dc", ReadRecords(ACCOUNTS, prefix, limit), Records))
        rows, more = [{"account": int(key), **row} for key, row in answer.rows], answer.more
    else:
        value, _ = run_offline("dc", "list", data_of(topology), [prefix, "--limit", str(limit)])
        rows, more = value["accounts"], value["more"]
    if as_json:
        emit_json({"accounts": rows, "more": more})
    else:
        _draw(rows)
        say(f"mesh: {len(rows)} account{'' if len(rows) == 1 else 's'}{', there are more: --limit' if more else ''}")
    return Exit.OK


@account.command()
@click.argument("name")
@click.option("--for", "length", metavar="LENGTH", help="90s, 10m, 2h, 3d or 1w. Default: for ever.")
@click.option("--reason", default="", help="What the player is told.")
@click.option("--lift", is_flag=True, help="End the ban instead.")
@cluster_option
@json_option
@click.pass_obj
def ban(
    environment: Environment,
    name: str,
    length: str | None,
    reason: str,
    lift: bool,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Ban an account; what it has open is ended at once.

    Exit codes: 0, 3 no such account, 4 no login node answers.
    """
    if lift and length:
        raise click.UsageError("--lift ends a ban, --for begins one: give one of them")
    until = 0 if lift else int(SystemClock().wall() + parse_length(length)) if length else FOR_EVER
    topology = clusters.find(cluster, environment).load()
    question = BanAccount(check_name(name), until, reason)
    changed = asyncio.run(first(topology, "login", question, Account, ANSWER_S))
    _tell(changed, as_json, f"account {changed.name}: {ban_words(changed.banned_until_s)}")
    return Exit.OK


@account.command()
@click.argument("name")
@click.option("--for", "length", metavar="LENGTH", help="90s, 10m, 2h, 3d or 1w. Default: for ever.")
@click.option("--reason", default="", help="What the player is told.")
@cluster_option
@json_option
@click.pass_obj
def mute(
    environment: Environment, name: str, length: str | None, reason: str, cluster: str | None, as_json: bool
) -> int:
    """Mute an account: at once and from its next login on, its player plays, and what it says is refused.

    That is what is said near, shouted, whispered, on channels and in mails. It ends by itself.

    Exit codes: 0, 1 it is kept, but no center could be told: who plays speaks on until this is said again, 3 no such
    account, 4 no login node answers.
    """
    checked = check_name(name)
    if len(reason) > REASON_MAX:
        raise CommandError(f"--reason has at most {REASON_MAX} characters", Exit.USAGE)
    until = int(SystemClock().wall() + parse_length(length)) if length else FOR_EVER
    return _mute(environment, MuteAccount(checked, until, reason), cluster, as_json)


@account.command()
@click.argument("name")
@cluster_option
@json_option
@click.pass_obj
def unmute(environment: Environment, name: str, cluster: str | None, as_json: bool) -> int:
    """Let the player of a muted account speak again, at once.

    Exit codes: as of `mesh account mute`.
    """
    return _mute(environment, MuteAccount(check_name(name), 0), cluster, as_json)


def _mute(environment: Environment, question: MuteAccount, cluster: str | None, as_json: bool) -> int:
    topology = clusters.find(cluster, environment).load()
    changed = asyncio.run(first(topology, "login", question, Account, ANSWER_S))
    words = mute_words(changed.muted_until_s, SystemClock().wall()) or "not muted"
    _tell(changed, as_json, f"account {changed.name}: {words}")
    return Exit.OK


@account.command()
@click.argument("name")
@click.option("--level", type=Level(1, LEVEL_MAX), metavar="N", help="1 to 255, the higher one goes first. Default: 1.")
@click.option("--off", is_flag=True, help="Wait like everybody else again.")
@cluster_option
@json_option
@click.pass_obj
def vip(environment: Environment, name: str, level: int | None, off: bool, cluster: str | None, as_json: bool) -> int:
    """Let an account in before others when the zone is full. It counts from the next login on.

    Of every four who are let in at least one has waited longest, whatever its level.

    Exit codes: 0, 2 not a level, 3 no such account, 4 no login node answers.
    """
    if off and level is not None:
        raise click.UsageError("--off ends it, --level sets it: give one of them")
    topology = clusters.find(cluster, environment).load()
    question = PrioritiseAccount(check_name(name), 0 if off else level or 1)
    changed = asyncio.run(first(topology, "login", question, Account, ANSWER_S))
    _tell(changed, as_json, f"account {changed.name}: {level_words(changed.priority)}")
    return Exit.OK


def level_words(priority: int) -> str:
    """For people."""
    return f"goes first, level {priority}" if priority else "waits like everybody else"


def check_name(name: str) -> str:
    """The catalogue's rule for names, before anybody is asked."""
    try:
        return msgspec.convert(name, Name)
    except msgspec.ValidationError:
        text = f"{name!r} is not a name: 1 to 32 of A-Z a-z 0-9 _ . -, beginning with a letter or digit"
        raise CommandError(text, Exit.USAGE) from None


def ban_words(until_s: int) -> str:
    """For people."""
    if until_s == 0:
        return "not banned"
    return "banned for ever" if until_s < 0 else f"banned until {show_ms(until_s * 1000)[:19]}"


def mute_words(until_s: int, wall_s: float) -> str:
    """For people; nothing about a mute that is over."""
    if until_s < 0:
        return "muted for ever"
    return f"muted until {show_ms(until_s * 1000)[:19]}" if until_s > wall_s else ""


def _password(file: Path | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "there is no terminal to ask for the password: give --password-file FILE, or - for stdin"
            )
        password = str(click.prompt("password", hide_input=True, confirmation_prompt="once more", err=True))
    elif str(file) == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        with file.open(encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise CommandError(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters", Exit.USAGE)
    return password


def _tell(who: Account, as_json: bool, text: str) -> None:
    if as_json:
        shown = {field: getattr(who, field) for field in who.__struct_fields__ if field != "password_hash"}
        emit_json(shown)
    else:
        say(f"mesh: {text}")


def _draw(rows: list[dict[str, Any]]) -> None:
    wall_s = SystemClock().wall()
    drawn = table("number", "name", "created", "ban", "mute", "reason", right=("number",), folds="reason")
    for row in rows:
        created = show_ms(int(row.get("created_s", 0)) * 1000)[:19]
        banned, muted = int(row.get("banned_until_s", 0)), mute_words(int(row.get("muted_until_s", 0)), wall_s)
        why = [row.get("ban_reason"), row.get("mute_reason") if muted else ""]
        drawn.add_row(
            str(row["account"]), str(row.get("name", row.get("damaged"))), created,
            ban_words(banned) if banned else "", muted, "; ".join(str(one) for one in why if one),
        )  # fmt: skip
    if rows:
        console().print(drawn, markup=False)
