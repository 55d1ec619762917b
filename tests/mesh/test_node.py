"""Nodes, their links and the registry, on virtual time: every request ends, every death is noticed."""

import asyncio
import random

import pytest

from mesh.errors import DeadlineExceeded, PeerLost, RefusedError
from mesh.node import Caller, Node, on, on_batch, on_published
from mesh.operator import Operator
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import (
    Account,
    Announce,
    Attach,
    Attached,
    Authenticate,
    Authenticated,
    CreateAccount,
    FindAccount,
)
from mesh.protocol.control import (
    Done,
    Drain,
    Drained,
    GetSnapshot,
    Member,
    MemberChanged,
    Register,
    Registered,
    Renew,
    Snapshot,
)
from mesh.protocol.envelope import Envelope, Kind, Lane, seal
from mesh.protocol.journal import EventsStored, StoreEvents
from mesh.protocol.sessions import Placement
from mesh.switchboard import Switchboard
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import Topology


class Center(Node):
    """The smallest registry."""

    ROLE = "center"
    started = 0

    async def open(self) -> None:
        type(self).started += 1
        self.publications.epoch = type(self).started
        self.members = {}

    def tell_all(self, member):
        self.members[member.name] = member
        self.publish(MemberChanged(member))

    @on(Register)
    def on_register(self, said: Register, caller: Caller) -> Registered:
        self.tell_all(said.member)
        return Registered(self.publications.epoch, self.publications.sequence, 3.0, list(self.members.values()))

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        member = self.members.get(caller.peer)
        if member is None:
            raise RefusedError("not_found")
        if member.state != said.state:
            new = type(member)(*[getattr(member, f) for f in ("name", "incarnation", "role", "address")], said.state)
            self.tell_all(new)
        return Done()

    @on(GetSnapshot)
    def on_get_snapshot(self, said: GetSnapshot, caller: Caller) -> Snapshot:
        missed = self.publications.since(said.epoch, said.sequence)
        return Snapshot(
            self.publications.epoch, self.publications.sequence, list(self.members.values()), [_raw(b) for b in missed]
        )


def _raw(body: bytes):
    import msgspec

    return msgspec.Raw(body)


class Dc(Node):
    ROLE = "dc"

    def __init__(self, seat) -> None:
        super().__init__(seat)
        self.found = 0

    @on(FindAccount)
    async def on_find(self, said: FindAccount, caller: Caller) -> Account:
        self.found += 1
        if said.name == "slow":
            await asyncio.sleep(20)
        if said.name == "nobody":
            raise RefusedError("not_found", "no such account")
        if said.name == "bug":
            raise ZeroDivisionError
        return Account(7, said.name, "")

    @on(CreateAccount)
    def on_create(self, said: CreateAccount, caller: Caller) -> Account:
        return Account(8, said.name, "")


class Login(Node):
    ROLE = "login"

    @on(Authenticate)
    async def on_authenticate(self, said: Authenticate, caller: Caller) -> Authenticated:
        await asyncio.sleep(0.01)
        account = await self.ask("dc", FindAccount(said.account))
        await asyncio.sleep(0.02)
        return Authenticated(account.account, account.name, Placement("s", "m", 1), "t", 3.0)


class Scene(Node):
    ROLE = "scene"

    def __init__(self, seat) -> None:
        super().__init__(seat)
        self.order = []

    @on(Attach)
    def on_attach(self, said: Attach, caller: Caller) -> Attached:
        self.order.append(said.session)
        self.batch(caller.peer, Lane.FRAMES, b"after the answer of %d?" % said.session)
        return Attached(said.session)

    @on_batch(Lane.MOVES)
    def on_moves(self, blobs: list[bytes], caller: Caller) -> None:
        self.order.append(blobs)


class Gate(Node):
    ROLE = "gate"

    def __init__(self, seat) -> None:
        super().__init__(seat)
        self.heard = []
        self.lost = []

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        self.heard.append(said.body)

    @on_batch(Lane.FRAMES)
    def on_frames(self, blobs: list[bytes], caller: Caller) -> None:
        self.heard.append(blobs[0])

    def peer_lost(self, member) -> None:
        self.lost.append(member.name.split(".")[2])


