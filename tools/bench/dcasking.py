"""Work for the DC in its bench, at a fixed rate: logins, reads, durable operations; and what each kind of work cost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mesh.errors import RefusedError
from mesh.pending import Waiter
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import FindAccount, LoadStatus, StatusLoaded
from mesh.protocol.codec import answer_decoder
from mesh.protocol.control import Refused
from mesh.protocol.records import Operate
from tools import machine
from tools.bench.beat import beating
from tools.bench.bookkeeping import PREFIX, Town
from tools.bench.dcdesk import Desk
from tools.bench.ground import Ground
from tools.bench.openloop import STEP_S, Pace, at_rate
from tools.bench.standin import StandIn

MADE_TOGETHER = 1_000  # operations, before any is asked for
ANSWER_S = 5.0
SECONDS, SECONDS_QUICK = 10.0, 3.0

Decode = Callable[[bytes | memoryview], Message]

decode_operated, decode_found = answer_decoder(Operate), answer_decoder(FindAccount)


@dataclass(frozen=True)
class Measured:
    """One kind of work."""

    what: str
    pace: Pace
    per_unit: int  # updates in one unit of work
    cpu_us: float  # of the DC for one update

    def row(self) -> list[str]:
        pace = self.pace
        times = [f"{pace.quantile(share):.2f}" for share in (0.5, 0.99, 1.0)]
        return [self.what, f"{pace.done_per_s * self.per_unit:,.0f}", *times, f"{self.cpu_us:.2f}"]


@dataclass(frozen=True)
class Asking:
    """We, as those who play. What is asked comes to the time at which the answer was heard."""

    desk: Desk
    town: Town

    async def log_in(self, number: int) -> None:
        loaded = await self.desk.login.ask("dc", LoadStatus(self.town.players[number]))
        assert isinstance(loaded, StatusLoaded), "nothing else answers LoadStatus"
        self.town.logged_in(self.town.players[number], loaded.session)

    async def operating(self, per_s: int) -> Callable[[int], asyncio.Future[float | None]]:
        """Durable operations by their numbers; all are known before the first is asked for."""
        operations: list[Operate] = []
        for number in range(int(per_s * seconds_of(self.desk.ground)) + 2):
            operations.append(self.town.operation(number))
            if not number % MADE_TOGETHER:
                await asyncio.sleep(0)  # our links must beat meanwhile

        def operate(number: int) -> asyncio.Future[float | None]:
            said = operations[number]
            return self._ask(self.desk.scene, said, decode_operated, partial(self.town.acknowledged, said))

        return operate

    def read(self, account: int) -> asyncio.Future[float | None]:
        return self._ask(self.desk.login, FindAccount(f"{PREFIX}{account:08}"), decode_found)

    def _ask(
        self, who: StandIn, said: Message, decode: Decode, answered: Callable[[], None] | None = None
    ) -> asyncio.Future[float | None]:
        """By the shortest way, so that the core next to the DC's is not busy with us."""
        over: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()

        def heard(waiter: Waiter) -> None:
            try:
                envelope, at = waiter.result()
                answer = decode(envelope.body)
                if isinstance(answer, Refused):
                    raise RefusedError(answer.code, answer.text)
            except Exception as error:  # noqa: BLE001 - whoever has asked looks at it
                over.set_exception(error)
                return
            if answered is not None:
                answered()
            over.set_result(at)

        dc = self.desk.cluster.topology.node("dc.1").name
        who.switchboard.asking.begin(dc, said, ANSWER_S).add_done_callback(heard)
        return over


async def timed(
    desk: Desk,
    what: str,
    per_s: int,
    work: Callable[[int], Awaitable[float | None]],
    *,
    per: int = 1,
    count: int = 0,
    step_s: float = STEP_S,
) -> Measured:
    """At this rate for as long as usual, or `count` times, with the DC's CPU for one update; a piece of work is `per`
    of them."""
    desk.ground.say(what)
    cpu_s = machine.cpu_of(desk.pid) or 0.0
    seconds = count / per_s if count else seconds_of(desk.ground)
    async with beating(step_s) as step:
        pace = await at_rate(desk.ground.clock, per_s / per, seconds, work, count, step)
    used_s = (machine.cpu_of(desk.pid) or 0.0) - cpu_s
    return Measured(what, pace, per, used_s / max(1, pace.begun * per) * 1e6)


def seconds_of(ground: Ground) -> float:
    """How long each kind of work is asked for."""
    return SECONDS_QUICK if ground.quick else SECONDS
