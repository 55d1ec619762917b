"""Players who write durably through the mesh, at a fixed rate, and write down what they were told.

They speak to the DC as a scene does: an operation whose answer was lost is asked again with the same id until it is
answered. Some are impatient and never ask again, so that there are operations of which nobody knows what became.
"""

import asyncio
import contextlib
import gc
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from math import inf

from msgspec import structs

from mesh.checking.records import Book, Problem
from mesh.clock import Clock
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.cluster import Account, CreateAccount, LoadStatus, StatusLoaded
from mesh.protocol.records import Operate, Operated
from tools.bench.dcdesk import Login, Scene
from tools.chaos.deals import Deals, args_of

STEP_S = 0.001  # between two looks at what is due
LOOK_S = 0.002  # between two looks whether the DC is there again
RETRY_S = (0.15, 0.3)  # after a refusal of the moment
ANSWER_S = 5.0
UNDER_WAY_MAX = 4_000  # more are not begun: the rate is missed, and said so
IMPATIENT = 12  # one operation in so many is not asked again
KEPT = 2_000  # of the latest acknowledged, to be asked again
AGAIN = 20  # of them, after each fault
PASSING = (Code.DISK_FULL, Code.UNAVAILABLE, Code.SHUTDOWN, Code.INTERNAL)
"""Refusals that say nothing about the operation, only about the moment."""


