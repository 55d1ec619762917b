"""The pure parts of the mesh: requests, links, lifecycle, membership, publications, traces."""

import msgspec
import pytest

from mesh.core.lifecycle import advance
from mesh.core.links import Links
from mesh.core.membership import Membership
from mesh.core.publications import KEPT_MAX, Publications, split
from mesh.core.requests import Requests
from mesh.errors import LocalProtocolError
from mesh.http import HttpDoor
from mesh.logs import SAME_TEXT_MAX, RateLimit
from mesh.protocol.control import Member, Trace
from mesh.protocol.envelope import HOPS_MAX, Hop
from mesh.testing import ManualClock
from mesh.trace import LATEST_MAX, SLOWEST_MAX, TraceContext, Traces


def member(name: str, incarnation: int = 1, state="Ready") -> Member:
    return Member(name, incarnation, "scene", "x", state)


def test_a_request_ends_once():
    requests: Requests[str] = Requests()
    number = requests.begin(3, "waiter")
    assert requests.end(number, link=4) is None  # the answer came from somebody else
    assert requests.end(number, link=3) == "waiter"
    assert requests.end(number) is None


def test_a_lost_link_ends_its_requests_and_no_others():
    requests: Requests[str] = Requests()
    requests.begin(1, "a")
    other = requests.begin(2, "b")
    requests.begin(1, "c")
    assert requests.lost(1) == ["a", "c"]
    assert requests.end(other) == "b"
    assert len(requests) == 0


def test_a_newer_link_of_a_peer_replaces_the_older():
    links = Links()
    first, second = links.accepted(1, 0.0), links.accepted(2, 0.0)
    assert links.greeted(first, "a", "scene", 7) is None
    assert links.greeted(second, "a", "scene", 8) is first
    links.remove(1)
    assert links.up["a"] is second
    links.remove(2)
    assert "a" not in links.up


def test_silence_is_death_except_while_connecting():
    links = Links()
    links.opened(1, "a", "x", now=0.0)
    up = links.accepted(2, now=0.0)
    links.greeted(up, "b", "scene", 1)
    assert links.silent(1.5) == []
    assert links.silent(1.6) == [up]
    links.press("b", True)
    assert links.silent(2.0) == []
    assert links.silent(2.1) == [up]
    links.press("b", False)
    links.press("nobody", True)
    assert links.silent(1.6) == [up]
    assert links.due(0.4) == []
    assert links.due(0.5) == [up]


def test_a_state_may_only_follow_its_table():
    assert advance("Starting", "Ready") == "Ready"
    for now, wanted in (("Ready", "Starting"), ("Draining", "Ready"), ("Shutdown", "Ready")):
        with pytest.raises(LocalProtocolError):
            advance(now, wanted)


def test_membership_knows_what_it_missed():
    known = Membership()
    known.stand(5, 10)
    assert known.follows(5, 11) is True
    assert known.follows(5, 12) is False
    assert known.follows(5, 10) is None
    assert known.follows(4, 99) is None
    assert known.follows(6, 1) is False


def test_a_late_farewell_does_not_remove_the_successor():
    known = Membership()
    known.apply(member("a", incarnation=2))
    known.apply(member("a", incarnation=1, state="Shutdown"))
    assert "a" in known.members
    known.apply(member("a", incarnation=2, state="Shutdown"))
    assert "a" not in known.members


def test_a_fresh_centers_list_costs_nobody_his_place():
    known = Membership()
    known.replace([member("a"), member("b")])
    _, gone = known.replace([member("a")], whole=False)
    assert gone == []
    assert set(known.members) == {"a", "b"}
    _, gone = known.replace([member("a")])
    assert [m.name for m in gone] == ["b"]


