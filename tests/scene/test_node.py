"""The scene node among others, on virtual time: getting in, playing, losing the gate, the DC, and stopping."""

import asyncio
from typing import Any

import numpy as np
import pytest

from mesh import metrics
from mesh.errors import DeadlineExceeded, RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Attach, Enter, HostedList, ListHosted, Release
from mesh.protocol.lanes import STATE, Lane
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from nodes.scene.settings import BUDGET_MIN
from tests.scene.zone import SCENE, Zone


def test_enter_chooses_a_line_and_is_idempotent(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        assert await zone.enter(1) == ("meadow", 1)
        assert await zone.enter(2) == ("meadow", 2)
        assert await zone.enter(1) == ("meadow", 1)
        assert await zone.enter(3, line=2) == ("meadow", 2)
        assert await zone.enter(4, map="") == ("meadow", 1)
        assert await zone.enter(5, map="torn-down") == ("meadow", 1)
        assert await zone.enter(6, map="cave") == ("cave", 7)
        assert len(zone.scene.sessions) == 6
        for fields, code in (({"map": "tower"}, "not_found"), ({"line": 3}, "not_found")):
            with pytest.raises(RefusedError, match=code):
                await zone.enter(9, **fields)
        with pytest.raises(RefusedError, match="bad_message"):
            await zone.center.ask(SCENE, Enter(session_of(9, 1), zone.status(8)))
        for account in range(10, 15):
            await zone.enter(account)
        with pytest.raises(RefusedError, match="zone_full"):
            await zone.enter(20)
        assert zone.scene.facts() == {"maps": "meadow:1,meadow:2,cave:7"}
        assert zone.scene.load().players == 11

    in_zone(story)


def test_a_newer_session_takes_over_where_the_older_one_is(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        old, _ = await zone.join(1)
        zone.gate.move(SCENE, old, 2520, 2500)
        await asyncio.sleep(0.3)
        await zone.enter(1, epoch=2, gold=9, hp=1)
        assert zone.session(1) is None
        new = zone.session(1, epoch=2)
        world = zone.scene.lines.of(new).world
        assert (int(world.x[new.slot]), int(world.hp[new.slot]), new.gold) == (2520, 100, 9)
        assert new.handle != old
        with pytest.raises(RefusedError, match="stale_epoch"):
            await zone.enter(1, epoch=1)
        stale = zone.scene.counts.stale
        zone.gate.play(SCENE, old, 5, play.Say("from the past"))
        zone.gate.move(SCENE, old, 2530, 2500)
        await asyncio.sleep(0.3)
        assert zone.scene.counts.stale == stale + 2
        assert int(world.x[new.slot]) == 2520

    in_zone(story)


def test_the_client_enters_after_its_gate_was_answered(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        with pytest.raises(RefusedError, match="not_found"):
            await zone.gate.attach(SCENE, session_of(1, 1))
        handle, client = await zone.join(1)
        entered = client.last(play.Entered)
        assert (entered.scene, entered.you.entity, entered.resumed) == (SCENE, handle, False)
        assert zone.gate.lanes[0] == Lane.FRAMES

    in_zone(story)


def test_moves_are_seen_by_others_and_movement_comes_after_control(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.enter(1)
        await zone.enter(2, line=1)
        handles = [await zone.gate.attach(SCENE, session_of(n, 1)) for n in (1, 2)]
        await asyncio.sleep(0.3)
        one, other = (zone.gate.clients[handle] for handle in handles)
        zone.gate.move(SCENE, handles[0], 2510, 2500)
        zone.other.move(SCENE, handles[1], 2600, 2500)  # not this gate's player
        await asyncio.sleep(0.3)
        assert other.view == {handles[0]: (2510, 2500)}
        assert one.view == {handles[1]: (2500, 2500)}
        zone.gate.batch(SCENE, Lane.DROPS, np.array([handles[1]], "<u4"))
        updates = other.updates
        await asyncio.sleep(0.3)
        assert other.updates == updates + 1
        zone.gate.lanes.clear()
        zone.gate.move(SCENE, handles[0], 9000, 9000)  # impossible: Corrected
        zone.gate.move(SCENE, handles[1], 2510, 2500)
        await asyncio.sleep(0.3)
        assert zone.gate.lanes == [Lane.FRAMES, Lane.UPDATES]

    in_zone(story)


def test_a_gate_may_lower_what_its_players_get_of_movement(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1)
        line = zone.line(1)
        slot = line.world.slot_of(handle)

        async def told(gate: Any, budget: int) -> int:
            gate.batch(SCENE, Lane.BUDGETS, np.array([handle], "<u4"), np.array([budget], "<u4"))
            await asyncio.sleep(0.1)
            return int(line.world.budget[slot])

        assert await told(zone.gate, 2000) == 2000
        assert await told(zone.other, 9000) == 2000  # not this gate's player
        assert await told(zone.gate, 1) == BUDGET_MIN
        assert await told(zone.gate, 0xFFFF_FFFF) == line.map.budget_bytes_s
        before = zone.scene.counts.malformed
        zone.gate.batch(SCENE, Lane.BUDGETS, np.array([handle], "<u4"), np.array([1, 2], "<u4"))
        await asyncio.sleep(0.1)
        assert zone.scene.counts.malformed == before + 1

    in_zone(story)


def test_play_messages_are_carried_out_once_and_bad_ones_are_refused(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        zone.other.play(SCENE, handle, 1, play.Say("from a gate that does not have this player"))
        await asyncio.sleep(0.1)
        for sequence in (1, 1, 2, 1):
            zone.gate.play(SCENE, handle, sequence, play.Say(f"{sequence}"))
        zone.gate.play(SCENE, handle, 3, b"garbage")
        zone.gate.play(SCENE, handle, 4, encode((404, "x")))
        zone.gate.play(SCENE, handle, 0, b"", received=99)
        zone.gate.batch(SCENE, Lane.PLAYS, np.array([handle], "<u4"), np.array([2], "<u4"), b"xx")
        zone.gate.batch(SCENE, Lane.PLAYS, np.array([handle, 7], "<u4"), np.array([9, 2**31], "<u4"), b"xx")
        for blobs in ([], [b"x"], [b"abcd", b"x" * 9], [b"abcd", b"\1\0\0\0", b""]):
            for lane in (Lane.PLAYS, Lane.MOVES, Lane.DROPS):
                zone.gate.batch(SCENE, lane, *blobs)
        await asyncio.sleep(0.3)
        assert [said.text for said in client.of(play.Said)] == ["1", "2"]
        denied = [(one.sequence, one.code) for one in client.of(play.PlayDenied)]
        assert denied == [(3, "unknown_message"), (4, "bad_message"), (0, "bad_message")]
        assert zone.scene.counts.repeated == 2
        assert zone.scene.counts.malformed >= 10
        assert zone.scene.dispatch.errors == 0

    in_zone(story)


def test_a_resume_on_another_gate_replays_what_was_missed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _ = await zone.join(1)
        victim, client = await zone.join(2, map="meadow", x=51.0, hp=90)
        if zone.session(1).line != zone.session(2).line:
            await zone.enter(3, line=zone.session(1).line + 1)
            victim = await zone.gate.attach(SCENE, session_of(3, 1))
            client = zone.gate.clients[victim]
        account = 3 if zone.session(3) else 2
        await asyncio.sleep(0.3)
        zone.gate.play(SCENE, me, 1, play.Attack(victim))
        await asyncio.sleep(1.2)
        assert client.sequences == [1]
        zone.gate.detach(SCENE, session_of(account, 1), connection=99)  # not this connection
        await asyncio.sleep(0.1)
        assert zone.session(account).attached
        zone.gate.detach(SCENE, session_of(account, 1), connection=1)
        await asyncio.sleep(0.1)
        assert not zone.session(account).attached
        zone.gate.play(SCENE, me, 2, play.Attack(victim))
        await asyncio.sleep(0.3)
        handle = await zone.other.attach(SCENE, session_of(account, 1), connection=5, received=1, resumed=True)
        again = zone.other.clients[handle]
        await wait_until(lambda: again.sequences)
        assert again.sequences == [2]
        assert again.last(play.Entered).resumed
        assert type(again.messages[0]) is play.Entered
        zone.gate.detach(SCENE, session_of(account, 1), connection=1)  # too late: another connection has it
        await asyncio.sleep(0.1)
        assert zone.session(account).attached

    in_zone(story)


def test_a_lost_gate_takes_nobody_with_it(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.cluster.kill("gate.1")
        await wait_until(lambda: not zone.session(1).gate)
        assert len(zone.scene.sessions) == 1
        handle = await zone.other.attach(SCENE, session_of(1, 1), resumed=True)
        await wait_until(lambda: zone.other.clients[handle].of(play.Entered))

    in_zone(story)


def test_release_saves_and_removes_and_waits_for_the_dc(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, xp=77)
        await asyncio.sleep(1.5)
        zone.bank.saved.clear()
        zone.bank.away = 3
        zone.scene.lines.at(0).world.hp[zone.session(1).slot] = 42
        await zone.center.ask(SCENE, Release(session_of(1, 1)))
        assert zone.session(1) is None
        said = zone.bank.saved[-1]
        assert np.frombuffer(said.sessions, "<u8").tolist() == [session_of(1, 1)]
        state = np.frombuffer(said.states, STATE)[0]
        assert (int(state["hp"]), int(state["xp"])) == (42, 77)
        await zone.center.ask(SCENE, Release(session_of(1, 1)))
        await zone.enter(2)
        zone.bank.saved.clear()
        await zone.center.ask(SCENE, Release(session_of(2, 1), discard=True))
        assert (zone.session(2), zone.bank.saved) == (None, [])

    in_zone(story)


def test_a_release_goes_on_when_the_asker_has_given_up(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.bank.away = 20
        with pytest.raises((DeadlineExceeded, RefusedError)):
            await zone.center.ask(SCENE, Release(session_of(1, 1)), 1.0)
        assert zone.session(1) is not None
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.enter(1)
        await wait_until(lambda: zone.session(1) is None, timeout_s=60.0)
        assert await zone.enter(1) == ("meadow", 1)

    in_zone(story)


def test_states_reach_the_dc_about_once_a_second_and_only_when_changed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1)
        await asyncio.sleep(2)
        saved = len(zone.bank.saved)
        await asyncio.sleep(3)
        assert len(zone.bank.saved) == saved
        for step in range(30):
            zone.gate.move(SCENE, handle, 2500 + step * 20, 2500)
            await asyncio.sleep(0.1)
        assert 2 <= len(zone.bank.saved) - saved <= 4
        await asyncio.sleep(1.5)
        state = np.frombuffer(zone.bank.saved[-1].states, STATE)[0]
        assert float(state["x"]) == pytest.approx((2500 + 29 * 20) * 0.02)
        log = zone.cluster.node("log.1")
        await wait_until(lambda: not zone.scene.journal.pending)
        assert log.events >= 4

    in_zone(story)


def test_stopping_saves_everybody_and_lets_nobody_in(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in (1, 2, 3):
            await zone.enter(account)
        zone.bank.saved.clear()
        zone.bank.away = 1
        await zone.scene.stop()
        saved = {n for said in zone.bank.saved for n in np.frombuffer(said.sessions, "<u8").tolist()}
        assert saved == {session_of(n, 1) for n in (1, 2, 3)}

    in_zone(story)


def test_the_center_can_ask_who_is_here(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.enter(1, gold=5, region="north", attributes={"str": 3})
        await zone.enter(2, map="cave", x=10.0)
        listed = await zone.center.ask(SCENE, ListHosted())
        assert isinstance(listed, HostedList)
        found = {at.session: at for at in listed.hosted}
        assert [at.attached for at in listed.hosted] == [False, False]
        one = found[session_of(1, 1)]
        assert (one.map, one.line, one.status) == (
            "meadow",
            1,
            zone.status(1, gold=5, region="north", attributes={"str": 3}),
        )
        assert (found[session_of(2, 1)].map, found[session_of(2, 1)].status.x) == ("cave", 10.0)

    in_zone(story)


def test_a_gate_that_stood_still_does_not_get_a_session_back(in_zone: Any) -> None:
    """Its client came back through another gate, with a newer token; both have a connection of that number."""

    async def story(zone: Zone) -> None:
        await zone.enter(1)
        session = session_of(1, 1)
        await zone.gate.ask(SCENE, Attach(session, 1, nonce=41))
        await zone.gate.ask(SCENE, Attach(session, 2, resumed=True, nonce=42))
        with pytest.raises(RefusedError, match="stale_epoch"):
            await zone.gate.ask(SCENE, Attach(session, 1, resumed=True, nonce=41))
        assert zone.scene.sessions.find(session).connection == 2
        listed = await zone.center.ask(SCENE, ListHosted())
        assert [at.nonce for at in listed.hosted] == [42]
        await zone.gate.ask(SCENE, Attach(session, 2, resumed=True, nonce=42))

    in_zone(story)


def test_lost_control_pieces_are_made_up_for_by_a_new_view(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        real, refused = zone.scene.batch, []

        def batch(peer: str, lane: Lane, *blobs: Any) -> bool:
            if lane == Lane.FRAMES and not refused:
                refused.append(blobs)
                return False
            return real(peer, lane, *blobs)

        zone.scene.batch = batch  # type: ignore[method-assign]
        zone.gate.play(SCENE, handle, 1, play.Attack(handle))  # is refused, and the refusal is lost
        await wait_until(lambda: client.of(play.PlayDenied))
        assert len(client.of(play.Entered)) == 2
        assert client.sequences == [1]
        assert zone.scene.counts.views_again == 1

    in_zone(story)


def test_an_idle_scene_does_not_tick(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await asyncio.sleep(10)
        assert zone.scene.ticker.tick == 0
        await zone.join(1)
        await asyncio.sleep(5)
        assert 50 <= zone.scene.ticker.tick <= 54
        await zone.center.ask(SCENE, Release(session_of(1, 1)))
        await asyncio.sleep(1)
        ticks = zone.scene.ticker.tick
        await asyncio.sleep(10)
        assert zone.scene.ticker.tick == ticks
        described = zone.scene.describe()
        assert [line["players"] for line in described["lines"]] == [0, 0, 0]

    in_zone(story)


def test_a_mistake_in_one_tick_does_not_end_the_world(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        line, calls = zone.scene.lines.at(0), []
        real = line.tick

        def tick(*args: Any) -> Any:
            calls.append(args)
            if len(calls) == 1:
                raise ZeroDivisionError
            return real(*args)

        line.tick = tick  # type: ignore[method-assign]
        await wait_until(lambda: len(calls) > 1)
        assert zone.scene.dispatch.errors == 1
        assert [text for _, text, _ in zone.cluster.internal_errors()] == ["a tick failed"]
        zone.cluster.log.lines.clear()
        zone.gate.play(SCENE, handle, 1, play.Say("still here"))
        await wait_until(lambda: client.of(play.Said))

    in_zone(story)


def test_metrics_tell_what_the_scene_does(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        page = metrics.page([zone.scene.metrics]).decode()
        assert 'scene_players{line="1",map="meadow",node="scene.1",role="scene"} 1.0' in page
        assert "scene_views_total" in page
        assert "scene_tick_seconds_bucket" in page
        assert 'part="look"' in page

    in_zone(story)
