"""What keeps an overload from spreading: breakers, admission, deadlines that go along, requests that come too late."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.admission import INTERVAL_S, TARGET_S, Admission
from mesh.core.breaker import FAIR_S, OPEN_MAX_S, OPEN_S, PROBE_S, ROW_MAX, Breakers
from mesh.core.links import DEAD_S, PATIENT_S, PRESSED_S, Links
from mesh.core.transit import WINDOW_S, Transit
from mesh.errors import DeadlineExceeded, RefusedError
from mesh.node import Caller, Node, on
from mesh.promised import SWEEP_S
from mesh.protocol.cluster import Account, Authenticate, Authenticated, FindAccount
from mesh.protocol.sessions import Placement
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.mesh.test_node import Center
from tests.mesh.test_together import Finder, Idle, Log, Scene

# --- breakers ---


def break_one(breakers: Breakers, now: float = 10.0) -> float:
    for _ in range(ROW_MAX):
        assert breakers.may_ask("dc", 1, now)
        breakers.timed_out("dc", 1, now - FAIR_S, now)
    return now


def test_a_row_of_time_outs_opens_a_breaker_for_that_message_of_that_peer_only() -> None:
    breakers = Breakers()
    now = break_one(breakers)
    assert not breakers.may_ask("dc", 1, now)
    assert breakers.may_ask("dc", 2, now)
    assert breakers.may_ask("center", 1, now)
    assert breakers.open_ones(now) == [("dc", 1)]
    assert (breakers.refused, breakers.opened) == (1, 1)


def test_an_answer_in_between_ends_the_row() -> None:
    breakers = Breakers()
    for _ in range(3 * ROW_MAX):
        breakers.timed_out("dc", 1, 0.0, FAIR_S)
        breakers.answered("dc", 1)
    assert breakers.may_ask("dc", 1, FAIR_S)
    assert breakers.open_ones(FAIR_S) == []


def test_after_a_pause_one_question_is_let_through_and_its_answer_closes() -> None:
    breakers = Breakers()
    now = break_one(breakers) + OPEN_S
    assert breakers.may_ask("dc", 1, now)
    assert not breakers.may_ask("dc", 1, now), "one, and the others wait for what becomes of it"
    breakers.answered("dc", 1)
    assert breakers.may_ask("dc", 1, now)
    assert breakers.may_ask("dc", 1, now)


def test_a_question_that_fails_again_keeps_it_open_for_seconds_and_never_minutes() -> None:
    breakers = Breakers()
    now = break_one(breakers)
    for tries in range(1, 10):
        pause = min(OPEN_MAX_S, OPEN_S * 2 ** (tries - 1))
        assert not breakers.may_ask("dc", 1, now + pause - 0.01)
        assert breakers.may_ask("dc", 1, now + pause)
        breakers.timed_out("dc", 1, now + pause, now + pause + FAIR_S)
        now += pause + FAIR_S
    assert OPEN_MAX_S < 10


def test_a_question_whose_asker_went_away_does_not_keep_it_open_for_ever() -> None:
    breakers = Breakers()
    now = break_one(breakers) + OPEN_S
    assert breakers.may_ask("dc", 1, now)
    assert not breakers.may_ask("dc", 1, now + PROBE_S - 0.1)
    assert breakers.may_ask("dc", 1, now + PROBE_S)


def test_late_time_outs_of_what_was_asked_before_it_opened_change_nothing() -> None:
    breakers = Breakers()
    now = break_one(breakers)
    for _ in range(100):
        breakers.timed_out("dc", 1, now - FAIR_S, now + 0.1)
    assert breakers.opened == 1
    assert breakers.may_ask("dc", 1, now + OPEN_S)


def test_the_last_moments_of_somebodys_patience_say_nothing_about_the_peer() -> None:
    breakers = Breakers()
    for _ in range(100):
        breakers.timed_out("dc", 1, 0.0, FAIR_S / 2)
    assert breakers.may_ask("dc", 1, 1.0)


def test_another_process_of_the_peer_begins_with_nothing() -> None:
    breakers = Breakers()
    now = break_one(breakers)
    breakers.forget("dc")
    assert breakers.may_ask("dc", 1, now)


# --- admission ---


def test_newcomers_are_refused_while_a_queue_stays_and_not_because_of_a_peak() -> None:
    admission, now = Admission(), 0.0
    for _ in range(50):  # peaks
        admission.look(3.0, now)
        admission.look(0.05, now + 0.1)
        now += 0.2
        assert admission.admits()
    admission.look(0.2, now)
    admission.look(0.2, now + INTERVAL_S)
    assert not admission.admits()
    assert admission.refused == 1
    admission.look(TARGET_S, now + INTERVAL_S + 0.1)
    assert admission.admits()


def test_what_nobody_can_make_less_is_no_queue() -> None:
    admission = Admission()
    for n in range(20):
        admission.look(0.3, n * 0.2, least_s=0.4)
        assert admission.admits()


# --- how long something was on its way ---


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0, 5), min_size=1, max_size=50))
def test_the_time_on_the_way_is_known_without_a_common_clock(offset: float, delays: list[float]) -> None:
    transit = Transit()
    assert transit.heard(1000.0 + offset, 1000.0) == 0.0, "the first came at once"
    for n, delay in enumerate(delays):
        said = 1001.0 + n
        assert transit.heard(said + offset, said + delay) == pytest.approx(delay, abs=1e-6)


def test_clocks_that_drift_apart_are_not_taken_for_a_queue() -> None:
    transit, worst = Transit(), 0.0
    for second in range(20_000):
        worst = max(worst, transit.heard(second * (1 - 1e-5), float(second)))
    assert worst < 2 * WINDOW_S * 1.1e-5 + 1e-6


# --- patience with those who are under pressure ---


def test_a_peer_under_pressure_has_as_much_time_as_it_has_needed_before() -> None:
    links = Links()
    link = links.accepted(1, 0.0)
    links.greeted(link, "scene", "scene", 1)
    assert link.patience_s == DEAD_S
    links.press("scene", True)
    now = 0.0
    for _ in range(20):  # it beats in time
        now += 0.5
        link.hear(now)
    assert link.patience_s == PRESSED_S
    assert links.silent(now + PRESSED_S - 0.01) == []
    assert links.silent(now + PRESSED_S + 0.01) == [link]
    link.hear(now + 1.2)  # it works slowly
    assert link.patience_s == pytest.approx(3.6, abs=0.1)
    link.hear(now + 4.7)
    assert link.patience_s == PATIENT_S
    links.press("scene", False)
    assert link.patience_s == DEAD_S


def test_a_long_silence_is_forgotten() -> None:
    links = Links()
    link = links.accepted(1, 0.0)
    links.greeted(link, "scene", "scene", 1)
    links.press("scene", True)
    link.hear(2.0)
    assert link.patience_s == PATIENT_S
    now = 2.0
    for _ in range(240):  # a minute of looks
        now += 0.25
        link.hear(now)
        assert links.silent(now) == []
    assert link.patience_s < 2.5


# --- between nodes ---

SCENE = "eu.one.scene.1"


class Dc(Node):
    """Finds accounts, slowly when it is asked for "slow"."""

    ROLE = "dc"
    begun = 0
    finished = 0

    @on(FindAccount)
    async def on_find(self, said: FindAccount, _caller: Caller) -> Account:
        self.begun += 1
        await asyncio.sleep(20.0 if said.name == "slow" else 0.01)
        self.finished += 1
        return Account(1, said.name, "")


class Login(Node):
    """Asks the DC about whoever comes."""

    ROLE = "login"
    failed = 0

    @on(Authenticate)
    async def on_authenticate(self, said: Authenticate, _caller: Caller) -> Authenticated:
        try:
            await self.ask("dc", FindAccount(said.account), 30.0)
        except DeadlineExceeded:
            self.failed += 1
            raise
        return Authenticated(1, said.account, Placement(SCENE, "m", 1), "", 60.0)


ROLES = {"center": Center, "dc": Dc, "login": Login, "gate": Idle, "scene": Scene, "log": Log}


@pytest.fixture
def play(tmp_path, zone):
    def go(story):
        run(with_cluster(zone, ROLES, tmp_path / "data", story))

    return go


def come(gate: Node, account: str, timeout_s: float):
    return gate.ask("login", Authenticate("ticket", account, "secret-secret", 1, "10.0.0.1"), timeout_s)


def test_the_deadline_of_the_first_goes_along_to_the_last(play):
    async def story(cluster: Cluster) -> None:
        gate, login, dc = cluster.node("gate.1"), cluster.node("login.1"), cluster.node("dc.1")
        with pytest.raises(DeadlineExceeded):
            await come(gate, "slow", 2.0)
        await asyncio.sleep(0.5)
        assert (dc.begun, dc.finished, dc.dispatch.under_way) == (1, 0, 0), "it was given up there, too"
        assert dc.dispatch.given_up == 1
        assert login.dispatch.under_way == 0

    play(story)


def test_what_comes_when_nobody_waits_any_more_is_dropped_before_its_handler(play):
    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        await login.ask("dc", FindAccount("bob"), 1.0)
        cluster.network.pause(dc.name)
        with pytest.raises(DeadlineExceeded):
            await login.ask("dc", FindAccount("eve"), 0.3)
        later = asyncio.ensure_future(login.ask("dc", FindAccount("ann"), 5.0))
        await asyncio.sleep(0.3)
        cluster.network.pause(dc.name, False)
        assert await later == Account(1, "ann", "")
        assert (dc.begun, dc.dispatch.overdue) == (2, 1)

    play(story)


def test_work_that_waits_in_a_queue_for_somebody_who_has_gone_need_not_be_begun(play):
    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        finder = Finder()
        dc.dispatch.add(finder)
        asks = []
        for timeout_s in (1.0, 3.0):
            asks.append(asyncio.ensure_future(login.ask("dc", FindAccount("bob"), timeout_s)))
            await asyncio.sleep(0.01)  # not in one go
        await asyncio.sleep(1.5)
        assert [one.cancelled() for one in finder.promises] == [True, False]
        finder.promises[1].keep([Account(1, "bob", "")])
        assert isinstance((await asyncio.gather(*asks, return_exceptions=True))[0], DeadlineExceeded)
        assert asks[1].result() == Account(1, "bob", "")
        await asyncio.sleep(0.1)
        assert (dc.dispatch.under_way, dc.dispatch.given_up) == (0, 1)

    play(story)


def test_who_gives_answers_all_the_time_looks_through_them_as_often_as_who_seldom_does(play):
    """Each time that nothing is promised any more, and then something again, adds none to those who look."""

    async def story(cluster: Cluster) -> None:
        login, dc, asked = cluster.node("login.1"), cluster.node("dc.1"), 0
        finder = Finder()
        dc.dispatch.add(finder)
        looks = []
        promised = dc.dispatch._promised
        sweep = promised._sweep
        promised._sweep = lambda: (looks.append(dc.clock.now()), sweep())  # type: ignore[assignment]
        while asked < 100:
            one = asyncio.ensure_future(login.ask("dc", FindAccount("bob"), 9.0))
            await asyncio.sleep(0.01)
            finder.promises[-1].keep([Account(1, "bob", "")])
            await one
            asked += 1
        last = asyncio.ensure_future(login.ask("dc", FindAccount("bob"), 9.0))
        began = dc.clock.now()
        await asyncio.sleep(2.0)
        assert len([at for at in looks if at > began]) <= 2.0 / SWEEP_S
        finder.promises[-1].keep([Account(1, "bob", "")])
        await last

    play(story)


@pytest.mark.parametrize("name", ["slow", "promised"])
def test_whoever_asked_for_what_came_too_late_is_told_nothing(play, name):
    """A refusal would say that it was not done, and what has begun may go on."""

    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        if name == "promised":
            dc.dispatch.add(Finder())
        answered = []
        dc.switchboard.answer = lambda *said: answered.append(said)  # type: ignore[method-assign]
        dc.switchboard.answer_all = lambda *said: answered.append(said)  # type: ignore[method-assign]
        with pytest.raises(DeadlineExceeded):
            await login.ask("dc", FindAccount(name), 1.0)
        await asyncio.sleep(1.0)
        assert (answered, dc.dispatch.given_up, dc.dispatch.under_way) == ([], 1, 0)

    play(story)


def test_a_task_that_a_handler_leaves_behind_is_not_bound_by_its_asker(play):
    async def story(cluster: Cluster) -> None:
        login, dc, done = cluster.node("login.1"), cluster.node("dc.1"), []

        async def beside() -> None:
            await asyncio.sleep(3.0)
            done.append(await login.ask("dc", FindAccount("bob"), 1.0))

        async def on_find(said: FindAccount, _caller: Caller) -> Account:
            login.spawn(beside())
            return Account(1, said.name, "")

        dc.dispatch.handlers.messages[FindAccount] = on_find
        await login.ask("dc", FindAccount("bob"), 1.0)
        await wait_until(lambda: done, timeout_s=10)

    play(story)


def test_a_slow_tier_costs_the_one_before_it_no_more_than_a_row_of_time_outs(play):
    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        asks = [asyncio.ensure_future(login.ask("dc", FindAccount("slow"), 2.0)) for _ in range(ROW_MAX)]
        await asyncio.gather(*asks, return_exceptions=True)
        began, begun = cluster.clock.now(), dc.begun
        for _ in range(50):
            with pytest.raises(DeadlineExceeded, match="left alone"):
                await login.ask("dc", FindAccount("bob"), 2.0)
        assert (cluster.clock.now() - began, dc.begun - begun) == (0.0, 0)
        with pytest.raises(DeadlineExceeded, match="did not answer"):  # by its name: what it alone can tell
            await login.ask(dc.name, FindAccount("slow"), 2.0)
        assert await login.ask("dc", FindAccount("bob"), 2.0) == Account(1, "bob", ""), "normal within seconds"
        assert await login.ask("dc", FindAccount("eve"), 2.0) == Account(1, "eve", "")

    play(story)


def test_a_node_that_is_behind_refuses_newcomers_and_takes_them_again(play):
    async def story(cluster: Cluster) -> None:
        login = cluster.node("login.1")
        login.dispatch.admit()
        for n in range(8):
            login.dispatch.admission.look(0.4, cluster.clock.now() + 0.1 * n)
        with pytest.raises(RefusedError, match="unavailable"):
            login.dispatch.admit()
        await asyncio.sleep(0.5)  # it looks by itself
        login.dispatch.admit()

    play(story)