def test_a_standby_and_a_writer_of_yesterday_are_not_in_charge():
    known = Membership()
    known.replace([member("a"), member("b")])
    assert [m.name for m in known.in_charge("scene")] == ["a", "b"], "nothing is said about it: all are"
    known.apply(msgspec.structs.replace(member("a"), facts={"epoch": "9"}))
    known.apply(msgspec.structs.replace(member("b"), facts={"standby": "a"}))
    assert [m.name for m in known.in_charge("scene")] == ["a"]
    known.apply(msgspec.structs.replace(member("b"), facts={"epoch": "10"}))
    assert [m.name for m in known.in_charge("scene")] == ["b"], "the other one cannot say that it is over"
    assert [m.name for m in known.of_role("scene")] == ["a", "b"]


def test_publications_are_numbered_and_kept():
    stream = Publications()
    stream.epoch = 3
    for n in range(KEPT_MAX + 5):
        frame = stream.add(b"%d" % n)
    assert split(frame) == (3, KEPT_MAX + 5, b"%d" % (KEPT_MAX + 4))
    assert split(stream.pulse(b"p")) == (3, KEPT_MAX + 5, b"p")
    assert stream.since(3, KEPT_MAX + 3) == [b"%d" % (KEPT_MAX + 3), b"%d" % (KEPT_MAX + 4)]
    assert len(stream.since(3, 0)) == KEPT_MAX
    assert stream.since(0, 0) == []  # who has just come has missed nothing
    assert stream.since(4, 0) == []
    assert len(stream.since(2, 9_999)) == KEPT_MAX  # who knew the center before has missed all of this one
    assert stream.since(3, KEPT_MAX + 5) == []
    with pytest.raises(ValueError, match="without a head"):
        split(b"short")


def trace(number: int, kind: str, us: int) -> Trace:
    return Trace(number, f"s{number}", kind, 0, [Hop(0, 1, 0, "c", "g", 0, 0, us, us)])


def test_traces_keep_the_latest_and_the_slowest():
    kept = Traces()
    for n in range(LATEST_MAX + 100):
        kept.add(trace(n, "login", 1_000_000 - n))
    assert [t.id for t in kept.find("login", "", "latest", 2)] == [LATEST_MAX + 99, LATEST_MAX + 98]
    assert [t.id for t in kept.find("", "", "slowest", 2)] == [0, 1]
    assert len(kept.find("", "", "slowest", 1000)) == SLOWEST_MAX
    assert kept.find("login", "s0", "slowest", 1)[0].id == 0
    assert kept.find("resume", "", "latest", 1) == []


def test_a_trace_is_bounded_and_nested():
    context = TraceContext(1)
    inner = Hop(0, 3, 103, "login", "dc", 0, 0, 1, 1)
    context.add(Hop(0, 2, 100, "gate", "login", 0, 0, 2, 2), [inner])
    assert [h.depth for h in context.hops] == [0, 1]
    for _ in range(100):
        context.add(inner, [inner])
    assert len(context.hops) == HOPS_MAX


def test_one_text_cannot_fill_the_log():
    clock = ManualClock()
    limit = RateLimit(clock)

    def let_through(text: str) -> int:
        return sum(limit({"message": text, "extra": {}}) for _ in range(100))

    assert let_through("a") == SAME_TEXT_MAX
    assert let_through("b") == SAME_TEXT_MAX
    clock.advance(1.0)
    assert let_through("a") == SAME_TEXT_MAX


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET /x?a=b HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET /y HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /x HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"\xff\xfe\r\n\r\n", b"400 Bad Request"),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"GET \xff\xff HTTP/1.1\r\n\r\n", b"404 Not Found"),
    ],
)
def test_the_http_door_answers_everybody(head, status):
    door = HttpDoor({"/x": lambda: (200, "text/plain", b"hello")})
    answer = door.answer(head)
    assert answer.startswith(b"HTTP/1.1 " + status)
    body = answer.split(b"\r\n\r\n", 1)[1]
    assert f"Content-Length: {len(body)}".encode() in answer
