"""Links between two switchboards: greetings, replacements, limits; in memory, and where it matters over ZeroMQ."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from mesh.clock import SystemClock
from mesh.core.links import LINKS_MAX, Link, may_be_called
from mesh.errors import DeadlineExceeded, PeerLost, RefusedError, StorageError
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Account, FindAccount
from mesh.protocol.control import Beat, Bye, Done, Hello, Welcome
from mesh.protocol.envelope import ENVELOPES_MAX, TYPED, Envelope, Kind, Lane, seal, unseal
from mesh.switchboard import SEALED_BYTES_MAX, Switchboard
from mesh.testing import ManualClock, MemoryNetwork, run, wait_until
from mesh.transport.sockets import ZmqNetwork


class Host:
    """A node's half of a switchboard that answers every request with an account."""

    def __init__(self, network: Any, clock: Any, role: str, incarnation: int = 1, address: str = "") -> None:
        self.name = f"eu.one.{role}.1"
        self.up: list[str] = []
        self.down: list[str] = []
        self.said: list[Envelope] = []
        self.batches: list[list[bytes]] = []
        self.silent = False
        self.answers: Callable[[Envelope], Any] = lambda _: Account(7, "bob", "")
        self.board = Switchboard(self, self.name, role, incarnation, network, clock)
        if address:
            self.board.endpoint.bind(address)

    def may_link(self, peer: str, role: str) -> bool:
        return role != "scene"

    def link_up(self, link: Link) -> None:
        self.up.append(link.peer)

    def link_down(self, link: Link) -> None:
        self.down.append(link.peer)

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        self.said += envelopes
        for envelope in envelopes:
            if envelope.kind == Kind.REQUEST and not self.silent:
                body = msgspec.Raw(encode(self.answers(envelope)))
                self.board.answer(link, envelope.request, body, 0.0, [], 0)

    def batch_arrived(self, link: Link, lane: int, blobs: list[bytes]) -> None:
        self.batches.append(blobs)

    def published(self, frame: bytes) -> None:
        pass


