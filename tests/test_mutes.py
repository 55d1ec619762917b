"""Mutes through all nodes: who may not speak says nothing anywhere and plays on, whatever else happens to it or to the
nodes meanwhile."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import RefusedError
from mesh.protocol.cluster import Account
from mesh.protocol.placement import FindPlayer, PlayerFound, TellPlayer
from mesh.protocol.play import Emoted, MailWritten, PlayDenied, Said
from mesh.protocol.records import MuteAccount
from mesh.protocol.social import FriendAsked, Friends, Party, PartyInvited, Shouted, SocialDenied, Spoken, Whispered
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.heirs import Restart, restart
from tests.world import ROLES, World, walk_to, world_topology

LATENCY_S = (0.001, 0.004)
Story = Callable[[World], Awaitable[None]]
CHANNELS = ("line", "map", "party", "friend", "world")


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Run a story in a zone of seven nodes; a mistake of ours in any node fails it."""

    def go(story: Story, seed: int = 1) -> None:
        async def told(cluster: Cluster) -> None:
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told, seed=seed))

    return go


async def mute(world: World, name: str, for_s: float = -1, reason: str = "spam") -> Account:
    """For ever, or for a while."""
    until = -1 if for_s < 0 else int(world.cluster.clock.wall() + for_s)
    answer = await world.operator.ask("login.1", MuteAccount(name, until, reason), 10.0)
    assert isinstance(answer, Account)
    return answer


async def unmute(world: World, name: str) -> None:
    await world.operator.ask("login.1", MuteAccount(name, 0), 10.0)


async def play_denied(player: Player, sequence: int) -> str:
    return (await player.wait(PlayDenied, where=lambda said: said.sequence == sequence)).code


async def is_silent(player: Player) -> None:
    """Whatever it says is refused: by its scene, by the center, by the DC."""
    assert await play_denied(player, player.say("x")) == "muted"
    assert await play_denied(player, player.emote("buy cheap gold")) == "muted"
    assert await play_denied(player, player.write_mail("witness", "x")) == "muted"
    player.shout("x")
    player.whisper("witness", "x")
    for channel in CHANNELS:
        player.speak(channel, "x")  # type: ignore[arg-type]
    for _ in range(2 + len(CHANNELS)):
        denied = await player.wait(SocialDenied)
        assert (denied.code, denied.number in (340, 342, 353)) == ("muted", True)


async def speaks(player: Player) -> None:
    player.say("x")
    await player.wait(Said, where=lambda said: said.name == player.session.character)
    player.shout("x")
    await player.wait(Shouted, where=lambda said: said.speaker == player.session.character)


def scene_of(player: Player) -> str:
    """The short name of the scene where it is."""
    assert player.session.entered is not None
    return ".".join(player.session.entered.scene.split(".")[-2:])


def other(scene: str) -> str:
    return "scene.2" if scene == "scene.1" else "scene.1"


async def friends_and_a_party(one: Player, two: Player) -> None:
    one.add_friend(two.session.character)
    await two.wait(FriendAsked)
    two.accept_friend(one.session.character)
    await one.wait(Friends, where=lambda said: any(f.state == "friend" for f in said.friends))
    one.invite_party(two.session.character)
    two.accept_party((await two.wait(PartyInvited)).party)
    await one.wait(Party, where=lambda said: len(said.members) == 2)


