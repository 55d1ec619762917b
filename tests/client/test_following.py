"""A player whom the servers send elsewhere, over scripted wires: it goes by itself, or comes back, or says that it is
gone; never two of these."""

import asyncio

import pytest
from msgspec.structs import replace

from mesh.client.player import HEARD_S, Player
from mesh.errors import DeadlineExceeded, LocalProtocolError, PeerLost, RefusedError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.client import (
    Denied,
    Goodbye,
    LoggedIn,
    Login,
    Logout,
    MoveGate,
    MoveZone,
    Ping,
    Pong,
    TransferBegun,
    TransferHeard,
    Waiting,
)
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, CLIENT_PLAY, CLIENT_SOCIAL
from mesh.protocol.play import Entered, Hit, Say
from mesh.protocol.social import Shout, Shouted, SocialDenied, SwitchLine, Travel
from mesh.testing import ManualClock, run, wait_until
from tests.client.test_session import LOGGED_IN, entered, event, gate, view

AGAIN = gate(LoggedIn(77, "anna", "token-2", 30.0, ["ws://b", "ws://c"]))
THIRD = gate(LoggedIn(77, "anna", "token-3", 30.0, ["ws://b", "ws://c"]))
ENTERED = view(entered(resumed=True))
FOR_GATE = decoder([Login, Logout, Ping, TransferHeard])


class Gates:
    """Answers what is said first on each connection, by address; pings are answered. `down`: cannot be reached;
    `slow`: how long a connection takes."""

    def __init__(self, answers):
        self.answers = {url: list(rows) for url, rows in answers.items()}
        self.wires = {}
        self.down = set()
        self.slow_s = 0.0
        self.pongs = True
        self.ended = []

    async def dial(self, url, on_frame, on_closed):
        await asyncio.sleep(self.slow_s)
        if url in self.down:
            raise PeerLost(f"no connection to {url}")
        self.wires.setdefault(url, []).append(Line(self, url, on_frame, on_closed))
        return self.wires[url][-1]

    async def player(self, **how):
        how.setdefault("on_closed", lambda: self.ended.append(1))
        player = Player(dial=self.dial, clock=ManualClock(asyncio.get_running_loop()), **how)
        await player.join("ws://a", "anna", "secret")
        return player

    def last(self, url):
        return self.wires[url][-1]


class Line:
    """One connection."""

    def __init__(self, gates, url, on_frame, on_closed):
        self.gates, self.url, self.on_frame, self.on_closed = gates, url, on_frame, on_closed
        self.sent, self.open = [], True

    def send(self, frame):
        if not self.open:
            return
        self.sent.append(frame)
        said = FOR_GATE(frame[1:]) if frame[0] == CLIENT_GATE else None
        if isinstance(said, Login):
            for answer in self.gates.answers[self.url].pop(0):
                asyncio.get_running_loop().call_soon(self.say, answer)
        elif isinstance(said, Ping) and self.gates.pongs:
            asyncio.get_running_loop().call_soon(self.say, gate(Pong(said.stamp)))

    def say(self, frame):
        if self.open:
            self.on_frame(frame)

    def end(self, reason="cut"):
        if self.open:
            self.open = False
            self.on_closed(reason)

    abort = close = end

    def of(self, first_byte):
        return [frame[1:] for frame in self.sent if frame[0] == first_byte]

    def logins(self):
        return [said for said in map(FOR_GATE, self.of(CLIENT_GATE)) if isinstance(said, Login)]


IN = [(gate(LOGGED_IN), view(entered()))]
MOVE = gate(MoveGate("ws://b"))


async def settled(player):
    await wait_until(lambda: player._following is None, timeout_s=60.0)


