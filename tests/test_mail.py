"""Mail through all nodes: from one player to another, whether that one is in the world or not, and across kills."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.protocol.play import Mailbox, MailTaken, MailWritten, PlayDenied
from mesh.protocol.social import MailArrived
from mesh.testing import Cluster, run, wait_until, with_cluster
from nodes.dc.audit import Audit
from nodes.dc.store import LmdbStore
from tests.conftest import ZONE
from tests.world import ROLES, World, world_topology

MIB = 1 << 20
Story = Callable[[World], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Story], None]:
    """Run a story in a zone of seven nodes; afterwards the economy follows from the ledger."""

    def go(story: Story) -> None:
        async def told(cluster: Cluster) -> None:
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told))
        store = LmdbStore(tmp_path / "data" / "dc.1", MIB, 64 * MIB, create=False)
        assert Audit(store).run()["problems"] == []
        store.close()

    return go


async def boxed(player: Player) -> Mailbox:
    player.read_mails()
    return await player.wait(Mailbox)


def scene_of(player: Player) -> str:
    """The short name of the scene where it is."""
    assert player.session.entered is not None
    return ".".join(player.session.entered.scene.split(".")[-2:])


def test_a_mail_waits_for_who_is_away_and_reaches_who_is_there(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        bob = await world.login("bob")
        await bob.logout()
        anna = await world.login("anna")
        anna.write_mail("bob", "for the road", gold=30)
        assert (await anna.wait(MailWritten)).wallet == 70
        assert (await world.gold())["mails"] == 30
        bob = await world.login("bob")
        mail = (await boxed(bob)).mails[0]
        assert (mail.by, mail.text, mail.gold, mail.returned) == ("anna", "for the road", 30, False)
        bob.take_mail(mail.number)
        assert (await bob.wait(MailTaken)).wallet == 130
        assert (await boxed(bob)).mails == []
        bob.write_mail("anna", "thanks")
        assert (await anna.wait(MailArrived)).by == "bob"
        assert (await world.gold())["wallets"] == 200

    play(story)


def test_what_is_not_possible_is_denied_and_play_goes_on(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        for said, code in (
            (anna.write_mail("nobody-here", "hello"), "not_found"),
            (anna.write_mail("anna", "hello"), "not_allowed"),
            (anna.write_mail("bob"), "bad_message"),
            (anna.take_mail(7), "not_found"),
        ):
            denied = await anna.wait(PlayDenied, where=lambda one, said=said: one.sequence == said)
            assert denied.code == code
        assert anna.connected

    play(story)


def test_a_dc_that_dies_while_mails_are_sent_and_taken_loses_and_doubles_nothing(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna, bob = await world.login("anna"), await world.login("bob")
        for n in range(5):
            anna.write_mail("bob", f"number {n}", gold=10)
        await world.cluster.kill("dc.1")
        await asyncio.sleep(0.3)
        await world.cluster.start("dc.1")
        for _ in range(5):
            await anna.wait(MailWritten)
        numbers = [mail.number for mail in (await boxed(bob)).mails]
        assert len(numbers) == 5
        for number in numbers:
            bob.take_mail(number)
        await world.cluster.kill("dc.1")
        await asyncio.sleep(0.3)
        await world.cluster.start("dc.1")
        for _ in numbers:
            await bob.wait(MailTaken)
        assert (await boxed(bob)).mails == []
        money = await world.gold()
        assert (money["wallets"], money["mails"]) == (200, 0)

    play(story)


@pytest.mark.parametrize("seed", range(6))
def test_mails_that_are_on_their_way_when_a_scene_dies_are_sent_and_taken_once(
    play: Callable[[Story], None], seed: int
) -> None:
    async def story(world: World) -> None:
        chance = random.Random(seed)
        world.cluster.network.latency_s = (0.001, 0.004)
        anna, bob = await world.login("anna"), await world.login("bob")
        written = [anna.write_mail("bob", f"number {n}", gold=10) for n in range(5)]
        await asyncio.sleep(chance.uniform(0.0, 0.03))
        await world.cluster.kill(scene_of(anna))
        for number in written:
            await anna.wait(MailWritten, 10.0, lambda said, number=number: said.sequence == number)
        await wait_until(lambda: anna.playing and bob.playing)
        waiting = (await boxed(bob)).mails
        assert sorted(mail.text for mail in waiting) == [f"number {n}" for n in range(5)]
        taken = [bob.take_mail(mail.number) for mail in waiting]
        await asyncio.sleep(chance.uniform(0.0, 0.03))
        await world.cluster.kill(scene_of(bob))
        await world.cluster.start(scene_of(bob))
        for number in taken:
            await bob.wait(MailTaken, 10.0, lambda said, number=number: said.sequence == number)
        assert (await boxed(bob)).mails == []
        money = await world.gold()
        assert (money["wallets"], money["mails"]) == (200, 0)
        assert anna.session.entered is not None
        assert bob.session.entered is not None
        assert bob.session.entered.you.gold + 10 * len(taken) >= 150

    play(story)


def test_mails_that_nobody_takes_come_back_by_themselves(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        bob = await world.login("bob")
        await bob.logout()
        anna = await world.login("anna")
        anna.write_mail("bob", "still there?", gold=30)
        await anna.wait(MailWritten)
        world.cluster.clock.advance(30 * 86_400.0)

        async def is_back() -> bool:
            return bool((await boxed(anna)).mails)

        for _ in range(30):
            if await is_back():
                break
            await asyncio.sleep(1.0)
        mail = (await boxed(anna)).mails[0]
        assert (mail.by, mail.gold, mail.returned) == ("bob", 30, True)
        anna.take_mail(mail.number)
        assert (await anna.wait(MailTaken)).wallet == 100

    play(story)
