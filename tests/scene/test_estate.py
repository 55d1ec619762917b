"""What a scene hands over: the table holds everything that a part knows, and it comes out as it went in."""

import asyncio

import msgspec
import numpy as np
import pytest

from mesh.core.bucket import Bucket
from mesh.testing import run, wait_until, with_cluster
from nodes.scene import heritage
from nodes.scene.estate import HANDED, SESSION, EstateError, decoded, encoded, packed, unpack
from nodes.scene.gameclock import GameClock
from nodes.scene.heritage import parts_of
from nodes.scene.node import SceneNode
from nodes.scene.sessions import Session
from nodes.scene.trade import Trades
from nodes.scene.world import World as Columns
from tests.conftest import ZONE
from tests.world import DEAD, ROLES, World, creatures, walk_to, world_topology

MADE_ANEW = {
    "World": {"base", "units", "capacity", "x", "y", "heading", "state", "stamp", "_active", "_used"},
    "Npcs": {"world", "level", "respawn_s", "unit_m", "chance", "_phase"},
    "Corpses": {"corpses_max", "keep_s"},
    "Portals": {"portals", "x", "y", "radius2"},
    "Whereabouts": set(),
    "Moves": {"waiting_max", "dropped", "_last"},
    "Interest": {"capacity", "_enter2", "_grid", "_cost", "_limit"},
    "Sight": {
        "_world", "_views", "_budgets", "_gate_levels", "_gates_held", "interest", "relevance", "_waiting", "_untold",
    },
    "Relevance": {"_players", "_slots"},
    "Notices": {"_world", "_players", "_out", "_gate_levels", "dropped"},
    "Lines": {"_make", "_chance", "_changed", "openable", "lines_max", "closed", "_at", "_open", "_past"},
    "Outbound": {"_arm", "_piles", "_armed", "pieces", "bytes"},
    "GameClock": {"_real"},
    "Ticker": {
        "base_hz", "period_s", "skipped", "pressure", "parts", "_due", "_shares", "_share", "_durations",
    },
    "Degradation": {"level", "gates", "_policy", "_game", "_ticker", "_sessions", "_out", "lines"},
    "Keepsakes": {"_max", "overflown"},
    "Trades": {"_of"},
    "Parties": {"_sessions", "_lines", "_keepsakes", "_here"},
    "Crossings": {"_ask", "_spawn", "_sessions", "_out", "_now", "asked", "denied"},
}  # fmt: skip
"""What a part has besides what it hands over: it was given, it follows from the rest, or it only counts."""

OF_A_LINE = {
    "index", "name", "number", "map", "fixed", "scene", "_scene_name", "_chance", "_out", "_record", "_cross", "_now",
    "_has_entered", "world", "moves", "npcs", "corpses", "portals", "whereabouts", "quality", "gates_held",
    "gate_levels", "players", "views", "sight", "talk", "fights", "corrected", "records_sent", "pace", "_speed",
    "_shown", "_arriving",
}  # fmt: skip


def attributes(part: object) -> set[str]:
    return set(getattr(part, "__slots__", ())) or set(vars(part))


@pytest.fixture
def tell(tmp_path):
    """A story in a zone with creatures and players, on one scene."""
    one_scene = ZONE.replace('[[process]]\nnodes = ["scene.2"]\n', "")

    def go(story):
        async def told(cluster):
            await story(World(cluster))

        return run(with_cluster(world_topology(tmp_path, one_scene), ROLES, tmp_path / "data", told))

    return go


def test_everything_that_a_part_knows_is_handed_over_or_made_anew(tell):
    async def story(world: World) -> None:
        node: SceneNode = world.node("scene.1")
        for part in (*heritage._parts_of(node), *parts_of(next(iter(node.lines)))):
            name = type(part).__name__
            assert attributes(part) - HANDED[type(part)].keys() == MADE_ANEW[name], name
            assert HANDED[type(part)].keys() <= attributes(part), name
        assert set(vars(next(iter(node.lines)))) == OF_A_LINE

    tell(story)


def test_everything_of_a_session_is_handed_over_or_follows() -> None:
    follows = {"account", "blocked", "leaving", "busy", "saving", "advancing"}
    assert set(Session.__slots__) == SESSION.keys() | follows


async def something_happens(world: World) -> tuple:
    """A corpse, a fight, a trade, a chat; everybody stands still then."""
    anna, berta = await world.together("anna", "berta")
    await world.hunt(anna)
    await world.corpse_in_view(anna)
    living = creatures(anna)
    if living:
        seen = anna.session.view[living[0]]
        await walk_to(anna, seen.x, seen.y, steps_max=30)
        anna.attack(living[0])
    anna.say("hello")
    anna.invite_trade(berta.session.entered.you.entity)
    await asyncio.sleep(0.25)
    return anna, berta


def test_it_comes_out_as_it_went_in(tell):
    async def story(world: World) -> None:
        await something_happens(world)
        node: SceneNode = world.node("scene.1")
        node.handing.stand_still()
        await wait_until(lambda: not node.busy())
        body = heritage.written(node)
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, body)
        first, again = decoded(body), decoded(heritage.written(other))
        assert len(first.sessions) == 2
        again.now, again.gates = first.now, first.gates
        assert encoded(again) == encoded(first)
        node.handing.move_on()

    tell(story)


