"""A bad network between a client and a server, made in user space: a TCP proxy that can be told how bad.

Owns its connections and the bytes that are on their way. It can add latency and jitter, hold one direction as if its
packets were lost (a one-way blackhole), refuse new connections, end all of them in order (cut) or with a reset. All
chance is the caller's generator, so that a seed decides it.

TCP promises order and completeness as long as a connection lives, and so does this: jitter never lets a later piece
overtake an earlier one, and what a blackhole holds back comes when it ends, as retransmitted packets would. Losing or
repeating bytes inside a stream is not a fault of networks but of programs, and is not done here. Rejected: the
kernel's netem and firewall rules, which need rights that a test run does not have.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["FAIR", "ChaosProxy", "Direction", "Weather"]

PIECE_BYTES = 16 * 1024
HELD_BYTES_MAX = 256 * 1024
"""On their way in one direction of one connection; beyond that nothing more is read, as a full window does."""
NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""
CONNECT_S = 5.0


class Direction(StrEnum):
    UP = "up"  # from who connects to who is connected to
    DOWN = "down"


@dataclass(frozen=True)
class Weather:
    """How bad the network is. `jitter_s` comes on top of the latency, evenly from 0 to that much for each piece."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    holes: frozenset[Direction] = frozenset()  # directions in which nothing arrives
    refuses: bool = False  # new connections are reset at once

    def delay_s(self, chance: random.Random) -> float:
        return self.latency_s + (chance.uniform(0.0, self.jitter_s) if self.jitter_s else 0.0)


FAIR = Weather()


class Pipe:
    """One direction of one connection: pieces with the time at which they are due. Reads ahead, never reorders."""

    def __init__(self, proxy: "ChaosProxy", direction: Direction) -> None:
        self.direction = direction
        self._proxy = proxy
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._due = 0.0
        self._ended = False  # nothing more comes to be passed on
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Something has changed: look again."""
        self._stirred.set()

    async def take(self, reader: asyncio.StreamReader) -> None:
        """What one side says, until it says nothing any more."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                # A piece is due when its own delay is over, and not before the one in front of it.
                self._due = max(self._due, loop.time() + self._proxy.weather.delay_s(self._proxy.chance))
                self._pieces.append((self._due, piece))
                self._held_bytes += len(piece)
                self.stir()
                await self._until(lambda: self._held_bytes < HELD_BYTES_MAX)
        self._ended = True
        self.stir()

    async def give(self, writer: asyncio.StreamWriter) -> None:
        """Pass it on when it is due, and in the end that there is no more."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                await self._until(lambda: self._passes() and (bool(self._pieces) or self._ended))
                if not self._pieces:
                    break
                wait_s = self._pieces[0][0] - loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue  # the weather may have changed
                _, piece = self._pieces.popleft()
                self._held_bytes -= len(piece)
                self.stir()
                if writer.is_closing():  # it was reset, and who is to give does not know it yet
                    return
                writer.write(piece)
                self._proxy.passed_bytes[self.direction] += len(piece)
                await writer.drain()
            if writer.can_write_eof() and not writer.is_closing():  # whoever has reset its connection hears nothing
                writer.write_eof()

    def _passes(self) -> bool:
        return self.direction not in self._proxy.weather.holes

    async def _until(self, test: Callable[[], bool]) -> None:
        while not test():
            self._stirred.clear()
            await self._stirred.wait()


class Passage:
    """One connection of a client, and the one to the server that belongs to it. `task`: that runs it."""

    def __init__(self, proxy: "ChaosProxy", client: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.pipes = [Pipe(proxy, direction) for direction in Direction]
        self.task = task
        self._writers = [client]

    async def run(self, reader: asyncio.StreamReader, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                opening = asyncio.open_connection(host, port) if port else asyncio.open_unix_connection(host)
                behind, server = await opening
            self._writers.append(server)
            up, down = self.pipes
            async with asyncio.TaskGroup() as tasks:
                for pipe, source, target in ((up, reader, server), (down, behind, self._writers[0])):
                    tasks.create_task(pipe.take(source))
                    tasks.create_task(pipe.give(target))
        except (OSError, TimeoutError):
            self.reset()  # nobody is there: the client is told as the server's own machine would
        finally:
            for writer in self._writers:
                writer.close()

    def cut(self) -> None:
        """End it in order, without what is still on its way."""
        self.task.cancel()

    def reset(self) -> None:
        """End it as a machine does that has forgotten the connection."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:  # uvloop has none any more when it is closed, or one without a file
                with contextlib.suppress(OSError, ValueError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()
        if self.task is not asyncio.current_task():
            self.task.cancel()


class ChaosProxy:
    """Stands in front of one address: a host and a port, or the path of a socket file and 0. `chance` decides the
    jitter; read `weather`, `passed_bytes` and `connections` freely, change the weather by `change`."""

    def __init__(self, host: str, port: int, chance: random.Random, weather: Weather = FAIR) -> None:
        self.host, self.port, self.chance, self.weather = host, port, chance, weather
        self.passed_bytes: Counter[Direction] = Counter()
        self.connections = 0  # in all
        self._passages: set[Passage] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """The port on which it listens, on this machine only."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    def change(self, weather: Weather) -> None:
        """From now on, for what is on its way, too, as far as it goes through a hole."""
        self.weather = weather
        for passage in self._passages:
            for pipe in passage.pipes:
                pipe.stir()

    def block(self, *directions: Direction) -> None:
        """A blackhole in these directions, in addition to what the weather is."""
        self.change(replace(self.weather, holes=self.weather.holes | set(directions)))

    def cut(self) -> int:
        """End all connections in order; how many. New ones are let in."""
        return self._end(Passage.cut)

    def reset(self) -> int:
        """End all connections with a reset; how many."""
        return self._end(Passage.reset)

    async def stop(self) -> None:
        """Nobody is let in any more, and everybody who is in is cut."""
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(0)  # whoever was let in just now begins
            tasks = [passage.task for passage in self._passages]
            self.cut()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def _end(self, how: Callable[[Passage], None]) -> int:
        ended = list(self._passages)
        for passage in ended:
            how(passage)
        return len(ended)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "it runs"
        passage = Passage(self, writer, task)
        if self.weather.refuses:
            passage.reset()
            return
        self.connections += 1
        self._passages.add(passage)
        try:
            await passage.run(reader, self.host, self.port)
        except asyncio.CancelledError:
            return  # cut: the server of asyncio is not to hear of it
        finally:
            self._passages.discard(passage)
