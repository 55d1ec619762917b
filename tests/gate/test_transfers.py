"""Players who are transferred while their connection stays: in every order in which things can happen."""

import asyncio
from itertools import permutations

import pytest

from mesh.client.session import ClientSession, Phase
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Denied, Goodbye, Ping, Pong, TransferBegun, TransferHeard
from mesh.protocol.cluster import Attach, Detach, Dropped, FromClient, Kick, Leave, ListSessions, SessionAt
from mesh.protocol.lanes import (
    CLIENT_GATE,
    CLIENT_MOVE,
    CLIENT_PLAY,
    MOVE_STRUCT,
    PLAY_HEAD,
    Lane,
    PieceClass,
    PieceLane,
    piece,
)
from mesh.protocol.placement import Transferred
from mesh.protocol.play import Attack, Entered, Hit, PlayDenied, Said, Say
from mesh.protocol.sessions import Placement
from mesh.protocol.social import Shout
from mesh.testing import wait_until
from nodes.gate.sessions import State
from tests.gate.zone import ACCOUNTS, GATE, SCENE, SCENE_2, admit, login_frame, play, session_of, updates

OLD, NEW = 11, 22  # whom the scenes' messages are about, to tell them apart


class Raw:
    """A client that does nothing by itself."""

    def __init__(self, story, account):
        self.story, self.session = story, session_of(ACCOUNTS[account], 1)
        self.end = story.raw()
        self.number = self.end.connection.number
        self.said = 0
        self.gate(login_frame(account)[1:])

    async def enter(self):
        await self.story.until(lambda: Entered in self.kinds())
        return self

    def gate(self, body):
        self.end.send(bytes([CLIENT_GATE]) + body)

    def heard_transfer(self, number):
        self.gate(encode(TransferHeard(number)))

    def play(self):
        """The next numbered message; its number."""
        self.said += 1
        self.end.send(bytes([CLIENT_PLAY]) + PLAY_HEAD.pack(self.said, 0) + encode(Attack(self.said)))
        return self.said

    def move(self):
        self.end.send(MOVE_STRUCT.pack(CLIENT_MOVE, 0, 0, 0, 0, self.said, 0))

    def heard(self):
        session = ClientSession()
        return [said for frame in self.end.frames for said in session.receive(frame)]

    def kinds(self):
        return [type(said) for said in self.heard()]

    def targets(self):
        return [said.target for said in self.heard() if isinstance(said, Hit)]


def hit(target):
    return piece(PieceLane.CONTROL, PieceClass.VIEW, encode(Hit(1, target, 3, 4)))


def plays_at(scene, handle):
    """The numbers of the play messages that came under this handle."""
    found = []
    for handles, lengths, bodies in scene.of(Lane.PLAYS):
        at = 0
        for one, size in zip(memoryview(handles).cast("I"), memoryview(lengths).cast("I"), strict=True):
            if one == handle:
                found.append(PLAY_HEAD.unpack_from(bodies, at)[0])
            at += size
    return found


def test_the_connection_stays_and_everything_goes_to_the_new_scene(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session, wire = anna.session.session, anna._wire
        anna.attack(1)
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        s.scene_2.processed = 1
        s.center.transfer(session)
        await s.until(lambda: anna.playing and anna.session.entered.scene == SCENE_2)
        assert anna._wire is wire
        assert s.scene_2.told.of(Attach) == [Attach(session, 1, 0, True)]
        assert s.scene.told.of(Detach) == s.center.told.of(Dropped) == []
        anna.attack(2)
        anna.move(5, 5)
        await s.until(lambda: s.scene_2.of(Lane.PLAYS) and s.scene_2.of(Lane.MOVES))
        old, new = s.scene.handles[session], s.scene_2.handles[session]
        assert (plays_at(s.scene, old), plays_at(s.scene_2, new)) == ([1], [2])
        assert s.scene.of(Lane.MOVES) == []
        s.scene.send(Lane.FRAMES, {old: hit(OLD)})
        s.scene_2.send(Lane.FRAMES, {new: hit(NEW)})
        assert (await anna.wait(Hit)).target == NEW
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anna.wait(Hit), 1)
        answer = await s.center.ask(s.gate.name, ListSessions())
        assert answer.sessions == [SessionAt(session, 1, "anna", SCENE_2, "forest", 1)]
        assert s.gate.transfers.begun == 1

    play(zone, tmp_path, story, "scene.2")