class Pair:
    """login dials dc."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.clock = ManualClock(asyncio.get_running_loop())
        self.login = Host(self.network, self.clock, "login")
        self.dc = Host(self.network, self.clock, "dc", 2, "mem://dc")
        self.login.board.dial(self.dc.name, "mem://dc")

    async def linked(self) -> "Pair":
        await wait_until(lambda: self.login.up and self.dc.up)
        return self

    @property
    def to_dc(self) -> Link:
        return self.login.board.links.up[self.dc.name]

    def ask(self, timeout_s: float = 5.0) -> Any:
        return self.login.board.ask(self.dc.name, FindAccount("bob"), timeout_s)

    def send_raw(self, *envelopes: Envelope, to: int = 2) -> None:
        self.login.board.endpoint.send(self.to_dc.id, [TYPED, seal(to, list(envelopes))])


def link_says(message: Any) -> Envelope:
    return Envelope(Kind.LINK, msgspec.Raw(encode(message)))


def test_asks_that_gave_up_waiting_for_a_link_leave_nothing_behind():
    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        login = Host(network, clock, "login")
        login.board.dial("eu.one.dc.1", "mem://nobody")
        for _ in range(20):
            with pytest.raises(DeadlineExceeded):
                await login.board.ask("eu.one.dc.1", FindAccount("bob"), 0.01)
        assert len(login.board.asking._waiting) == 0

    run(story())


def test_only_so_many_asks_wait_for_a_link(monkeypatch):
    monkeypatch.setattr("mesh.core.requests.PENDING_MAX", 3)

    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        login = Host(network, clock, "login")
        login.board.dial("eu.one.dc.1", "mem://dc")
        asks = [asyncio.ensure_future(login.board.ask("eu.one.dc.1", FindAccount("bob"), 5.0)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="too many wait"):
            await login.board.ask("eu.one.dc.1", FindAccount("bob"), 5.0)
        Host(network, clock, "dc", 2, "mem://dc")
        assert await asyncio.gather(*asks) == [Account(7, "bob", "")] * 3

    run(story())


def test_a_message_that_cannot_be_written_leaves_no_request_behind():
    async def story() -> None:
        pair = await Pair().linked()
        with pytest.raises(TypeError):
            await pair.login.board.ask(pair.dc.name, FindAccount(object()), 5.0)  # type: ignore[arg-type]
        assert len(pair.login.board.asking._requests) == 0

    run(story())


def test_an_answer_that_is_none_is_a_lost_peer_and_counted():
    async def story() -> None:
        pair = await Pair().linked()
        pair.dc.answers = lambda _: Done()  # does not answer FindAccount
        with pytest.raises(PeerLost, match="gave no answer"):
            await pair.ask()
        assert pair.login.board.counts.malformed == 1

    run(story())


def test_a_very_long_timeout_does_not_spoil_the_batch():
    async def story() -> None:
        pair = await Pair().linked()
        assert await pair.ask(timeout_s=1e6) == Account(7, "bob", "")
        assert pair.dc.said[0].timeout_ms == 3_600_000

    run(story())


def test_more_requests_than_fit_into_one_message_are_all_answered():
    async def story() -> None:
        pair = await Pair().linked()
        many = 6 * ENVELOPES_MAX
        answers = await asyncio.gather(*(pair.ask() for _ in range(many)))
        assert len(answers) == many
        assert pair.login.board.counts.refused == pair.dc.board.counts.refused == 0

    run(story())


def test_large_envelopes_travel_in_several_messages():
    async def story() -> None:
        pair = await Pair().linked()
        sizes = []
        send = pair.login.board.endpoint.send
        pair.login.board.endpoint.send = lambda link, frames: sizes.append(len(frames[-1])) or send(link, frames)
        for n in range(40):
            assert pair.login.board.tell(pair.dc.name, Account(n, "bob", "x" * 1_000_000))
        await wait_until(lambda: len(pair.dc.said) == 40)
        assert len(sizes) > 1
        assert max(sizes) <= SEALED_BYTES_MAX

    run(story())


def test_a_second_hello_on_a_link_changes_nothing():
    async def story() -> None:
        pair = await Pair().linked()
        pair.send_raw(*[link_says(Hello("eu.one.gate.9", 5, ["gate"], "1"))] * 100)
        pair.send_raw(*[link_says(Hello(pair.login.name, 1, ["login"], "1"))] * 100)
        await asyncio.sleep(0.1)
        assert pair.dc.up == [pair.login.name]
        assert pair.dc.board.counts.malformed == 200
        assert set(pair.dc.board.links.up) == {pair.login.name}

    run(story())


def test_what_follows_a_farewell_is_not_heard_and_raises_no_ghost():
    async def story() -> None:
        pair = await Pair().linked()
        request = Envelope(Kind.REQUEST, msgspec.Raw(encode(FindAccount("bob"))), 1)
        pair.send_raw(link_says(Bye()), request, link_says(Hello("eu.one.gate.9", 5, ["gate"], "1")))
        await wait_until(lambda: pair.dc.down)
        assert pair.dc.said == []
        assert "eu.one.gate.9" not in pair.dc.board.links.up

    run(story())


def test_a_batch_of_requests_on_a_link_that_is_not_up_gets_one_farewell():
    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        dc = Host(network, clock, "dc", 2, "mem://dc")
        heard: list[list[bytes]] = []

        stranger = network.endpoint("x", 1, ear := _Ear(heard))
        link = stranger.dial("mem://dc")
        await wait_until(lambda: ear.opened)
        body = msgspec.Raw(encode(FindAccount("bob")))
        stranger.send(link, [TYPED, seal(2, [Envelope(Kind.REQUEST, body, n) for n in range(1000)])])
        await asyncio.sleep(0.1)
        assert dc.said == []
        assert [unseal(frames[1]).envelopes for frames in heard] == [[link_says(Bye(again=True))]]

    run(story())


class _Ear:
    """A raw listener."""

    def __init__(self, heard: list[list[bytes]]) -> None:
        self.heard, self.opened, self.lost = heard, False, False

    def link_opened(self, link: int) -> None:
        self.opened = True

    def link_accepted(self, link: int, owner: str) -> None:
        pass

    def link_lost(self, link: int) -> None:
        self.lost = True

    def arrived(self, link: int, frames: list[bytes]) -> None:
        self.heard.append(frames)

    def published(self, frame: bytes) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("eu.one.dc.1", "dc"),  # we ourselves
        ("eu.one.gate.1", "login"),  # a role that is not its name's
        ("gate", "gate"),
        ("eu.one.scene.1", "scene"),  # no link between these roles
    ],
)
def test_who_says_a_wrong_name_or_role_is_sent_away(name, role):
    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        dc = Host(network, clock, "dc", 2, "mem://dc")
        heard: list[list[bytes]] = []
        stranger = network.endpoint("x", 1, ear := _Ear(heard))
        link = stranger.dial("mem://dc")
        await wait_until(lambda: ear.opened)
        stranger.send(link, [TYPED, seal(0, [link_says(Hello(name, 5, [role], "1"))])])
        await wait_until(lambda: ear.lost)
        assert [unseal(frames[1]).envelopes for frames in heard] == [[link_says(Bye())]]
        assert dc.up == []

    run(story())


def test_a_proved_name_covers_the_role_and_an_operators_number():
    assert may_be_called("eu.one.gate.1", "gate", "eu.one.gate.1", "eu.one.dc.1")
    assert may_be_called("eu.one.ctl.77", "ctl", "eu.one.ctl", "eu.one.dc.1")
    assert not may_be_called("eu.one.gate.1", "ctl", "eu.one.gate.1", "eu.one.dc.1")
    assert not may_be_called("eu.one.gate.12", "gate", "eu.one.gate.1", "eu.one.dc.1")


def test_links_have_a_limit():
    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        dc = Host(network, clock, "dc", 2, "mem://dc")
        stranger = network.endpoint("x", 1, _Ear([]))
        links = [stranger.dial("mem://dc") for _ in range(LINKS_MAX + 10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for link in links:
            stranger.send(link, [TYPED, seal(0, [link_says(Beat())])])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(dc.board.links.by_id) == LINKS_MAX

    run(story())


def test_a_welcome_from_somebody_else_is_not_believed_and_dialled_with_pauses():
    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        login = Host(network, clock, "login")
        dials = []
        dial = login.board.endpoint.dial
        login.board.endpoint.dial = lambda *where: dials.append(where) or dial(*where)
        Host(network, clock, "dc", 2, "mem://dc")
        login.board.dial("eu.one.dc.2", "mem://dc")
        await asyncio.sleep(5.0)
        assert login.up == []
        assert 5 <= len(dials) <= 12

    run(story())


def test_a_dial_that_fails_for_a_while_is_tried_again():
    async def story() -> None:
        pair = await Pair().linked()
        dial, failures = pair.login.board.endpoint.dial, [1, 1, 1]

        def fail(*where: str) -> int:
            if failures:
                failures.pop()
                raise StorageError("no socket is left")
            return dial(*where)

        pair.login.board.endpoint.dial = fail
        pair.dc.board.hang_up(pair.login.name)
        await wait_until(lambda: len(pair.login.up) == 2)
        assert failures == []

    run(story())


def test_our_own_pause_is_not_the_silence_of_others():
    async def story() -> None:
        pair = await Pair().linked()
        tending = [asyncio.ensure_future(host.board.tend()) for host in (pair.login, pair.dc)]
        for _ in range(30):
            await asyncio.sleep(0.83)
            pair.clock.advance(1.2)  # the whole machine stood still, or one turn of the loop took so long
        await asyncio.sleep(2.0)
        assert pair.login.down == pair.dc.down == []
        pair.network.pause(pair.dc.name)
        await asyncio.sleep(2.0)
        assert pair.login.down == [pair.dc.name]
        for task in tending:
            task.cancel()

    run(story())


def test_who_has_announced_pressure_is_waited_for_longer():
    async def story() -> None:
        pair = await Pair().linked()
        tending = [asyncio.ensure_future(host.board.tend()) for host in (pair.login, pair.dc)]
        pair.login.board.links.press(pair.dc.name, True)
        await asyncio.sleep(5.0)  # it beats in time
        pair.network.pause(pair.dc.name)
        await asyncio.sleep(1.2)
        assert pair.login.down == []
        await asyncio.sleep(1.6)
        assert pair.login.down == [pair.dc.name], "it hangs: no 6 s"
        for task in tending:
            task.cancel()

    run(story())


def test_who_works_slowly_under_pressure_is_not_taken_for_dead():
    async def story() -> None:
        pair = await Pair().linked()
        tending = [asyncio.ensure_future(pair.login.board.tend())]
        pair.login.board.links.press(pair.dc.name, True)
        for silence in (1.2, 2.8, 5.5, 5.5):  # longer and longer
            await asyncio.sleep(silence)
            pair.dc.board.tell(pair.login.name, Done())
        assert pair.login.down == []
        for task in tending:
            task.cancel()

    run(story())


def test_a_hung_peer_is_found_also_by_whom_runs_slowly_itself():
    async def story() -> None:
        pair = await Pair().linked()
        tending = asyncio.ensure_future(pair.login.board.tend())
        pair.network.pause(pair.dc.name)
        for _ in range(5):
            await asyncio.sleep(0.26)
            pair.clock.advance(0.6)
        assert pair.login.down == []
        for _ in range(5):
            await asyncio.sleep(0.26)
            pair.clock.advance(0.6)
        assert pair.login.down == [pair.dc.name]
        tending.cancel()

    run(story())


def test_a_slow_start_is_not_a_pause():
    async def story() -> None:
        pair = await Pair().linked()
        await asyncio.sleep(3.0)  # since the switchboard was made
        pair.login.board.links.by_id[pair.to_dc.id].heard_at = pair.clock.now()
        tending = asyncio.ensure_future(pair.login.board.tend())
        await asyncio.sleep(0.6)
        assert pair.login.down == []
        tending.cancel()

    run(story())


def test_what_a_broken_link_still_held_is_counted():
    async def story() -> None:
        pair = await Pair().linked()
        for _ in range(7):
            pair.login.board.tell(pair.dc.name, Done())
        pair.login.board.link_lost(pair.to_dc.id)
        assert pair.login.board.counts.refused == 7

    run(story())


def test_a_full_transport_ends_the_link_and_every_request_on_it():
    async def story() -> None:
        pair = await Pair().linked()
        pair.dc.silent = True
        waits = asyncio.ensure_future(pair.ask(60.0))
        await asyncio.sleep(0.1)
        pair.network.pause(pair.dc.name)
        while pair.login.board.batch(pair.dc.name, Lane.MOVES, [b"x"]):
            pass
        assert pair.login.board.tell(pair.dc.name, Done())
        with pytest.raises(PeerLost):
            await waits
        pair.network.pause(pair.dc.name, False)
        pair.dc.silent = False
        assert await pair.ask() == Account(7, "bob", "")

    run(story())


def test_what_is_said_last_before_leaving_is_heard(tmp_path):
    """Over ZeroMQ, where a connection's end overtakes its last messages."""

    async def story() -> None:
        network, clock = ZmqNetwork(), SystemClock()
        address = f"ipc://{tmp_path}/dc"
        for incarnation in range(5):
            login, dc = Host(network, clock, "login"), Host(network, clock, "dc", 10 + incarnation, address)
            login.board.dial(dc.name, address)
            await wait_until(lambda login=login: login.up)
            asks = [asyncio.ensure_future(login.board.ask(dc.name, FindAccount("bob"), 5.0)) for _ in range(200)]
            await wait_until(lambda dc=dc: len(dc.said) == 200, every_s=0)
            await dc.board.leave()
            assert await asyncio.gather(*asks) == [Account(7, "bob", "")] * 200
            login.board.close()
        network.close()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_who_leaves_takes_no_new_links_and_asks_nothing():
    async def story() -> None:
        pair = await Pair().linked()
        leaving = asyncio.ensure_future(pair.dc.board.leave())
        await asyncio.sleep(0.06)  # longer than a dialler waits before it comes again
        await leaving
        assert pair.dc.board.links.up == {}
        assert pair.login.down == [pair.dc.name]
        with pytest.raises(PeerLost):
            await pair.dc.board.ask(pair.login.name, FindAccount("bob"), 1.0)

    run(story())


