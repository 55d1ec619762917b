"""What operators can have done: by whom, from where, confirmed, and never without a line in the audit trail."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodes.ops.console.app import WAYS
from nodes.ops.console.audit import Audit
from nodes.ops.console.console import AUDIT_FILE
from tests.ops.browser import CHEAP, HOST, Place, in_place

ACTIONS: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("/api/players/{player}/message", {"text": "hello"}, ("message", "{player}", "hello", "admin")),
    ("/api/players/{player}/kick", {"reason": "afk"}, ("kick", "{player}", "afk", "admin")),
    ("/api/players/{player}/mute", {"for_s": 600, "reason": "spam"}, ("mute", "{player}", 600.0, "spam", "admin")),
    ("/api/players/{player}/mute", {"for_s": 0}, ("mute", "{player}", 0.0, "", "admin")),
    ("/api/players/{player}/ban", {"for_s": -1, "confirm": "{player}"}, ("ban", "{player}", -1.0, "", "admin")),
    ("/api/players/{player}/ban", {"for_s": 0}, ("ban", "{player}", 0.0, "", "admin")),
    ("/api/nodes/scene.3/drain", {"confirm": "scene.3"}, ("drain", "scene.3", "admin")),
    ("/api/nodes/scene.3/restart", {"confirm": "scene.3", "cold": True}, ("restart", "scene.3", True, "admin")),
    ("/api/nodes/scene.3/pin", {"level": 2}, ("pin", "scene.3", 2, "admin")),
    ("/api/nodes/scene.3/pin", {"level": None}, ("pin", "scene.3", None, "admin")),
    (
        "/api/scale",
        {"role": "scene", "zone": "one", "count": 9, "confirm": "scene"},
        ("scale", "scene", "one", 9, "admin"),
    ),
    ("/api/broadcast", {"text": "restart in 5 minutes"}, ("broadcast", "", "restart in 5 minutes", "admin")),
    ("/api/incidents/42/acknowledge", {"note": "at it"}, ("acknowledge", "42", "at it", "admin")),
    ("/api/silences", {"rule": "tick time", "for_s": 60}, ("silence", "tick time", "", 60.0, "admin")),
]
WAYS_TO_ACT = [way for way in WAYS if way.method == "POST" and way.needs == "operator"]


def a_player(place: Place) -> str:
    return next(iter(place.sources.people.by_name.values())).name


def named(value: Any, player: str) -> Any:
    """With the player's name in its place."""
    return json.loads(json.dumps(value).replace("{player}", player))