def test_on_the_same_scene_the_old_handle_means_nothing_any_more(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        old = s.scene.handles.pop(session)
        s.scene.holds = True
        s.center.transfer(session, SCENE, "meadow", 2)
        await s.until(lambda: s.scene.waiting)
        s.scene.send(Lane.FRAMES, {old: hit(OLD)})
        s.scene.send(Lane.UPDATES, {old: updates(3)})
        await asyncio.sleep(0.1)
        s.scene.let_in(session)
        await s.until(lambda: anna.playing)
        s.scene.send(Lane.FRAMES, {s.scene.handles[session]: hit(NEW)})
        assert (await anna.wait(Hit)).target == NEW
        assert anna.session.updates == 0
        assert s.gate.clients.scenes[SCENE].early.count == 0

    play(zone, tmp_path, story)


STEPS = ("heard", "answer", "old rows", "new rows", "play", "gone")
ORDERS = [
    order[: order.index("gone") + 1] if "gone" in order else order
    for steps in (STEPS, STEPS[:-1])
    for order in permutations(steps)
    if order.index("answer") < order.index("new rows")
]


class Course:
    """One transfer in one order; afterwards, what must hold in all of them."""

    def __init__(self, story, account, order):
        self.story, self.order = story, order
        self.client = Raw(story, account)
        self.session = self.client.session
        self.fenced = []  # plays that must reach nobody
        self.through = []  # plays that must reach the new scene
        self.done = set()

    async def run(self, pause_s):
        s, client = self.story, self.client
        await client.enter()
        self.old = s.scene.handles[self.session]
        self.before = client.play()
        await asyncio.sleep(0.03)
        s.center.transfer(self.session)
        await s.until(lambda: TransferBegun in client.kinds() and self.session in s.scene_2.waiting)
        for step in self.order:
            await getattr(self, step.replace(" ", "_"))()
            self.done.add(step)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(0.2)
        self.check(at_once=not pause_s)

    async def heard(self):
        self.client.heard_transfer(1)

    async def answer(self):
        self.story.scene_2.let_in(self.session)

    async def old_rows(self):
        s = self.story
        s.scene.send(Lane.FRAMES, {self.old: hit(OLD)})
        s.scene.send(Lane.UPDATES, {self.old: updates(1)})
        s.scene.send(Lane.CHATS, {self.old: piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "old", "x")))})

    async def new_rows(self):
        handles = self.story.scene_2.handles
        await wait_until(lambda: self.session in handles, every_s=0)
        await asyncio.sleep(0)  # Entered comes first, in the same turn of the loop as the answer
        self.story.scene_2.send(Lane.FRAMES, {handles[self.session]: hit(NEW)})

    async def play(self):
        number = self.client.play()
        self.client.move()
        is_through = {"heard", "answer"} <= self.done
        (self.through if is_through else self.fenced).append(number)

    async def gone(self):
        self.client.end.close()

    def check(self, at_once):
        s, kinds = self.story, self.client.kinds()
        assert s.scene.name != s.scene_2.name
        assert plays_at(s.scene, self.old) == [self.before]
        assert OLD not in self.client.targets()
        assert Said not in kinds
        assert Denied not in kinds
        new = s.scene_2.handles.get(self.session)
        got = plays_at(s.scene_2, new)
        assert got == self.through or (at_once and set(got) <= set(self.through))
        dropped = [said for said in s.center.told.of(Dropped) if said.session == self.session]
        detached = [said for said in s.scene_2.told.of(Detach) if said.session == self.session]
        if "gone" in self.order:
            assert dropped == [Dropped(self.session, self.client.number)]
            assert len(detached) == ("answer" in self.done)
            assert self.session not in s.gate.clients.by_session
        else:
            assert dropped == detached == []
            assert self.client.targets() == [NEW]
            assert kinds.index(TransferBegun) < len(kinds) - 1 - kinds[::-1].index(Entered) < kinds.index(Hit)
            assert s.gate.clients.by_session[self.session].state == State.PLAYING


