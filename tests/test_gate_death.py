"""Gates die and hang while everybody talks: each message is carried out once and answered once, whatever was under way.

The nodes are the real ones; messages between them take one to four milliseconds of virtual time, so that a death falls
between any two of them. A player says something that is refused by its number, so that the list of refusals is the
proof for both ways: what is missing was lost, what is there twice was doubled. Every seed is another course.
"""

import asyncio
import random
from collections.abc import Callable

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError, RefusedError
from mesh.failpoints import Failpoints, parse
from mesh.protocol.play import Loot, PlayDenied
from mesh.protocol.social import Lines
from mesh.testing import Cluster, MemoryConnection, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.world import ROLES, World, world_topology

TWO_GATES = ZONE + '[[process]]\nnodes = ["gate.2"]\n'
LATENCY_S = (0.001, 0.004)
SAY_S = 0.05
AGAIN_S = 0.2
GATES = ("gate.1", "gate.2")


class Talker:
    """A player that talks all the time, and comes back by its token whenever its connection ends."""

    def __init__(self, player: Player, rolls: random.Random) -> None:
        self.player, self._rolls = player, rolls
        self.denied: list[int] = []
        self.resumes = 0
        self.ended = ""  # why it could not come back
        self.silent = False
        player.on_event = self._hear
        player.on_closed = self._closed
        self._tasks = [asyncio.create_task(self._talk())]

    def _hear(self, said) -> None:
        if isinstance(said, PlayDenied):
            self.denied.append(said.sequence)

    def _closed(self) -> None:
        self._tasks.append(asyncio.create_task(self._come_back()))

    async def _talk(self) -> None:
        while not self.silent:
            if self.player.playing:
                self.player.play(Loot(7))  # there is no such corpse: refused, by number
            await asyncio.sleep(SAY_S)

    async def _come_back(self) -> None:
        for _ in range(50):
            await asyncio.sleep(self._rolls.uniform(0, AGAIN_S))
            try:
                await self.player.resume(timeout_s=3.0)
            except RefusedError as error:
                if error.code == "resume_gone":
                    self.ended = str(error)
                    return
            except MeshError:
                pass
            else:
                self.resumes += 1
                return
        self.ended = "no gate let it in"

    def check(self) -> None:
        """Every message was carried out and answered once, in the order in which it was said."""
        assert self.ended == ""
        assert self.player.session.sent > 0
        assert self.denied == list(range(1, self.player.session.sent + 1))


@pytest.fixture
def play(tmp_path):
    def go(story, seed: int = 1):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, TWO_GATES), ROLES, tmp_path / "data", told, seed=seed))

    return go


async def talkers(world: World, rolls: random.Random, count: int = 3) -> list[Talker]:
    names = [f"talker-{n}" for n in range(count)]
    return [Talker(await world.login(name, GATES[n % 2]), rolls) for n, name in enumerate(names)]


async def fall_silent(everybody: list[Talker]) -> None:
    """They say nothing more, and whatever is under way arrives."""
    await wait_until(lambda: all(one.player.playing or one.ended for one in everybody), timeout_s=60)
    for one in everybody:
        one.silent = True
    await asyncio.sleep(2.0)


@pytest.mark.parametrize("seed", range(24))
def test_gates_die_at_any_moment_and_nothing_is_lost_or_doubled(play, seed):
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        everybody = await talkers(world, rolls)
        for _ in range(4):
            await asyncio.sleep(rolls.uniform(0.05, 0.6))
            victim = rolls.choice(GATES)
            await world.cluster.kill(victim)
            await asyncio.sleep(rolls.choice((0.0, 0.05, 0.5)))
            await world.cluster.start(victim)
        await fall_silent(everybody)
        for one in everybody:
            one.check()
        assert world.node("login.1")._passwords.done == 0, "a token needs no hash"

    play(story, seed)


@pytest.mark.parametrize("point", ["gate.logged-in", "gate.attaching", "gate.attached", "gate.moves-waiting"])
@pytest.mark.parametrize("hit", [1, 2])
def test_a_gate_that_dies_at_a_failpoint_while_players_come_back_to_it(play, point, hit):
    """Above all: a token that was used for a connection that came to nothing is good for another one."""
    rolls = random.Random(hit)

    async def story(world: World) -> None:
        everybody = await talkers(world, rolls)
        await asyncio.sleep(0.5)
        gate, died = world.node("gate.2"), asyncio.Event()

        def die(_name, _armed) -> None:
            if not died.is_set():
                died.set()
                left = world.cluster.crash("gate.2")
                asyncio.get_running_loop().create_task(left.abandon())

        points: Failpoints = gate.seat.failpoints
        points.armed, points.act = parse(f"{point}=kill@{hit}"), die
        await world.cluster.kill("gate.1")
        await asyncio.wait_for(died.wait(), 10)
        await world.cluster.start("gate.1")
        await fall_silent(everybody)
        for one in everybody:
            one.check()

    play(story, hit)


