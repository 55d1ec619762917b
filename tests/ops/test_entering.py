"""Signing in to the console, what slows down whoever guesses, and how sessions end."""

from pathlib import Path

import msgspec
import pytest

from mesh.errors import StorageError
from nodes.ops.console.console import AUDIT_FILE, OPERATORS_FILE
from nodes.ops.console.operators import FIRST
from nodes.ops.console.settings import ConsoleSettings
from tests.ops.browser import CHEAP, PORT, Place, in_place


def test_the_first_password_is_made_once_and_lets_in(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        assert len(place.password) >= 16
        answer = await place.browser().sign_in(FIRST, place.password)
        assert answer.status == 200
        me = answer.said
        assert (me["name"], me["role"], me["temporary"]) == (FIRST, "operator", True)
        again = await Place(tmp_path).open()
        assert again.password == "", "there are operators now"
        assert (await again.browser().sign_in(FIRST, place.password)).status == 200

    in_place(tmp_path, work)


def test_the_cookie_is_for_this_console_only_and_scripts_do_not_see_it(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        cookie = (await place.browser().sign_in(FIRST, place.password)).headers["set-cookie"]
        assert cookie.startswith(f"mesh_ops_{PORT}=")
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Secure" not in cookie, "the loopback has no TLS"
        secure = await place.browser(scheme="https").sign_in(FIRST, place.password)
        assert "Secure" in secure.headers["set-cookie"]
        assert "strict-transport-security" in secure.headers

    in_place(tmp_path, work)


def test_wrong_names_and_wrong_passwords_look_the_same(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        wrong = await place.browser().sign_in(FIRST, "wrong")
        nobody = await place.browser().sign_in("nobody", "wrong")
        assert wrong.status == nobody.status == 401
        assert wrong.said == nobody.said == {"code": "bad_credentials", "text": "name or password is wrong"}

    in_place(tmp_path, work)


def test_guesses_at_a_name_run_out_from_any_address(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        for number in range(CHEAP.account_failures_max):
            assert (await place.browser(f"10.1.0.{number}").sign_in(FIRST, "wrong")).status == 401
        refused = await place.browser("10.9.9.9").sign_in(FIRST, place.password)
        assert refused.status == 429
        assert refused.said["code"] == "too_many"
        assert "10 s" in refused.said["text"]
        place.clock.advance(11)
        assert (await place.browser("10.9.9.9").sign_in(FIRST, place.password)).status == 200

    in_place(tmp_path, work)


def test_guesses_from_an_address_run_out_over_many_names(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        for number in range(CHEAP.address_failures_max):
            assert (await place.browser().sign_in(f"name{number}", "wrong")).status == 401
        assert (await place.browser().sign_in("another", "wrong")).status == 429
        assert (await place.browser("10.0.0.77").sign_in("another", "wrong")).status == 401
        place.clock.advance(3)
        assert (await place.browser().sign_in("another", "wrong")).status == 401

    in_place(tmp_path, work)


def test_right_passwords_do_not_count(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        for _ in range(3 * CHEAP.address_failures_max):
            assert (await place.browser().sign_in(FIRST, place.password)).status == 200
        assert len(place.desk.guesses) == 2

    in_place(tmp_path, work)


def test_what_is_remembered_of_guesses_is_bounded(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        for number in range(40):
            await place.browser(f"10.2.0.{number}").sign_in(f"name{number}", "wrong")
        assert len(place.desk.guesses) <= 10

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, failures_kept_max=10))


def test_an_unused_session_ends(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = await place.admin()
        for _ in range(5):
            place.clock.advance(CHEAP.session_idle_s - 1)
            assert (await browser.get("/api/me")).status == 200
        place.clock.advance(CHEAP.session_idle_s)
        answer = await browser.get("/api/me")
        assert (answer.status, answer.said["code"]) == (401, "signed_out")
        assert len(place.desk.sessions) == 0

    in_place(tmp_path, work)


def test_a_used_session_ends_after_its_life(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = await place.admin()
        for _ in range(3):
            place.clock.advance(30)
            assert (await browser.get("/api/me")).status == 200
        place.clock.advance(30)
        assert (await browser.get("/api/me")).status == 401

    in_place(tmp_path, work, ConsoleSettings(argon_memory_kib=8, argon_passes=1, session_life_s=100.0))


def test_signing_out_ends_the_session_on_the_server(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = await place.admin()
        cookies = dict(browser.cookies)
        assert (await browser.post("/api/sign-out")).status == 200
        browser.cookies = cookies
        assert (await browser.get("/api/me")).status == 401

    in_place(tmp_path, work)


def test_signing_in_again_ends_the_session_before(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = await place.admin()
        old = dict(browser.cookies)
        await browser.sign_in(FIRST, place.password)
        assert browser.cookies != old
        assert len(place.desk.sessions) == 1

    in_place(tmp_path, work)


def test_a_changed_password_ends_the_other_sessions_of_its_owner(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        here, there = await place.admin(), await place.admin()
        wrong = await here.post("/api/password", {"old": "wrong", "new": "a good long password"})
        assert (wrong.status, wrong.said["code"]) == (403, "not_allowed")
        short = await here.post("/api/password", {"old": place.password, "new": "short"})
        assert (short.status, short.said["text"]) == (400, "a password has at least 12 characters")
        done = await here.post("/api/password", {"old": place.password, "new": "a good long password"})
        assert done.status == 200
        assert (await here.get("/api/me")).said["temporary"] is False
        assert (await there.get("/api/me")).status == 401
        assert (await place.browser().sign_in(FIRST, place.password)).status == 401
        assert (await place.browser().sign_in("ADMIN", "a good long password")).status == 200

    in_place(tmp_path, work)


def test_operators_are_made_changed_and_removed(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        made = (await admin.post("/api/operators", {"name": "anna", "role": "viewer"})).said
        assert (await admin.post("/api/operators", {"name": "Anna", "role": "viewer"})).status == 409
        anna = place.browser("10.0.0.20")
        assert (await anna.sign_in("anna", made["password"])).said["role"] == "viewer"
        assert (await anna.get("/api/operators")).status == 403
        await admin.post("/api/operators/anna/role", {"role": "operator"})
        assert (await anna.get("/api/operators")).status == 200, "at once"
        fresh = (await admin.post("/api/operators/anna/reset")).said
        assert (await anna.get("/api/me")).status == 401
        assert (await anna.sign_in("anna", fresh["password"])).status == 200
        rows = (await admin.get("/api/operators")).said
        assert [(row["name"], row["temporary"]) for row in rows] == [("admin", True), ("anna", True)]
        assert all("password" not in key for row in rows for key in row)
        await admin.post("/api/operators/anna/remove")
        assert (await anna.get("/api/me")).status == 401
        assert (await anna.sign_in("anna", fresh["password"])).status == 401

    in_place(tmp_path, work)


def test_nobody_locks_everybody_out(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        assert (await admin.post("/api/operators/admin/remove")).status == 403
        assert (await admin.post("/api/operators/admin/role", {"role": "viewer"})).status == 403
        await admin.post("/api/operators", {"name": "anna", "role": "viewer"})
        assert (await admin.post("/api/operators/anna/remove")).status == 200
        assert (await admin.post("/api/operators/anna/remove")).status == 404

    in_place(tmp_path, work)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        await place.admin()
        for name in (OPERATORS_FILE, AUDIT_FILE):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name

    in_place(tmp_path, work)
    assert list(tmp_path.glob("*.part")) == []


def test_a_damaged_list_of_operators_is_said_and_not_replaced(tmp_path: Path) -> None:
    async def work(_place: Place) -> None:
        (tmp_path / OPERATORS_FILE).write_text("{")
        with pytest.raises(StorageError, match="repair it, or remove it"):
            await Place(tmp_path).open()
        assert (tmp_path / OPERATORS_FILE).read_text() == "{"

    in_place(tmp_path, work)
