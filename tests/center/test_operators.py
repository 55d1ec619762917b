"""What operators ask the center about players, and what they have it say to one of them."""

import asyncio
from pathlib import Path

import pytest

from mesh.errors import RefusedError
from mesh.protocol.cluster import AccountMuted
from mesh.protocol.placement import FindPlayer, FindPlayers, PlayerFound, PlayersFound, TellPlayer
from mesh.protocol.sessions import Mute
from mesh.protocol.social import Shout, Shouted
from tests.center.peers import Neighbourhood, tell

CENTER = "eu.one.center.1"


def told(zone: Neighbourhood, session: int, gate: int = 1) -> list[Shouted]:
    return [said for said in zone.gate(gate).told(session) if isinstance(said, Shouted)]


async def say(zone: Neighbourhood, name: str, text: str) -> None:
    """As if the gate were an operator: the handler is asked straight."""
    zone.center.dispatch.handlers.messages[TellPlayer](TellPlayer(name, "the crew", text), None)
    await asyncio.sleep(0.1)


def find(zone: Neighbourhood, prefix: str, limit: int = 100) -> PlayersFound:
    found = zone.center.dispatch.handlers.messages[FindPlayers](FindPlayers(prefix, limit), None)
    assert isinstance(found, PlayersFound)
    return found


def test_one_player_hears_it_and_nobody_else(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, bert = await zone.online(1), await zone.online(2, gate=2)
        await say(zone, "p2", "come to the gate, please")
        assert told(zone, bert.session, 2) == [Shouted(1, 1, "the crew", "come to the gate, please", alone=True)]
        zone.gate(1).say(anna.session, Shout("hello"))
        await asyncio.sleep(0.1)
        assert zone.gate(1).announced == zone.gate(2).announced == [Shouted(1, 2, "P1", "hello")]
        assert told(zone, anna.session) == []

    tell(tmp_path, story)


def test_who_is_not_there_or_has_no_connection_is_told_of(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.drop(anna.session)
        await asyncio.sleep(0.1)
        with pytest.raises(RefusedError, match="unavailable: P1 is not connected at the moment"):
            await say(zone, "P1", "hello")
        with pytest.raises(RefusedError, match="not_found: P9 is not in the zone"):
            await say(zone, "P9", "hello")
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        login = asyncio.create_task(zone.online(2))
        await asyncio.sleep(0.2)
        with pytest.raises(RefusedError, match="unavailable"):
            await say(zone, "P2", "hello")
        await login

    tell(tmp_path, story)


def test_players_are_found_by_how_their_names_begin(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for account in (21, 2, 3, 1):
            await zone.online(account, gate=1 + account % 2)
        found = find(zone, "p2")
        rows = [(one.name, one.account, one.stage) for one in found.players]
        assert rows == [("P2", 2, "online"), ("P21", 21, "online")]
        assert (found.players[0].gate, found.more) == ("eu.one.gate.1", False)
        assert found.players[0].placement == zone.center.directory.of_account(2).placement
        assert [one.name for one in find(zone, "", 3).players] == ["P1", "P2", "P21"]
        assert find(zone, "", 3).more
        assert find(zone, "x") == PlayersFound([])

    tell(tmp_path, story)


def test_who_is_muted_is_shown_so(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        await zone.login.ask(CENTER, AccountMuted(1, Mute(1, -1, "spam")))
        assert find(zone, "P1").players[0].muted_until_s == -1
        found = zone.center.dispatch.handlers.messages[FindPlayer](FindPlayer("P1"), None)
        assert isinstance(found, PlayerFound)
        assert (found.muted_until_s, found.mute_reason) == (-1, "spam")

    tell(tmp_path, story)