def test_to_another_gate_while_this_one_goes_on():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN, ENTERED]]})
        gates.slow_s = 0.5
        player = await gates.player()
        first = gates.last("ws://a")
        first.say(event(1, Hit(1, 2, 3, 4)))
        gates.slow_s = 1.0
        first.say(MOVE)
        await asyncio.sleep(0.5)
        assert player.playing
        player.say("on the first")
        player.shout("too")
        player.move(1, 2)
        first.say(event(2, Hit(1, 2, 3, 4)))
        await settled(player)
        second = gates.last("ws://b")
        assert (player.url, player.playing, first.open, gates.ended) == ("ws://b", True, False, [])
        [login] = second.logins()
        assert (login.method, login.secret, login.received) == ("resume", "token-1", 2)
        assert [len(first.of(kind)) for kind in (CLIENT_PLAY, CLIENT_SOCIAL, CLIENT_MOVE)] == [1, 1, 1]
        assert encode(Say("on the first")) in second.sent[1], "it was not carried out: Entered said so"
        player.say("there")
        assert second.sent[-1].endswith(encode(Say("there")))
        await asyncio.sleep(30)
        assert len([said for said in second.of(CLIENT_GATE) if isinstance(FOR_GATE(said), Ping)]) in (10, 11)
        second.end()
        assert gates.ended == [1]

    run(story())


def test_what_the_first_gate_may_not_have_passed_on_is_waited_for_but_not_for_ever():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN, ENTERED]]})
        player = await gates.player()
        first = gates.last("ws://a")
        gates.pongs = False
        first.say(MOVE)
        await asyncio.sleep(0.1)
        player.shout("held")
        player.say("not held")
        await asyncio.sleep(HEARD_S / 2)
        assert gates.last("ws://b").sent == []
        assert first.of(CLIENT_SOCIAL) == []
        assert len(first.of(CLIENT_PLAY)) == 1
        await settled(player)
        assert player.url == "ws://b"
        assert gates.last("ws://b").of(CLIENT_SOCIAL) == [encode(Shout("held"))]

    run(story())


def test_both_connections_are_heard_until_the_second_one_is_in():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN]]})
        player = await gates.player()
        first = gates.last("ws://a")
        first.say(MOVE)
        await asyncio.sleep(0.1)
        second = gates.last("ws://b")
        assert player.connected
        first.say(event(1, Hit(1, 2, 3, 4)) + gate(Shouted(1, 1, "bob", "both")))
        second.say(gate(Shouted(1, 1, "bob", "both")) + gate(Shouted(1, 2, "bob", "second")))
        first.say(gate(TransferBegun(4)))
        assert FOR_GATE(first.of(CLIENT_GATE)[-1]) == TransferHeard(4)
        second.say(gate(TransferBegun(1)))
        assert FOR_GATE(second.of(CLIENT_GATE)[-1]) == TransferHeard(1)
        second.say(ENTERED + event(1, Hit(1, 2, 3, 4)) + event(2, Hit(1, 2, 3, 4)))
        await settled(player)
        assert (player.url, player.session.received, player.session.duplicates) == ("ws://b", 2, 2)
        first.on_frame(event(3, Hit(1, 2, 3, 4)))
        assert player.session.received == 2, "the old one is not heard any more"

    run(story())


@pytest.mark.parametrize(
    "answer", ["nobody there", Denied("unavailable"), Goodbye("shutdown"), "cut", "silence", "noise"]
)
def test_when_the_other_gate_does_not_let_it_in_it_stays(answer):
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[]]})
        player = await gates.player()
        first = gates.last("ws://a")
        if answer == "nobody there":
            gates.down.add("ws://b")
        first.say(MOVE)
        await asyncio.sleep(0.1)
        player.shout("held")
        if isinstance(answer, Denied | Goodbye):
            gates.last("ws://b").say(gate(answer))
        elif answer == "cut":
            gates.last("ws://b").end()
        elif answer == "noise":
            gates.last("ws://b").say(b"\x01")
        await settled(player)
        assert (player.playing, player.url, first.open, gates.ended) == (True, "ws://a", True, [])
        assert all(not wire.open for wire in gates.wires.get("ws://b", []))
        assert first.of(CLIENT_SOCIAL) == [encode(Shout("held"))]
        player.shout("again")
        player.say("goes on")
        assert len(first.of(CLIENT_SOCIAL)) == 2
        gates.down.clear()
        gates.answers["ws://b"] = [[AGAIN, ENTERED]]
        first.say(MOVE)
        await settled(player)
        assert (player.playing, player.url) == (True, "ws://b")

    run(story())


