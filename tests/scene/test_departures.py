"""How a character is handed over to another line: what goes with it, what is waited for, and what forbids it."""

import asyncio
from typing import Any

import numpy as np
import pytest

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.cluster import Release
from mesh.protocol.lanes import STATE
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from nodes.scene.departures import BUSY_S
from tests.scene.zone import NEXT, SCENE, Zone, corpse_for, two_together

ONE = session_of(1, 1)


def test_it_is_saved_and_taken_out_of_the_world(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, _, _, their = await two_together(zone)
        zone.gate.move(SCENE, one, 2510, 2500)
        await asyncio.sleep(0.15)
        zone.bank.saved.clear()
        departed = await zone.depart(1)
        assert zone.saved() == [ONE]
        assert float(np.frombuffer(zone.bank.saved[0].states, STATE)["x"][0]) == pytest.approx(50.2)
        assert (departed.status.map, departed.status.x, departed.status.y) == ("meadow", pytest.approx(50.2), 50.0)
        assert zone.session(1) is None
        await wait_until(lambda: one not in their.view)
        stale = zone.scene.counts.stale
        zone.gate.move(SCENE, one, 2520, 2500)
        zone.gate.play(SCENE, one, 1, play.Say("where am I"))
        await asyncio.sleep(0.3)
        assert zone.scene.counts.stale == stale + 2
        with pytest.raises(RefusedError, match="not_found"):
            await zone.gate.attach(SCENE, ONE)
        zone.gate.detach(SCENE, ONE, 1)
        await asyncio.sleep(3.0)
        assert zone.saved().count(ONE) == 1  # no later save of this scene
        assert zone.scene.departures.departed == 1

    in_zone(story)


def test_asked_again_it_says_the_same(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        first, second = await asyncio.gather(zone.depart(1), zone.depart(1, "drain"))
        assert first == second == await zone.depart(1, "line")
        assert zone.scene.departures.departed == 1
        assert len(zone.scene.keepsakes) == 1
        with pytest.raises(RefusedError, match="not_found"):
            await zone.depart(2)

    in_zone(story)


def test_both_numberings_go_on_at_the_next_scene(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, client, _, their = await two_together(zone)
        for sequence in (1, 2, 3):
            zone.gate.play(SCENE, one, sequence, play.Attack(one))  # refused: an event each
        await wait_until(lambda: client.sequences == [1, 2, 3])
        zone.gate.play(SCENE, one, 0, b"", received=1)
        await asyncio.sleep(2.0)
        departed = await zone.depart(1)
        carried = departed.carried
        assert (carried.processed, carried.sent, carried.dead_s) == (3, 3, 0.0)
        assert [sequence for sequence, _, _ in carried.ring] == [2, 3]
        assert all(1900 <= age_ms <= 2200 for _, age_ms, _ in carried.ring)
        assert (await zone.arrive(departed)).map == "meadow"
        there, again = await zone.attach(1, scene=NEXT, resumed=True)
        entered = again.messages[0]
        assert isinstance(entered, play.Entered)
        assert (entered.scene, entered.resumed, entered.processed) == (NEXT, True, 3)
        await wait_until(lambda: again.sequences == [2, 3])
        for sequence in (2, 3, 4):
            zone.gate.play(NEXT, there, sequence, play.Attack(there), received=3)
        await wait_until(lambda: again.sequences == [2, 3, 4])
        assert again.last(play.PlayDenied).sequence == 4
        assert zone.next.counts.repeated == 2
        assert zone.next.residents.incomplete == 0
        assert their.of(play.TradeClosed) == []

    in_zone(story)


def test_durable_operations_go_on_being_numbered(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        zone.bank.give(1, 0)
        zone.gate.play(SCENE, handle, 1, play.Loot(corpse_for(zone, 1)))
        await wait_until(lambda: client.of(play.Looted))
        first = zone.bank.carried_out[0].sequence
        assert first > zone.cluster.clock.wall() * 1000 - 10_000
        departed = await zone.depart(1)
        assert (departed.status.gold, [item.kind for item in departed.status.items]) == (7, ["ring"])
        await zone.arrive(departed)
        session = zone.session(1, scene=zone.next)
        assert (session.gold, len(session.items), session.operation) == (7, 1, first)
        zone.next.play.looting.advance(session, 2)
        await wait_until(lambda: len(zone.bank.carried_out) == 2)
        assert zone.bank.carried_out[1].sequence == first + 1

    in_zone(story)


def test_it_plays_on_until_the_dc_has_answered(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        zone.bank.delay_s = 0.5
        departing = asyncio.create_task(zone.depart(1))
        await asyncio.sleep(0.2)
        zone.gate.play(SCENE, handle, 1, play.Say("on my way"))
        await wait_until(lambda: client.of(play.Said))
        assert (await departing).carried.processed == 1

    in_zone(story)


def test_what_is_being_carried_out_is_waited_for(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1)
        zone.bank.give(1, 0)
        zone.bank.delay_s = 1.0
        zone.gate.play(SCENE, handle, 1, play.Loot(corpse_for(zone, 1)))
        departed = await zone.depart(1)
        assert departed.status.gold == 7
        assert [sequence for sequence, _, _ in departed.carried.ring] == [1]  # Looted goes along
        assert len(zone.bank.carried_out) == 1

    in_zone(story)


def test_an_operation_that_begins_during_the_save_is_waited_for_too(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1)
        zone.bank.give(1, 0)
        corpse = corpse_for(zone, 1)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.4
        departing = asyncio.create_task(zone.depart(1))
        await asyncio.sleep(0.2)
        zone.gate.play(SCENE, handle, 1, play.Loot(corpse))
        assert (await departing).status.gold == 7

    in_zone(story)


def test_but_not_for_ever_unless_the_scene_is_drained(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1)
        zone.bank.give(1, 0)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 4.0
        zone.gate.play(SCENE, handle, 1, play.Loot(corpse_for(zone, 1)))
        await asyncio.sleep(0.1)
        zone.bank.delay_s = 0.01
        began = zone.cluster.clock.now()
        with pytest.raises(RefusedError, match="out_of_order"):
            await zone.depart(1)
        assert BUSY_S <= zone.cluster.clock.now() - began < BUSY_S + 0.2
        assert zone.scene.departures.refused == 1
        assert (await zone.depart(1, "drain", timeout_s=30.0)).status.gold == 7

    in_zone(story)


def test_a_fight_keeps_one_on_its_line_and_opens_portals(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, _, other, _ = await two_together(zone)
        zone.gate.play(SCENE, one, 1, play.Attack(other))
        await asyncio.sleep(0.2)
        for account in (1, 2):  # who hits and who is hit
            with pytest.raises(RefusedError, match="out_of_order"):
                await zone.depart(account, "line")
        assert zone.session(1).attached
        await zone.depart(2)
        await asyncio.sleep(5.0)
        await zone.depart(1, "line")

    in_zone(story)


def test_a_fight_that_begins_during_the_save_counts(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, _, other, _ = await two_together(zone)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.4
        departing = asyncio.create_task(zone.depart(2, "line"))
        await asyncio.sleep(0.2)
        zone.gate.play(SCENE, one, 1, play.Attack(other))
        with pytest.raises(RefusedError, match="out_of_order"):
            await departing
        assert zone.session(2).attached

    in_zone(story)


async def kill(zone: Zone, by: int, target: int) -> None:
    line = zone.line(target)
    line.world.hp[zone.session(target).slot] = 1
    line.fights.attack(zone.session(by), zone.session(target).handle, zone.scene.clock.now())
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("why", ["line", "portal", "travel"])
def test_the_dead_stay_where_they_are(in_zone: Any, why: str) -> None:
    async def story(zone: Zone) -> None:
        await two_together(zone)
        await kill(zone, 1, 2)
        with pytest.raises(RefusedError, match="out_of_order"):
            await zone.depart(2, why)
        assert zone.session(2) is not None

    in_zone(story)


def test_a_drain_takes_the_dead_along_and_they_come_back_there(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await two_together(zone)
        await kill(zone, 1, 2)
        await asyncio.sleep(1.0)
        departed = await zone.depart(2, "drain")
        assert (departed.status.hp, departed.status.x) == (0, 51.0)
        assert 3.5 <= departed.carried.dead_s <= 4.0
        await zone.arrive(departed)
        _, client = await zone.attach(2, scene=NEXT, resumed=True)
        entered = client.last(play.Entered)
        assert (entered.you.hp, entered.x) == (0, 2550)
        await asyncio.sleep(3.0)
        assert client.of(play.Respawned) == []
        await asyncio.sleep(1.5)
        assert client.last(play.Respawned).hp == 100

    in_zone(story)


def test_open_trades_are_closed_and_both_are_told(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, client, other, their = await two_together(zone)
        zone.gate.play(SCENE, one, 1, play.InviteTrade(other))
        await wait_until(lambda: their.of(play.TradeInvited))
        zone.gate.play(SCENE, other, 1, play.AcceptTrade(their.last(play.TradeInvited).trade))
        await wait_until(lambda: client.of(play.TradeState))
        departed = await zone.depart(1)
        await wait_until(lambda: their.of(play.TradeClosed))
        assert their.last(play.TradeClosed).code == "cancelled"
        await zone.arrive(departed)
        _, again = await zone.attach(1, scene=NEXT, resumed=True)
        await wait_until(lambda: again.of(play.TradeClosed))
        assert len(zone.scene.play.trading.trades) == 0

    in_zone(story)


def test_a_trade_that_is_being_carried_out_is_finished_first(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, _, other, their = await two_together(zone)
        zone.bank.give(1, 50)
        zone.bank.give(2, 0)
        zone.session(1).gold = 50
        zone.gate.play(SCENE, one, 1, play.InviteTrade(other))
        await wait_until(lambda: their.of(play.TradeInvited))
        trade = their.last(play.TradeInvited).trade
        zone.gate.play(SCENE, other, 1, play.AcceptTrade(trade))
        zone.gate.play(SCENE, one, 2, play.OfferTrade(trade, play.Offer(20, [])))
        await wait_until(lambda: any(state.version == 2 for state in their.of(play.TradeState)))
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.5
        departing = asyncio.create_task(zone.depart(2))
        await asyncio.sleep(0.2)
        zone.gate.play(SCENE, one, 3, play.ConfirmTrade(trade, 2))
        zone.gate.play(SCENE, other, 2, play.ConfirmTrade(trade, 2))
        assert (await departing).status.gold == 20
        assert their.of(play.TradeDone)
        assert zone.bank.gold == {1: 30, 2: 20}

    in_zone(story)


def test_a_scene_that_stops_saves_everybody_though_somebody_leaves_meanwhile(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account, line in ((1, 1), (2, 2), (3, 2)):
            await zone.join(account, line=line)
            zone.line(account).world.unsaved[zone.session(account).slot] = True
        saves, say = zone.scene.saves, zone.scene.saves._say

        async def slow(said: Any) -> bool:
            await asyncio.sleep(0.05)
            return await say(said)

        saves._say = slow
        zone.bank.saved.clear()
        draining = asyncio.ensure_future(zone.scene.drain())
        await asyncio.sleep(0.01)
        await zone.center.ask(SCENE, Release(session_of(2, 1), discard=True))
        await draining
        assert session_of(3, 1) in zone.saved()

    in_zone(story)
