"""The social parts inside a whole center: logins, transfers, restarts, and messages over real links."""

import asyncio
from pathlib import Path

import pytest

from mesh.protocol.placement import FindPlayer, KickPlayer, MemberAt, MembersSeen, PlayerFound
from mesh.protocol.sessions import PartyAt, session_of
from mesh.protocol.social import (
    AcceptParty,
    InviteParty,
    KickFromParty,
    LeaveParty,
    Party,
    PartyInvited,
    PartySpots,
    Shout,
    SocialDenied,
    Speak,
    Spoken,
)
from nodes.center.transfers import Goal
from tests.center.peers import Neighbourhood, tell

PINGS_S = 0.2


async def settle() -> None:
    await asyncio.sleep(PINGS_S)


async def in_party(zone: Neighbourhood, *accounts: int) -> list[int]:
    """These come in and are in one party that the first one leads. Their sessions."""
    sessions = [(await zone.online(account)).session for account in accounts]
    for account, session in zip(accounts[1:], sessions[1:], strict=True):
        zone.gate().say(sessions[0], InviteParty(f"P{account}"))
        await settle()
        zone.gate().say(session, AcceptParty(invitation(zone, session)))
        await settle()
    return sessions


def invitation(zone: Neighbourhood, session: int) -> int:
    return next(m.party for m in reversed(zone.gate().told(session)) if isinstance(m, PartyInvited))


def shown(zone: Neighbourhood, session: int, gate: int = 1) -> Party:
    """The party as this client has heard of it last."""
    return next(m for m in reversed(zone.gate(gate).told(session)) if isinstance(m, Party))


def names(party: Party) -> list[tuple[str, bool]]:
    return [(member.name, member.online) for member in party.members]


def at_scenes(zone: Neighbourhood, session: int) -> PartyAt | None:
    """What the scene that has it knows."""
    scene = zone.scene(1) if session in zone.scene(1).characters else zone.scene(2)
    return scene.parties[session]


def test_a_party_outlives_logins_and_its_scenes_know_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await in_party(zone, 1, 2)
        party = shown(zone, anna)
        assert names(party) == [("P1", True), ("P2", True)]
        at = PartyAt(party.party, 1, False, [1, 2])
        assert at_scenes(zone, anna) == at_scenes(zone, berta) == at
        zone.drop(berta)
        await settle()
        assert names(shown(zone, anna)) == [("P1", True), ("P2", False)]
        await asyncio.sleep(70)  # linkdead_s is over
        assert zone.stage(2) is None
        again = await zone.online(2, gate=2)
        await settle()
        assert names(shown(zone, anna)) == names(shown(zone, again.session, 2)) == [("P1", True), ("P2", True)]
        assert at_scenes(zone, again.session) == at
        found = await ask(zone, FindPlayer("p2"))
        assert isinstance(found, PlayerFound)
        assert found.party == ["P1", "P2"]

    tell(tmp_path, story)


async def ask(zone: Neighbourhood, message: object) -> object:
    heard = zone.center.dispatch.handlers.messages[type(message)](message, None)  # type: ignore[index]
    return await heard if asyncio.iscoroutine(heard) else heard


def test_a_kicked_player_keeps_its_place_in_the_party_for_two_minutes(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, _, carla = await in_party(zone, 1, 2, 3)
        await ask(zone, KickPlayer("P1"))
        await asyncio.sleep(119)
        assert shown(zone, carla).leader == "P1"
        await asyncio.sleep(3)
        assert (shown(zone, carla).leader, names(shown(zone, carla))) == ("P2", [("P2", True), ("P3", True)])
        assert at_scenes(zone, carla) == PartyAt(shown(zone, carla).party, 2, False, [2, 3])
        assert zone.center.directory.of_session(anna) is None

    tell(tmp_path, story)


def test_a_restarted_center_knows_the_parties_again_and_numbers_on(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await in_party(zone, 1, 2)
        before = shown(zone, anna)
        carla = (await zone.online(3)).session
        await zone.cluster.kill("center.1")
        zone.gate().clients.clear()
        await zone.cluster.start("center.1")
        await asyncio.sleep(3)
        assert names(shown(zone, anna)) == names(shown(zone, berta)) == [("P1", True), ("P2", True)]
        assert shown(zone, anna).party == before.party
        zone.gate().say(anna, InviteParty("P3"))
        await settle()
        zone.gate().say(carla, AcceptParty(before.party))
        await settle()
        assert at_scenes(zone, carla) == PartyAt(before.party, 1, False, [1, 2, 3])
        zone.gate().say(berta, LeaveParty())
        await settle()
        dora = (await zone.online(4)).session
        zone.gate().say(berta, InviteParty("P4"))
        await settle()
        assert invitation(zone, dora) == 2 << 32 | 1

    tell(tmp_path, story)


@pytest.mark.parametrize("during_s", [0.05, 0.3, 0.6])
def test_what_happens_to_a_party_while_a_member_is_on_its_way_is_known_where_it_arrives(
    tmp_path: Path, during_s: float
) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta, carla = await in_party(zone, 1, 2, 3)
        presence = zone.center.directory.of_session(carla)
        assert presence is not None
        there = 2 if presence.scene == zone.scene(1).name else 1
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.25  # each of Depart, Enter and Release
        (line,) = zone.scene(there).lines
        going = asyncio.ensure_future(zone.center.transfers.transfer(presence, "portal", Goal(line[0], line[1])))
        await asyncio.sleep(during_s)
        zone.gate().say(anna, KickFromParty("P3"))
        await going
        await settle()
        assert carla in zone.scene(there).characters
        assert at_scenes(zone, carla) is None
        assert shown(zone, carla).party == 0
        assert at_scenes(zone, anna) == at_scenes(zone, berta) == PartyAt(shown(zone, anna).party, 1, False, [1, 2])

    tell(tmp_path, story)


def test_members_of_a_party_on_two_lines_hear_where_the_others_are(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await in_party(zone, 1, 2)
        presence = zone.center.directory.of_session(berta)
        assert presence is not None
        there = 2 if anna in zone.scene(1).characters else 1
        (line,) = zone.scene(there).lines
        if berta not in zone.scene(there).characters:
            await zone.center.transfers.transfer(presence, "line", Goal(line[0], line[1]))
        zone.scene(there).tell("eu.one.center.1", MembersSeen([MemberAt(berta, 3.0, 4.0, 5, 6)]))
        await asyncio.sleep(1.5)
        spots = [m for m in zone.gate().told(anna) if isinstance(m, PartySpots)]
        assert [(m.name, m.line, m.x) for m in spots[-1].members] == [("P2", line[1], 3.0)]

    tell(tmp_path, story)


def test_a_gate_speaks_for_its_own_sessions_only_and_nodes_messages_are_not_for_clients(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = (await zone.online(1)).session
        zone.gate(2).say(anna, Speak("line", "I am somebody else"))
        zone.gate(1).say(session_of(1, 2), Speak("line", "so am I"))
        zone.gate(1).say(anna, MembersSeen([]))
        zone.gate(1).say(anna, Shout("hello"))
        await settle()
        assert [m for m in zone.gate().told(anna) if isinstance(m, Spoken)] == []
        refused = [(m.code, m.number) for m in zone.gate().told(anna) if isinstance(m, SocialDenied)]
        assert refused == [("unknown_message", 222)]
        assert zone.center.society.social.strays == 2
        assert len(zone.gate(2).announced) == 1

    tell(tmp_path, story)