def test_the_parts_share_their_columns_as_before(tell):
    async def story(world: World) -> None:
        await something_happens(world)
        node: SceneNode = world.node("scene.1")
        node.handing.stand_still()
        await wait_until(lambda: not node.busy())
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, heritage.written(node))
        line = next(iter(other.lines))
        slot = next(iter(line.players))
        line.world.x[slot] = 77
        assert int(line.world.record[slot]["x"]) == 77
        assert line.world.generation.base is not None, "a line that is opened here later goes on with it"
        assert {one.slot for one in other.sessions} == set(line.players)
        assert other.play.trading.trades.of(next(iter(other.sessions)).number)
        assert sum(int(line.world.state[c.slot]) & DEAD for c in line.corpses.overdue(float("inf")))
        node.handing.move_on()

    tell(story)


def test_what_does_not_fit_is_said_and_nothing_runs(tell, tmp_path):
    async def story(world: World) -> None:
        node: SceneNode = world.node("scene.1")
        body = heritage.written(node)
        whole = decoded(body)
        whole.lines[0].name = "nowhere"
        other = SceneNode(world.cluster.seat("scene.1"))
        with pytest.raises(EstateError, match="no map nowhere"):
            heritage.put_in_place(other, msgspec.msgpack.encode(whole))
        whole = decoded(body)
        whole.now += 3600
        with pytest.raises(EstateError, match="clock"):
            heritage.put_in_place(SceneNode(world.cluster.seat("scene.1")), msgspec.msgpack.encode(whole))
        with pytest.raises(EstateError, match="not understood"):
            heritage.put_in_place(other, b"\x93\x01\x02\x03")
        whole = decoded(body)
        whole.format += 1
        with pytest.raises(EstateError, match="format"):
            heritage.put_in_place(SceneNode(world.cluster.seat("scene.1")), msgspec.msgpack.encode(whole))

    tell(story)


def test_what_contradicts_itself_is_said_and_no_mistake_of_ours(tell):
    async def story(world: World) -> None:
        await world.login("anna")
        node: SceneNode = world.node("scene.1")
        whole = decoded(heritage.written(node))
        whole.lines[0].dead = [3999]
        with pytest.raises(EstateError, match="does not fit together"):
            heritage.put_in_place(SceneNode(world.cluster.seat("scene.1")), encoded(whole))

    tell(story)


def test_what_another_version_does_not_say_of_a_session_is_as_at_its_beginning(tell):
    async def story(world: World) -> None:
        await world.login("anna")
        node: SceneNode = world.node("scene.1")
        row = msgspec.msgpack.decode(heritage.written(node))
        said = row["sessions"][0]
        for name in ("emotes", "offences", "friends", "party", "recalls", "ring", "dead_until"):
            del said[name]
        del row["gates"], row["format"]
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, msgspec.msgpack.encode(row))
        [session] = other.sessions
        assert (session.name, session.recalls, session.offences, session.friends) == ("anna", 0, None, [])
        assert session.gate, "nobody says that its gate is gone"

    tell(story)


def test_who_came_with_a_gate_that_is_not_there_any_more_has_none(tell):
    async def story(world: World) -> None:
        await world.login("anna")
        node: SceneNode = world.node("scene.1")
        whole = decoded(heritage.written(node))
        assert list(whole.gates) == [whole.sessions[0].gate]
        whole.gates = {}
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, encoded(whole))
        [session] = other.sessions
        assert (session.gate, session.connection) == ("", 0)

    tell(story)


def test_a_map_of_another_size_does_not_fit() -> None:
    small, large = Columns(0, 1000, 40), Columns(0, 1000, 50)
    with pytest.raises(EstateError, match="bytes"):
        unpack(packed(small), large)


def test_what_another_version_does_not_say_stays_as_it_is() -> None:
    trades = Trades(_last=7)
    unpack({"Trades": msgspec.Raw(msgspec.msgpack.encode({"something_new": 1}))}, trades)
    assert trades._last == 7
    unpack({}, trades)
    assert trades._last == 7


def test_the_time_of_the_game_goes_on_and_its_past_rates_too() -> None:
    now = 100.0
    one, other = GameClock(lambda: now), GameClock(lambda: now)
    one.go(0.5)
    now = 101.0
    unpack(packed(one), other)
    now = 102.0
    assert (other.now(), other.rate, other.lenience()) == (one.now(), 0.5, one.lenience())


def test_a_bucket_goes_on_with_what_it_has(tell):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        node: SceneNode = world.node("scene.1")
        session = next(iter(node.sessions))
        anna.say("one")
        await wait_until(lambda: session.chat.tokens(node.clock.now()) < 5)
        node.handing.stand_still()
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, heritage.written(node))
        there = next(iter(other.sessions))
        assert isinstance(there.chat, Bucket)
        assert there.chat.tokens(node.clock.now()) == pytest.approx(session.chat.tokens(node.clock.now()))
        assert there.ring == session.ring
        node.handing.move_on()

    tell(story)


def test_a_scene_without_anybody_is_handed_over_too(tell):
    async def story(world: World) -> None:
        node: SceneNode = world.node("scene.1")
        other = SceneNode(world.cluster.seat("scene.1"))
        heritage.put_in_place(other, heritage.written(node))
        assert [(line.index, line.name, line.number) for line in other.lines] == [
            (line.index, line.name, line.number) for line in node.lines
        ]
        same = [np.array_equal(a.npcs.home, b.npcs.home) for a, b in zip(other.lines, node.lines, strict=True)]
        assert all(same)

    tell(story)