def test_who_may_not_speak_is_heard_by_nobody_and_plays_on(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna, witness = await world.together("anna", "witness")
        await friends_and_a_party(anna, witness)
        shown = await mute(world, "ANNA")
        assert (shown.name, shown.muted_until_s, shown.mute_reason, shown.password_hash) == ("anna", -1, "spam", "")
        await is_silent(anna)
        anna.emote("wave")
        assert (await witness.wait(Emoted)).kind == "wave"
        for kind in (Said, Shouted, Spoken, Whispered):
            assert not [said for said in witness._events if isinstance(said, kind)], kind
        await walk_to(anna, anna.session.x + 200, anna.session.y)
        there = anna.session.x
        anna.write_mail("witness", gold=5)
        assert (await anna.wait(MailWritten)).wallet == 95
        await world.hunt(anna)
        await asyncio.sleep(1.0)
        assert anna.session.x != there, "it went hunting"
        await speaks(witness)
        await unmute(world, "anna")
        await speaks(anna)
        await witness.wait(Said, where=lambda said: said.name == "anna")
        await asyncio.sleep(2.0)
        kinds = [(event.kind, event.player) for event in await world.events() if event.kind in ("mute", "unmute")]
        account = (await world.operator.ask("center.1", FindPlayer("anna"))).session >> 24
        assert sorted(kinds) == [("mute", account), ("unmute", account)]

    play(story)


def test_it_ends_by_itself(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        await world.login("witness")
        await mute(world, "anna", 60.0)
        await is_silent(anna)
        world.cluster.clock.advance(58.0)
        assert await play_denied(anna, anna.say("x")) == "muted"
        await asyncio.sleep(3.0)
        await speaks(anna)

    play(story)


def test_one_that_is_offline_is_muted_when_it_comes(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await world.login("witness")
        anna = await world.login("anna")
        await anna.logout()
        await mute(world, "anna")
        anna = await world.login("anna")
        await is_silent(anna)
        found = await world.operator.ask("center.1", FindPlayer("anna"))
        assert isinstance(found, PlayerFound)
        assert (found.muted_until_s, found.mute_reason) == (-1, "spam")
        await anna.logout()
        await unmute(world, "anna")
        await speaks(await world.login("anna"))
        with pytest.raises(RefusedError, match="not_found"):
            await mute(world, "nobody-here")

    play(story)


def test_a_connection_that_breaks_and_a_newer_login_change_nothing(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await world.login("witness")
        anna = await world.login("anna")
        await mute(world, "anna")
        anna.drop()
        await asyncio.sleep(1.0)
        await anna.resume()
        await is_silent(anna)
        again = await world.login("anna")
        await is_silent(again)

    play(story)


def test_at_any_moment_of_a_login(play: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        world.cluster.network.latency_s = LATENCY_S
        await world.login("witness")
        for step in range(25):
            name = f"player-{step}"
            await (await world.login(name)).logout()
            login = asyncio.create_task(world.login(name))
            await asyncio.sleep(step * 0.002)
            await mute(world, name)
            player = await login
            await asyncio.sleep(0.1)
            await is_silent(player)
            await player.logout()

    play(story)


def test_between_two_lines(play: Callable[..., None]) -> None:
    """Muted and let speak in turns, at any moment of the way."""

    async def story(world: World) -> None:
        world.cluster.network.latency_s = LATENCY_S
        await world.login("witness")
        anna = await world.login("anna")
        for step in range(24):
            await asyncio.sleep(3.5)
            assert anna.session.entered is not None
            switching = asyncio.create_task(anna.switch_line(3 - anna.session.entered.line))
            await asyncio.sleep(step * 0.002)
            if step % 2:
                await unmute(world, "anna")
            else:
                await mute(world, "anna")
            await switching
            await asyncio.sleep(0.1)
            await (speaks(anna) if step % 2 else is_silent(anna))

    play(story)


@pytest.mark.parametrize("seed", range(4))
def test_while_the_center_restarts(play: Callable[..., None], seed: int) -> None:
    async def story(world: World) -> None:
        chance = random.Random(seed)
        world.cluster.network.latency_s = LATENCY_S
        await world.login("witness")
        anna, bob, cleo = [await world.login(name) for name in ("anna", "bob", "cleo")]
        await mute(world, "anna")
        await mute(world, "cleo")
        await world.cluster.kill("center.1")
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        telling = asyncio.gather(mute(world, "bob"), unmute(world, "cleo"))
        assert await play_denied(anna, anna.say("x")) == "muted", "play goes on without a center, and so does this"
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        await world.cluster.start("center.1")
        await telling
        await wait_until(lambda: len(world.node("center.1").directory) == 4)
        await asyncio.sleep(2.0)
        await is_silent(anna)
        await is_silent(bob)
        await speaks(cleo)

    play(story, seed)


def test_a_scene_that_is_lost_takes_no_mute_with_it(play: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        world.cluster.network.latency_s = LATENCY_S
        anna, bob = await world.together("anna", "bob")
        witness = await world.login("witness")
        await mute(world, "anna")
        lost = scene_of(anna)
        await world.cluster.kill(lost)
        await asyncio.sleep(0.3)
        await mute(world, "bob")  # its scene is dead, and nobody knows that yet
        await wait_until(lambda: all(p.playing and scene_of(p) == other(lost) for p in (anna, bob)))
        await asyncio.sleep(0.1)
        await is_silent(anna)
        await is_silent(bob)
        assert witness.connected

    play(story)


@pytest.mark.parametrize("late_s", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_scene_that_hands_over_while_it_is_said(play: Callable[..., None], late_s: float) -> None:
    async def story(world: World) -> None:
        world.cluster.network.latency_s = LATENCY_S
        anna, bob = await world.together("anna", "bob")
        await world.login("witness")
        await mute(world, "anna")
        made = Restart(world.cluster, scene_of(anna))
        await asyncio.sleep(late_s)
        await mute(world, "bob")
        assert await made.done(), made.refusal
        await made.heir.ready.wait()
        await asyncio.sleep(1.0)
        await is_silent(anna)
        await is_silent(bob)
        await unmute(world, "anna")
        await restart(world.cluster, scene_of(anna))
        await asyncio.sleep(1.0)
        await speaks(anna)

    play(story)


def test_it_is_durable(play: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        await world.login("witness")
        anna = await world.login("anna")
        await anna.logout()
        await mute(world, "anna")
        await world.cluster.kill("dc.1")
        await world.cluster.start("dc.1")
        await is_silent(await world.login("anna"))

    play(story)


def test_operators_speak_to_one_player(play: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        anna, bob = await world.login("anna"), await world.login("bob")
        await mute(world, "anna")
        await world.operator.ask("center.1", TellPlayer("Anna", "the crew", "that was enough"))
        heard = await anna.wait(Shouted)
        assert (heard.speaker, heard.text, heard.alone) == ("the crew", "that was enough", True)
        await speaks(bob)
        await anna.wait(Shouted, where=lambda said: said.speaker == "bob" and not said.alone)
        assert not [said for said in bob._events if isinstance(said, Shouted)]
        with pytest.raises(RefusedError, match="not_found"):
            await world.operator.ask("center.1", TellPlayer("nobody", "the crew", "hello"))

    play(story)
