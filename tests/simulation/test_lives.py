"""The fakes of the simulation: processes that stand still and end, links that are cut, a disk that forgets."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from mesh.errors import StorageError
from mesh.testing import MemoryNetwork
from mesh.testing.lives import Life, LivingLoop
from nodes.dc.records import META
from nodes.simulation.disk import SimulatedStore


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=LivingLoop) as runner:
        runner.run(work)


async def ticking(heard: list[int]) -> None:
    for number in range(100):
        heard.append(number)
        await asyncio.sleep(1.0)


def test_who_stands_still_goes_on_where_it_was() -> None:
    async def story() -> None:
        life, heard, cancelled = Life(), list[int](), list[str]()
        loop = asyncio.get_running_loop()
        task = loop.create_task(ticking(heard), context=life.context)
        timer = loop.call_later(3.0, cancelled.append, "late", context=life.context)
        await asyncio.sleep(2.5)
        life.stand_still()
        await asyncio.sleep(10)
        assert heard == [0, 1, 2]
        life.go_on()
        timer.cancel()  # it was due, and had not run
        await asyncio.sleep(0.5)
        assert heard == [0, 1, 2, 3]
        assert cancelled == []
        life.end()
        await asyncio.sleep(10)
        assert heard == [0, 1, 2, 3]
        assert not task.done()
        life.is_over = False  # so that the loop can end it

    run(story())


class Ear:
    """Hears what comes on its links."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ends = 0

    def link_opened(self, link: int) -> None: ...

    def link_accepted(self, link: int, owner: str) -> None: ...

    def link_lost(self, link: int) -> None:
        self.ends += 1

    def arrived(self, link: int, frames: list[bytes]) -> None:
        self.heard += frames

    def published(self, frame: bytes) -> None: ...


def test_a_cut_keeps_back_and_a_severed_link_ends_for_both() -> None:
    async def story() -> None:
        network, one, other = MemoryNetwork(), Ear(), Ear()
        here, there = network.endpoint("a", 1, one), network.endpoint("b", 1, other)
        there.bind("place")
        link = here.dial("place")
        await asyncio.sleep(0.1)
        network.cut("a", "b")
        here.send(link, [b"later"])
        await asyncio.sleep(1)
        assert other.heard == []
        network.mend("a", "b")
        await asyncio.sleep(0.1)
        assert other.heard == [b"later"]
        network.sever("b", "a")
        await asyncio.sleep(0.1)
        assert (one.ends, other.ends) == (1, 1)
        assert not here.send(link, [b"nobody"])

    run(story())


def test_a_full_queue_refuses_in_one_direction() -> None:
    async def story() -> None:
        network, one, other = MemoryNetwork(), Ear(), Ear()
        here, there = network.endpoint("a", 1, one), network.endpoint("b", 1, other)
        there.bind("place")
        link = here.dial("place")
        await asyncio.sleep(0.1)
        network.narrow("a", "b")
        assert not here.send(link, [b"no room"])
        network.narrow("b", "a")
        network.narrow("a", "b", False)
        assert here.send(link, [b"room"])
        await asyncio.sleep(0.1)
        assert other.heard == [b"room"]

    run(story())


def test_a_crash_takes_what_was_not_synced(monkeypatch: Any) -> None:
    store = SimulatedStore().open()
    store.begin()
    store.write([(META.name, b"kept", b"1")])
    store.commit()
    monkeypatch.setattr(store, "sync", lambda: None)
    store.write([(META.name, b"kept", b"2"), (META.name, b"lost", b"3")])
    store.commit()
    store.crash()
    assert dict(store.scan(META.name)) == {b"kept": b"1"}
    store.open().fill(True)
    store.begin()
    store.write([(META.name, b"no room", b"4")])
    try:
        store.commit()
    except StorageError:
        assert store.get(META.name, b"no room") is None
    else:
        raise AssertionError("a full disk took a commit")
