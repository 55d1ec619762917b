"""One line, seen through the eyes of its clients."""

import random

import msgspec
import pytest

from mesh.errors import RefusedError
from mesh.protocol import play
from nodes.scene import world as columns
from nodes.scene.combat import NPC_XP
from tests.scene.building import SMALL, Stage, seen_by

WOLVES = msgspec.structs.replace(SMALL, npcs=1, spawn_m=10.0)


def test_a_player_enters_where_it_was_and_sees_who_is_near() -> None:
    stage = Stage()
    near, far = stage.join(1, 50, 50), stage.join(2, 150, 150)
    stage.tick()
    me = stage.join(3, 60.5, 50, heading=9, hp=70, gold=5, level=2)
    stage.tick()
    entered = stage.client(me).last(play.Entered)
    assert (entered.x, entered.y, entered.map, entered.line, entered.processed) == (3025, 2500, "meadow", 1, 0)
    assert (entered.you.entity, entered.you.hp, entered.you.hp_max, entered.you.gold) == (me.handle, 70, 110, 5)
    assert [one.id for one in entered.view] == [near.handle]
    assert entered.view[0] == play.EntityState(near.handle, "player", "p1", 2500, 2500, 0, 0, 1, 100, 100)
    assert [one.id for one in stage.client(near).last(play.Appeared).entities] == [me.handle]
    assert stage.client(far).view == {}


@pytest.mark.parametrize("room", [columns.ROOM, 4])
def test_clients_always_know_exactly_who_is_in_view_and_where(monkeypatch, room: int) -> None:
    """Players walk at random, come, go, lose and regain their connection; every client's picture stays right, also when
    the stretch of the slots in use grows now and then."""
    monkeypatch.setattr(columns, "ROOM", room)
    stage, chance = Stage(), random.Random(5)
    players = [stage.join(n, chance.uniform(20, 120), chance.uniform(20, 120)) for n in range(1, 30)]
    places = {one: [float(v) for v in (stage.line.world.x[one.slot], stage.line.world.y[one.slot])] for one in players}
    account = 100
    for _ in range(60):
        for one in players:
            place = places[one]
            for axis in (0, 1):
                place[axis] = min(max(place[axis] + chance.uniform(-20, 20), 0), 9999)
            stage.move(one, place[0] * 0.02, place[1] * 0.02)
        event = chance.random()
        if event < 0.2:
            gone = players.pop(chance.randrange(len(players)))
            stage.line.leave(gone)
        elif event < 0.4:
            account += 1
            players.append(stage.join(account, chance.uniform(20, 120), chance.uniform(20, 120)))
            new = players[-1]
            places[new] = [float(stage.line.world.x[new.slot]), float(stage.line.world.y[new.slot])]
        elif event < 0.6:
            stage.attach(chance.choice(players), resumed=True)
        stage.tick()
        for one in players:
            world = stage.line.world
            seen = seen_by(stage.line.sight.interest, one.slot)
            expected = {world.number(s): (int(world.x[s]), int(world.y[s])) for s in seen}
            assert stage.client(one).view == expected
    assert stage.line.corrected == 0
    assert sum(stage.client(one).updates for one in players) > 1000


def test_what_does_not_change_is_not_sent() -> None:
    stage = Stage()
    me, other = stage.join(1, 50, 50), stage.join(2, 55, 50)
    stage.tick()
    for _ in range(5):
        stage.move(other, 55, 50, state=0)
        stage.tick()
    assert stage.client(me).updates == 0
    stage.move(other, 55.5, 50)
    stage.tick()
    assert stage.client(me).updates == 1
    assert stage.client(other).updates == 0


def test_lost_movement_is_made_up_for_by_a_full_set_of_positions() -> None:
    stage = Stage()
    me, other = stage.join(1, 50, 50), stage.join(2, 55, 50)
    stage.tick()
    stage.line.world.refresh[me.slot] = True
    stage.tick()
    assert (stage.client(me).updates, stage.client(other).updates) == (1, 0)
    stage.tick()
    assert stage.client(me).updates == 1