@dataclass
class Writers:
    """See the module. `run` begins operations until `stop`; `finish` waits for those under way."""

    login: Login
    scene: Scene
    clock: Clock
    chance: random.Random
    per_s: float
    book: Book = field(default_factory=Book)
    problems: list[Problem] = field(default_factory=list)
    passing: dict[str, int] = field(default_factory=dict)  # refusals of the moment, by code
    skipped: int = 0  # not begun, because too many were under way
    asked_again: int = 0
    replicated_ms: list[float] = field(default_factory=list)  # from the first call to the acknowledgement, of class R
    refused_ms: list[float] = field(default_factory=list)  # of refusals of the moment
    gap_ms: float = 0.0  # the longest time without an acknowledgement, since somebody set it to 0
    under_way_max: int = UNDER_WAY_MAX
    replicated_every: int = 0  # one operation in so many is of class R; 0: none
    tries_max: int = 0  # of a patient one; 0: until there is an answer
    deals: Deals = field(init=False)
    _stopped: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _latest: list[Operate] = field(default_factory=list)  # acknowledged, as a ring
    _acked: int = 0
    _acked_at: float = 0.0
    _coming: asyncio.Task[None] | None = None
    _waiting: list[tuple[float, asyncio.Future[float]]] = field(default_factory=list)

    async def log_in(self, players: int, prefix: str = "writer") -> None:
        """So many new accounts, each with a session."""

        async def enter(at: int) -> int:
            account = await self.login.ask("dc", CreateAccount(f"{prefix}{at}", ""))
            assert isinstance(account, Account), "nothing else answers CreateAccount"
            loaded = await self.login.ask("dc", LoadStatus(account.account))
            assert isinstance(loaded, StatusLoaded), "nothing else answers LoadStatus"
            return loaded.session

        self.deals = Deals(await asyncio.gather(*(enter(at) for at in range(players))), self.chance)

    async def run(self, seconds: float = inf) -> None:
        """At the rate `per_s`, until `stop` or for so long."""
        began, begun = self.clock.now(), 0
        with without_collections():
            while not self._stopped and (passed_s := self.clock.now() - began) < seconds:
                due = int(passed_s * self.per_s)
                while begun < due:
                    begun += 1
                    self._begin()
                await asyncio.sleep(STEP_S)

    async def saturate(self, askers: int, seconds: float) -> None:
        """So many who each ask as soon as they were answered: as much as the DC can carry, and no more."""
        until = self.clock.now() + seconds

        async def ask() -> None:
            while self.clock.now() < until:
                await self._operate(self.deals.next(), patient=True)

        await asyncio.gather(*(ask() for _ in range(askers)))

    def stop(self) -> None:
        self._stopped = True

    async def finish(self, timeout_s: float) -> None:
        """Everybody who is patient has an answer, or has none after this long, which is a problem."""
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        if self._tasks:
            self.problems.append(Problem("answers", f"{len(self._tasks)} operations had no answer after {timeout_s} s"))
        for task in self._tasks | ({self._coming} if self._coming else set()):
            task.cancel()

    async def answered_since(self, at: float, timeout_s: float) -> float | None:
        """When the first operation was acknowledged that was asked after `at`; None when none is in time."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((at, future))
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return None
        finally:
            self._waiting.remove((at, future))

    async def ask_again(self, count: int = AGAIN) -> None:
        """Operations that were acknowledged are said once more, as after a lost answer. It must be yes again."""
        for said in self.chance.sample(self._latest, min(count, len(self._latest))):
            self.asked_again += 1
            try:
                await self.scene.ask("dc", said, ANSWER_S)
            except RefusedError as error:
                if error.code not in PASSING:
                    text = f"operation {said.session}/{said.sequence} was acknowledged, and asked again {error}"
                    self.problems.append(Problem("again", text))
            except (PeerLost, DeadlineExceeded):
                return

    def _begin(self) -> None:
        if len(self._tasks) >= self.under_way_max:
            self.skipped += 1
            return
        patient = self.chance.randrange(IMPATIENT) > 0
        said = self.deals.next()
        if self.replicated_every and said.sequence % self.replicated_every == 0:
            said = structs.replace(said, replicated=True)
        task = asyncio.get_running_loop().create_task(self._operate(said, patient))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _operate(self, said: Operate, patient: bool) -> None:
        began = self.clock.now()
        line = self.book.call(said.session, said.sequence, said.kind, args_of(said), began)
        for attempt in count(1):
            asked = self.clock.now()
            try:
                answer = await self.scene.ask("dc", said, ANSWER_S)
            except RefusedError as error:
                if error.code not in PASSING:
                    self.book.end(line, self.clock.now(), "refused", error.code)
                    return
                self.passing[error.code] = self.passing.get(error.code, 0) + 1
                self.refused_ms.append((self.clock.now() - asked) * 1000)
                pause_s = self.chance.uniform(*RETRY_S)
            except (PeerLost, DeadlineExceeded):
                pause_s = 0.0
            else:
                assert isinstance(answer, Operated), "nothing else answers Operate"
                self._acknowledged(line, said, answer, asked, began)
                return
            if not patient or attempt == self.tries_max:
                return
            await asyncio.sleep(pause_s)
            await self._there()

    async def _there(self) -> None:
        """Until the DC is linked. One looks for all: thousands who look would keep the DC from starting."""
        if self._coming is None or self._coming.done():
            self._coming = asyncio.get_running_loop().create_task(self._look())
        await asyncio.shield(self._coming)

    async def _look(self) -> None:
        while not self.scene.peers("dc"):  # noqa: ASYNC110 - a link has no event
            await asyncio.sleep(LOOK_S)

    def _acknowledged(self, line: int, said: Operate, answer: Operated, asked: float, began: float) -> None:
        now = self.clock.now()
        self.book.end(line, now, "ok")
        if said.replicated:
            self.replicated_ms.append((now - began) * 1000)
        self.gap_ms = max(self.gap_ms, (now - (self._acked_at or now)) * 1000)
        self._acked_at = now
        self.deals.learn(answer)
        for at, future in self._waiting:
            if asked > at and not future.done():
                future.set_result(now)
        if len(self._latest) < KEPT:
            self._latest.append(said)
        else:
            self._latest[self._acked % KEPT] = said
        self._acked += 1


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Looking through all records would stop us for longer than a fault does. Within another one: nothing."""
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
