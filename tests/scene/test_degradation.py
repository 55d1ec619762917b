"""What a scene does at its levels: who is told, what slows down with the game and what does not."""

import asyncio
from typing import Any

import msgspec
import pytest

from mesh.errors import RefusedError
from mesh.node import Caller, Node
from mesh.protocol import play
from mesh.protocol.control import PinLevel
from mesh.protocol.lanes import PIECE_HEAD, Lane, PieceClass
from mesh.protocol.placement import OpenLine
from mesh.testing import wait_until
from mesh.topology.policy import DEFAULT, FULL, Level
from nodes.scene.gameclock import LENIENT_S
from nodes.scene.sessions import RING_S
from tests.scene.building import SMALL, Stage
from tests.scene.zone import SCENE, Zone, two_together

SLOW = len(DEFAULT) - 2  # dilation 0.6
SLOWEST = len(DEFAULT) - 1  # dilation 0.3


def pin(node: Node, level: int) -> None:
    node.pressure.on_pin_level(PinLevel(level), Caller("eu.one.ctl.1", "ctl", 1))


def qualities(client: Any) -> list[int]:
    return [said.level for said in client.of(play.Quality)]


# --- who is told ---


def test_clients_are_told_when_it_changes_and_after_entered_when_it_is_not_full(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        _, client = await zone.join(1)
        assert qualities(client) == []
        pin(zone.scene, 3)
        await wait_until(lambda: qualities(client) == [3])
        said, level = client.last(play.Quality), DEFAULT[3]
        assert (said.name, said.dilation, said.moves_hz, said.updates_hz) == (level.name, 1.0, 2.5, 2.5)
        assert said.view_max == round(zone.line(1).map.view_max * level.view)
        _, late = await zone.join(2)
        await wait_until(lambda: qualities(late) == [3])
        assert [type(one) for one in late.messages[:2]] == [play.Entered, play.Quality]
        pin(zone.scene, 0)
        await wait_until(lambda: qualities(client) == [3, 0] and qualities(late) == [3, 0])
        assert client.last(play.Quality).moves_hz == 10.0
        _, later = await zone.join(3)
        await asyncio.sleep(0.5)
        assert qualities(later) == []

    in_zone(story)


def test_the_higher_of_the_scenes_and_the_gates_level_counts(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        _, client = await zone.join(1)
        await zone.enter(2)
        other = zone.other.clients[await zone.other.attach(SCENE, zone.session(2).number)]
        await wait_until(lambda: other.of(play.Entered))
        pin(zone.gate, 3)
        await wait_until(lambda: qualities(client) == [3])
        pin(zone.scene, 2)
        await wait_until(lambda: qualities(other) == [2])
        pin(zone.scene, SLOW)
        await wait_until(lambda: qualities(client) == [3, SLOW] and qualities(other) == [2, SLOW])
        assert client.last(play.Quality).dilation == 0.6
        pin(zone.scene, 0)
        await wait_until(lambda: qualities(client)[-1] == 3 and qualities(other)[-1] == 0)
        pin(zone.gate, SLOWEST)  # one of two gates does not slow the game down for the players of the other
        await wait_until(lambda: qualities(client)[-1] == SLOWEST)
        assert client.last(play.Quality).dilation == 1.0
        assert zone.scene.game.rate == 1.0

    in_zone(story)


def test_the_game_is_as_slow_as_the_gates_of_most_players_need_it(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        _, client = await zone.join(1)
        _, second = await zone.join(2)
        await zone.enter(3)
        other = zone.other.clients[await zone.other.attach(SCENE, zone.session(3).number)]
        await wait_until(lambda: other.of(play.Entered))
        ticks_hz, line = zone.scene.ticker.hz, zone.line(1)
        pin(zone.gate, SLOW)
        await wait_until(lambda: qualities(client) == qualities(second) == [SLOW] and qualities(other) == [0])
        for one in (client, second, other):  # time is the same for all of them
            assert one.last(play.Quality).dilation == DEFAULT[SLOW].dilation
        assert (zone.scene.game.rate, zone.scene.ticker.hz) == (0.6, pytest.approx(0.6 * ticks_hz))
        assert (line.quality.name, line.quality.dilation) == (DEFAULT[0].name, 0.6)
        pin(zone.gate, SLOWEST)
        await wait_until(lambda: zone.scene.game.rate == 0.3)
        pin(zone.scene, SLOW)  # the slower of both
        await wait_until(lambda: qualities(other)[-1] == SLOW)
        assert zone.scene.game.rate == 0.3
        pin(zone.gate, 0)
        await wait_until(lambda: zone.scene.game.rate == 0.6)
        pin(zone.scene, 0)
        await wait_until(lambda: qualities(client)[-1] == qualities(other)[-1] == 0)
        assert (zone.scene.game.rate, zone.scene.ticker.hz) == (1.0, ticks_hz)
        assert line.quality == DEFAULT[0]

    in_zone(story)


def test_whoever_comes_anew_hears_what_holds_now(in_zone: Any) -> None:
    """A level that changed while a client was away, and a gate that died at a level."""

    async def story(zone: Zone) -> None:
        _, client = await zone.join(1)
        pin(zone.gate, 2)
        await wait_until(lambda: qualities(client) == [2])
        await zone.cluster.kill("gate.1")
        await wait_until(lambda: not zone.scene.degradation.gates)
        assert all(not line.gate_levels for line in zone.scene.lines)
        pin(zone.scene, 1)
        handle = await zone.other.attach(SCENE, zone.session(1).number, resumed=True)
        again = zone.other.clients[handle]
        await wait_until(lambda: qualities(again) == [1])

    in_zone(story)


def test_a_line_that_is_opened_begins_at_the_levels_that_are(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        pin(zone.scene, 2)
        pin(zone.gate, 3)
        await wait_until(lambda: zone.scene.degradation.gates)
        await zone.center.ask(SCENE, OpenLine("meadow", 9))
        line = zone.scene.lines.find("meadow", 9)
        assert line is not None
        assert line.quality == DEFAULT[2]
        assert list(line.gate_levels.values()) == [DEFAULT[3]]

    in_zone(story)


# --- the clock of the game ---


async def kill_each_other(zone: Zone, me: int, you: int) -> float:
    """Attack until the other one is dead; how long it stays so, in real seconds."""
    line, victim = zone.line(2), zone.session(2)
    line.world.hp[victim.slot] = 1
    zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
    await wait_until(lambda: line.world.dead(victim.slot))
    died = zone.scene.clock.now()
    await wait_until(lambda: not line.world.dead(victim.slot))
    return zone.scene.clock.now() - died


def test_who_died_comes_back_in_game_time(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _, you, _ = await two_together(zone)
        assert await kill_each_other(zone, me, you) == pytest.approx(5.0, abs=0.3)
        line, one, other = zone.line(1), zone.session(1), zone.session(2)
        line.world.place(other.slot, int(line.world.x[one.slot]), int(line.world.y[one.slot]))
        await asyncio.sleep(1.5)
        pin(zone.scene, SLOWEST)
        assert await kill_each_other(zone, me, you) == pytest.approx(5.0 / 0.3, abs=0.8)

    in_zone(story)


def test_a_level_in_the_middle_of_a_death_counts_for_the_rest_of_it(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _, you, _ = await two_together(zone)

        async def slow_down() -> None:
            await wait_until(lambda: zone.line(2).world.dead(zone.session(2).slot))
            await asyncio.sleep(2.5)
            pin(zone.scene, SLOWEST)

        slowing = asyncio.get_running_loop().create_task(slow_down())
        assert await kill_each_other(zone, me, you) == pytest.approx(2.5 + 2.5 / 0.3, abs=0.8)
        await slowing

    in_zone(story)


def test_cool_downs_are_of_the_game_and_saves_are_not(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, client, you, _ = await two_together(zone)
        pin(zone.scene, SLOWEST)
        for _ in range(2):
            zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
            await asyncio.sleep(1.2)
        await wait_until(lambda: client.of(play.PlayDenied))
        assert (len(client.of(play.Hit)), client.last(play.PlayDenied).code) == (1, "too_many")
        await asyncio.sleep(1.4)
        zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
        await wait_until(lambda: len(client.of(play.Hit)) == 2)
        zone.bank.saved.clear()
        line, slot = zone.line(1), zone.session(1).slot
        for _ in range(50):
            line.world.unsaved[slot] = True
            await asyncio.sleep(0.1)
        assert 5 <= zone.saved().count(zone.session(1).number) <= 9, "about every 0.8 real seconds"

    in_zone(story)


def test_ticks_become_fewer_and_each_is_the_same_piece_of_the_game(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        before, game = zone.scene.ticker.tick, zone.scene.game.now()
        pin(zone.scene, SLOWEST)
        await asyncio.sleep(10)
        assert zone.scene.ticker.tick - before == pytest.approx(30, abs=2)
        assert zone.scene.game.now() - game == pytest.approx(3.0)

    in_zone(story)


def test_what_a_session_keeps_ages_in_real_time(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _, you, _ = await two_together(zone)
        pin(zone.scene, SLOWEST)
        zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
        await wait_until(lambda: zone.session(2).ring)
        await asyncio.sleep(RING_S + 1)
        zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
        await wait_until(lambda: zone.session(2).sent == 2)
        assert [sequence for sequence, _, _ in zone.session(2).ring] == [2]

    in_zone(story)


def test_a_fight_is_carried_to_a_scene_whose_clock_is_another(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _, you, _ = await two_together(zone)
        pin(zone.scene, SLOWEST)
        await asyncio.sleep(100)  # the game is a minute behind by now
        zone.gate.play(SCENE, me, zone.session(1).processed + 1, play.Attack(you))
        await wait_until(lambda: zone.session(2).sent)
        await asyncio.sleep(5)
        departed = await zone.depart(1)
        assert departed.carried.fought_s == pytest.approx(1.5, abs=0.2)
        await zone.arrive(departed)
        there = zone.session(1, scene=zone.next)
        assert zone.next.game.now() - there.fought_at == pytest.approx(1.5, abs=0.3)

    in_zone(story)


# --- moving ---


def run_at(zone: Zone, handle: int, share: float, seconds: float) -> Any:
    """Run along x at that share of the full speed, ten moves a second."""

    async def go() -> None:
        session, unit = zone.session(1), 0.02
        x, y = int(zone.line(1).world.x[session.slot]), int(zone.line(1).world.y[session.slot])
        for step in range(1, round(seconds * 10) + 1):
            zone.gate.move(SCENE, handle, round(x + step * 0.1 * 6.0 * share / unit), y)
            await asyncio.sleep(0.1)

    return go()


def test_speed_is_of_the_game_after_a_moment_of_grace(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, _ = await zone.join(1, x=5.0)
        await run_at(zone, handle, 0.95, 2)
        pin(zone.scene, SLOW)
        await run_at(zone, handle, 0.95, LENIENT_S - 0.6)
        assert zone.line(1).corrected == 0, "it has not heard of it yet"
        await run_at(zone, handle, 0.65, 4)
        assert zone.line(1).corrected == 0, "and goes on as it should"
        await run_at(zone, handle, 0.95, 4)
        assert zone.line(1).corrected > 0, "whoever never listens is corrected"

    in_zone(story)


# --- npcs, words and looks ---


def test_npcs_are_thinned_by_the_scenes_level() -> None:
    class Watching:
        def __init__(self) -> None:
            self.shares: list[float] = []

        def __call__(self, _now: float, _seen: Any, share: float) -> list[tuple[int, int]]:
            self.shares.append(share)
            return []

    stage, watching = Stage(msgspec.structs.replace(SMALL, npcs=1)), Watching()
    stage.join(1, 50, 50)
    stage.line.npcs.step = watching  # type: ignore[method-assign]
    stage.tick()
    stage.line.degrade(DEFAULT[2])
    stage.tick()
    assert watching.shares == [1.0, 0.5]


def test_emotes_are_seen_by_those_around_and_left_out_first() -> None:
    stage = Stage(emotes_burst=10)
    me, near, far = stage.join(1, 50, 50), stage.join(2, 55, 50), stage.join(3, 150, 50)
    stage.tick()
    stage.line.talk.emote(me, "wave", stage.now)
    stage.tick()
    assert stage.client(near).of(play.Emoted) == [play.Emoted(me.handle, "wave")]
    assert stage.client(me).of(play.Emoted) == stage.client(far).of(play.Emoted) == []
    stage.line.degrade(Level("no looks", cosmetics=False))
    stage.line.talk.emote(me, "bow", stage.now)
    stage.tick()
    stage.line.degrade(FULL)
    stage.line.degrade_gate(stage.out.index(me.gate), Level("no looks", cosmetics=False))
    stage.line.talk.emote(me, "bow", stage.now)
    stage.tick()
    assert len(stage.client(near).of(play.Emoted)) == 1
    assert stage.line.talk.dropped == 2


def test_a_gate_that_leaves_emotes_out_is_not_sent_any() -> None:
    stage = Stage()
    me, near = stage.join(1, 50, 50), stage.join(2, 55, 50)
    stage.tick()
    stage.line.talk.emote(me, "wave", stage.now)
    stage.line.degrade_gate(stage.out.index(near.gate), Level("no looks", cosmetics=False))
    stage.tick()
    assert stage.client(near).of(play.Emoted) == []


def test_an_emote_travels_as_what_is_lost_first(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        me, _, _, their = await two_together(zone)
        classes, take = [], zone.gate.take

        def look(lane: Lane, blobs: list[bytes]) -> None:
            if lane == Lane.CHATS:
                classes.append(PIECE_HEAD.unpack_from(blobs[2])[1])
            take(lane, blobs)

        zone.gate.take = look  # type: ignore[method-assign]
        zone.gate.play(SCENE, me, 1, play.Emote("dance"))
        await wait_until(lambda: their.of(play.Emoted))
        assert classes == [PieceClass.COSMETIC]

    in_zone(story)


def test_too_many_emotes_are_refused() -> None:
    stage = Stage(emotes_per_s=0.5, emotes_burst=2)
    me = stage.join(1, 50, 50)
    for _ in range(2):
        stage.line.talk.emote(me, "wave", stage.now)
    with pytest.raises(RefusedError, match=r"again in 2\.0 s"):
        stage.line.talk.emote(me, "wave", stage.now)


def test_saying_slows_down_and_a_refusal_says_when_to_try_again() -> None:
    def said_in_a_minute(stage: Stage, me: Any) -> tuple[int, str]:
        count, text = 0, ""
        for _ in range(120):
            stage.now += 0.5
            try:
                stage.line.talk.say(me, "hello", stage.now)
                count += 1
            except RefusedError as error:
                text = error.text
        return count, text

    stage = Stage(SMALL)
    me = stage.join(1, 50, 50)
    free, _ = said_in_a_minute(stage, me)
    stage.line.degrade(DEFAULT[3])
    slow, refusal = said_in_a_minute(stage, me)
    assert 0.2 <= slow / free <= 0.3
    assert refusal.startswith("not so fast: again in ")
    stage.line.degrade(FULL)
    stage.line.degrade_gate(stage.out.index(me.gate), DEFAULT[3])
    assert said_in_a_minute(stage, me)[0] == pytest.approx(slow, abs=2)


def test_the_gate_that_is_none_is_at_no_level() -> None:
    """A speaker without a connection; and gates are told apart."""
    stage = Stage()
    me = stage.join(1, 50, 50, attach=False)
    stage.line.degrade_gate(stage.out.index("eu.one.gate.7"), DEFAULT[5])
    assert stage.line.levels(me.slot) == (FULL, FULL)


def test_a_gate_that_is_behind_gets_no_movement_until_it_is_not() -> None:
    stage = Stage()
    me, you = stage.join(1, 50, 50), stage.join(2, 52, 50)
    stage.tick()
    client, gate = stage.client(me), stage.out.index(me.gate)

    def heard(x_m: float) -> int:
        before = client.updates
        stage.move(you, x_m, 50)
        stage.tick()
        return client.updates - before

    assert heard(52.2) == 1
    stage.line.hold_gate(gate, True)
    assert [heard(x_m) for x_m in (52.4, 52.6)] == [0, 0]
    stage.line.hold_gate(gate, False)
    stage.tick()
    assert client.view[stage.line.world.number(you.slot)] == (round(52.6 / 0.02), 2500), "what it has missed"