def hang(world: World, short: str) -> Callable[[], None]:
    """As SIGSTOP: what was sent to it waits in its sockets. Returns what makes it go on."""
    name, front = world.node(short).name, world.cluster.fronts[short]
    world.cluster.network.pause(name)
    connections, unread = list(front.connections), list[tuple[MemoryConnection, bytes]]()
    front.listening = False
    for connection in connections:
        connection._client.stop_reading()
        connection.receive = lambda frame, one=connection: unread.append((one, frame))

    def go_on() -> None:
        world.cluster.network.pause(name, False)
        front.listening = True
        for connection in connections:
            del connection.receive
            if connection._is_open:
                connection._client.stop_reading(False)
        for connection, frame in unread:
            connection.receive(frame)

    return go_on


@pytest.mark.parametrize("seconds", [0.7, 2.0, 3.5, 5.0, 20.0])
def test_the_clients_of_a_gate_that_hangs_notice_and_go_on_elsewhere(play, seconds):
    async def story(world: World) -> None:
        everybody = await talkers(world, random.Random(1))
        hung = [one for one in everybody if one.player.url == world.url("gate.1")]
        await asyncio.sleep(0.5)
        go_on = hang(world, "gate.1")
        await asyncio.sleep(seconds)
        go_on()
        await asyncio.sleep(5.0)
        await fall_silent(everybody)
        for one in everybody:
            one.check()
        if seconds > 6:
            assert all(one.resumes and one.player.url == world.url("gate.2") for one in hung)
            assert len(world.node("gate.1").clients.by_session) == 0, "what it had is worth nothing any more"

    play(story)


def test_a_used_token_stays_used_when_the_center_starts_anew(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        used = anna.session.token
        anna.drop()
        await anna.resume()
        fresh = anna.session.token
        await world.cluster.kill("center.1")
        await world.cluster.start("center.1")
        await asyncio.sleep(10.0)
        with pytest.raises(RefusedError, match="resume_gone"):
            await world.login_token(used)
        assert anna.connected
        anna.drop()
        await asyncio.sleep(1.0)
        await world.cluster.kill("center.1")
        await world.cluster.start("center.1")
        await asyncio.sleep(10.0)
        with pytest.raises(RefusedError, match="resume_gone"):
            await world.login_token(used)
        assert anna.session.token == fresh
        await anna.resume()

    play(story)


def test_two_thousand_come_back_at_once_without_a_password_hash(play):
    """The same work for each, however many there are: what a resume costs the nodes behind is counted, not timed."""

    async def story(world: World) -> None:
        everybody = [await world.login(f"p{n}") for n in range(60)]
        login, center = world.node("login.1"), world.node("center.1")
        asked = world.node("dc.1").switchboard.counts.heard
        before = center.arrivals.counts.resumed
        await world.cluster.kill("gate.1")
        await asyncio.gather(*(one.resume(world.url("gate.2")) for one in everybody))
        assert center.arrivals.counts.resumed - before == 60
        assert login._passwords.done == 0
        assert world.node("dc.1").switchboard.counts.heard - asked < 60, "no resume asks the DC"

    play(story)


def test_a_link_that_ends_right_behind_the_answer_to_an_attach_leaves_nobody_without_a_gate(tmp_path):
    """Both in one turn of the loop: whoever waits for the answer goes on when the link is gone already."""

    async def told(cluster):
        cluster.network.latency_s = LATENCY_S
        world = World(cluster)
        anna = await world.login("anna", "gate.1")
        gate = world.node("gate.1")
        board, broken = gate.switchboard, []
        answered = board.asking.answered

        def answered_and_broken(envelope, link):
            known = board.links.by_id.get(link)
            is_attach = known is not None and ".scene." in known.peer and gate.clients.scene(known.peer).attaching
            result = answered(envelope, link)
            if is_attach and not broken:
                broken.append(known.peer)
                board._drop(known)
            return result

        board.asking.answered = answered_and_broken
        anna.list_lines()
        lines = (await anna.wait(Lines)).lines
        other = next(line.number for line in lines if line.number != anna.session.entered.line)
        await anna.switch_line(other, timeout_s=20.0)
        assert len(broken) == 1
        assert anna.playing

    run(with_cluster(world_topology(tmp_path, TWO_GATES), ROLES, tmp_path / "data", told, seed=1))
