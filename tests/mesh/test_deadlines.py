"""Deadlines of requests and handlers: one timer for all of them, each at its own time."""

import asyncio
from math import inf

import pytest

from mesh.alarm import Alarm
from mesh.core.deadlines import EARLY_S, PASSED_MAX, SLOT_S, Deadlines
from mesh.errors import DeadlineExceeded, RefusedError
from mesh.node import Caller, on, to_the_end
from mesh.protocol.cluster import Account, FindAccount
from mesh.testing import Cluster, ManualClock, run, with_cluster
from tests.mesh.test_node import ROLES, Dc


def test_what_is_due_comes_soonest_first_and_what_has_ended_is_passed_over():
    deadlines, ended = Deadlines(), {2, 4}

    def is_open(number: int) -> bool:
        return number not in ended

    looks = [deadlines.add(number, at) for number, at in ((1, 5.0), (2, 3.0), (3, 9.0), (4, 4.0))]
    assert looks == [5.0, 3.0, None, None]
    assert deadlines.due(2.0, is_open) == []
    assert deadlines.due(4.5, is_open) == []
    assert deadlines.soonest(is_open) == 5.0
    assert len(deadlines) == 2, "2 and 4 are not kept"
    assert deadlines.due(9.0, is_open) == [1, 3]
    assert deadlines.soonest(is_open) is None


def test_within_a_slot_each_has_its_own_time():
    deadlines, begin = Deadlines(), 8 * SLOT_S
    times = {1: begin + 0.09, 2: begin + 0.03, 3: begin + 0.06}
    assert [deadlines.add(number, at) for number, at in times.items()] == [begin, None, None]
    assert deadlines.due(begin, times.__contains__) == []
    assert deadlines.soonest(times.__contains__) == times[2]
    assert deadlines.add(4, begin + 0.01) == begin + 0.01, "its slot has begun"
    assert deadlines.due(begin + 0.04, lambda _: True) == [4, 2]
    assert deadlines.add(5, 99 * SLOT_S) is None, "there are sooner ones"
    assert deadlines.due(begin + SLOT_S, lambda _: True) == [3, 1]
    assert deadlines.soonest(lambda _: True) == 99 * SLOT_S


def test_thousands_of_things_are_waited_for_with_one_timer():
    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock, still, rung = ManualClock(loop), set(range(1000)), []
        timers, call_later = [], loop.call_later

        def counting(*args):
            timers.append(args[0])
            return call_later(*args)

        loop.call_later = counting  # type: ignore[method-assign, assignment]
        alarm = Alarm(clock, still.__contains__, lambda number: rung.append((number, round(loop.time(), 3))))
        for number in range(1000):
            alarm.set(number, 5.0 + number / 1000)
        alarm.set(1000, 1.0)  # over before its time
        still -= set(range(100, 1000))
        await asyncio.sleep(20)
        assert [number for number, _ in rung] == list(range(100))
        assert all(abs(at - (5.0 + number / 1000)) <= 0.002 for number, at in rung)
        assert len(timers) < 120
        alarm.close()

    run(story())


def test_one_that_fails_when_its_time_has_come_is_no_concern_of_the_others():
    async def story() -> None:
        loop, rung = asyncio.get_running_loop(), list[int]()
        loop.set_exception_handler(lambda *_: None)

        def ring(number: int) -> None:
            rung.append(number)
            if number == 2:
                raise ValueError("a mistake")

        alarm = Alarm(ManualClock(loop), lambda number: number not in rung, ring)
        for number, after_s in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)):
            alarm.set(number, after_s)
        await asyncio.sleep(5)
        assert rung == [1, 2, 3, 4]
        alarm.close()

    run(story())


def test_the_shorter_deadline_of_two_ends_first(zone, tmp_path):
    async def story(cluster: Cluster) -> None:
        login, began, ended = cluster.node("login.1"), cluster.clock.now(), {}

        async def ask(timeout_s: float) -> None:
            with pytest.raises(DeadlineExceeded):
                await login.ask("dc", FindAccount("slow"), timeout_s)
            ended[timeout_s] = cluster.clock.now() - began

        await asyncio.gather(*(ask(timeout_s) for timeout_s in (3.0, 0.5, 2.0)))
        assert ended == {s: pytest.approx(s, abs=0.01) for s in (0.5, 2.0, 3.0)}

    run(with_cluster(zone, ROLES, tmp_path, story))


class Thorough(Dc):
    """Goes on when nobody waits any more."""

    def __init__(self, seat) -> None:
        super().__init__(seat)
        self.done: list[str] = []

    @on(FindAccount)
    @to_the_end
    async def on_find(self, said: FindAccount, caller: Caller) -> Account:
        await asyncio.sleep(2.0)
        self.done.append(said.name)
        raise RefusedError("not_found", "but it took its time")


def test_a_handler_may_go_on_when_its_askers_patience_is_over(zone, tmp_path):
    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        with pytest.raises(DeadlineExceeded):
            await login.ask("dc", FindAccount("bob"), 0.5)
        assert dc.dispatch.under_way == 1
        assert dc.done == []
        await asyncio.sleep(2.0)
        assert dc.done == ["bob"]
        assert dc.dispatch.under_way == 0
        assert login.switchboard.counts.late == 1
        with pytest.raises(RefusedError, match="took its time"):
            await login.ask("dc", FindAccount("bob"), 5.0)

    run(with_cluster(zone, {**ROLES, "dc": Thorough}, tmp_path, story))


def test_a_thorough_handler_ends_with_its_node(zone, tmp_path):
    async def story(cluster: Cluster) -> None:
        asking = asyncio.ensure_future(cluster.node("login.1").ask("dc", FindAccount("bob"), 5.0))
        await asyncio.sleep(0.1)
        dc = cluster.node("dc.1")
        await cluster.kill("dc.1")
        assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], Exception)
        assert dc.done == []

    run(with_cluster(zone, {**ROLES, "dc": Thorough}, tmp_path, story))


def test_what_has_ended_is_passed_over_a_part_at_a_time():
    deadlines, count = Deadlines(), 3 * PASSED_MAX
    for number in range(count):
        deadlines.add(number, 1.0 + 0.1 * SLOT_S * number / count)
    last = count - 1
    assert deadlines.due(1.0 - SLOT_S, lambda _: True) == []
    assert deadlines.due(1.0 - EARLY_S, lambda _: True) == [0]
    assert deadlines.soonest(lambda number: number == last) == -inf
    assert len(deadlines) == 2 * PASSED_MAX - 1
    assert deadlines.soonest(lambda number: number == last) == -inf
    assert deadlines.soonest(lambda number: number == last) == pytest.approx(1.0 + 0.1 * SLOT_S, abs=0.001)
    assert len(deadlines) == 1
