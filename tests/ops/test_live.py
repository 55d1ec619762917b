"""What consoles are told each second: the same bytes for all, nothing queued for a slow one, an end with a reason."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesh.errors import RefusedError
from mesh.testing.virtual import wait_until
from nodes.ops.console.answers import Overview, Pulse
from tests.ops.browser import CHEAP, Browser, Place, in_place


class Screen:
    """A console that looks at the live stream; `is_stuck`: it takes nothing any more."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.status = 0
        self.sent: list[bytes] = []
        self.is_stuck = False
        self.is_over = False
        self._gone = asyncio.Event()
        self._free = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        async def receive() -> dict[str, Any]:
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                return
            self.sent.append(message["body"])
            if self.is_stuck:
                self._free.clear()
                await self._free.wait()

        await self.browser.app(self.browser.scope("GET", "/api/live", {}, ""), receive, send)
        self.is_over = True

    def go_on(self) -> None:
        self.is_stuck = False
        self._free.set()

    def leave(self) -> None:
        self._gone.set()

    def events(self) -> list[tuple[str, Any]]:
        found = []
        for block in b"".join(self.sent).decode().split("\n\n"):
            name, _, data = block.partition("\ndata: ")
            if data:
                found.append((name.removeprefix("event: "), json.loads(data)))
        return found

    def names(self) -> list[str]:
        return [name for name, _ in self.events()]


def test_every_console_is_told_each_second_with_one_encoding(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        screens = [Screen(admin) for _ in range(100)]
        await asyncio.sleep(10.5)
        assert place.desk.live.frames == 11, "made once for a hundred"
        assert {len(screen.names()) for screen in screens} == {11}
        frames = [screen.sent[-1] for screen in screens]
        assert all(frame is frames[0] or frame == frames[0] for frame in frames)
        pulse = msgspec.convert(screens[0].events()[-1][1], Pulse)
        assert len(pulse.overview.nodes) == 30
        assert pulse.alerts[0].severity == "critical"
        assert {incident.state for incident in pulse.incidents} == {"open", "acknowledged"}
        for screen in screens:
            screen.leave()
        await wait_until(lambda: all(screen.is_over for screen in screens))
        assert place.desk.live.viewers == set()
        frames_before = place.desk.live.frames
        await asyncio.sleep(60)
        assert place.desk.live.frames <= frames_before + 1, "nobody looks: nothing is worked out"

    in_place(tmp_path, work)


def test_a_slow_console_misses_frames_and_is_told(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        slow, quick = Screen(await place.admin()), Screen(await place.admin())
        await asyncio.sleep(2.5)
        slow.is_stuck = True
        await asyncio.sleep(8)
        before = len(slow.sent)
        slow.go_on()
        await asyncio.sleep(0.1)
        assert slow.names()[-2:] == ["missed", "pulse"]
        assert slow.events()[-2][1] == {"frames": 6}, "eight came: one was on its way, one is the newest"
        assert len(slow.sent) == before + 1, "nothing else was kept for it"
        newest = msgspec.convert(slow.events()[-1][1]["overview"], Overview)
        assert newest.at_s == msgspec.convert(quick.events()[-1][1]["overview"], Overview).at_s
        assert len(quick.names()) == 11
        slow.leave()
        quick.leave()
        await wait_until(lambda: slow.is_over and quick.is_over)

    in_place(tmp_path, work)


def test_a_stuck_console_is_cut(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        stuck = Screen(await place.admin())
        await asyncio.sleep(1.5)
        stuck.is_stuck = True
        await wait_until(lambda: stuck.is_over, timeout_s=CHEAP.slow_s + 3)
        assert place.desk.live.cut == 1
        assert place.desk.live.viewers == set()

    in_place(tmp_path, work)


def test_the_stream_ends_with_its_session(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        screen = Screen(admin)
        await asyncio.sleep(3)
        other = place.browser("10.0.0.30")
        await other.sign_in("admin", place.password)
        place.desk.sessions.end_all("admin")
        await wait_until(lambda: screen.is_over)
        assert screen.events()[-1] == ("end", {"code": "signed_out"})

    in_place(tmp_path, work)


def test_looking_counts_as_use_until_the_life_of_the_session_is_over(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        screen = Screen(await place.admin())
        await asyncio.sleep(250)
        assert not screen.is_over
        await asyncio.sleep(60)
        assert screen.events()[-1] == ("end", {"code": "signed_out"})

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, session_idle_s=60.0, session_life_s=300.0))


def test_the_console_says_that_it_stops(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        screen = Screen(await place.admin())
        await asyncio.sleep(1)
        await place.desk.live.close()
        await wait_until(lambda: screen.is_over)
        assert screen.events()[-1] == ("end", {"code": "shutdown"})
        with pytest.raises(RefusedError, match="the console stops"):
            place.desk.live.stream(lambda: True)

    in_place(tmp_path, work)


def test_there_is_a_limit_to_how_many_look(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        screens = [Screen(admin) for _ in range(2)]
        await asyncio.sleep(0.5)
        answer = await admin.get("/api/live")
        assert (answer.status, answer.said["code"]) == (429, "too_many")
        for screen in screens:
            screen.leave()
        await wait_until(lambda: all(screen.is_over for screen in screens))

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, viewers_max=2))


def test_trouble_with_the_mesh_is_told_and_logged_once(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        screen = Screen(await place.admin())
        whole, broken = place.sources.overview, {"by": "refusal"}

        async def overview() -> Overview:
            if broken["by"] == "refusal":
                raise RefusedError("unavailable", "no node answers")
            if broken["by"] == "mistake":
                raise ValueError("the inside of things")
            if broken["by"] == "silence":
                await asyncio.sleep(3600)
            return await whole()

        place.sources.overview = overview  # type: ignore[method-assign]
        await asyncio.sleep(3.5)
        assert screen.events()[-1] == ("trouble", {"code": "unavailable", "text": "unavailable: no node answers"})
        broken["by"] = ""
        await asyncio.sleep(2)
        assert screen.names()[-1] == "pulse"
        broken["by"] = "mistake"
        await asyncio.sleep(3)
        assert screen.events()[-1][1]["text"] == "a mistake of the console; it was logged"
        broken["by"] = "silence"
        await asyncio.sleep(8)
        assert screen.events()[-1][1]["text"] == "nothing was heard within 5 s"
        assert [line[0] for line in place.log.lines] == ["warning", "exception"]
        screen.leave()
        await wait_until(lambda: screen.is_over)

    in_place(tmp_path, work)


def test_a_long_look_leaves_nothing_behind(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        kept = await place.sources.overview()

        async def overview() -> Overview:
            return kept

        place.sources.overview = overview  # type: ignore[method-assign]
        screen = Screen(await place.admin())
        for _ in range(30):
            await asyncio.sleep(60)
            assert [len(viewer.frame) for viewer in place.desk.live.viewers] == [0]
            screen.sent.clear()
        assert place.desk.live.missed == 0
        assert len(place.desk.sessions) == 1
        screen.leave()
        await wait_until(lambda: screen.is_over)

    in_place(tmp_path, work)