@pytest.mark.parametrize("end", ["first cut", "first goodbye", "second cut", "second goodbye"])
def test_when_it_is_neither_here_nor_there_it_resumes_where_it_can(end):
    """The second gate has let it in, and then ends; or the first one ends and the second one does not let it in."""

    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN] if "second" in end else []], "ws://c": [[THIRD, ENTERED]]})
        player = await gates.player()
        player.session.gates.append("ws://c")
        first = gates.last("ws://a")
        gates.answers["ws://a"] = [[gate(Denied("unavailable"))]]
        gates.answers["ws://b"].append([gate(Denied("unavailable"))])
        first.say(MOVE)
        await asyncio.sleep(0.1)
        player.shout("held")
        if "first" in end:
            if end == "first goodbye":
                first.say(gate(Goodbye("shutdown")))
            first.end()
            assert (player.connected, gates.ended) == (True, [])
            gates.last("ws://b").say(gate(Denied("unavailable")))
        elif end == "second goodbye":
            gates.last("ws://b").say(gate(Goodbye("unavailable")))
            gates.last("ws://b").end()
        else:
            gates.last("ws://b").end()
        await settled(player)
        assert (player.playing, player.url, gates.ended) == (True, "ws://c", [])
        assert [said.secret for said in gates.last("ws://c").logins()] == ["token-1" if "first" in end else "token-2"]
        assert gates.last("ws://c").of(CLIENT_SOCIAL) == [encode(Shout("held"))]

    run(story())


def test_when_nobody_takes_it_that_is_reported_once():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN]]})
        player = await gates.player()
        first = gates.last("ws://a")
        first.say(MOVE)
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(player.wait(Shouted, timeout_s=100.0))
        gates.down = {"ws://a", "ws://b", "ws://c"}
        gates.last("ws://b").end()
        await settled(player)
        assert (player.connected, gates.ended) == (False, [1])
        with pytest.raises(PeerLost):
            await waiting
        with pytest.raises(PeerLost):
            player.say("x")
        gates.down.clear()
        gates.answers["ws://c"] = [[THIRD, ENTERED]]
        await player.resume("ws://c")
        assert player.playing

    run(story())


def test_a_session_that_was_taken_over_in_the_meantime_is_gone():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[gate(Denied("resume_gone"))]]})
        player = await gates.player()
        first = gates.last("ws://a")
        gates.slow_s = 1.0
        first.say(MOVE)
        await asyncio.sleep(0.1)
        first.say(gate(Goodbye("taken_over")))
        first.end()
        await settled(player)
        assert (player.connected, gates.ended, player.session.ended.code) == (False, [1], "taken_over")
        assert len(gates.wires.get("ws://b", [])) <= 1

    run(story())


@pytest.mark.parametrize("how", ["drop", "close"])
@pytest.mark.parametrize("moment", [0.1, 0.7])
def test_a_player_that_is_ended_in_the_middle_leaves_nothing_behind(how, moment):
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN]]})
        player = await gates.player()
        gates.slow_s = 0.5
        gates.last("ws://a").say(MOVE)
        await asyncio.sleep(moment)
        getattr(player, how)()
        await asyncio.sleep(5)
        assert (player.connected, gates.ended) == (False, [1])
        assert not any(wire.open for wires in gates.wires.values() for wire in wires)

    run(story())


def test_logout_in_the_middle_is_said_at_the_new_gate():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN, ENTERED]]})
        player = await gates.player()
        gates.slow_s = 0.5
        gates.last("ws://a").say(MOVE)
        await asyncio.sleep(0.1)
        task = asyncio.create_task(player.logout())
        await wait_until(
            lambda: "ws://b" in gates.wires and Logout() in map(FOR_GATE, gates.last("ws://b").of(CLIENT_GATE))
        )
        gates.last("ws://b").end()
        await task
        assert Logout() not in map(FOR_GATE, gates.last("ws://a").of(CLIENT_GATE))

    run(story())


def test_a_second_wish_in_the_middle_is_not_needed_and_resume_is_not_allowed():
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[AGAIN, ENTERED]]})
        player = await gates.player()
        gates.slow_s = 0.5
        gates.last("ws://a").say(MOVE)
        gates.last("ws://a").say(gate(MoveGate("ws://c")))
        with pytest.raises(LocalProtocolError):
            await player.resume()
        await settled(player)
        assert (player.url, set(gates.wires)) == ("ws://b", {"ws://a", "ws://b"})

    run(story())


# --- the queue ---


