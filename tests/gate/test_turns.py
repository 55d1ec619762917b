"""Logins in turns: a burst waits at the gate, in order, and only some of it is under way behind."""

import asyncio

from mesh.core.admission import Admission
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Denied, LoggedIn, Ping
from mesh.protocol.client import Login as ClientLogin
from mesh.protocol.cluster import Authenticate
from mesh.protocol.lanes import CLIENT_GATE
from mesh.protocol.sessions import session_of
from nodes.gate.sessions import State
from nodes.gate.turns import PROBES, RESUME, SWEEP_MIN, Turn, Turns, Window
from tests.gate.test_edge import heard
from tests.gate.zone import ROLES, Login, login_frame, play


class Somebody:
    """A client, as far as turns are concerned with it."""

    def __init__(self, state=State.AUTHENTICATING):
        self.state = state


def turn(method="ticket", at=0.0, state=State.AUTHENTICATING):
    return Turn(Somebody(state), ClientLogin(method), at)


def test_turns_are_taken_in_order_and_only_so_many_at_once():
    turns, comers = Turns(2), [turn() for _ in range(5)]
    for one in comers:
        turns.wait(one)
    assert list(turns.take("ticket")) == comers[:2]
    assert list(turns.take("ticket")) == []
    assert (len(turns), turns.taken) == (3, 2)
    turns.give_back("ticket")
    assert list(turns.take("ticket")) == [comers[2]]
    turns.give_back("ticket")
    turns.give_back("ticket")
    assert list(turns.take("ticket")) == comers[3:]
    assert len(turns) == 0


def test_slow_turns_make_fewer_of_them_and_quick_ones_more():
    window = Window(8)
    window.took(0.05)
    sizes = []
    for took_s in [1.0] * 4 + [0.4] * 2 + [1.0] * 20:
        window.took(took_s)
        sizes.append(window.size)
    assert sizes[:6] == [7, 7, 6, 6, 6, 7]
    assert sizes[-1] == PROBES, "somebody always has a turn"
    for _ in range(20):
        window.took(0.05)
    assert window.size == 8


def test_a_long_way_is_nothing_slow():
    window = Window(8)
    for _ in range(50):
        window.took(0.8)
    assert window.size == 8
    for _ in range(4):
        window.took(2.5)
    assert window.size == 6


def test_a_way_that_became_longer_for_good_is_learned():
    window = Window(8)
    window.took(0.2)
    for _ in range(2_000):
        window.took(0.8)
    assert window.size == 8


def test_slow_logins_leave_fewer_turns_and_resumes_keep_theirs():
    turns = Turns(4)
    for method in ("ticket", RESUME):
        for _ in range(40):
            turns.wait(turn(method))
        for took_s in [0.01] + [2.0] * 8:
            list(turns.take(method))
            turns.give_back(method, took_s)
        list(turns.take(method))
    assert turns.taken == PROBES + 4


def test_each_method_has_turns_of_its_own():
    turns = Turns(1)
    for method in ("password", "password", "resume"):
        turns.wait(turn(method))
    assert len(list(turns.take("password"))) == 1
    assert len(list(turns.take("resume"))) == 1
    assert list(turns.take("ticket")) == []


def test_who_went_away_takes_no_turn():
    turns, gone, there = Turns(1), turn(state=State.LEAVING), turn()
    turns.wait(gone)
    turns.wait(there)
    assert list(turns.take("ticket")) == [there]


