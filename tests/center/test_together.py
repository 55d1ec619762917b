"""Parties, channels and blocks between real clients, gates, scenes and a DC: what the parts promise each other."""

import asyncio
from pathlib import Path

from mesh.client.player import Player
from mesh.protocol.play import Said
from mesh.protocol.social import (
    AcceptParty,
    Block,
    Blocked,
    FriendAsked,
    InviteParty,
    Party,
    PartyInvited,
    PartySpots,
    Shout,
    Shouted,
    SocialDenied,
    Speak,
    Spoken,
)
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.world import ROLES, World, world_topology


def play(tmp_path: Path, story: object) -> None:
    async def told(cluster: Cluster) -> None:
        await story(World(cluster))  # type: ignore[operator]
        assert cluster.internal_errors() == []

    run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told))


async def together(leader: Player, other: Player) -> Party:
    """The other one is in the leader's party."""
    leader.social(InviteParty(other.session.character))
    invited = await other.wait(PartyInvited)
    other.social(AcceptParty(invited.party))
    return await leader.wait(Party, where=lambda said: len(said.members) > 1)


def test_a_party_from_the_invitation_to_a_restart_of_the_center(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, bob = await world.login("anna"), await world.login("bob")
        party = await together(anna, bob)
        assert [member.name for member in party.members] == ["anna", "bob"]
        bob.social(Speak("party", "here I am"))
        assert await anna.wait(Spoken) == Spoken("party", "bob", "here I am")
        scenes = [world.node(short) for short in world.cluster.nodes if short.startswith("scene")]

        def known() -> list[int]:
            sessions = [s for scene in scenes for s in scene.sessions]
            return [s.party.party for s in sessions if s.party is not None]

        await wait_until(lambda: known() == [party.party] * 2)
        await world.cluster.kill("center.1")
        await asyncio.sleep(0.5)
        await world.cluster.start("center.1")
        again = await anna.wait(Party, where=lambda said: [m.online for m in said.members] == [True, True])
        assert (again.party, again.leader) == (party.party, "anna")
        bob.drop()
        await anna.wait(Party, where=lambda said: [m.online for m in said.members] == [True, False])
        await bob.resume()
        await bob.wait(Party, where=lambda said: [m.online for m in said.members] == [True, True])
        await bob.logout()
        await anna.wait(Party, where=lambda said: [m.online for m in said.members] == [True, False])
        bob = await world.login("bob")
        found = await bob.wait(Party)
        assert (found.party, [m.online for m in found.members]) == (party.party, [True, True])

    play(tmp_path, story)


def test_who_blocks_hears_nothing_more_near_or_far(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, bob = await world.together("anna", "bob")
        bob.social(Block("anna"))
        assert (await bob.wait(Blocked)).names == ["anna"]
        heard: list[object] = []
        bob.on_event = heard.append
        anna.say("near")
        anna.shout("far")
        for channel in ("line", "map", "world"):
            anna.social(Speak(channel, channel))  # type: ignore[arg-type]
        anna.social(InviteParty("bob"))
        anna.add_friend("bob")
        assert (await anna.wait(SocialDenied)).text == "bob is not connected"
        await asyncio.sleep(1.0)
        assert [m for m in heard if isinstance(m, Said | Shouted | Spoken | PartyInvited | FriendAsked)] == []
        bob.say("bob is heard")
        assert (await anna.wait(Said, where=lambda said: said.name == "bob")).text == "bob is heard"
        bob.social(Shout("and so"))
        await anna.wait(Shouted, where=lambda said: said.speaker == "bob")

    play(tmp_path, story)


def test_members_apart_hear_where_the_others_walk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, bob = await world.login("anna"), await world.login("bob")
        for n in range(10):  # placement spreads players, so more are let in until they are apart
            if bob.session.entered.scene != anna.session.entered.scene:
                break
            await bob.logout()
            await world.login(f"filler-{n}")
            bob = await world.login("bob")
        await together(anna, bob)
        bob.move(bob.session.x + 5, bob.session.y)
        spots = await anna.wait(
            PartySpots, where=lambda said: abs(said.members[0].x - bob.session.x * bob.session.entered.unit_m) < 0.2
        )
        (spot,) = spots.members
        assert (spot.name, spot.hp, spot.hp_max) == ("bob", 100, 100)

    play(tmp_path, story)