def test_a_welcome_that_comes_twice_raises_the_link_once():
    async def story() -> None:
        pair = await Pair().linked()
        back = pair.dc.board.links.up[pair.login.name]
        again = link_says(Welcome(pair.dc.name, 2, ["dc"], "1"))
        pair.dc.board.endpoint.send(back.id, [TYPED, seal(1, [again, again])])
        await asyncio.sleep(0.1)
        assert pair.login.up == [pair.dc.name]
        assert pair.login.board.counts.malformed == 2

    run(story())


def test_who_has_only_just_begun_is_dialled_without_the_pause_after_its_predecessor():
    """A socket pauses longer after each try that came to nothing: one that is told that there is somebody is a new one.
    A link that is further than that is left alone."""

    async def story() -> None:
        network, clock = MemoryNetwork(), ManualClock(asyncio.get_running_loop())
        login, links = Host(network, clock, "login"), []

        def dial(is_new: bool) -> None:
            login.board.dial("eu.one.dc.1", "mem://dc", is_new=is_new)
            links.append(login.board.links.dialled_to("eu.one.dc.1"))

        for is_new in (False, False, True):
            dial(is_new)
        assert links[0] is links[1] is not links[2]
        assert len(login.board.links.by_id) == 1
        Host(network, clock, "dc", 2, "mem://dc")
        for endpoint in network.endpoints:
            endpoint.dial_again()
        await wait_until(lambda: login.up)
        dial(True)
        assert links[3] is links[2]
        assert login.down == []

    run(story())