def test_an_impossible_move_is_corrected_and_not_seen() -> None:
    stage = Stage()
    me, other = stage.join(1, 50, 50), stage.join(2, 55, 50)
    stage.tick()
    stage.move(me, 90, 50, stamp=1234)
    stage.tick()
    assert stage.client(me).last(play.Corrected) == play.Corrected(2500, 2500, 1234)
    assert stage.client(other).updates == 0


def test_a_resume_starts_with_the_view_and_continues_with_what_was_missed() -> None:
    stage = Stage()
    me, other = stage.join(1, 50, 50), stage.join(2, 52, 50)
    stage.tick()
    stage.line.fights.attack(me, other.handle, stage.now)
    stage.flush()
    assert stage.client(other).sequences == [1]
    stage.line.detach(other)
    for _ in range(3):
        stage.tick(1.0)
        stage.line.fights.attack(me, other.handle, stage.now)
    again = stage.attach(other, received=1, resumed=True)
    stage.tick(1.0)
    kinds = [type(said) for said in again.messages]
    assert kinds[0] is play.Entered
    assert again.messages[0].resumed
    assert again.messages[0].you.hp == again.of(play.Hit)[-1].hp
    assert again.sequences == [2, 3, 4]


def test_a_fight_to_the_death_and_back() -> None:
    stage = Stage(WOLVES)
    me, victim, watcher = (stage.join(n, 50 + n, 50) for n in (1, 2, 3))
    stage.tick()
    for _ in range(30):
        stage.line.fights.attack(me, victim.handle, stage.now)
        stage.tick(1.0)
        if stage.client(victim).of(play.Died):
            break
    for one in (me, victim, watcher):
        client = stage.client(one)
        hits = client.of(play.Hit)
        assert [hit.hp for hit in hits] == sorted((hit.hp for hit in hits), reverse=True)
        assert (hits[-1].hp, client.of(play.Died)) == (0, [play.Died(victim.handle, me.handle)])
    assert len({len(stage.client(one).of(play.Hit)) for one in (me, victim, watcher)}) == 1
    assert stage.client(watcher).sequences == []  # onlookers' pieces are not kept
    with pytest.raises(RefusedError, match="out_of_order"):
        stage.line.fights.attack(victim, me.handle, stage.now)
    stage.move(victim, 53, 50)
    stage.tick()
    stage.tick(2.0)
    back = stage.client(victim).last(play.Respawned)
    assert (back.hp, abs(back.x - 5000) <= 250, abs(back.y - 5000) <= 250) == (100, True, True)
    kinds = [kind for kind, *_ in stage.events]
    assert (kinds.count("death"), kinds.count("kill"), kinds.count("hit")) == (1, 1, len(stage.client(me).of(play.Hit)))


def slay(stage: Stage, me) -> int:
    """Kill the only wolf; its number."""
    wolf = int(stage.line.npcs.slot[0])
    number = stage.line.world.number(wolf)
    stage.line.world.x[me.slot], stage.line.world.y[me.slot] = stage.line.world.x[wolf], stage.line.world.y[wolf]
    while stage.line.world.slot_of(number) >= 0:
        stage.line.fights.attack(me, number, stage.now)
        stage.tick(1.0)
    return number


def test_an_npc_leaves_a_corpse_gives_experience_and_comes_back() -> None:
    stage = Stage(WOLVES)
    me = stage.join(1, 50, 50, xp=100 - NPC_XP)
    stage.tick()
    wolf = slay(stage, me)
    client = stage.client(me)
    assert client.last(play.Died) == play.Died(wolf, me.handle)
    assert client.last(play.Advanced).xp == 100
    assert stage.levels == [(me, 2)]
    corpse = next(one for one in client.states.values() if one.kind == "corpse")
    assert (corpse.hp, corpse.state & 0x80) == (0, 0x80)
    assert wolf not in client.view
    assert corpse.id in client.view
    found = stage.line.reserve(me, corpse.id, stage.now)
    stage.line.remove_corpse(found)
    stage.tick()
    assert corpse.id not in client.view
    stage.tick(5.0)
    stage.tick()
    assert any(client.states[number].kind == "npc" for number in client.view)
    assert wolf not in client.view


