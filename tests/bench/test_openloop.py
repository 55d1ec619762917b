"""Work at a fixed rate: on virtual time everything is due when it should be, and what is late or fails is said."""

import asyncio

from mesh.errors import Code, RefusedError
from mesh.testing import ManualClock, run
from tools.bench.openloop import Pace, at_rate


def paced(per_s: float, seconds: float, work: object) -> Pace:
    async def story() -> Pace:
        clock = ManualClock(asyncio.get_running_loop())
        return await at_rate(clock, per_s, seconds, work)  # type: ignore[arg-type]

    return run(story())


def test_times_are_counted_from_when_work_was_due_and_nothing_waits_for_what_is_slow() -> None:
    async def slow(_: int) -> None:
        await asyncio.sleep(0.5)

    pace = paced(1000.0, 2.0, slow)
    assert 1990 <= pace.begun == len(pace.took_ms) <= 2001
    assert 500 <= pace.quantile(0.5) <= 502
    assert 495 <= pace.under_way_max <= 505
    assert pace.invalid == []
    assert 790 <= pace.done_per_s <= 1000


def test_an_answer_is_over_when_it_was_heard_whatever_is_done_with_it() -> None:
    async def story() -> Pace:
        clock = ManualClock(asyncio.get_running_loop())
        began = clock.now()

        async def worked_on(number: int) -> float:
            await asyncio.sleep(0.5)
            return began + number / 100 + 0.1

        return await at_rate(clock, 100.0, 1.0, worked_on)

    pace = run(story())
    assert [round(took) for took in pace.took_ms] == [100] * pace.begun


def test_what_fails_is_counted_by_its_reason() -> None:
    async def fails(number: int) -> None:
        if number % 2:
            raise RefusedError(Code.UNAVAILABLE, "too much")

    pace = paced(100.0, 1.0, fails)
    assert sum(pace.failures.values()) == pace.begun // 2
    assert pace.invalid == [f"{pace.begun // 2} x unavailable: too much"]


def test_what_never_ends_makes_the_run_invalid() -> None:
    async def hangs(number: int) -> None:
        if number == 7:
            await asyncio.Event().wait()

    assert paced(100.0, 1.0, hangs).invalid == ["1 were not done within 10 s"]


def test_a_generator_that_is_late_says_so() -> None:
    pace = Pace(1.0, 2, [1.0, 1.0], [0.5] * 90 + [8.0] * 10)
    assert pace.invalid == ["the generator was 8.0 ms late (p99), at most 5 ms"]
    assert Pace(1.0, 0).quantile(0.99) == 0.0


def test_a_number_of_times_is_just_that() -> None:
    async def quick(_: int) -> None:
        pass

    async def counted() -> Pace:
        return await at_rate(ManualClock(asyncio.get_running_loop()), 1000.0, 0.5, quick, 500)

    assert run(counted()).begun == 500
