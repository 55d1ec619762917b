"""Scenes are restarted on purpose while players play: nobody notices more than a late tick, and nothing is lost.

The nodes are the real ones; messages between them take one to four milliseconds of virtual time, so that a death falls
between any two of them. Every seed is another course. What a supervisor does is played in tests/heirs.py.
"""

import asyncio
import itertools
import random
from dataclasses import replace

import pytest

from mesh.errors import HandedOverError, PeerLost
from mesh.failpoints import POINTS, Armed, Failpoints
from mesh.protocol.play import Looted, PlayDenied, TradeDone, TradeInvited, TradeState
from mesh.protocol.records import GoldMove
from mesh.protocol.succession import HandOver
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import load
from nodes.scene.node import SceneNode
from tests.conftest import ZONE
from tests.heirs import Restart, restart
from tests.test_rehoming import LATENCY_S, homes, is_as_promised, meadow, there, walkers
from tests.world import ROLES, World, walk_to, world_topology

OLD_POINTS = ("held", "still", "given", "fenced")
HEIR_POINTS = ("built", "taken")
LATE_S = 0.2  # longer than this nobody is told nothing, on virtual time


@pytest.fixture
def play(tmp_path):
    def go(story, seed: int = 1, topology=None):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            keeper = asyncio.ensure_future(keep_up(cluster))
            await story(World(cluster))
            keeper.cancel()
            assert cluster.internal_errors() == []

        made = topology or meadow(tmp_path)
        return run(with_cluster(made, ROLES, tmp_path / "data", told, seed=seed))

    return go


async def keep_up(cluster: Cluster) -> None:
    """A process that was replaced is started anew; one that has handed over is not: its heir is it."""
    while True:
        await asyncio.sleep(0.05)
        over = [short for short, node in cluster.nodes.items() if node.failed.is_set()]
        for short in over:
            if not isinstance(cluster.node(short).failure, HandedOverError):
                await cluster.kill(short)
                await cluster.start(short)


class Asker:
    """Asks a scene again and again, and holds the answers against it: each once, in order."""

    def __init__(self, player) -> None:
        self.player, self.asked, self.answered = player, list[int](), list[int]()
        player.on_event = self.hear
        self.task = asyncio.ensure_future(self.ask())

    def hear(self, said) -> None:
        if isinstance(said, PlayDenied):
            self.answered.append(said.sequence)

    async def ask(self) -> None:
        while True:
            self.asked.append(self.player.loot(7))
            await asyncio.sleep(0.03)