def test_who_waits_is_kept_alive_and_goes_where_it_is_sent():
    async def story():
        gates = Gates({"ws://a": [[gate(Waiting(9, 60.0))]], "ws://b": [[gate(Waiting(8, 50.0))]]})
        task = asyncio.create_task(Player.login("ws://a", "anna", "secret", dial=gates.dial, timeout_s=100.0,
                                                clock=ManualClock(asyncio.get_running_loop())))  # fmt: skip
        await asyncio.sleep(25)
        first = gates.last("ws://a")
        assert len(first.of(CLIENT_GATE)) == 3, "a Login and two Pings"
        first.say(MOVE)
        first.end()
        await asyncio.sleep(1)
        second = gates.last("ws://b")
        assert second.logins() == first.logins()
        second.say(gate(LOGGED_IN) + view(entered()))
        player = await task
        assert (player.playing, player.url) == (True, "ws://b")

    run(story())


def test_gates_that_send_it_round_and_round_are_an_end():
    async def story():
        rounds = [[gate(Waiting(1, 1.0)), MOVE]] * 9
        gates = Gates({"ws://a": rounds, "ws://b": rounds})
        with pytest.raises(PeerLost):
            await gates.player()

    run(story())


# --- lines ---


def test_to_another_line():
    async def story():
        gates = Gates({"ws://a": IN})
        player = await gates.player()
        wire = gates.last("ws://a")
        task = asyncio.create_task(player.switch_line(2))
        await asyncio.sleep(0)
        assert wire.of(CLIENT_SOCIAL) == [encode(SwitchLine(2))]
        wire.say(view(entered(resumed=True)))  # the whole view of the old line, for whatever reason
        wire.say(gate(TransferBegun(1)))
        assert not player.playing
        player.move(9, 9)
        wire.say(view(replace(entered(resumed=True), line=2)))
        assert (await task).line == 2
        assert [said.line for said in player._events if isinstance(said, Entered)] == [1, 1]
        assert wire.of(CLIENT_MOVE) == []

    run(story())


def test_a_line_that_may_not_be():
    async def story():
        gates = Gates({"ws://a": IN})
        player = await gates.player()
        wire = gates.last("ws://a")
        for refusal in (SocialDenied("not_found", 377, "no such line"), Denied("unavailable", "no center", 377)):
            wire.say(gate(replace(refusal, text="of an earlier time")))
            task = asyncio.create_task(player.switch_line(9))
            await asyncio.sleep(0)
            wire.say(gate(SocialDenied("too_many", 353)))
            wire.say(gate(refusal))
            with pytest.raises(RefusedError) as refused:
                await task
            assert (refused.value.code, refused.value.text) == (refusal.code, refusal.text)
        with pytest.raises(DeadlineExceeded):
            await player.switch_line(9, timeout_s=1.0)
        task = asyncio.create_task(player.switch_line(9))
        await asyncio.sleep(0)
        wire.end()
        with pytest.raises(PeerLost):
            await task

    run(story())


# --- zones ---

TO_TWO = gate(MoveZone("two", ["ws://x", "ws://y"], "a ticket", 20.0))
OTHER = gate(LoggedIn(990, "anna", "token-9", 30.0, ["ws://x"])), view(replace(entered(), scene="eu.two.scene.1"))


def test_to_another_zone():
    async def story():
        gates = Gates({"ws://a": IN, "ws://y": [OTHER]})
        gates.down.add("ws://x")
        player = await gates.player()
        first = gates.last("ws://a")
        first.say(event(1, Hit(1, 2, 3, 4)))
        player.say("one")
        task = asyncio.create_task(player.travel("two"))
        await asyncio.sleep(0)
        assert first.of(CLIENT_SOCIAL) == [encode(Travel("two"))]
        first.say(TO_TWO)
        first.end()
        assert player.connected
        waiting = asyncio.create_task(player.wait(Hit, where=lambda hit: hit.target == 7))
        assert (await task).scene == "eu.two.scene.1"
        [login] = gates.last("ws://y").logins()
        assert (login.method, login.secret, login.received) == ("ticket", "a ticket", 0)
        assert (player.session.session, player.session.received, player.session.sent) == (990, 0, 0)
        gates.last("ws://y").say(event(1, Hit(1, 7, 3, 4)))
        await waiting
        assert (player.playing, player.url, gates.ended) == (True, "ws://y", [])
        gates.last("ws://y").end()
        assert gates.ended == [1]

    run(story())


