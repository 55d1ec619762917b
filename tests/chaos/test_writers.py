"""The writers ask again what was not answered, with the same id, and write down what they were told."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.records import Operate, Operated
from mesh.protocol.sessions import session_of
from mesh.testing import ManualClock, run
from tools.chaos.deals import Deals
from tools.chaos.writers import Writers

Answer = Callable[[Operate], Operated]


class FakeScene:
    """A scene whose DC answers what the test says: one answer or error for each time it is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Operate]()
        self.away = 0  # looks at a DC that is not linked

    async def ask(self, _target: str, said: Operate, _timeout_s: float) -> Operated:
        self.asked.append(said)
        answer = self.answers.pop(0) if self.answers else Operated([])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def peers(self, _role: str) -> list[str]:
        self.away -= 1
        return [] if self.away >= 0 else ["dc.1"]


def played(scene: FakeScene, story: Callable[[Writers], Awaitable[None]], patient: bool = True) -> Writers:
    """Writers after their story, in virtual time."""
    made: list[Writers] = []

    async def body() -> None:
        import asyncio

        clock = ManualClock(asyncio.get_running_loop())
        writers = Writers(scene, scene, clock, random.Random(1), 100.0)  # type: ignore[arg-type]
        writers.deals = Deals([session_of(account, 1) for account in (1, 2, 3)], random.Random(2))
        made.append(writers)
        await story(writers)

    run(body())
    return made[0]


async def one(writers: Writers) -> None:
    await writers._operate(writers.deals.next(), True)


async def one_impatient(writers: Writers) -> None:
    await writers._operate(writers.deals.next(), False)


def test_a_lost_answer_is_asked_for_again_with_the_same_id() -> None:
    scene = FakeScene(PeerLost("gone"), DeadlineExceeded("late"))
    scene.away = 3
    writers = played(scene, one)
    assert len(scene.asked) == 3
    assert len({(said.session, said.sequence) for said in scene.asked}) == 1
    assert [said.ended for said in writers.book.operations] == ["ok"]


def test_who_is_impatient_never_knows() -> None:
    scene = FakeScene(PeerLost("gone"))
    writers = played(scene, one_impatient)
    assert len(scene.asked) == 1
    assert [said.ended for said in writers.book.operations] == ["unknown"]


def test_a_refusal_is_the_end_of_it() -> None:
    scene = FakeScene(RefusedError(Code.INSUFFICIENT, "no"))
    writers = played(scene, one)
    assert [(said.ended, said.answer) for said in writers.book.operations] == [("refused", "insufficient")]
    assert len(scene.asked) == 1


def test_a_refusal_of_the_moment_says_nothing_about_the_operation() -> None:
    scene = FakeScene(RefusedError(Code.DISK_FULL, "full"), RefusedError(Code.INTERNAL, "damaged"))
    writers = played(scene, one)
    assert [said.ended for said in writers.book.operations] == ["ok"]
    assert writers.passing == {"disk_full": 1, "internal": 1}
    assert len(writers.refused_ms) == 2


def test_they_keep_their_rate_until_they_are_stopped() -> None:
    async def story(writers: Writers) -> None:
        import asyncio

        running = asyncio.create_task(writers.run())
        await asyncio.sleep(2.0)
        writers.stop()
        await running
        await writers.finish(1.0)

    writers = played(FakeScene(), story)
    assert 198 <= len(writers.book.operations) <= 202
    assert writers.book.count("ok") == len(writers.book.operations)
    assert writers.problems == []


def test_who_is_not_answered_in_the_end_is_a_problem() -> None:
    async def story(writers: Writers) -> None:
        import asyncio

        running = asyncio.create_task(writers.run())
        await asyncio.sleep(0.1)
        writers.stop()
        await running
        await writers.finish(2.0)

    scene = FakeScene(*[PeerLost("gone")] * 10_000)
    scene.away = 10_000
    assert [problem.checker for problem in played(scene, story).problems] == ["answers"]


def test_only_an_answer_to_what_was_asked_after_a_fault_ends_it() -> None:
    times: list[float | None] = []

    async def story(writers: Writers) -> None:
        import asyncio

        await one(writers)
        fault = writers.clock.now()
        waiting = asyncio.create_task(writers.answered_since(fault, 5.0))
        await asyncio.sleep(0.3)
        await one(writers)
        times.extend([await waiting, await writers.answered_since(writers.clock.now(), 0.1)])
        assert times[0] is not None
        times[0] -= fault

    played(FakeScene(), story)
    assert times[0] is not None
    assert 0.29 < times[0] < 0.32
    assert times[1] is None


def test_an_acknowledged_operation_that_is_refused_when_it_is_asked_again_is_a_problem() -> None:
    async def story(writers: Writers) -> None:
        await one(writers)
        await writers.ask_again()

    assert played(FakeScene(), story).problems == []
    refusing = played(FakeScene(Operated([]), RefusedError(Code.OP_CONFLICT, "another")), story)
    assert [problem.checker for problem in refusing.problems] == ["again"]