@pytest.mark.parametrize("pause_s", [0.0, 0.001, 0.03], ids=["at once", "soon", "later"])
def test_every_order_of_what_happens_in_a_transfer(zone, tmp_path, pause_s):
    """Whoever goes away before the scene has answered: the answer comes later and finds nobody."""

    async def story(s):
        s.scene_2.holds = True
        orders = sorted(set(ORDERS))
        assert len(orders) > 200
        for number, order in enumerate(orders):
            course = Course(s, f"user-{number}", order)
            try:
                await course.run(pause_s)
            except AssertionError as error:
                raise AssertionError(f"in the order {order}") from error
            course.client.end.close()
            if course.session in s.scene_2.waiting:
                s.scene_2.let_in(course.session)
                await s.until(
                    lambda course=course: Detach(course.session, course.client.number) in s.scene_2.told.of(Detach)
                )
        await s.until(lambda: not len(s.gate.clients))
        assert all(not scene.clients and not scene.early.count for scene in s.gate.clients.scenes.values())
        assert s.gate.clients.by_session == {}

    play(zone, tmp_path, story, "scene.2")


@pytest.mark.parametrize(
    "when", ["before the answer", "before it is heard", "heard before the answer", "while playing"]
)
def test_of_two_transfers_the_second_one_counts(zone, tmp_path, when):
    async def story(s):
        client = await Raw(s, "anna").enter()
        s.scene_2.holds = when in ("before the answer", "heard before the answer")
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun(1) in client.heard() and s.scene_2.told.of(Attach))
        if when in ("heard before the answer", "while playing"):
            client.heard_transfer(1)
            await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(0.1)
        fenced = client.play() if when != "while playing" else 0
        s.scene.handles.pop(client.session)
        s.center.transfer(client.session, SCENE, "meadow", 2)
        await s.until(lambda: TransferBegun(2) in client.heard())
        if s.scene_2.holds:
            s.scene_2.let_in(client.session)
            await asyncio.sleep(0.1)
            s.scene_2.say(s.scene_2.handles[client.session], Hit(1, OLD, 3, 4), PieceClass.VIEW)
        client.heard_transfer(1)
        await asyncio.sleep(0.1)
        early = client.play()
        client.heard_transfer(2)
        late = client.play()
        new = s.scene.handles[client.session]
        s.scene.send(Lane.FRAMES, {new: hit(NEW)})
        await s.until(lambda: plays_at(s.scene, new))
        assert plays_at(s.scene, new) == [late]
        assert s.scene_2.of(Lane.PLAYS) == []
        assert s.gate.intake.fenced == 1 + bool(fenced)
        assert early < late
        await s.until(lambda: client.targets())
        assert client.targets() == [NEW]
        assert s.scene_2.told.of(Detach) == s.scene.told.of(Detach) == [], "nobody is to be detached who is not there"
        entered = [said.scene for said in client.heard() if isinstance(said, Entered)]
        assert entered == ([SCENE, SCENE] if s.scene_2.holds else [SCENE, SCENE_2, SCENE])

    play(zone, tmp_path, story, "scene.2")


@pytest.mark.parametrize("answered", ["first", "last", "refused"])
def test_a_transfer_while_the_login_is_being_attached(zone, tmp_path, answered):
    async def story(s):
        s.scene.holds = s.scene_2.holds = True
        anna = asyncio.create_task(s.player())
        session = session_of(1, 1)
        await s.until(lambda: session in s.scene.waiting)
        s.center.transfer(session)
        await s.until(lambda: session in s.scene_2.waiting)
        s.scene.refuses = answered == "refused"
        order = (s.scene_2, s.scene) if answered == "last" else (s.scene, s.scene_2)
        for scene in order:
            scene.let_in(session)
            await asyncio.sleep(0.5)
        player = await anna
        assert player.session.entered.scene == SCENE_2
        await asyncio.sleep(3)
        assert s.state_of(player) == State.PLAYING
        player.attack(7)
        await s.until(lambda: s.scene_2.of(Lane.PLAYS))
        assert s.scene.told.of(Detach) == []
        assert s.gate.entrance.results == {"ok": 1}

    play(zone, tmp_path, story, "scene.2")


@pytest.mark.parametrize("method", ["login", "resume"])
def test_a_transfer_that_overtakes_the_answer_of_the_login(zone, tmp_path, method):
    """The center says Transferred to the gate, and the placement by way of the login node."""

    async def story(s):
        if method == "resume":
            player = await s.player()
            player.drop()
            coming = player.resume("gate.1")
        else:
            coming = s.player()
        s.login_node.delay_s = 0.5
        task = asyncio.create_task(coming)
        session = session_of(1, 1)
        before = len(s.login_node.asked)
        await s.until(lambda: len(s.login_node.asked) > before)
        s.center.transfer(session)
        player = await task or player
        assert player.session.entered.scene == SCENE_2
        resumed = method == "resume"
        [attach] = s.scene_2.told.of(Attach)
        assert (attach.session, attach.resumed) == (session, resumed)
        assert TransferBegun not in [type(said) for said in player._events]
        assert s.gate.early.transfers == {}

    play(zone, tmp_path, story, "scene.2")