class Log(Node):
    ROLE = "log"

    @on(StoreEvents)
    def on_store(self, said: StoreEvents, caller: Caller) -> EventsStored:
        return EventsStored(said.first + said.count)


ROLES = {"center": Center, "dc": Dc, "login": Login, "scene": Scene, "gate": Gate, "log": Log}


def ask_login(gate: Node, account: str, timeout_s: float = 5.0):
    return gate.ask("login", Authenticate("ticket", account, "", 1, "local"), timeout_s)


@pytest.fixture
def play(zone: Topology, tmp_path):
    def go(story):
        run(with_cluster(zone, ROLES, tmp_path, story))

    return go


def test_a_zone_becomes_ready_and_stops(play):
    async def story(cluster: Cluster) -> None:
        assert {n.state for n in cluster.nodes.values()} == {"Ready"}
        gate = cluster.node("gate.1")
        assert [m.name for m in gate.peers("scene")] == ["eu.one.scene.1", "eu.one.scene.2"]

    play(story)


def test_a_request_is_answered_through_two_nodes_and_traced(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        with gate.tracing("login", "bob", step=1) as trace:
            answer = await ask_login(gate, "bob")
        assert answer.character == "bob"
        kept = gate.traces.find("login", "bob", "latest", 5)
        assert [t.id for t in kept] == [trace.id]
        hops = kept[0].hops
        assert [(h.depth, h.step, h.target.split(".")[2]) for h in hops] == [
            (0, 1, "gate"),
            (1, 2, "login"),
            (2, 3, "dc"),
        ]
        login = hops[1]
        assert login.answered_us - login.received_us == 30_000  # the two pauses of the handler
        assert hops[0].heard_us - hops[0].asked_us == 30_000

    play(story)


def test_refusals_mistakes_and_malformed_requests_are_answers(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        with pytest.raises(RefusedError) as refused:
            await ask_login(gate, "nobody")
        assert (refused.value.code, refused.value.text) == ("not_found", "no such account")
        with pytest.raises(RefusedError) as refused:
            await ask_login(gate, "a name with blanks")
        assert refused.value.code == "bad_message"
        with pytest.raises(RefusedError) as refused:
            await ask_login(gate, "bug")
        assert refused.value.code == "internal"
        dc = cluster.node("dc.1")
        assert dc.dispatch.errors == 1
        assert (await ask_login(gate, "bob")).character == "bob"  # nobody died of it

    play(story)


def test_a_message_that_a_role_may_not_say_is_refused(play):
    async def story(cluster: Cluster) -> None:
        scene = cluster.node("scene.1")
        with pytest.raises(RefusedError) as refused:
            await scene.ask("dc", CreateAccount("mallory", ""))
        assert refused.value.code == "bad_message"

    play(story)


def test_a_request_ends_at_its_deadline(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        began = cluster.clock.now()
        with pytest.raises(DeadlineExceeded):
            await ask_login(gate, "slow", timeout_s=2.0)
        assert cluster.clock.now() - began == pytest.approx(2.0)
        await asyncio.sleep(30.123)
        assert len(gate.switchboard.asking._requests) == 0

    play(story)


def test_a_request_to_a_node_that_dies_ends_at_once(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        asking = asyncio.ensure_future(ask_login(gate, "slow", timeout_s=60))
        await asyncio.sleep(0.1)
        began = cluster.clock.now()
        await cluster.kill("login.1")
        with pytest.raises(PeerLost):
            await asking
        assert cluster.clock.now() - began < 0.1
        assert gate.lost == ["login"]

    play(story)


def test_a_node_that_was_killed_is_found_again_by_all_its_peers(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        for short in ("login.1", "dc.1", "scene.1", "log.1"):
            old = cluster.node(short).incarnation
            await cluster.kill(short)
            await cluster.start(short)
            assert cluster.node(short).incarnation != old
            await wait_until(lambda: gate.peers("login") and cluster.node("login.1").peers("dc"))
            assert (await ask_login(gate, "bob")).character == "bob"

    play(story)


def test_a_node_that_is_started_anew_is_dialled_at_once_and_once(play, monkeypatch):
    """Its predecessor's links may be waiting for their next try."""
    dialled = []
    dial = Switchboard.dial

    def spy(self, peer, address, *, is_new=False):
        dialled.append((self.name.split(".")[2], peer, is_new))
        dial(self, peer, address, is_new=is_new)

    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        await cluster.kill("login.1")
        await wait_until(lambda: "login" in gate.lost)
        monkeypatch.setattr(Switchboard, "dial", spy)
        await cluster.start("login.1")
        await wait_until(lambda: gate.peers("login"))
        await asyncio.sleep(5.0)
        at_gate = [is_new for role, peer, is_new in dialled if (role, peer) == ("gate", "eu.one.login.1")]
        assert at_gate[0]
        assert at_gate.count(True) == 1

    play(story)


def test_a_hang_is_noticed_and_the_node_comes_back(play):
    async def story(cluster: Cluster) -> None:
        gate, began = cluster.node("gate.1"), cluster.clock.now()
        cluster.network.pause("eu.one.login.1")
        await wait_until(lambda: "login" in gate.lost)
        assert cluster.clock.now() - began < 2.5
        cluster.network.pause("eu.one.login.1", False)
        await wait_until(lambda: gate.peers("login"))
        assert (await ask_login(gate, "bob")).character == "bob"

    play(story)


def test_play_goes_on_while_the_center_is_away(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        await cluster.kill("center.1")
        await asyncio.sleep(10)
        assert (await ask_login(gate, "bob")).character == "bob"
        gate.lost.clear()
        await cluster.start("center.1")
        await asyncio.sleep(10)
        assert gate.lost == [], "a center that starts anew must not cost anybody a link that works"
        assert len(cluster.node("center.1").members) == 6

    play(story)


def test_a_member_that_left_while_the_center_was_away_is_forgotten(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        await cluster.kill("center.1")
        await cluster.kill("scene.2")
        await cluster.start("center.1")
        await asyncio.sleep(10)
        assert gate.member("eu.one.scene.2") is None
        assert gate.member("eu.one.scene.1") is not None

    play(story)


def test_every_publication_arrives_once_and_in_order_though_some_are_lost(play):
    async def story(cluster: Cluster) -> None:
        gate, center = cluster.node("gate.1"), cluster.node("center.1")
        real, rolls = center.switchboard.endpoint.publish, random.Random(3)
        center.switchboard.endpoint.publish = lambda frame: rolls.random() < 0.3 or real(frame)
        for n in range(200):
            center.publish(Announce(b"%d" % n))
            await asyncio.sleep(0.01)
        center.switchboard.endpoint.publish = real
        await asyncio.sleep(5)
        assert gate.heard == [b"%d" % n for n in range(200)]

    play(story)


def test_an_answer_to_a_registration_that_is_older_than_the_news_changes_nothing(zone: Topology, tmp_path):
    class LateCenter(Center):
        """Something happens while the answer is under way."""

        news = None

        @on(Register)
        async def on_register(self, said: Register, caller: Caller) -> Registered:
            answer = super().on_register(said, caller)
            if self.news is not None and caller.role == "gate":
                self.tell_all(self.news)
                await asyncio.sleep(0.05)
            return answer

    async def story(cluster: Cluster) -> None:
        gate, center = cluster.node("gate.1"), cluster.node("center.1")
        scene = gate.member("eu.one.scene.2")
        center.news = Member(scene.name, scene.incarnation, scene.role, scene.address, "Draining")
        gate.registry._register_again.set()
        await asyncio.sleep(1.0)
        assert gate.member("eu.one.scene.2").state == "Draining"

    run(with_cluster(zone, {**ROLES, "center": LateCenter}, tmp_path, story))


def test_a_publication_that_is_for_others_or_from_tomorrow_is_no_mistake(play):
    async def story(cluster: Cluster) -> None:
        log = cluster.node("log.1")
        cluster.node("center.1").publish(Announce(b"for gates"))
        log.hear_publication(b"\x92\xcd\x7f\xff\x01")  # a number that this version does not know
        await asyncio.sleep(0.1)
        assert log.dispatch.malformed == 0
        log.hear_publication(b"\xc1")
        assert log.dispatch.malformed == 1

    play(story)


def test_the_last_publication_is_missed_for_half_a_second_only(play):
    async def story(cluster: Cluster) -> None:
        gate, center = cluster.node("gate.1"), cluster.node("center.1")
        real = center.switchboard.endpoint.publish
        center.switchboard.endpoint.publish = lambda frame: True
        center.publish(Announce(b"lost"))
        center.switchboard.endpoint.publish = real
        await asyncio.sleep(0.6)
        assert gate.heard == [b"lost"]

    play(story)


def test_a_batch_stays_behind_what_was_said_before(play):
    async def story(cluster: Cluster) -> None:
        gate, scene = cluster.node("gate.1"), cluster.node("scene.1")
        asking = asyncio.ensure_future(gate.ask("eu.one.scene.1", Attach(5, 1)))
        await asyncio.sleep(0)
        assert gate.batch("eu.one.scene.1", Lane.MOVES, b"\x05\0\0\0", b"0123456789")
        assert (await asking) == Attached(5)
        assert scene.order == [5, [b"\x05\0\0\0", b"0123456789"]]
        assert gate.heard == [b"after the answer of 5?"]

    play(story)


def test_what_was_meant_for_a_dead_process_does_not_reach_its_successor(play):
    async def story(cluster: Cluster) -> None:
        gate = cluster.node("gate.1")
        login = cluster.node("login.1")
        link = gate.switchboard.links.up["eu.one.login.1"]
        body = _raw(encode(Authenticate("ticket", "bob", "", 1, "x")))
        gate.switchboard.endpoint.send(link.id, [b"T", seal(link.incarnation + 1, [Envelope(Kind.NOTICE, body)])])
        await asyncio.sleep(0.1)
        assert login.switchboard.counts.misaddressed == 1
        assert cluster.node("dc.1").found == 0

    play(story)


@pytest.mark.parametrize(
    "frames", [[b"T", b"\xff" * 100], [b"T"], [b""], [b"\x63", b"?"], [b"T", b"\x92\x00\x91\x92\x01\x90"]]
)
def test_no_node_dies_of_what_a_peer_sends(play, frames):
    async def story(cluster: Cluster) -> None:
        gate, login = cluster.node("gate.1"), cluster.node("login.1")
        link = gate.switchboard.links.up["eu.one.login.1"]
        assert gate.switchboard.endpoint.send(link.id, frames)
        await asyncio.sleep(0.1)
        assert login.switchboard.counts.malformed + login.dispatch.malformed == 1
        assert (await ask_login(gate, "bob")).character == "bob"

    play(story)


def test_events_reach_a_log_node_and_nothing_is_left_after_a_stop(play, zone, tmp_path):
    async def story(cluster: Cluster) -> None:
        scene = cluster.node("scene.1")
        for n in range(2000):
            scene.journal.record("hit", n, damage=3)
        await scene.stop()
        assert (scene.journal.stored, scene.journal.pending, scene.journal.dropped) == (2000, 0, 0)

    play(story)


def test_metrics_name_node_and_role_and_count_steps(play):
    async def story(cluster: Cluster) -> None:
        from mesh import metrics

        await ask_login(cluster.node("gate.1"), "bob")
        text = metrics.page([cluster.node("login.1").metrics, cluster.node("dc.1").metrics]).decode()
        assert 'mesh_steps_total{node="login.1",role="login",step="2"} 1.0' in text
        assert 'mesh_steps_total{node="dc.1",role="dc",step="3"} 1.0' in text
        assert text.count("# TYPE mesh_steps_total counter") == 1

    play(story)


def test_a_drained_node_is_chosen_by_nobody_and_can_still_be_stopped(play):
    async def story(cluster: Cluster) -> None:
        gate, scene = cluster.node("gate.1"), cluster.node("scene.1")
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            for _ in range(2):  # asked again, it goes on
                assert await operator.ask("scene.1", Drain()) == Drained(0, 0)
            assert scene.state == "Draining"
            await wait_until(lambda: [m.name for m in gate.peers("scene")] == ["eu.one.scene.2"])
            with pytest.raises(RefusedError, match="restarted, not drained"):
                await operator.ask("dc.1", Drain())
            for last in ("login.1", "scene.2"):
                with pytest.raises(RefusedError, match=r"no other .* that is Ready"):
                    await operator.ask(last, Drain())
        await scene.stop()
        assert scene.state == "Shutdown"

    play(story)