@pytest.mark.parametrize(("path", "body", "did"), ACTIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_operator_has_it_done_and_it_is_written_down(
    tmp_path: Path, path: str, body: dict[str, Any], did: tuple[Any, ...]
) -> None:
    async def work(place: Place) -> None:
        player = a_player(place)
        answer = await (await place.admin()).post(named(path, player), named(body, player))
        assert answer.status == 200, answer.body
        assert answer.said["text"]
        assert place.sources.did == [tuple(named(list(did), player))]
        asked, done = [json.loads(line) for line in (tmp_path / AUDIT_FILE).read_text().splitlines()][-2:]
        assert (asked["id"], asked["by"], asked["outcome"]) == (done["id"], "admin", "asked")
        assert (done["outcome"], done["address"], done["text"]) == ("done", "10.0.0.9", answer.said["text"])
        assert "confirm" not in done["details"]

    in_place(tmp_path, work)


@pytest.mark.parametrize("way", WAYS_TO_ACT, ids=lambda way: way.path)
def test_a_viewer_changes_nothing(tmp_path: Path, way: Any) -> None:
    async def work(place: Place) -> None:
        viewer = await place.viewer()
        before = (tmp_path / AUDIT_FILE).read_bytes()
        answer = await viewer.post(way.path.replace("{", "").replace("}", ""))
        assert (answer.status, answer.said["code"]) == (403, "not_allowed")
        assert "viewers look and change nothing" in answer.said["text"]
        assert place.sources.did == []
        assert (tmp_path / AUDIT_FILE).read_bytes() == before

    in_place(tmp_path, work)


FOREIGN: list[dict[str, str]] = [
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://[", "sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "none"},
    {"x_mesh_token": ""},
    {"x_mesh_token": "another"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_site_cannot_have_anything_done(tmp_path: Path, headers: dict[str, str]) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        answer = await admin.post("/api/broadcast", {"text": "hello"}, **headers)
        assert (answer.status, answer.said["code"]) == (403, "not_allowed")
        assert place.sources.did == []

    in_place(tmp_path, work)


def test_another_site_cannot_sign_anybody_in(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        body = {"name": "admin", "password": place.password}
        answer = await place.browser().post("/api/sign-in", body, origin="http://evil.example")
        assert answer.status == 403
        assert "set-cookie" not in answer.headers

    in_place(tmp_path, work)


def test_a_token_is_good_for_its_own_session_only(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        one, other = await place.admin(), await place.admin()
        one.token = other.token
        assert (await one.post("/api/broadcast", {"text": "hello"})).status == 403

    in_place(tmp_path, work)


BAD: list[tuple[str, Any, str]] = [
    ("/api/broadcast", {}, "text"),
    ("/api/broadcast", {"text": "  "}, "text"),
    ("/api/broadcast", {"text": "x" * 129}, "text"),
    ("/api/broadcast", {"text": "hello", "zoen": "one"}, "zoen"),
    ("/api/broadcast", [], "Expected `object`"),
    ("/api/nodes/scene.3/drain", {}, "confirm has to be 'scene.3'"),
    ("/api/nodes/scene.3/drain", {"confirm": "scene.4"}, "confirm has to be 'scene.3'"),
    ("/api/nodes/scene.3/restart", {}, "confirm has to be 'scene.3'"),
    ("/api/nodes/scene.3/pin", {}, "level"),
    ("/api/nodes/scene.3/pin", {"level": 10}, "level"),
    ("/api/nodes/scene.3/pin", {"level": "busy"}, "level"),
    ("/api/players/anna/ban", {"for_s": 60}, "confirm has to be 'anna'"),
    ("/api/players/anna/ban", {"for_s": -0.5, "confirm": "anna"}, "for_s is 0, -1 (for ever)"),
    ("/api/players/anna/mute", {"for_s": -1}, "for_s"),
    ("/api/players/anna/mute", {"for_s": 1e12}, "for_s"),
    ("/api/scale", {"role": "scene", "zone": "one", "count": -1, "confirm": "scene"}, "count"),
    ("/api/scale", {"role": "scene", "zone": "one", "count": 3}, "confirm has to be 'scene'"),
    ("/api/silences", {"for_s": 60}, "nobody silences everything"),
    ("/api/silences", {"for_s": 0, "rule": "tick time"}, "for_s"),
    ("/api/operators", {"name": "no name", "role": "viewer"}, "name"),
    ("/api/operators", {"name": "anna", "role": "king"}, "role"),
]


@pytest.mark.parametrize(("path", "body", "text"), BAD)
def test_bad_input_is_told_and_nothing_is_done(tmp_path: Path, path: str, body: Any, text: str) -> None:
    async def work(place: Place) -> None:
        answer = await (await place.admin()).post(path, body)
        assert (answer.status, answer.said["code"]) == (400, "bad_message")
        assert text in answer.said["text"]
        assert place.sources.did == []

    in_place(tmp_path, work)


def test_what_is_no_json_or_too_long_is_refused(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        headers = {"content-type": "application/json", "origin": f"http://{HOST}", "x-mesh-token": admin.token}
        broken = await admin.ask("POST", "/api/broadcast", b"{", headers)
        assert (broken.status, broken.said["text"]) == (400, "the body is not JSON")
        latin = await admin.ask("POST", "/api/broadcast", b'{"text": "\xff"}', headers)
        assert latin.status == 400
        deep = await admin.ask("POST", "/api/broadcast", b"[" * 60_000, headers)
        assert deep.status == 400
        long = await admin.ask("POST", "/api/broadcast", b" " * 70_000, headers)
        assert (long.status, long.said["code"]) == (413, "too_large")
        form = await admin.ask("POST", "/api/broadcast", b"{}", headers | {"content-type": "text/plain"})
        assert (form.status, form.said["text"]) == (400, "the body is to be application/json")
        assert (await admin.ask("PUT", "/api/broadcast", b"{}", headers)).status == 405

    in_place(tmp_path, work)


def test_how_it_ended_is_told_and_written_down(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        refused = await admin.post("/api/nodes/dc.1/drain", {"confirm": "dc.1"})
        assert (refused.status, refused.said["code"]) == (403, "not_allowed")
        place.sources.lost = "scene.5"
        lost = await admin.post("/api/nodes/scene.5/restart", {"confirm": "scene.5"})
        assert (lost.status, lost.said["code"]) == (503, "peer_lost")
        missing = await admin.post("/api/nodes/scene.99/pin", {"level": 1})
        assert missing.status == 404
        rows = (await admin.get("/api/audit")).said
        assert [(row["target"], row["outcome"]) for row in rows[:3]] == [
            ("scene.99", "refused"), ("scene.5", "unknown"), ("dc.1", "refused"),
        ]  # fmt: skip
        assert "which is restarted instead" in rows[2]["text"]

    in_place(tmp_path, work)


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        (tmp_path / AUDIT_FILE).unlink()
        (tmp_path / AUDIT_FILE).mkdir()
        answer = await admin.post("/api/broadcast", {"text": "hello"})
        assert (answer.status, answer.said["code"]) == (503, "storage")
        assert "nothing is done" in answer.said["text"]
        assert place.sources.did == []

    in_place(tmp_path, work)


def test_one_session_does_not_ask_for_more_than_anybody_needs(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        codes = [(await admin.post("/api/broadcast", {"text": "hello"})).status for _ in range(CHEAP.actions_max + 5)]
        assert codes == [200] * CHEAP.actions_max + [429] * 5
        place.clock.advance(2)
        assert (await admin.post("/api/broadcast", {"text": "hello"})).status == 200

    in_place(tmp_path, work)


def test_the_trail_outlives_the_node_and_a_line_that_was_cut_off(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        await admin.post("/api/broadcast", {"text": "hello"})
        with (tmp_path / AUDIT_FILE).open("ab") as file:
            file.write(b'{"id": 17, "at')
        again = await Place(tmp_path).open()
        await again.desk.audit.note("anna", "", "sign in", "", "done")
        found = [(entry.id, entry.action, entry.outcome) for entry in again.desk.audit.latest(10)]
        assert found == [(3, "sign in", "done"), (2, "broadcast", "done"), (1, "sign in", "done")]
        third = Audit(tmp_path / AUDIT_FILE, place.clock, again.desk.audit._workers)
        await third.open()
        assert len(third.latest(10)) == 3

    in_place(tmp_path, work)


def test_the_trail_is_searched(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin, player = await place.admin(), a_player(place)
        await admin.post(f"/api/players/{player}/mute", {"for_s": 60, "reason": "Spam in the city"})
        await admin.post("/api/broadcast", {"text": "hello"})
        assert [row["action"] for row in (await admin.get("/api/audit", text="spam")).said] == ["mute"]
        assert [row["action"] for row in (await admin.get("/api/audit", action="broadcast")).said] == ["broadcast"]
        assert (await admin.get("/api/audit", by="nobody")).said == []
        assert len((await admin.get("/api/audit", limit=1)).said) == 1
        assert (await (await place.viewer()).get("/api/audit")).status == 403

    in_place(tmp_path, work)


def test_the_page_sees_what_it_has_changed(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        assert (await admin.get("/api/incidents/42")).said["about"]["state"] == "open"
        await admin.post("/api/incidents/42/acknowledge")
        assert (await admin.get("/api/incidents/42")).said["about"]["state"] == "acknowledged"

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, shared_s=60.0))
