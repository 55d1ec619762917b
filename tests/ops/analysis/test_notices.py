"""Who is told what and when, and what goes out over each channel."""

import json
from typing import Any

import msgspec
import pytest

from mesh.errors import TopologyError
from nodes.ops.analysis.alerts import Alert
from nodes.ops.analysis.channels import Alertmanager, Command, Email, Webhook, read_channels
from nodes.ops.analysis.incidents import Incident, Incidents
from nodes.ops.analysis.notices import REPEAT_S, UPDATE_S, WAIT_S, Notice, Notices, NoticesState
from nodes.ops.analysis.notify import alerts_post_of, call_of, is_for, letter_of, lines_of, post_of, subject_of
from nodes.ops.analysis.secret import Secret
from tests.ops.analysis.test_incidents import RELATIONS, finding

NOW_S = 1_763_942_400.0
MAIL = Email(host="mail.example.org", sender="mesh@example.org", to=("a@example.org", "b@example.org"))


def alert(rule: str, subject: str = "dc.1", **more: Any) -> Alert:
    said: dict[str, Any] = {
        "id": f"{rule}/{subject}", "kind": "threshold", "zone": "one", "severity": "critical", "state": "firing",
        "text": f"{rule} at {subject}", "value": 2.0, "limit": 1.0, "unit": "s", "runbook": "slow-disk",
        "check": "slow-disk", "since_s": NOW_S, "fired_s": NOW_S + 5,
    }  # fmt: skip
    return Alert(rule=rule, subject=subject, **(said | more))


def incident() -> Incident:
    incidents = Incidents()
    (change,) = incidents.look([finding("commit", "dc.1"), finding("login", "zone:one")], RELATIONS, NOW_S)
    return change.incident


class Told:
    def __init__(self, state: NoticesState | None = None) -> None:
        self.notices, self.now_s = Notices(state), NOW_S

    def look(self, *alerts: Alert, after_s: float = 1.0, about: Incident | None = None) -> list[tuple[str, str, int]]:
        self.now_s += after_s
        self.made = self.notices.look(alerts, {} if about is None else {about.id: about}, self.now_s)
        return [(one.key, one.state, len(one.alerts)) for one in self.made]


def test_alerts_of_one_incident_are_one_notice() -> None:
    told, about = Told(), incident()
    some = [alert("slow-disk", incident="i-1"), alert("write-window", incident="i-1"), alert("disk-low", "host:a")]
    assert told.look(*some, about=about) == []
    assert told.look(*some, about=about, after_s=WAIT_S) == [("i-1", "firing", 2), ("disk-low", "firing", 1)]
    assert told.made[0].title == "the disk of machine a is slow"
    assert told.look(*some, about=about) == []
    assert told.look(about=about) == [("i-1", "resolved", 2), ("disk-low", "resolved", 1)]


def test_what_is_over_before_anybody_was_told_is_not_told() -> None:
    told = Told()
    told.look(alert("slow-disk"))
    assert told.look() == []


def test_what_joins_is_told_and_what_stays_is_repeated() -> None:
    told, one, other = Told(), alert("slow-disk", incident="i-1"), alert("log-drops", incident="i-1")
    told.look(one)
    told.look(one, after_s=WAIT_S)
    assert told.look(one, other, after_s=UPDATE_S) == [("i-1", "firing", 2)]
    assert told.look(one, other, after_s=REPEAT_S - 1) == []
    assert told.look(one, other) == [("i-1", "firing", 2)]
    seen = [msgspec.structs.replace(each, acknowledged_s=NOW_S) for each in (one, other)]
    assert told.look(*seen, after_s=REPEAT_S + 1) == []


def test_silenced_pending_and_resolved_ones_are_not_told() -> None:
    told = Told()
    some = [alert("a", silence="s-1"), alert("b", state="pending"), alert("c", state="resolved")]
    told.look(*some)
    assert told.look(*some, after_s=WAIT_S) == []


def test_nobody_is_told_twice_after_a_restart() -> None:
    told = Told()
    told.look(alert("a"))
    told.look(alert("a"), after_s=WAIT_S)
    again = Told(msgspec.msgpack.decode(msgspec.msgpack.encode(told.notices.state()), type=NoticesState))
    again.now_s = told.now_s
    assert again.look(alert("a")) == []
    assert again.look() == [("a", "resolved", 1)]


# --- what goes out ---


def notice(**more: Any) -> Notice:
    about = incident()
    said: dict[str, Any] = {
        "key": about.id, "state": "firing", "severity": "critical", "title": about.title,
        "alerts": (alert("slow-disk", incident=about.id),), "incident": about, "at_s": NOW_S,
    }  # fmt: skip
    return Notice(**(said | more))