def test_a_transfer_that_overtakes_an_admission_from_the_queue(zone, tmp_path):
    async def story(s):
        task = asyncio.create_task(s.player("queued"))
        await s.until(lambda: s.gate.clients.counts()[State.QUEUED])
        said = admit(1)
        s.center.tell(s.gate.name, said)
        s.center.tell(s.gate.name, Transferred(said.placed.session, 1, Placement(SCENE_2, "forest", 1)))
        player = await task
        assert player.session.entered.scene == SCENE_2
        assert s.scene.told.of(Attach) == []

    play(zone, tmp_path, story, "scene.2")


def test_transfers_of_those_who_have_gone_are_counted_and_do_nothing(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        s.center.transfer(session, connection=77)
        s.center.transfer(session + 1, connection=1)
        await s.until(lambda: s.gate.transfers.strays == 2)
        anna.drop()
        await s.until(lambda: not len(s.gate.clients))
        s.center.transfer(session)
        await s.until(lambda: s.gate.transfers.strays == 3)
        bob = s.raw()
        s.center.transfer(session, connection=2)  # a connection on which nobody has logged in
        await s.until(lambda: s.gate.transfers.strays == 4)
        bob.send(login_frame("slow"))
        await s.until(lambda: s.gate.clients.counts()[State.AUTHENTICATING])
        s.center.transfer(session, connection=2)  # and one of whose login something else comes
        await s.until(lambda: s.gate.clients.counts()[State.PLAYING])
        assert s.scene_2.told.of(Attach) == []
        assert s.gate.early.transfers == {}

    play(zone, tmp_path, story, "scene.2")


def test_a_scene_that_refuses_waits_for_the_word_of_the_center(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        s.scene_2.refuses = True
        for player in (anna, bob):
            s.center.transfer(player.session.session)
        await s.until(lambda: s.gate.attaching.failed == 2)
        s.scene.handles.pop(bob.session.session)
        s.center.transfer(bob.session.session, SCENE, "meadow", 2)
        assert await anna.wait(Goodbye) == Goodbye("unavailable", "the scene cannot be reached")
        await s.until(lambda: bob.playing)
        await asyncio.sleep(3)
        assert bob.playing
        assert s.center.told.of(Dropped) == [Dropped(anna.session.session, 1)]
        assert anna.session.disconnected(), "it may resume"

    play(zone, tmp_path, story, "scene.2")


def test_the_word_of_the_center_may_take_its_time_to_be_carried_out(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        s.scene_2.refuses = True
        s.center.transfer(session)
        await s.until(lambda: s.gate.attaching.failed)
        s.scene_2.refuses, s.scene_2.holds = False, True
        s.center.transfer(session)
        await asyncio.sleep(3)
        s.scene_2.let_in(session)
        await s.until(lambda: anna.playing and anna.session.entered.scene == SCENE_2)

    play(zone, tmp_path, story, "scene.2")


def test_who_left_a_scene_before_it_was_lost_keeps_its_connection(zone, tmp_path):
    async def story(s):
        anna, bob, cleo = await s.player(), await s.player("bob"), await s.player("cleo")
        s.scene_2.holds = True
        s.center.transfer(bob.session.session)
        await s.until(lambda: s.scene_2.waiting)
        await s.cluster.kill("scene.1")
        await s.until(lambda: s.state_of(cleo) == State.TRANSFERRING)
        anna.attack(1)
        s.center.transfer(cleo.session.session)  # the center had asked a moment before the scene died
        await s.until(lambda: len(s.scene_2.waiting) == 2)
        for player in (bob, cleo):
            s.scene_2.let_in(player.session.session)
        assert await anna.wait(Goodbye, 70.0) == Goodbye("unavailable", "the scene cannot be reached")
        await s.until(lambda: bob.playing and cleo.playing)
        assert {p.session.entered.scene for p in (bob, cleo)} == {SCENE_2}
        assert s.center.told.of(Dropped) == [Dropped(anna.session.session, 1)]

    play(zone, tmp_path, story, "scene.2")


def test_without_transfer_heard_nothing_gets_through_and_the_connection_ends(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun in client.kinds())
        for _ in range(25):
            client.play()
            client.move()
            client.gate(encode(Ping(3)))
            await asyncio.sleep(0.5)
        await s.until(lambda: client.end.closed is not None)
        assert client.heard()[-1] == Goodbye("idle", "there was no TransferHeard")
        assert Pong(3) in client.heard()
        assert Denied not in client.kinds()
        assert s.scene_2.of(Lane.PLAYS) == s.scene_2.of(Lane.MOVES) == s.scene.of(Lane.PLAYS) == []
        assert s.gate.intake.fenced >= 20
        assert s.scene_2.told.of(Detach) == [Detach(client.session, client.number)]

    play(zone, tmp_path, story, "scene.2")


def test_transfer_heard_counts_even_above_the_rate_but_once(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        s.scene_2.holds = True
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun in client.kinds())
        for _ in range(200):
            client.gate(encode(Ping(1)))
        for _ in range(3):
            client.heard_transfer(1)
        await s.until(lambda: s.gate.clients.by_session[client.session].heard)
        s.scene_2.let_in(client.session)
        await s.until(lambda: s.gate.clients.by_session[client.session].state == State.PLAYING)
        assert 200 - 60 + 2 <= s.gate.intake.refused["too_many"] <= 200 - 60 + 3

    play(zone, tmp_path, story, "scene.2")


def test_a_transfer_heard_that_nobody_asked_for_is_out_of_order(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        client.heard_transfer(1)
        await s.until(lambda: Denied in client.kinds())
        assert [said for said in client.heard() if isinstance(said, Denied)] == [
            Denied("out_of_order", "there was no such transfer", 309)
        ]
        client.heard_transfer(0)
        client.play()
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        assert s.gate.intake.refused == {"out_of_order": 1}

    play(zone, tmp_path, story)


def test_what_is_not_for_the_scene_goes_on_in_the_middle(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        s.scene_2.holds = True
        for player in (anna, bob):
            s.center.transfer(player.session.session)
        await s.until(lambda: len(s.scene_2.waiting) == 2)
        anna.shout("on my way")
        await s.until(lambda: s.center.told.of(FromClient))
        assert s.center.told.of(FromClient) == [FromClient(anna.session.session, encode(Shout("on my way")))]
        await bob.logout()
        assert bob.session.ended.code == "logged_out"
        assert s.center.told.of(Leave) == [Leave(bob.session.session)]
        s.scene_2.let_in(bob.session.session)
        await s.until(lambda: s.scene_2.told.of(Detach))
        s.scene_2.let_in(anna.session.session)
        await s.until(lambda: anna.playing)

    play(zone, tmp_path, story, "scene.2")


def test_what_the_player_says_on_the_way_is_said_when_it_has_arrived(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        anna.say("before")
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        s.scene_2.holds = True
        s.scene_2.processed = 1
        s.center.transfer(session)
        await s.until(lambda: s.scene_2.waiting and anna.session.phase is Phase.TRANSFERRING)
        anna.attack(9)
        anna.say("on the way")
        anna.move(1, 1)
        s.scene_2.let_in(session)
        await s.until(lambda: s.scene_2.of(Lane.PLAYS))
        assert await anna.wait(PlayDenied) == PlayDenied(2, "out_of_order", "you are somewhere else now")
        [(_, _, bodies)] = s.scene_2.of(Lane.PLAYS)
        assert bodies == PLAY_HEAD.pack(3, 0) + encode(Say("on the way"))
        assert (s.gate.intake.fenced, s.scene_2.of(Lane.MOVES)) == (0, [])

    play(zone, tmp_path, story, "scene.2")


def test_chat_of_the_old_scene_comes_before_and_not_after(zone, tmp_path):
    """What waits for the next flush goes out control first: chat would come behind TransferBegun."""

    async def story(s):
        client = await Raw(s, "anna").enter()
        old = s.scene.handles[client.session]
        chat = piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "bob", "goodbye")))
        s.scene.send(Lane.CHATS, {old: chat})
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun in client.kinds())
        await asyncio.sleep(0.1)
        kinds = client.kinds()
        assert kinds.index(Said) < kinds.index(TransferBegun)

    play(zone, tmp_path, story, "scene.2", flush_ms=500.0)


def test_a_client_that_is_behind_is_shown_the_new_place_when_it_reads_again(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session, wire = anna.session.session, anna._wire.client
        wire.stop_reading()
        for tick in range(20):
            s.scene.send(Lane.UPDATES, {s.scene.handles[session]: updates(tick, 300)})
        await s.until(lambda: s.gate.lanes.counts.movement_dropped)
        s.center.transfer(session)
        await s.until(lambda: s.scene_2.told.of(Attach))
        await asyncio.sleep(0.5)
        s.scene_2.send(Lane.UPDATES, {s.scene_2.handles[session]: updates(1, 3)})
        await asyncio.sleep(0.1)
        wire.stop_reading(False)
        await s.until(lambda: s.scene_2.of(Lane.DROPS))
        assert s.scene.of(Lane.DROPS) == []
        before = anna.session.updates
        s.scene_2.send(Lane.UPDATES, {s.scene_2.handles[session]: updates(2, 3)})
        await s.until(lambda: anna.session.updates == before + 3)

    play(zone, tmp_path, story, "scene.2")


def test_a_client_that_does_not_read_and_is_cut_off_at_that_moment_is_not_attached(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        await asyncio.sleep(0.1)
        session = anna.session.session
        anna._wire.client.stop_reading()
        s.scene.send(Lane.FRAMES, {s.handle_of(anna): piece(PieceLane.CONTROL, PieceClass.VIEW, b"x" * 4985)})
        await s.until(lambda: s.gate.clients.by_session[session].connection.backlog)
        s.center.transfer(session)
        await s.until(lambda: s.gate.lanes.counts.cut)
        assert s.center.told.of(Dropped) == [Dropped(session, 1)]
        await asyncio.sleep(1)
        assert s.scene_2.told.of(Attach) == []

    play(zone, tmp_path, story, "scene.2", unread_bytes_max=5000)


def test_rows_that_nobody_asks_for_do_not_fill_what_is_kept_for_those_who_come(zone, tmp_path):
    async def story(s):
        s.scene.holds = True
        tasks = [asyncio.create_task(s.player())]
        await s.until(lambda: s.scene.waiting)
        s.scene.gate_of[5000] = s.gate.name
        for _ in range(10):
            s.scene.send(Lane.FRAMES, {5000: hit(OLD)})
        await s.until(lambda: s.gate.clients.scenes[SCENE].early.count == 10)
        await asyncio.sleep(3)
        assert s.gate.clients.scenes[SCENE].early.count == 0
        s.scene.let_in(session_of(1, 1))
        anna = await tasks[0]
        assert anna.playing

    play(zone, tmp_path, story)


def test_a_kick_of_the_scene_that_a_client_has_left_is_not_for_it_any_more(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        s.center.transfer(session)
        await s.until(lambda: anna.session.entered.scene == SCENE_2 and anna.playing)
        s.scene.tell(s.gate.name, Kick(1, session, "bad_message"))
        await asyncio.sleep(1)
        assert anna.playing
        s.scene_2.tell(s.gate.name, Kick(1, session, "bad_message"))
        assert (await anna.wait(Goodbye)).code == "bad_message"

    play(zone, tmp_path, story, "scene.2")


def test_a_client_that_breaks_off_in_the_middle_resumes_at_the_new_scene(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        anna.say("one")
        s.scene_2.holds = True
        s.center.transfer(session)
        await s.until(lambda: s.scene_2.waiting)
        anna.say("two")
        anna.attack(3)
        anna.drop()
        await s.until(lambda: not len(s.gate.clients))
        s.scene_2.let_in(session)
        s.scene_2.holds = False
        s.login_node.placement = Placement(SCENE_2, "forest", 1)
        s.scene_2.processed = 1
        await anna.resume()
        assert anna.session.entered.scene == SCENE_2
        assert (await anna.wait(PlayDenied)).sequence == 3
        await s.until(lambda: s.scene_2.of(Lane.PLAYS))
        assert plays_at(s.scene_2, s.scene_2.handles[session]) == [2]

    play(zone, tmp_path, story, "scene.2")


def test_a_scene_whose_link_broke_and_that_is_there_again_has_its_players_still(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        entered = anna.session.entered
        s.cluster.network.sever(SCENE, GATE)
        await s.until(lambda: s.state_of(anna) == State.TRANSFERRING)
        await s.until(lambda: anna.playing and anna.session.entered is not entered)
        assert anna.session.entered.scene == SCENE
        assert s.state_of(anna) == State.PLAYING
        assert s.center.told.of(Dropped) == []

    play(zone, tmp_path, story)