def test_a_flood_of_those_who_hang_up_again_is_not_kept():
    turns, there = Turns(1), [turn() for _ in range(3)]
    turns.wait(there[0])
    most = 0
    for n in range(10_000):
        turns.wait(turn(state=State.LEAVING) if n % 5000 else there[1 + n // 5000])
        most = max(most, len(turns))
    assert most <= 2 * SWEEP_MIN
    for one in there:
        assert list(turns.take("ticket")) == [one]
        turns.give_back("ticket")


def test_after_a_refusal_behind_few_are_tried_until_one_is_let_in():
    turns = Turns(8)
    for _ in range(50):
        turns.wait(turn())
    assert len(list(turns.take("ticket"))) == 8
    assert turns.refused("ticket")
    assert not turns.refused("ticket"), "somebody waits for the end of the pause already"
    for _ in range(8):
        turns.give_back("ticket")
    assert list(turns.take("ticket")) == []
    turns.try_again("ticket")
    assert len(list(turns.take("ticket"))) == PROBES
    assert list(turns.take("ticket")) == []
    assert turns.refused("ticket")
    for _ in range(PROBES):
        turns.give_back("ticket")
    assert list(turns.take("ticket")) == []
    turns.let_in("ticket")
    turns.try_again("ticket")
    assert len(list(turns.take("ticket"))) == 8


def test_those_who_are_in_the_world_do_not_wait_for_newcomers():
    turns = Turns(8)
    for _ in range(8):
        turns.wait(turn("resume"))
    assert not turns.refused("resume")
    assert len(list(turns.take("resume"))) == 8


def test_who_waits_for_too_long_is_taken_out():
    turns, old, gone, young = Turns(1), turn(at=0.2), turn(at=0.4, state=State.LEAVING), turn(at=0.6)
    for one in (turn(at=0.0), old, gone, young):
        turns.wait(one)
    list(turns.take("ticket"))
    assert turns.expire(0.5) == [old]
    turns.give_back("ticket")
    assert list(turns.take("ticket")) == [young]


class Busy(Login):
    """Takes a tenth of a second for each login, and knows how many were under way together."""

    def __init__(self, seat):
        super().__init__(seat)
        self.under_way = self.most = 0
        self.full = False  # as one whose queue delays those who play
        self.begun = []
        self.hold_s = 0.1

    @on(Authenticate)
    async def on_authenticate(self, said: Authenticate, caller: Caller):
        self.begun.append(said.account)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.hold_s)
        self.under_way -= 1
        if self.full:
            raise RefusedError(Code.UNAVAILABLE, "behind")
        return await super().on_authenticate(said, caller)


def busy(zone, tmp_path, story, monkeypatch, **settings):
    monkeypatch.setitem(ROLES, "login", Busy)
    play(zone, tmp_path, story, **settings)


def test_a_burst_comes_in_one_after_the_other_and_nobody_is_too_late(zone, tmp_path, monkeypatch):
    async def story(s):
        clients = [s.raw() for _ in range(200)]
        for n, client in enumerate(clients):
            client.send(login_frame(f"user-{n}"))
        await s.until(lambda: s.gate.entrance.turns.taken)
        assert len(s.gate.entrance.turns) == 192
        assert s.gate.entrance.turns.taken == 8
        await s.until(lambda: all(any(isinstance(m, LoggedIn) for m in heard(c)) for c in clients))
        assert s.login_node.most == 8
        assert s.login_node.begun == [f"user-{n}" for n in range(200)]
        assert len(s.gate.entrance.turns) == s.gate.entrance.turns.taken == 0
        last = max(s.gate.traces.latest, key=lambda trace: trace.hops[0].received_us)
        assert last.hops[0].received_us - last.hops[0].asked_us > 2_000_000, "a trace shows how long it waited"

    busy(zone, tmp_path, story, monkeypatch, logins_at_once=8, authenticate_s=0.5)


def test_a_player_whose_connection_broke_does_not_wait_for_a_flood_of_passwords(zone, tmp_path, monkeypatch):
    async def story(s):
        for n in range(50):
            s.raw().send(login_frame(f"user-{n}"))
        back = s.raw()
        back.send(bytes([CLIENT_GATE]) + encode(ClientLogin("resume", "", f"{session_of(1, 1)} anna")))
        await s.until(lambda: any(isinstance(m, LoggedIn) for m in heard(back)))
        assert len(s.gate.entrance.turns) > 40

    busy(zone, tmp_path, story, monkeypatch, logins_at_once=2)


def test_who_leaves_the_line_makes_room_and_costs_the_nodes_behind_nothing(zone, tmp_path, monkeypatch):
    async def story(s):
        clients = [s.raw() for _ in range(100)]
        for n, client in enumerate(clients):
            client.send(login_frame(f"user-{n}"))
        await s.until(lambda: len(s.gate.entrance.turns) == 99)
        for client in clients[1:-1]:
            client.close()
        await s.until(lambda: any(isinstance(m, LoggedIn) for m in heard(clients[-1])))
        assert s.login_node.begun == ["user-0", "user-99"]

    busy(zone, tmp_path, story, monkeypatch, logins_at_once=1)


def test_when_nobody_behind_answers_those_who_wait_are_told(zone, tmp_path, monkeypatch):
    async def story(s):
        s.login_node.hold_s = 1000.0
        first, second = s.raw(), s.raw()
        first.send(login_frame("anna"))
        second.send(login_frame("bob"))
        for _ in range(2):  # they are there, and wait
            await asyncio.sleep(2)
            second.send(bytes([CLIENT_GATE]) + encode(Ping(1)))
        await s.until(lambda: any(isinstance(m, Denied) for m in heard(second)))
        denied = next(m for m in heard(second) if isinstance(m, Denied))
        assert denied.code == "unavailable"
        assert len(s.login_node.asked) == 0

    busy(zone, tmp_path, story, monkeypatch, logins_at_once=1, turn_s=5.0)


def test_while_nobody_new_is_taken_behind_the_line_stands_and_is_not_refused(zone, tmp_path, monkeypatch):
    async def story(s):
        s.login_node.hold_s, s.login_node.full = 0.01, True
        clients = [s.raw() for _ in range(200)]
        for n, client in enumerate(clients):
            client.send(login_frame(f"user-{n}"))
        await asyncio.sleep(1.0)
        denied = [client for client in clients if any(isinstance(m, Denied) for m in heard(client))]
        assert 8 <= len(denied) <= 8 + PROBES * 10
        s.login_node.full = False
        let_in = [client for client in clients if client not in denied]
        await s.until(lambda: all(any(isinstance(m, LoggedIn) for m in heard(c)) for c in let_in[PROBES:]))
        assert s.login_node.begun == [f"user-{n}" for n in range(200)], "in order"

    busy(zone, tmp_path, story, monkeypatch, logins_at_once=8)


def test_a_gate_that_is_behind_itself_takes_only_those_who_are_in_the_world(zone, tmp_path, monkeypatch):
    async def story(s):
        is_behind = [True]
        monkeypatch.setattr(Admission, "is_shut", property(lambda _: is_behind[0]))
        new, back = s.raw(), s.raw()
        new.send(login_frame("anna"))
        back.send(bytes([CLIENT_GATE]) + encode(ClientLogin("resume", "", f"{session_of(1, 1)} bert")))
        await s.until(lambda: any(isinstance(m, LoggedIn) for m in heard(back)))
        await asyncio.sleep(2.0)
        assert heard(new) == []
        is_behind.clear()
        is_behind.append(False)
        await s.until(lambda: any(isinstance(m, LoggedIn) for m in heard(new)))

    busy(zone, tmp_path, story, monkeypatch)