def test_a_webhook() -> None:
    post = post_of(notice(), "main", Secret("http://x/"), Secret("token-1"))
    said = json.loads(post.body)
    assert said["text"].startswith("[main] critical: the disk of machine a is slow\n")
    assert (said["key"], said["state"], said["incident"]["kind"]) == ("i-1", "firing", "slow-disk")
    assert said["at"] == "2025-11-24T00:00:00.000Z"
    assert said["alerts"][0]["rule"] == "slow-disk"
    assert post.headers["Authorization"].text == "Bearer token-1"
    assert "token-1" not in repr(post)
    assert "http://x/" not in repr(post)


def test_what_people_read() -> None:
    lines = lines_of(notice())
    assert "  dc.1: commits of the DC, p90: 1 s (normal: 100 ms)" in lines
    assert lines[-1] == "read:  docs/runbooks/slow-disk.md"
    assert any(line.startswith("look:  mesh doctor slow-disk") for line in lines)
    over = lines_of(notice(state="resolved"))
    assert not any(line.startswith(("look", "mend", "read")) for line in over)
    assert subject_of(notice(state="resolved"), "main") == "[main] over: the disk of machine a is slow"


def test_a_letter() -> None:
    letter = letter_of(MAIL, notice(title="slow\r\nBcc: everybody"), "main", Secret("pass-1"))
    assert letter.message["To"] == "a@example.org, b@example.org"
    assert letter.message["Subject"] == "[main] critical: slow Bcc: everybody"
    assert letter.message["Bcc"] is None
    assert "mesh doctor slow-disk" in letter.message.get_content()
    assert "pass-1" not in repr(letter)


def test_a_command() -> None:
    call = call_of(("/bin/page", "--now"), notice(), "main")
    assert call.argv == ("/bin/page", "--now")
    assert json.loads(call.stdin)["title"] == "the disk of machine a is slow"


def test_alertmanager() -> None:
    some = [
        alert("slow-disk", incident="i-1"),
        alert("away", state="resolved", resolved_s=NOW_S + 60),
        alert("b", state="pending"),
    ]
    post = alerts_post_of(Alertmanager(url="http://127.0.0.1:9093/"), some, "main", NOW_S + 100, None)
    assert post.url.text == "http://127.0.0.1:9093/api/v2/alerts"
    first, second = json.loads(post.body)
    assert first["labels"] == {
        "alertname": "slow-disk", "cluster": "main", "subject": "dc.1", "zone": "one", "severity": "critical",
        "kind": "threshold",
    }  # fmt: skip
    assert first["annotations"]["runbook"] == "docs/runbooks/slow-disk.md"
    assert (first["startsAt"], first["endsAt"]) == ("2025-11-24T00:00:05.000Z", "2025-11-24T00:06:40.000Z")
    assert second["endsAt"] == "2025-11-24T00:01:00.000Z"


def test_channels_want_what_is_bad_enough() -> None:
    calls = Command(argv=("x",), severity="critical", resolved=False)
    assert is_for(calls, notice())
    assert not is_for(calls, notice(severity="warning"))
    assert not is_for(calls, notice(state="resolved"))
    assert is_for(MAIL, notice(state="resolved", severity="warning"))
    assert not is_for(MAIL, notice(severity="notice"))


# --- settings ---


def test_channels_of_a_topology() -> None:
    channels = read_channels(
        {
            "team": {"kind": "webhook", "url_file": "/x"},
            "mail": {"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"], "user": "u", "password_file": "/p"},
            "pager": {"kind": "command", "argv": ["/bin/page"]},
            "am": {"kind": "alertmanager", "url": "http://127.0.0.1:9093"},
        },
        "f: n",
    )
    assert [type(one) for one in channels.values()] == [Webhook, Email, Command, Alertmanager]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "webhook"}, "f: n.x.url: is missing"),
        ({"kind": "webhook", "url": "http://a/", "url_file": "/x"}, "leave out one"),
        ({"kind": "webhook", "url": "ftp://a/"}, "must begin with http:// or https://"),
        ({"kind": "webhook", "url": "file:///etc/passwd"}, "must begin with http:// or https://"),
        ({"kind": "webhook", "url": "http://u:geheim@a/"}, "must not have a password in it"),
        ({"kind": "webhook", "url": "http://a/", "tokn_file": "/x"}, "f: n.x.tokn_file: unknown key; known are kind"),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": []}, "f: n.x.to: Expected `array` of length >= 1"),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": ["c\nBcc: d@e"]}, "f: n.x.to"),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"], "user": "u"}, "user and password_file belong"),
        (
            {"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"], "user": "u", "password_file": "/p"}
            | {"security": "none"},
            "over an encrypted connection only",
        ),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"], "security": "ssl"}, "known are starttls"),
        ({"kind": "command", "argv": "rm"}, "f: n.x.argv: Expected `array`"),
        ({"kind": "pigeon"}, "f: n.x.kind: 'pigeon' is no kind of channel"),
        ("http://a/", "f: n.x: must be a table"),
    ],
)
def test_mistakes_are_named(entry: Any, said: str) -> None:
    with pytest.raises(TopologyError) as caught:
        read_channels({"x": entry}, "f: n")
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)
