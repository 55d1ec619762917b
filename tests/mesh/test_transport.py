"""The contract of `mesh.transport.base`, which ZeroMQ and the network in memory both keep."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import StorageError
from mesh.testing import MemoryNetwork, run, wait_until
from mesh.transport.sockets import ZmqNetwork


@dataclass
class Ear:
    """A listener that remembers."""

    opened: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    heard: list[tuple[int, list[bytes]]] = field(default_factory=list)
    stream: list[bytes] = field(default_factory=list)

    def link_opened(self, link: int) -> None:
        self.opened.append(link)

    def link_accepted(self, link: int, owner: str) -> None:
        self.accepted.append(link)

    def link_lost(self, link: int) -> None:
        self.lost.append(link)

    def arrived(self, link: int, frames: list[bytes]) -> None:
        self.heard.append((link, frames))

    def published(self, frame: bytes) -> None:
        self.stream.append(frame)


@dataclass
class World:
    network: Any
    address: Callable[[str], str]
    memory: bool


Story = Callable[[World], Awaitable[None]]


@pytest.fixture(params=["memory", "ipc", "tcp", "inproc"])
def play(request: pytest.FixtureRequest, tmp_path: Path, unused_ports: list[int]) -> Callable[[Story], None]:
    kind = request.param

    def address(name: str) -> str:
        if kind == "tcp":
            return f"tcp://127.0.0.1:{unused_ports[ord(name[0]) % len(unused_ports)]}"
        return f"ipc://{tmp_path}/{name}" if kind == "ipc" else f"inproc://{tmp_path}/{name}"

    def go(story: Story) -> None:
        async def real() -> None:
            network = ZmqNetwork()
            try:
                async with asyncio.timeout(20):
                    await story(World(network, address, False))
            finally:
                network.close()

        if kind == "memory":
            run(story_in_memory(story, address))
        else:
            asyncio.run(real())

    return go


async def story_in_memory(story: Story, address: Callable[[str], str]) -> None:
    await story(World(MemoryNetwork(), address, True))


async def linked(world: World, name: str = "b") -> tuple[Any, Ear, int, Any, Ear, int]:
    """a has dialled b, and both have heard each other: (a, ear, link, b, ear, link)."""
    ear_a, ear_b = Ear(), Ear()
    a, b = world.network.endpoint("a", 1, ear_a), world.network.endpoint("b", 1, ear_b)
    b.bind(world.address(name))
    link = a.dial(world.address(name))
    await wait_until(lambda: ear_a.opened)
    assert a.send(link, [b"hello"])
    await wait_until(lambda: ear_b.heard)
    back = ear_b.accepted[0]
    assert b.send(back, [b"welcome"])
    await wait_until(lambda: ear_a.heard)
    ear_a.heard.clear()
    ear_b.heard.clear()
    return a, ear_a, link, b, ear_b, back


def test_frames_arrive_in_order_and_whole(play):
    async def story(world: World) -> None:
        a, ear_a, link, b, ear_b, back = await linked(world)
        for n in range(3000):
            assert a.send(link, [b"%d" % n, b"x" * (n % 50), b""])
            assert b.send(back, [b"%d" % n])
        await wait_until(lambda: len(ear_a.heard) == len(ear_b.heard) == 3000)
        assert ear_b.heard == [(back, [b"%d" % n, b"x" * (n % 50), b""]) for n in range(3000)]
        assert ear_a.heard == [(link, [b"%d" % n]) for n in range(3000)]
        a.close()
        b.close()

    play(story)


def test_a_burst_that_is_answered_from_within_the_handler_does_not_stall(play):
    """ZMQ_FD is edge-triggered: without a second look after sends the last messages would stay where they are."""

    async def story(world: World) -> None:
        a, ear_a, link, b, ear_b, _ = await linked(world)
        take = ear_b.arrived

        def echo(on: int, frames: list[bytes]) -> None:
            take(on, frames)
            b.send(on, frames)

        ear_b.arrived = echo  # type: ignore[method-assign]
        for _ in range(50):
            for n in range(20):
                a.send(link, [b"%d" % n])
            await wait_until(lambda: len(ear_a.heard) == 20, every_s=0.001)
            ear_a.heard.clear()
        a.close()
        b.close()

    play(story)


def test_a_link_may_be_dialled_before_anybody_listens(play):
    async def story(world: World) -> None:
        ear_a, ear_b = Ear(), Ear()
        a, b = world.network.endpoint("a", 1, ear_a), world.network.endpoint("b", 1, ear_b)
        link = a.dial(world.address("b"))
        await asyncio.sleep(0)
        b.bind(world.address("b"))
        await wait_until(lambda: ear_a.opened == [link])
        assert a.send(link, [b"now"])
        await wait_until(lambda: ear_b.heard)
        a.close()
        b.close()

    play(story)


def test_nothing_can_be_said_on_a_link_that_is_over(play):
    async def story(world: World) -> None:
        a, _, link, b, _, _ = await linked(world)
        a.hang_up(link)
        assert not a.send(link, [b"late"])
        assert not b.send(12345, [b"nobody"])
        a.close()
        b.close()

    play(story)


def test_a_dialler_can_dial_again_and_is_a_new_link(play):
    async def story(world: World) -> None:
        a, ear_a, link, b, ear_b, back = await linked(world)
        a.hang_up(link)
        again = a.dial(world.address("b"))
        assert again != link
        await wait_until(lambda: again in ear_a.opened)
        assert a.send(again, [b"it is me"])
        await wait_until(lambda: ear_b.heard)
        assert ear_b.heard[0][0] != back
        a.close()
        b.close()

    play(story)


def test_the_end_of_the_one_is_told_to_the_other(play, request):
    if "inproc" in request.node.name:
        pytest.skip("inproc has no such events: the switchboard's beats tell")

    async def story(world: World) -> None:
        a, _, _, b, ear_b, back = await linked(world)
        a.close()
        await wait_until(lambda: ear_b.lost == [back])
        b.close()
        a, ear_a, link, b, _, _ = await linked(world, "c")
        b.close()
        await wait_until(lambda: ear_a.lost == [link])
        a.close()

    play(story)


def test_a_diallers_last_words_are_heard_before_its_end_is_told(play, request):
    """The event of a broken connection overtakes its last messages."""
    if "inproc" in request.node.name:
        pytest.skip("inproc has no such events: the switchboard's beats tell")

    async def story(world: World) -> None:
        for round_ in range(5):
            a, _, link, b, ear, back = await linked(world, f"{chr(98 + round_ % 4)}{round_}")
            for n in range(1200):  # more than one turn of the loop reads
                assert a.send(link, [b"%d" % n])
            heard: list[int] = []

            def lost(link: int, ear: Ear = ear, heard: list[int] = heard) -> None:
                heard.append(len(ear.heard))
                ear.lost.append(link)

            ear.link_lost = lost  # type: ignore[method-assign]
            a.close()
            await wait_until(lambda ear=ear, back=back: ear.lost == [back])
            assert heard == [1200]
            assert ear.accepted == [back], "the last words looked like a new link"
            b.close()

    play(story)


def test_links_that_get_the_descriptors_of_dead_ones_live(play, request):
    """A descriptor is used again at once: the late news of its former owner must not end the new link."""
    if "inproc" in request.node.name:
        pytest.skip("inproc has no descriptors")

    async def story(world: World) -> None:
        ear = Ear()
        door = world.network.endpoint("b", 1, ear)
        door.bind(world.address("b"))
        before: list[Any] = []
        for generation in range(6):
            ears = [Ear() for _ in range(8)]
            callers = [world.network.endpoint(f"a{n}", generation, one) for n, one in enumerate(ears)]
            links = [one.dial(world.address("b")) for one in callers]
            for one in before:
                one.close()
            said = [False] * 8

            def all_said(callers=callers, links=links, ears=ears, said=said) -> bool:
                for n, one in enumerate(callers):
                    said[n] = said[n] or (bool(ears[n].opened) and one.send(links[n], [b"hello"]))
                return all(said)

            await wait_until(all_said, every_s=0.0005)
            await wait_until(lambda generation=generation: len(ear.accepted) == 8 * (generation + 1))
            await wait_until(lambda generation=generation: len(ear.lost) >= 8 * generation)
            before = callers
        living = set(ear.accepted[-8:])
        assert sorted(ear.lost) == sorted(set(ear.accepted) - living)
        for one in (*before, door):
            one.close()

    play(story)


def test_a_reader_whose_listener_fails_reads_on(play, request):
    async def story(world: World) -> None:
        a, _, link, b, ear_b, _ = await linked(world)
        take, failed = ear_b.arrived, []

        def fail_once(on: int, frames: list[bytes]) -> None:
            if not failed:
                failed.append(1)
                raise ZeroDivisionError
            take(on, frames)

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        ear_b.arrived = fail_once  # type: ignore[method-assign]
        for n in range(10):
            a.send(link, [b"%d" % n])
        await wait_until(lambda: len(ear_b.heard) == 9, timeout_s=3.0)
        a.close()
        b.close()

    play(story)


def test_an_address_that_nobody_can_dial_is_an_error_that_names_it(tmp_path):
    async def story() -> None:
        network = ZmqNetwork()
        endpoint = network.endpoint("a", 1, Ear())
        try:
            with pytest.raises(StorageError, match="gibberish"):
                endpoint.dial("gibberish")
            with pytest.raises(StorageError, match="xxxx"):
                endpoint.dial("ipc:///" + "x" * 200)
        finally:
            endpoint.close()
            network.close()

    asyncio.run(story())


def test_publications_reach_every_subscriber(play):
    async def story(world: World) -> None:
        ears = [Ear(), Ear()]
        pub = world.network.endpoint("p", 1, Ear())
        pub.bind_publisher(world.address("p"))
        subs = [world.network.endpoint(f"s{n}", 1, ear) for n, ear in enumerate(ears)]
        for sub in subs:
            sub.subscribe(world.address("p"))

        def said() -> bool:
            pub.publish(b"anybody?")
            return all(ear.stream for ear in ears)

        await wait_until(said)  # a subscriber that comes late misses the first ones: that is in the contract
        for n in range(100):
            assert pub.publish(b"%d" % n)
        await wait_until(lambda: all(ear.stream[-1] == b"99" for ear in ears))
        assert all(ear.stream[-100:] == [b"%d" % n for n in range(100)] for ear in ears)
        for endpoint in (pub, *subs):
            endpoint.close()

    play(story)


def test_an_address_that_is_taken_is_refused(play, request):
    if "ipc" in request.node.name:
        pytest.skip("a Unix socket file says nothing about a living owner: the supervisor looks before")

    async def story(world: World) -> None:
        a, b = world.network.endpoint("a", 1, Ear()), world.network.endpoint("b", 1, Ear())
        a.bind(world.address("x"))
        with pytest.raises(StorageError, match="cannot listen"):
            b.bind(world.address("x"))
        a.close()
        b.close()

    play(story)


def test_a_link_that_takes_no_more_says_so(play, request):
    if "memory" not in request.node.name:
        pytest.skip("how much a kernel buffers is not ours to say")

    async def story(world: World) -> None:
        a, _, link, b, ear_b, _ = await linked(world)
        world.network.pause("b")
        taken = 0
        while a.send(link, [b"x"]):
            taken += 1
        assert taken == 10_000
        world.network.pause("b", False)
        await wait_until(lambda: len(ear_b.heard) == taken)
        a.close()
        b.close()

    play(story)


def test_nothing_that_was_taken_is_lost_on_a_link_that_lives(play):
    """A ROUTER drops silently what does not fit, unless it is told not to."""

    async def story(world: World) -> None:
        a, ear_a, link, b, ear_b, back = await linked(world)
        for speaker, on, ear in ((a, link, ear_b), (b, back, ear_a)):
            taken = 0
            while taken < 100_000 and speaker.send(on, [b"x" * 200]):
                taken += 1
            assert taken < 100_000
            await wait_until(lambda ear=ear, taken=taken: len(ear.heard) >= taken)
            assert len(ear.heard) == taken
        a.close()
        b.close()

    play(story)


def test_what_is_said_to_the_dead_does_not_reach_their_successors(play, request):
    if "inproc" in request.node.name:
        pytest.skip("inproc has no such events: the switchboard's beats tell")

    async def story(world: World) -> None:
        a, ear_a, link, b, _, _ = await linked(world)
        b.close()
        await wait_until(lambda: ear_a.lost == [link])
        assert not a.send(link, [b"for the dead"])
        ear = Ear()
        successor = world.network.endpoint("b", 2, ear)
        await wait_until(lambda: bind(successor, world.address("b")))
        again = a.dial(world.address("b"))
        await wait_until(lambda: again in ear_a.opened)
        assert a.send(again, [b"for the living"])
        await wait_until(lambda: ear.heard)
        assert [frames for _, frames in ear.heard] == [[b"for the living"]]
        a.close()
        successor.close()

    play(story)


def bind(endpoint: Any, address: str) -> bool:
    """True when the address was free."""
    try:
        endpoint.bind(address)
    except StorageError:
        return False
    return True
