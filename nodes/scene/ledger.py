"""Carries out durable operations: what moves gold or items, or gives a level.

Owns the order of the operations of each character: one at a time, so that the read copies (gold, items) never take
an older answer for a newer one. An operation whose outcome is unknown (the DC died, or was too slow) is asked for
again under the same number until somebody answers: the DC carries each number out once. Never changes gold or items
of a session by itself: they are what the DC answered.

Whoever takes part is `busy` from the moment in which the operation was decided on, not only from its first request:
a character that is busy does not leave the scene.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from typing import Any

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.failpoints import Failpoints
from mesh.protocol.catalogue import Message
from mesh.protocol.records import (
    GoldMove,
    ItemMove,
    Letter,
    Operate,
    Operated,
)
from nodes.scene.sessions import Session

AGAIN_S = 0.2  # between two attempts, a little more or less: a player waits for a DC that is back no longer than that
ASK_TIMEOUT_S = 5.0  # of one attempt
DC = "dc"
_NOT_NOW = (Code.UNAVAILABLE, Code.DISK_FULL, Code.SHUTDOWN)
"""Refusals that say nothing about an earlier attempt whose outcome is unknown: it may be carried out yet."""

Ask = Callable[[str, Message, float], Awaitable[Message]]
Spawn = Callable[[Coroutine[Any, Any, Any]], Any]
Traced = Callable[[str, str], AbstractContextManager[None]]
"""Around what is done: its kind, and of which character."""


def _untraced(_kind: str, _subject: str) -> AbstractContextManager[None]:
    return nullcontext()


class Ledger:
    """`tries` bounds how long an operation may take. `doubt` is called when the DC says that somebody else is in
    charge of a player: perhaps of all of them."""

    def __init__(
        self,
        ask: Ask,
        spawn: Spawn,
        tries: int,
        doubt: Callable[[], None] = lambda: None,
        failpoints: Failpoints | None = None,
        chance: random.Random | None = None,
        replicated: Collection[str] = (),
        traced: Traced = _untraced,
    ) -> None:
        self._ask, self._spawn, self._tries, self._doubt = ask, spawn, tries, doubt
        self._failpoints, self._chance = failpoints or Failpoints(), chance or random.Random(0)
        self._traced = traced
        self._replicated = frozenset(replicated)  # kinds of class R
        self._locks: dict[int, asyncio.Lock] = {}  # by session, while somebody holds or wants it
        self.done = 0
        self.repeated = 0

    def begin(self, parties: Sequence[Session], work: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run `work`, which carries out operations of these, beside."""
        for one in parties:
            one.busy += 1
        self._spawn(self._run(parties, work, args))

    async def _run(
        self, parties: Sequence[Session], work: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]
    ) -> None:
        try:
            await work(*args)
        finally:
            for one in parties:
                one.busy -= 1
                if not one.busy:
                    self._locks.pop(one.number, None)

    async def carry_out(
        self,
        parties: Sequence[Session],
        kind: str,
        gold: Sequence[GoldMove] = (),
        items: Sequence[ItemMove] = (),
        level: int = 0,
        *,
        letter: Letter | None = None,
        mail: int = 0,
        room: int = 0,
        asked: int = 0,
    ) -> Operated:
        """The first party's operation, inside the work of `begin`; `asked`: for its message with this number, which is
        carried out once, whatever scene asks. RefusedError: it was not done. PeerLost or DeadlineExceeded: unknown,
        after all attempts."""
        numbers = [one.number for one in parties]
        async with AsyncExitStack() as stack:
            for number in sorted(numbers):  # always in the same order: two trades cannot wait for each other
                await stack.enter_async_context(self._locks.setdefault(number, asyncio.Lock()))
            sequence = parties[0].next_operation()
            said = Operate(
                numbers[0], sequence, kind, numbers, list(gold), list(items), level,
                letter=letter, mail=mail, room=room, asked=asked,
                replicated=kind in self._replicated,
            )  # fmt: skip
            with self._traced(f"act:{kind}", parties[0].name):
                operated = await self._persist(said)
            self._take(operated, parties)
            return operated

    async def _persist(self, said: Operate) -> Operated:
        is_known = not said.asked  # that no attempt so far was carried out; a scene before this one may have made some
        for attempt in range(1, self._tries + 1):
            self._soon("scene.operation-asked")
            try:
                answer = await self._ask(DC, said, ASK_TIMEOUT_S)
            except RefusedError as error:
                if error.code == Code.STALE_EPOCH:
                    self._doubt()
                    if not is_known:  # the fence is looked at first, and says nothing of what was done before it
                        raise DeadlineExceeded("given up, and an earlier attempt may have been carried out") from None
                is_over = is_known and error.code != Code.SHUTDOWN  # one that stops is there again in a moment
                if error.code not in _NOT_NOW or is_over or (is_known and attempt == self._tries):
                    raise
                if attempt == self._tries:
                    raise DeadlineExceeded("it is not known whether an earlier attempt was carried out") from None
                await self._pause()
            except (PeerLost, DeadlineExceeded):
                if attempt == self._tries:
                    raise
                is_known = False
                self.repeated += 1
                await self._pause()
            else:
                assert isinstance(answer, Operated), "the catalogue names the only answer"
                self.done += 1
                self._failpoints.hit("scene.operation-heard")
                return answer
        raise AssertionError("at least one attempt is made")

    async def _pause(self) -> None:
        """What was under way when the DC was lost is not all asked again at the same moment."""
        await asyncio.sleep(AGAIN_S * self._chance.uniform(0.5, 1.5))

    def _soon(self, name: str) -> None:
        """A failpoint behind what is about to be said: that leaves at the end of the next turn of the loop."""
        if self._failpoints.armed:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._failpoints.hit, name)

    def _take(self, operated: Operated, parties: Sequence[Session]) -> None:
        by_account = {one.account: one for one in parties}
        for holding in operated.holdings:
            session = by_account.get(holding.account)
            if session is not None:
                session.gold = holding.gold
                session.items = {item.id: item for item in holding.items}