def test_nobody_notices(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        here = there(world, players, "scene.1")
        old = world.node("scene.1")
        before = {one.account: old.sessions.of_account(one.account).handle for one in here}
        await restart(world.cluster, "scene.1")
        heir = world.node("scene.1")
        assert heir is not old
        assert {one.account: heir.sessions.of_account(one.account).handle for one in here} == before
        await asyncio.sleep(3)
        assert not any(one.entered for one in players), "nobody was brought anywhere"
        for one in here:
            assert homes(world, one.account) == [heir.name]
        assert world.node("center.1").rehoming.given_up == 0
        await is_as_promised(world, players)

    play(story)


def test_movement_goes_on_within_a_tick_or_two(play):
    async def story(world: World) -> None:
        ticks: list[tuple[float, int]] = []
        now = world.cluster.clock.now
        players = await walkers(world, 6)
        here = there(world, players, "scene.1")
        assert len(here) > 1, "somebody moves in somebody's view"
        here[0].player.session.on_updates = lambda tick, _records: ticks.append((now(), tick))
        for _ in range(5):
            await asyncio.sleep(1)
            await restart(world.cluster, "scene.1")
        await asyncio.sleep(1)
        times, numbers = zip(*ticks, strict=True)
        assert list(numbers) == sorted(set(numbers)), "the ticks go on with their numbers"
        assert max(b - a for a, b in itertools.pairwise(times)) < LATE_S
        assert not any(one.entered for one in players)

    play(story)


def test_every_question_is_answered_once_and_in_order(play):
    async def story(world: World) -> None:
        players = [await world.login(f"asker-{n}") for n in range(6)]
        askers = [Asker(player) for player in players]
        for _ in range(3):
            await asyncio.sleep(0.7)
            await restart(world.cluster, "scene.1")
            await restart(world.cluster, "scene.2")
        for asker in askers:
            asker.task.cancel()
        await asyncio.sleep(1)
        for asker in askers:
            assert asker.answered == asker.asked
            assert len(asker.asked) > 50

    play(story)


def test_durable_operations_under_way_are_carried_out_once(play):
    async def story(world: World) -> None:
        players = [await world.login(f"payer-{n}") for n in range(6)]
        paid = 0

        async def pay(player) -> None:
            nonlocal paid
            while True:
                short = world.cluster.topology.nodes[player.session.entered.scene].short
                scene = world.node(short)
                session = scene.sessions.find(player.session.session)
                if scene.handing.frozen or session is None or session.gold < 1:
                    await asyncio.sleep(0.01)
                    continue
                done = asyncio.Event()

                async def work(scene=scene, session=session, done=done) -> None:
                    await scene.ledger.carry_out([session], "pay", [GoldMove(session.account, -1, 1)])
                    done.set()

                scene.ledger.begin([session], work)
                async with asyncio.timeout(5):
                    await done.wait()
                paid += 1
                await asyncio.sleep(0.02)

        tasks = [asyncio.ensure_future(pay(player)) for player in players]
        for _ in range(4):
            await asyncio.sleep(0.3)
            await restart(world.cluster, "scene.1")
        for task in tasks:
            task.cancel()
        failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
        assert failed == []
        await asyncio.sleep(0.5)
        assert (await world.gold())["burned"] in range(paid, paid + len(players) + 1)
        assert paid > 50
        for player in players:
            account = player.session.session >> 24
            [home] = homes(world, account)
            there_ = world.node(world.cluster.topology.nodes[home].short).sessions.of_account(account)
            assert there_.gold <= 100

    play(story)


def test_a_fight_a_corpse_and_a_trade_go_on(play, tmp_path):
    one_scene = ZONE.replace('[[process]]\nnodes = ["scene.2"]\n', "")

    async def story(world: World) -> None:
        anna, berta = await world.together("anna", "berta")
        await world.hunt(anna)
        corpse = await world.corpse_in_view(anna)
        anna.invite_trade(berta.session.entered.you.entity)
        invited = await berta.wait(TradeInvited)
        await restart(world.cluster, "scene.1")
        berta.accept_trade(invited.trade)
        await anna.wait(TradeState)
        await restart(world.cluster, "scene.1")
        anna.offer_trade(invited.trade, gold=5)
        shown = await berta.wait(TradeState, where=lambda said: said.theirs.gold == 5)
        await restart(world.cluster, "scene.1")
        anna.confirm_trade(invited.trade, shown.version)
        berta.confirm_trade(invited.trade, shown.version)
        done = await berta.wait(TradeDone)
        assert done.wallet == 105
        seen = anna.session.view[corpse]
        await walk_to(anna, seen.x, seen.y, steps_max=60)
        anna.loot(corpse)
        assert (await anna.wait(Looted)).corpse == corpse

    play(story, topology=world_topology(tmp_path, one_scene))


def test_what_happened_is_logged_once(play):
    async def story(world: World) -> None:
        players = [await world.login(f"talker-{n}") for n in range(4)]
        said = []
        for number in range(12):
            for player in players:
                player.say(f"{number}")
                said.append(f"{number}")
            await asyncio.sleep(1.1)
            if number % 4 == 1:
                await restart(world.cluster, "scene.1")
        await asyncio.sleep(2)
        logged = [event for event in await world.events() if event.kind == "say"]
        assert sorted(event.fields["text"] for event in logged) == sorted(said)

    play(story)


@pytest.mark.parametrize("point", [f"scene.handing-{name}" for name in OLD_POINTS])
def test_the_old_process_dies_on_the_way(play, point):
    async def story(world: World) -> None:
        players = await walkers(world, 6)
        old = world.node("scene.1")
        made: list[Restart] = []
        arm(old, point, lambda: made[0].kill_old())
        made.append(Restart(world.cluster, "scene.1"))
        taken = await made[0].done()
        if not taken:
            await world.cluster.start("scene.1")
        await asyncio.sleep(6)
        assert old in made[0].killed
        await is_as_promised(world, players)

    play(story)


@pytest.mark.parametrize("point", [f"scene.handing-{name}" for name in HEIR_POINTS])
def test_the_heir_dies_on_the_way(play, point):
    async def story(world: World) -> None:
        players = await walkers(world, 6)
        old = world.node("scene.1")
        made = Restart(world.cluster, "scene.1")
        arm(made.heir, point, made.kill_heir)
        assert not await made.done()
        await asyncio.sleep(1)
        if point.endswith("taken"):
            assert isinstance(old.failure, HandedOverError), "it was over, whatever became of its heir"
        else:
            assert world.node("scene.1") is old
            assert old.failure is None
        await asyncio.sleep(6)
        if not point.endswith("taken"):
            assert not any(one.entered for one in players)
        await is_as_promised(world, players)

    play(story)


def arm(node, point: str, act) -> None:
    """Die there, as by SIGKILL: nothing after it is carried out."""

    def die(_name: str, _armed: Armed) -> None:
        act()
        raise asyncio.CancelledError

    assert point in POINTS
    points = Failpoints({point: Armed("kill")}, die)
    node.seat = replace(node.seat, failpoints=points)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_dies_meanwhile(play, seed):
    """The old process, its heir, the center, the DC or another scene dies or hangs within the handing over."""
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        players = await walkers(world, 6)
        cluster = world.cluster
        made = Restart(cluster, "scene.1")
        await asyncio.sleep(rolls.uniform(0.0, 0.25))
        victim = rolls.choice(("old", "heir", "center.1", "dc.1", "scene.2", "pause", "log.1"))
        if victim == "old":
            made.kill_old()
        elif victim == "heir":
            made.kill_heir()
        elif victim == "pause":
            name = made.old.name
            cluster.network.pause(name)
            asyncio.get_running_loop().call_later(rolls.uniform(0.1, 5.0), cluster.network.pause, name, False)
        else:
            await cluster.kill(victim)
            asyncio.get_running_loop().call_later(
                rolls.choice((0.01, 0.5, 1.2)), lambda: asyncio.ensure_future(cluster.start(victim))
            )
        await made.done()
        await asyncio.sleep(0.3)
        if "scene.1" not in cluster.nodes:
            await cluster.start("scene.1")
        await asyncio.sleep(20)
        await is_as_promised(world, players)

    play(story, seed)


def test_a_gate_that_dies_meanwhile_is_missed_by_the_heir(play, tmp_path):
    file = tmp_path / "gates.toml"
    two_gates = ZONE + '[[process]]\nnodes = ["gate.2"]\n'
    file.write_text(two_gates + "[settings.login]\nargon_memory_kib = 64\nargon_passes = 1\n")

    async def story(world: World) -> None:
        stays = await world.login("anna", "gate.1")
        goes = await world.login("berta", "gate.2")
        scene = world.cluster.topology.nodes[goes.session.entered.scene].short
        made = Restart(world.cluster, scene)
        await asyncio.sleep(0.004)
        await world.cluster.kill("gate.2")
        await made.done()
        await asyncio.sleep(4)
        account = goes.session.session >> 24
        session = world.node(scene).sessions.of_account(account)
        assert session is not None
        assert session.gate == "", "nobody looks through its eyes"
        denied = stays.loot(7)
        await stays.wait(PlayDenied, where=lambda said: said.sequence == denied)

    play(story, topology=load(file, runtime=tmp_path / "run"))


def test_who_logs_in_walks_out_and_drops_meanwhile(play):
    async def story(world: World) -> None:
        rolls = random.Random(3)
        players = await walkers(world, 4)

        async def come_and_go(name: str) -> None:
            while True:
                try:
                    player = await world.login(name, timeout_s=8.0)
                    await asyncio.sleep(rolls.uniform(0, 0.3))
                    await player.logout() if rolls.random() < 0.5 else player.drop()
                except Exception:  # noqa: BLE001 - it was refused, and tries again
                    await asyncio.sleep(0.05)

        visitors = [asyncio.ensure_future(come_and_go(f"visitor-{n}")) for n in range(4)]
        for _ in range(4):
            await asyncio.sleep(rolls.uniform(0, 0.4))
            await Restart(world.cluster, rolls.choice(("scene.1", "scene.2"))).done()
        for visitor in visitors:
            visitor.cancel()
        await asyncio.sleep(12)
        for one in players:
            assert homes(world, one.account) == [one.player.session.entered.scene]
            assert one.goodbyes == []
        for presence in world.node("center.1").directory.all():
            assert homes(world, presence.account) == [presence.scene]
        assert world.players() == len(world.node("center.1").directory)

    play(story)


@pytest.mark.parametrize("late_s", [0.5, 0.95, 1.0, 1.05, 2.0, 5.0])
def test_an_heir_that_comes_late_has_them_or_has_them_not(play, late_s):
    async def story(world: World) -> None:
        players = await walkers(world, 6)
        made = Restart(world.cluster, "scene.1", late_s)
        await made.done()
        await asyncio.sleep(8)
        assert made.heir.failed.is_set() == (late_s > 1.1) or 0.9 < late_s < 1.1
        await is_as_promised(world, players)

    play(story)


def test_an_old_process_of_another_version_hands_nothing_over(play):
    async def story(world: World) -> None:
        await walkers(world, 2)
        del world.node("scene.1").dispatch.handlers.messages[HandOver]
        world.node("scene.1").dispatch._decode = None
        heir = SceneNode(world.cluster.seat("scene.1"))
        with pytest.raises(PeerLost, match="hands nothing over"):
            await heir.inherit()
        await heir.abandon()

    play(story)


def test_a_scene_that_is_being_emptied_hands_nothing_over(play):
    async def story(world: World) -> None:
        await walkers(world, 2)
        world.node("scene.1").residents.closed = True
        made = Restart(world.cluster, "scene.1")
        assert not await made.done()
        assert "being emptied" in made.refusal
        assert world.node("scene.1") is made.old

    play(story)


def test_without_the_dc_it_plays_on(play):
    async def story(world: World) -> None:
        players = await walkers(world, 4)
        here = there(world, players, "scene.1")
        await world.cluster.kill("dc.1")
        made = Restart(world.cluster, "scene.1")
        assert not await made.done()
        assert made.old.failure is None
        await world.cluster.start("dc.1")
        await wait_until(lambda: not made.old.handing.frozen)
        assert all(one.player.playing for one in here)
        await asyncio.sleep(3)
        await is_as_promised(world, players)

    play(story)