def test_a_zone_that_may_not_be_travelled_to():
    async def story():
        gates = Gates({"ws://a": IN})
        player = await gates.player()
        task = asyncio.create_task(player.travel("three"))
        await asyncio.sleep(0)
        gates.last("ws://a").say(gate(SocialDenied("not_found", 380)))
        with pytest.raises(RefusedError):
            await task
        assert player.playing

    run(story())


@pytest.mark.parametrize("answer", [Denied("unavailable"), Denied("banned"), None])
def test_a_zone_that_does_not_let_it_in(answer):
    async def story():
        answers = [[gate(answer)] if answer else []] * 50
        gates = Gates({"ws://a": IN, "ws://x": answers, "ws://y": answers})
        player = await gates.player()
        task = asyncio.create_task(player.travel("two", timeout_s=100.0))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        gates.last("ws://a").say(TO_TWO)
        with pytest.raises(PeerLost):
            await task
        took = asyncio.get_running_loop().time() - began
        assert took < 1 if answer == Denied("banned") else 19 < took < 21, "no longer than the ticket is valid"
        assert (player.connected, gates.ended) == (False, [1])
        assert player.closed_reason
        assert not any(wire.open for wires in gates.wires.values() for wire in wires)
        with pytest.raises(RefusedError):
            await player.resume()

    run(story())


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_zone_wins_over_a_gate(has_begun):
    async def story():
        gates = Gates({"ws://a": IN, "ws://b": [[]], "ws://x": [OTHER]})
        player = await gates.player()
        gates.last("ws://a").say(MOVE)
        if has_begun:
            await asyncio.sleep(0.1)
        gates.last("ws://a").say(TO_TWO)
        await settled(player)
        assert (player.url, player.session.session, gates.ended) == ("ws://x", 990, [])
        assert not (has_begun and gates.last("ws://b").open)

    run(story())


@pytest.mark.parametrize("slow_s", [0.0, 0.2])
@pytest.mark.parametrize("moment_s", [0.0, 0.5])
def test_a_login_may_be_answered_by_the_way_to_another_zone(slow_s, moment_s):
    async def story():
        gates = Gates({"ws://a": [[gate(LOGGED_IN)]], "ws://x": [OTHER]})
        gates.slow_s = slow_s
        joining = asyncio.ensure_future(gates.player())
        await asyncio.sleep(slow_s + moment_s + 0.001)
        gates.last("ws://a").say(TO_TWO)
        player = await joining
        await settled(player)
        assert (player.url, player.session.session, gates.ended) == ("ws://x", 990, [])
        assert player.playing
        assert not gates.last("ws://a").open

    run(story())


@pytest.mark.parametrize("slow_s", [0.0, 0.2, 0.6])
def test_a_login_that_is_given_up_does_not_go_on_in_another_zone(slow_s):
    async def story():
        gates = Gates({"ws://a": [[gate(LOGGED_IN), TO_TWO]], "ws://x": [[]]})
        player = Player(dial=gates.dial, clock=ManualClock(asyncio.get_running_loop()))
        joining = asyncio.ensure_future(player.join("ws://a", "anna", "secret"))
        await asyncio.sleep(0.1)
        gates.slow_s = slow_s
        await asyncio.sleep(0.5)
        joining.cancel()
        await asyncio.sleep(1.0)
        assert not player.connected
        assert not any(line.open for lines in gates.wires.values() for line in lines)

    run(story())


@pytest.mark.parametrize("pongs", [False, True])
def test_who_waits_in_a_queue_notices_that_its_gate_hangs(pongs):
    async def story():
        gates = Gates({"ws://a": [[gate(Waiting(3, 10.0))]]})
        gates.pongs = pongs
        player = Player(dial=gates.dial, clock=ManualClock(asyncio.get_running_loop()))
        joining = asyncio.ensure_future(player.join("ws://a", "anna", "secret", timeout_s=3600.0))
        await asyncio.sleep(30.0)
        assert joining.done() is not pongs
        await asyncio.sleep(600.0)
        assert joining.done() is not pongs
        joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)

    run(story())