def test_loot_needs_to_be_near_and_alive() -> None:
    stage = Stage(WOLVES)
    me, other = stage.join(1, 50, 50), stage.join(2, 190, 190)
    stage.tick()
    slay(stage, me)
    number = next(iter(stage.line.corpses._by_number))
    with pytest.raises(RefusedError, match="out_of_range"):
        stage.line.reserve(other, number, stage.now)
    with pytest.raises(RefusedError, match="not_found"):
        stage.line.reserve(me, other.handle, stage.now)
    stage.tick(60.0)
    with pytest.raises(RefusedError, match="not_found"):
        stage.line.reserve(me, number, stage.now)


def test_what_is_said_is_heard_by_those_who_see_the_speaker() -> None:
    stage = Stage(chat_burst=2)
    me, near, far = stage.join(1, 50, 50), stage.join(2, 55, 50), stage.join(3, 150, 50)
    stage.tick()
    stage.line.talk.say(me, "hello", stage.now)
    stage.tick()
    said = play.Said(me.handle, "p1", "hello")
    assert [stage.client(one).of(play.Said) for one in (me, near, far)] == [[said], [said], []]
    stage.line.talk.say(me, "again", stage.now)
    with pytest.raises(RefusedError, match="too_many"):
        stage.line.talk.say(me, "and again", stage.now)


def test_full_views_are_spread_over_ticks_and_split_into_pieces() -> None:
    stage = Stage(msgspec.structs.replace(SMALL, players_max=3000, view_max=3000), enters_per_tick=10)
    for n in range(1, 1501):
        stage.join(n, 100, 100, attach=False, name=f"a-very-long-name-of-a-player-{n}"[-32:])
    stage.tick()
    watchers = [stage.join(n, 100, 100) for n in range(2001, 2016)]
    stage.tick()
    assert [len(stage.client(one).of(play.Entered)) for one in watchers] == [1] * 10 + [0] * 5
    stage.tick()
    assert all(len(stage.client(one).view) == 1514 for one in watchers)
    assert len(stage.client(watchers[0]).of(play.Appeared)) >= 1


def test_a_full_line_says_so_and_unusable_positions_become_spawn_points() -> None:
    stage = Stage(msgspec.structs.replace(SMALL, players_max=3, spawn_m=10.0))
    lost = stage.join(1, float("nan"), 50)
    new = stage.join(2, 7, 7, map="")
    dead = stage.join(3, 7, 7, hp=0)
    assert stage.line.full
    for one in (lost, new, dead):
        assert abs(int(stage.line.world.x[one.slot]) - 5000) <= 250
        assert int(stage.line.world.hp[one.slot]) == 100
    stage.line.leave(new)
    assert not stage.line.full


def test_states_and_ways_are_spread_over_the_ticks_of_a_second() -> None:
    stage = Stage()
    players = [stage.join(n, 50, 50) for n in range(1, 8)]
    stage.tick()
    saved = [slot for part in range(4) for slot in stage.line.unsaved(part, 4).tolist()]
    assert sorted(saved) == [one.slot for one in players]
    assert not any(len(stage.line.walkers(part, 4)[0]) for part in range(4))
    stage.move(players[0], 50.4, 50)
    stage.tick()
    walked = [row for part in range(4) for row in zip(*stage.line.walkers(part, 4), strict=True)]
    assert walked == [(1, 50.4, 50.0)]
    assert not any(len(stage.line.walkers(part, 4)[0]) for part in range(4))


def test_the_same_seed_gives_the_same_world() -> None:
    worlds = []
    for _ in range(2):
        stage = Stage(msgspec.structs.replace(WOLVES, npcs=15), seed=3)
        me = stage.join(1, 100, 100)
        for _ in range(30):
            stage.tick()
        slay(stage, me)
        worlds.append((stage.line.world.record.tobytes(), stage.events))
    assert worlds[0] == worlds[1]
