"""Erases a player from the segments of a log node that serves (ErasePlayer).

Owns the order: the open segment is sealed first, then one segment after the other is written anew beside the old one by
the thread that searches, and put in its place by the thread that writes, between two groups of events. Nobody who sends
events waits for it; whoever asks for events waits for a segment at a time.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from mesh.errors import Code, RefusedError, StorageError
from mesh.lake.erasing import Scrub
from mesh.node import Caller, on, to_the_end
from mesh.protocol.journal import ErasePlayer, PlayerErased
from mesh.seat import Workers
from nodes.log.erasing import Erasure, remove_leftovers, rewrite
from nodes.log.sink import Sink


class Eraser:
    """See the module. `sink` is None while the node does not have its folder open."""

    def __init__(
        self, sink: Callable[[], Sink | None], writer: Workers, reader: Workers, wall_ms: Callable[[], int], level: int
    ) -> None:
        self._sink, self._writer, self._reader = sink, writer, reader
        self._wall_ms, self._level = wall_ms, level
        self._under_way = asyncio.Lock()

    @on(ErasePlayer)
    @to_the_end
    async def on_erase_player(self, said: ErasePlayer, _caller: Caller) -> PlayerErased:
        sink = self._sink()
        if sink is None:
            raise RefusedError(Code.SHUTDOWN, "the log node stops")
        if self._under_way.locked():
            raise RefusedError(Code.TOO_MANY, "another player is being erased")
        async with self._under_way:
            try:
                done = await self._erase(sink, Scrub(said.player, said.names))
            except StorageError as error:
                raise RefusedError(Code.UNAVAILABLE, f"segments before this one are done: {error}") from None
        return PlayerErased(done.segments, done.events, done.mentions, done.damaged)

    async def _erase(self, sink: Sink, scrub: Scrub) -> Erasure:
        await self._writer.run(sink.seal, self._wall_ms())
        done = Erasure()
        for path in await self._writer.run(sink.sealed_paths):
            found = await self._reader.run(_rewrite, path, scrub, self._level)
            if found.segments:
                await self._writer.run(sink.exchange, path)
            done = done.plus(found)
        return done


def _rewrite(path: Path, scrub: Scrub, level: int) -> Erasure:
    remove_leftovers(path.parent)
    try:
        return rewrite(path, scrub, level)
    except FileNotFoundError:
        return Erasure()  # retention was faster
