"""The page in a real browser: signing in, finding a player, following a trace, muting somebody. Skipped without one."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mesh.clock import SystemClock
from mesh.seat import ThreadWorkers
from mesh.testing.virtual import SilentLog
from nodes.ops.console.console import Console
from tests.ops.browser import CHEAP
from tests.ops.fake_sources import FakeSources

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT_MS = 15_000
NOISE = ("401 (Unauthorized)",)  # what Chromium says of the first question, before anybody has signed in
GO = 'address => { history.pushState(null, "", address); dispatchEvent(new PopStateEvent("popstate")); }'


@contextlib.asynccontextmanager
async def a_page(folder: Path, width: int = 1280) -> AsyncIterator[tuple[Any, Console, FakeSources, str]]:
    """A browser at a console; fails when the page had an error or asked another host for anything."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is missing: pip install playwright")
    clock = SystemClock()
    sources = FakeSources(clock)
    console = Console(sources, CHEAP, clock, SilentLog(), ThreadWorkers, folder)
    password = await console.open()
    problems: list[str] = []
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda sent: sent.url.startswith(console.url) or problems.append(sent.url))
        try:
            yield page, console, sources, password
        finally:
            await browser.close()
            await console.close()
    assert [one for one in problems if not any(noise in one for noise in NOISE)] == []


async def sign_in(page: Any, console: Console, password: str) -> None:
    await page.goto(console.url)
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Overview").wait_for()


def look(folder: Path, work: Callable[[Any, Console, FakeSources, str], Awaitable[None]], width: int = 1280) -> None:
    async def inside() -> None:
        async with a_page(folder, width) as (page, console, sources, password):
            await work(page, console, sources, password)

    asyncio.run(inside())


def test_sign_in_find_a_player_and_mute_it(tmp_path: Path) -> None:
    async def work(page: Any, console: Console, sources: FakeSources, password: str) -> None:
        await page.goto(console.url)
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("Name or password is wrong").wait_for()
        await sign_in(page, console, password)
        soul = next(iter(sources.people.by_name.values()))
        await page.keyboard.press("/")
        await page.keyboard.type(soul.name.lower())
        await page.get_by_role("option", name=soul.name).first.wait_for()
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name=soul.name, exact=True).wait_for()
        await page.get_by_role("button", name="Mute").click()
        await page.get_by_role("button", name="10 min").click()
        await page.get_by_label("Reason").fill("spam in the city")
        await page.get_by_role("dialog").get_by_role("button", name="Mute").click()
        await page.get_by_text(f"{soul.name} is muted").wait_for()
        await page.get_by_role("button", name="Unmute").wait_for()
        assert sources.did == [("mute", soul.name, 600.0, "spam in the city", "admin")]
        await page.keyboard.press("g")
        await page.keyboard.press("u")
        await page.get_by_role("cell", name="mute", exact=True).wait_for()

    look(tmp_path, work)


def test_follow_a_trace(tmp_path: Path) -> None:
    async def work(page: Any, console: Console, _sources: FakeSources, password: str) -> None:
        await sign_in(page, console, password)
        await page.keyboard.press("g")
        await page.keyboard.press("t")
        await page.get_by_role("button", name="Slowest").click()
        await page.locator("tbody tr td a").first.click()
        await page.get_by_role("heading", name="Waterfall").wait_for()
        await page.get_by_text("LoadStatus").first.wait_for()
        await page.get_by_text("a commit took long").wait_for()
        await page.get_by_role("table", name="waterfall").wait_for()

    look(tmp_path, work)


def test_what_is_dangerous_has_to_be_typed(tmp_path: Path) -> None:
    async def work(page: Any, console: Console, sources: FakeSources, password: str) -> None:
        await sign_in(page, console, password)
        await page.goto(f"{console.url}nodes/scene.3")
        await page.get_by_role("button", name="Drain").click()
        go = page.get_by_role("dialog").get_by_role("button", name="Drain")
        assert await go.is_disabled()
        await page.get_by_label("Type scene.3 to confirm").fill("scene.4")
        assert await go.is_disabled()
        await page.get_by_label("Type scene.3 to confirm").fill("scene.3")
        await go.click()
        await page.get_by_text("scene.3 is empty").wait_for()
        assert sources.did == [("drain", "scene.3", "admin")]

    look(tmp_path, work)


@pytest.mark.parametrize("width", [1440, 400])
def test_every_page_opens_without_an_error_and_fits(tmp_path: Path, width: int) -> None:
    paths = ("", "nodes", "nodes/dc.1", "charts", "world", "incidents", "incidents/42", "traces", "search", "players",
             "players/{player}", "actions", "audit", "account")  # fmt: skip

    async def work(page: Any, console: Console, sources: FakeSources, password: str) -> None:
        await sign_in(page, console, password)
        player = next(iter(sources.people.by_name.values())).name
        for path in paths:
            await page.evaluate(GO, "/" + path.replace("{player}", player))
            await page.locator("h1").first.wait_for()
            await page.wait_for_timeout(250)
            over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"/{path} is {over} pixels wider than the window"

    look(tmp_path, work, width)


def test_signing_out_elsewhere_shows_the_door(tmp_path: Path) -> None:
    async def work(page: Any, console: Console, _sources: FakeSources, password: str) -> None:
        await sign_in(page, console, password)
        console.desk.sessions.end_all("admin")
        await page.get_by_role("button", name="Sign in").wait_for()

    look(tmp_path, work)


def test_kill_a_scene_and_see_the_incident_come_and_go(tmp_path: Path) -> None:
    async def work(page: Any, console: Console, sources: FakeSources, password: str) -> None:
        await sign_in(page, console, password)
        await page.goto(f"{console.url}nodes/scene.3")
        await page.get_by_role("button", name="Restart").click()
        await page.get_by_label("Cold: end it first").check()
        await page.get_by_label("Type scene.3 to confirm").fill("scene.3")
        await page.get_by_role("dialog").get_by_role("button", name="Restart").click()
        await page.get_by_role("link", name="Overview").click()
        lost = page.get_by_text("scene.3 is lost")
        await lost.wait_for()
        await page.get_by_role("link", name="scene.3: Away").wait_for()
        await lost.wait_for(state="detached")
        await page.get_by_role("link", name="scene.3: Ready").wait_for()
        assert sources.did == [("restart", "scene.3", True, "admin")]

    look(tmp_path, work)
