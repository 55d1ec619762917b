"""Carries out durable operations: what moves gold or items, or gives a level.

Owns the order of the operations of each character: one at a time, so that the read copies (gold, items) never take
an older answer for a newer one. An operation whose outcome is unknown (the DC died, or was too slow) is asked for
again under the same number until somebody answers: the DC carries each number out once. Never changes gold or items
of a session by itself: they are what the DC answered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from mesh.errors import DeadlineExceeded, PeerLost
from mesh.protocol.catalogue import Message
from mesh.protocol.records import (
    GoldMove,
    ItemMove,
    Operate,
    Operated,
)
from nodes.scene.sessions import Session

AGAIN_S = 0.5  # between two attempts; the DC is back within that after a crash
ASK_TIMEOUT_S = 5.0  # of one attempt
DC = "dc"

Ask = Callable[[str, Message, float], Awaitable[Message]]


class Ledger:
    """`tries` bounds how long an operation may take."""

    def __init__(self, ask: Ask, tries: int) -> None:
        self._ask, self._tries = ask, tries
        self._locks: dict[int, asyncio.Lock] = {}  # by session, while somebody holds or wants it
        self.done = 0
        self.repeated = 0

    async def carry_out(
        self,
        parties: Sequence[Session],
        kind: str,
        gold: Sequence[GoldMove] = (),
        items: Sequence[ItemMove] = (),
        level: int = 0,
    ) -> Operated:
        """The first party's operation. RefusedError: it was not done. PeerLost or DeadlineExceeded: unknown, after
        all attempts."""
        numbers = [one.number for one in parties]
        for one in parties:
            one.busy += 1
        try:
            async with AsyncExitStack() as stack:
                for number in sorted(numbers):  # always in the same order: two trades cannot wait for each other
                    await stack.enter_async_context(self._locks.setdefault(number, asyncio.Lock()))
                sequence = parties[0].next_operation()
                said = Operate(numbers[0], sequence, kind, numbers, list(gold), list(items), level)
                operated = await self._persist(said)
                self._take(operated, parties)
                return operated
        finally:
            for one in parties:
                one.busy -= 1
                if not one.busy:
                    self._locks.pop(one.number, None)

    async def _persist(self, said: Operate) -> Operated:
        for attempt in range(1, self._tries + 1):
            try:
                answer = await self._ask(DC, said, ASK_TIMEOUT_S)
            except (PeerLost, DeadlineExceeded):
                if attempt == self._tries:
                    raise
                self.repeated += 1
                await asyncio.sleep(AGAIN_S)
            else:
                assert isinstance(answer, Operated), "the catalogue names the only answer"
                self.done += 1
                return answer
        raise AssertionError("at least one attempt is made")

    def _take(self, operated: Operated, parties: Sequence[Session]) -> None:
        by_account = {one.account: one for one in parties}
        for holding in operated.holdings:
            session = by_account.get(holding.account)
            if session is not None:
                session.gold = holding.gold
                session.items = {item.id: item for item in holding.items}
