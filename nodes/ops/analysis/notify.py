"""What goes out over each kind of channel: a notice in, a request, a letter or a call out. Pure; sends nothing.

Webhooks and commands get the same JSON, which has a line for people (`text`), so that chat programs show it as it is.
Alertmanager is not told of notices: it wants to hear of all that fires again and again (STEADY_S), and takes what it
has not heard of for FIRES_S for over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import msgspec

from nodes.ops.analysis.alerts import Alert
from nodes.ops.analysis.channels import Alertmanager, Channel, Email
from nodes.ops.analysis.notices import Notice
from nodes.ops.analysis.secret import Secret
from nodes.ops.analysis.words import quantity, where

STEADY_S = 60.0
FIRES_S = 300.0
LINES_MAX = 20
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Post:
    """A request of HTTP. Its address and headers may be secrets."""

    url: Secret
    headers: Mapping[str, Secret]
    body: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and how to get it to its server."""

    channel: Email
    password: Secret | None
    message: EmailMessage


@dataclass(frozen=True, slots=True)
class Call:
    """A program, and what it reads from stdin."""

    argv: tuple[str, ...]
    stdin: bytes


def post_of(notice: Notice, cluster: str, url: Secret, token: Secret | None) -> Post:
    """For a webhook."""
    return Post(url, _headers(token), msgspec.json.encode(content_of(notice, cluster)))


def call_of(argv: tuple[str, ...], notice: Notice, cluster: str) -> Call:
    """For a command."""
    return Call(argv, msgspec.json.encode(content_of(notice, cluster)))


def letter_of(channel: Email, notice: Notice, cluster: str, password: Secret | None) -> Letter:
    """For a mail server."""
    message = EmailMessage()
    message["From"], message["To"] = channel.sender, ", ".join(channel.to)
    message["Subject"] = " ".join(subject_of(notice, cluster).split())[:200]
    message["Date"] = datetime.fromtimestamp(notice.at_s, UTC)
    message["X-Zonemesh-Key"] = " ".join(f"{cluster} {notice.key}".split())
    message.set_content("\n".join(lines_of(notice)) + "\n")
    return Letter(channel, password, message)


def alerts_post_of(
    channel: Alertmanager, alerts: Sequence[Alert], cluster: str, now_s: float, token: Secret | None
) -> Post:
    """Everything that fires or has ended lately, for the API v2 of Alertmanager."""
    body = [_for_alertmanager(one, cluster, now_s) for one in alerts if one.state != "pending"]
    return Post(Secret(channel.url.rstrip("/") + "/api/v2/alerts"), _headers(token), msgspec.json.encode(body))


def is_for(channel: Channel, notice: Notice) -> bool:
    """Is the channel told of this?"""
    order = ("critical", "warning", "notice")
    bad_enough = order.index(notice.severity) <= order.index(channel.severity)
    return bad_enough and (channel.resolved or notice.state == "firing")


def subject_of(notice: Notice, cluster: str) -> str:
    """One line: what is wrong, or is over."""
    word = "over" if notice.state == "resolved" else notice.severity
    return f"[{cluster}] {word}: {notice.title}"


def lines_of(notice: Notice) -> list[str]:
    """What people read: the cause, what shows it, what to do."""
    incident, lines = notice.incident, [notice.title]
    if incident is not None:
        lines += [f"  {_shown(one)}" for one in incident.evidence[:LINES_MAX]]
        lines += ["", f"incident {incident.id} since {moment(incident.begun_s)}"]
    else:
        lines += [f"  {one.text}" for one in notice.alerts[:LINES_MAX]]
    if notice.state == "firing":
        runbook, check = (incident or notice.alerts[0]).runbook, (incident or notice.alerts[0]).check
        lines += ["", f"look:  mesh doctor {check}"]
        lines += [f"mend:  {incident.advice}"] if incident is not None else []
        lines += [f"read:  docs/runbooks/{runbook}.md"]
    return lines


def content_of(notice: Notice, cluster: str) -> dict[str, Any]:
    """What programs read."""
    incident = notice.incident
    return {
        "text": "\n".join([subject_of(notice, cluster), *lines_of(notice)[1:]]),
        "cluster": cluster,
        "key": notice.key,
        "state": notice.state,
        "severity": notice.severity,
        "title": notice.title,
        "at": moment(notice.at_s),
        "incident": None if incident is None else {
            "id": incident.id, "kind": incident.kind, "place": incident.place, "nodes": incident.nodes,
            "since": moment(incident.begun_s), "runbook": incident.runbook, "check": incident.check,
            "advice": incident.advice,
        },
        "alerts": [
            {
                "id": one.id, "rule": one.rule, "subject": one.subject, "zone": one.zone, "severity": one.severity,
                "text": one.text, "since": moment(one.since_s), "runbook": one.runbook, "check": one.check,
            }
            for one in notice.alerts
        ],
    }  # fmt: skip


def moment(at_s: float) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _headers(token: Secret | None) -> dict[str, Secret]:
    headers = {"Content-Type": Secret(JSON), "User-Agent": Secret("zonemesh")}
    return headers if token is None else headers | {"Authorization": Secret(f"Bearer {token.text}")}


def _shown(one: Any) -> str:
    """One piece of evidence."""
    bounds = [quantity(bound, one.unit) for bound in (one.low, one.high) if bound == bound]
    normal = f" (normal: {' to '.join(bounds)})" if bounds else ""
    return f"{where(one.subject)}: {one.text}: {quantity(one.value, one.unit)}{normal}"


def _for_alertmanager(one: Alert, cluster: str, now_s: float) -> dict[str, Any]:
    ends_s = one.resolved_s if one.state == "resolved" else now_s + FIRES_S
    labels = {
        "alertname": one.rule, "cluster": cluster, "subject": one.subject, "zone": one.zone, "severity": one.severity,
        "kind": one.kind,
    }  # fmt: skip
    notes = {
        "summary": one.text, "runbook": f"docs/runbooks/{one.runbook}.md", "check": f"mesh doctor {one.check}",
        "incident": one.incident,
    }  # fmt: skip
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in notes.items() if value},
        "startsAt": moment(one.fired_s or one.since_s),
        "endsAt": moment(ends_s),
    }
