"""The ways to tell people: what a topology says of each, as data.

[settings.ops.notify.team]
kind = "webhook"
url_file = "/etc/zonemesh/chat-url"     # a url that is a secret itself; url = "..." for one that is not
[settings.ops.notify.on-call]
kind = "email"
host = "mail.example.org"
sender = "mesh@example.org"
to = ["ops@example.org"]
user = "mesh"
password_file = "/etc/zonemesh/mail-password"
severity = "critical"                   # only what is at least so bad
[settings.ops.notify.pager]
kind = "command"                        # the notice comes on stdin, as JSON
argv = ["/usr/local/bin/page"]
[settings.ops.notify.alertmanager]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from mesh.errors import TopologyError
from nodes.ops.analysis.kinds import Severity

CHANNELS_MAX = 20
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Address = Annotated[str, msgspec.Meta(pattern=r"^[^@\s<>]+@[^@\s<>]+\Z", max_length=254)]


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all have."""

    severity: Severity = "warning"  # at least
    resolved: bool = True  # the end is told, too


class Webhook(Channel, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """A POST of JSON. One of `url` and `url_file`; the token goes as `Authorization: Bearer`."""

    url: str = ""
    url_file: str = ""
    token_file: str = ""


class Email(Channel, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="email"):
    """A letter by SMTP. A user needs a password, and that an encrypted connection."""

    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: str = "starttls"  # starttls, tls or none
    user: str = ""
    password_file: str = ""
    sender: Address
    to: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1, max_length=50)]


class Command(Channel, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="command"):
    """A program with its arguments; no shell."""

    argv: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=50)]


class Alertmanager(
    Channel, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="alertmanager"
):
    """The alerts themselves, to its API v2; it groups and silences by itself."""

    url: Text
    token_file: str = ""
    severity: Severity = "notice"


AnyChannel = Webhook | Email | Command | Alertmanager
_STRUCTS: dict[str, type[AnyChannel]] = {
    "webhook": Webhook,
    "email": Email,
    "command": Command,
    "alertmanager": Alertmanager,
}


def read_channels(table: Mapping[str, Any], where: str) -> dict[str, AnyChannel]:
    """By name. TopologyError with everything that is wrong; `where` is what its keys are named after:
    "my.toml: settings.ops.notify"."""
    channels, problems = dict[str, AnyChannel](), list[str]()
    if len(table) > CHANNELS_MAX:
        problems.append(f"{where}: {len(table)} channels; at most {CHANNELS_MAX}")
    for name, entry in table.items():
        place = f"{where}.{name}"
        if not isinstance(entry, dict):
            problems.append(f"{place}: must be a table; write [settings.ops.notify.{name}]")
            continue
        wrong, channel = _read(entry, place)
        problems += wrong
        if channel is not None:
            channels[name] = channel
    if problems:
        raise TopologyError(problems)
    return channels


def url_problem(url: str) -> str | None:
    """Why nothing can be sent there; None when it can be tried."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return "is no address"
    if not fine:
        return "must begin with http:// or https:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "must not have a password in it; use token_file, or url_file for an address that is secret"
    return None


def _read(entry: dict[str, Any], place: str) -> tuple[list[str], AnyChannel | None]:
    kind = entry.get("kind")
    struct = _STRUCTS.get(kind) if isinstance(kind, str) else None
    if struct is None:
        return [f"{place}.kind: {kind!r} is no kind of channel; known are {', '.join(_STRUCTS)}"], None
    known = {field.name for field in msgspec.structs.fields(struct)} | {"kind"}
    names = ", ".join(sorted(known))
    problems = [f"{place}.{key}: unknown key; known are {names}" for key in entry if key not in known]
    try:
        channel = msgspec.convert({key: value for key, value in entry.items() if key in known}, struct)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        return [*problems, f"{place}{path.removesuffix('`')}: {text}"], None
    return problems + [f"{place}.{text}" for text in _mistakes(channel)], channel


def _mistakes(channel: AnyChannel) -> list[str]:
    """What the types do not say."""
    match channel:
        case Webhook(url="", url_file=""):
            return ["url: is missing; or url_file, a file with an address that is secret"]
        case Webhook(url=url, url_file=file) if url and file:
            return ["url: there is a url_file, too; leave out one"]
        case Webhook(url=url) if url and url_problem(url):
            return [f"url: {url_problem(url)}"]
        case Alertmanager(url=url) if url_problem(url):
            return [f"url: {url_problem(url)}"]
        case Email():
            return _mistakes_of_email(channel)
        case _:
            return []


def _mistakes_of_email(channel: Email) -> list[str]:
    problems = []
    if channel.security not in ("starttls", "tls", "none"):
        problems.append(f"security: {channel.security!r} is not known; known are starttls, tls and none")
    if bool(channel.user) != bool(channel.password_file):
        problems.append("user: user and password_file belong together")
    if channel.user and channel.security == "none":
        problems.append("security: a password is sent over an encrypted connection only; use starttls or tls")
    return problems
