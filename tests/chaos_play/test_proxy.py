"""The bad network: what it holds back, what it ends, and what it must never do."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from tools.chaos.proxy import FAIR, NO_LINGER, ChaosProxy, Direction, Weather

LIMIT_S = 10.0


class Server:
    """Says back what it hears, and keeps it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                self.heard += piece
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def behind(weather: Weather = FAIR) -> AsyncIterator[tuple[Server, ChaosProxy, int]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    proxy = ChaosProxy("127.0.0.1", server.port, random.Random(7), weather)
    port = await proxy.start()
    try:
        yield server, proxy, port
    finally:
        await proxy.stop()
        listening.close()
        await listening.wait_closed()


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), LIMIT_S))


async def until(test: Callable[[], bool]) -> None:
    while not test():  # noqa: ASYNC110 - bytes on real sockets
        await asyncio.sleep(0.001)


def test_in_fair_weather_nothing_is_changed() -> None:
    async def story() -> None:
        async with behind() as (server, proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            said = random.Random(1).randbytes(1_000_000)  # more than may be on its way at a time
            writer.write(said)
            assert await reader.readexactly(len(said)) == said
            assert bytes(server.heard) == said
            assert proxy.passed_bytes == {Direction.UP: len(said), Direction.DOWN: len(said)}
            writer.close()
            await server.ended.wait()

    tell(story)


def test_jitter_never_lets_a_later_piece_overtake() -> None:
    async def story() -> None:
        async with behind(Weather(latency_s=0.001, jitter_s=0.02)) as (server, _, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            said = b"".join(b"%04d;" % n for n in range(40))
            for n in range(40):
                writer.write(b"%04d;" % n)
                await writer.drain()
                await asyncio.sleep(0)
            assert await reader.readexactly(len(said)) == said
            assert bytes(server.heard) == said
            writer.close()

    tell(story)


def test_a_hole_holds_one_direction_back_and_gives_all_of_it_afterwards() -> None:
    async def story() -> None:
        async with behind() as (server, proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            proxy.block(Direction.DOWN)
            writer.write(b"two")
            await until(lambda: bytes(server.heard) == b"onetwo")  # that way is open
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 0.05)
            proxy.change(FAIR)
            assert await reader.readexactly(3) == b"two"
            writer.close()

    tell(story)


def test_a_hole_upwards_is_not_heard_by_the_server_nor_is_the_end() -> None:
    async def story() -> None:
        async with behind() as (server, proxy, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: proxy.connections == 1)
            proxy.block(Direction.UP)
            writer.write(b"lost for now")
            writer.write_eof()
            await asyncio.sleep(0.02)
            assert not server.heard
            assert not server.ended.is_set()
            proxy.change(FAIR)
            await server.ended.wait()
            assert bytes(server.heard) == b"lost for now"
            writer.close()

    tell(story)


def test_a_cut_ends_every_connection_in_order_and_lets_new_ones_in() -> None:
    async def story() -> None:
        async with behind() as (_, proxy, port):
            ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for reader, writer in ends:
                writer.write(b"hello")
                await reader.readexactly(5)
            assert proxy.cut() == 3
            assert [await reader.read() for reader, _ in ends] == [b"", b"", b""]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"again")
            assert await reader.readexactly(5) == b"again"
            for _, one in [*ends, (reader, writer)]:
                one.close()

    tell(story)


def test_a_reset_is_one() -> None:
    async def story() -> None:
        async with behind() as (server, proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello")
            await reader.readexactly(5)
            assert proxy.reset() == 1
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await server.ended.wait()
            writer.close()

    tell(story)


def test_who_is_refused_is_reset_and_not_counted() -> None:
    async def story() -> None:
        async with behind(Weather(refuses=True)) as (server, proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            assert proxy.connections == 0
            assert not server.heard
            writer.close()

    tell(story)


def test_without_a_server_the_client_is_told() -> None:
    async def story() -> None:
        async with behind() as (server, proxy, port):
            proxy.port = free_port()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            proxy.port = server.port
            writer.close()

    tell(story)


def test_the_seed_decides_the_jitter() -> None:
    weather = Weather(latency_s=0.1, jitter_s=0.2)
    delays = [[weather.delay_s(chance) for _ in range(50)] for chance in (random.Random(3), random.Random(3))]
    assert delays[0] == delays[1]
    assert all(0.1 <= delay <= 0.3 for delay in delays[0])
    assert len(set(delays[0])) > 40
    assert FAIR.delay_s(random.Random(3)) == 0.0


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def vanish(writer: asyncio.StreamWriter) -> None:
    """As a client that resets its connection."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_client_that_has_reset_its_connection_is_told_nothing_more(run: Callable[..., None]) -> None:
    failed: list[dict[str, object]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        async with behind() as (server, proxy, port):
            for _ in range(5):
                server.ended.clear()
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello")
                await until(lambda: proxy.passed_bytes[Direction.DOWN] % 5 == 0 and bool(server.heard))
                vanish(writer)
                await server.ended.wait()

    run(asyncio.wait_for(story(), LIMIT_S))
    assert failed == []


@pytest.mark.parametrize("end", [ChaosProxy.reset, ChaosProxy.cut, lambda proxy: proxy.change(FAIR)])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_is_held_for_a_client_that_is_gone_is_nobodys(
    run: Callable[..., None], end: Callable[[ChaosProxy], object]
) -> None:
    failed: list[dict[str, object]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        async with behind() as (server, proxy, port):
            for _ in range(5):
                server.ended.clear()
                server.heard.clear()
                proxy.block(Direction.DOWN)
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello")
                await until(lambda: bool(server.heard))
                vanish(writer)
                await server.ended.wait()
                await asyncio.sleep(0.01)
                end(proxy)
                await asyncio.sleep(0.01)

    run(asyncio.wait_for(story(), LIMIT_S))
    assert failed == []


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_after_its_end_nothing_of_it_runs(run: Callable[..., None]) -> None:
    async def story() -> None:
        async with behind() as (_, proxy, port):
            writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(5)]
            await proxy.stop()
            left = [str(task.get_coro()) for task in asyncio.all_tasks()]
            assert not [text for text in left if "ChaosProxy" in text or "Pipe" in text]
            for writer in writers:
                writer.close()

    run(asyncio.wait_for(story(), LIMIT_S))
