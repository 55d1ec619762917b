"""Recorded players in a zone in memory: what they note is what happened, whatever breaks in between."""

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.checking.records import Book
from mesh.clock import SystemClock
from mesh.errors import MeshError, RefusedError
from mesh.protocol import play
from mesh.protocol.client import LoggedIn
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import load
from tests.conftest import ZONE
from tests.world import ROLES, World
from tools.chaos.exploits import EXPLOITS, confirm_many_times, offer_more_than_there_is
from tools.chaos.mail_exploits import (
    mail_and_log_in_again,
    mail_what_is_on_the_table,
    mail_what_there_is_twice,
    take_from_two_sessions,
    take_many_times,
    write_many_times,
)
from tools.chaos.pairs import Pair
from tools.chaos.players import Crowd, Hero, Realm
from tools.chaos.recorded import NOBODY, RecordedPlayer

WILDS = """
[settings.scene]
npc_level = 0

[settings.scene.hosts]
"scene.1" = ["wilds:1"]
"scene.2" = ["wilds:2"]

[settings.center]
switch_s = 0.0

[settings.scene.maps.wilds]
size_m = 60.0
spawn_m = 20.0
speed_mps = 30.0
npcs = 40
"""


@pytest.fixture
def tell(tmp_path):
    """Run a story with a realm in a zone of seven nodes."""

    def go(story):
        async def told(cluster: Cluster) -> None:
            world = World(cluster)
            realm = Realm([world.url()], world.ticket, cluster.clock, Book(), world.dial)
            await story(world, realm)
            assert cluster.internal_errors() == []

        file = tmp_path / "zone.toml"
        file.write_text(ZONE + WILDS)
        run(with_cluster(load(file, runtime=tmp_path / "run"), ROLES, tmp_path / "data", told))

    return go


def ended(realm: Realm, kind: str) -> Counter[str]:
    return Counter(one.ended for one in realm.book.operations if one.kind == kind)


def crowd_of(realm: Realm, size: int, **how: Any) -> Crowd:
    return Crowd(realm, [Hero(f"hero-{n}", realm, 0, n, **how) for n in range(size)], lives_per_s=4.0)


def test_every_question_is_answered_once(tell):
    async def story(world: World, realm: Realm) -> None:
        del world
        crowd = crowd_of(realm, 4)
        await crowd.enter()
        await asyncio.sleep(5)
        await crowd.rest()
        await asyncio.sleep(1)
        assert crowd.owed() == []
        assert crowd.answered_twice == 0
        asked = ended(realm, "ask")
        assert set(asked) == {"ok"}
        assert asked["ok"] >= 4 * 4
        assert ended(realm, "login") == {"ok": 4}
        await crowd.leave()

    tell(story)


def test_a_cut_connection_is_resumed_and_nothing_is_forgotten(tell):
    async def story(world: World, realm: Realm) -> None:
        del world
        crowd = crowd_of(realm, 3)
        await crowd.enter()
        hero = crowd.heroes[0]
        session, at = hero.player.session.session, realm.clock.now()
        for _ in range(5):
            hero.player.ask()
        hero.player.drop()
        assert await crowd.wait_arrived([hero], at, 10.0)
        await crowd.rest()
        await asyncio.sleep(1)
        assert hero.player.session.session == session
        assert hero.player.arrivals[-1].resumed
        assert [loss.code for loss in hero.player.losses] == [""]
        assert ended(realm, "resume") == {"ok": 1}
        assert crowd.owed() == []
        await crowd.leave()

    tell(story)


def test_what_a_new_login_cuts_off_is_unknown_and_owed_by_nobody(tell):
    async def story(world: World, realm: Realm) -> None:
        crowd = crowd_of(realm, 1, asks_s=0.0)
        await crowd.enter()
        hero = crowd.heroes[0]
        at = realm.clock.now()
        other = await world.login(hero.name)  # takes over; the hero will take over in turn
        hero.player.session.token = ""
        assert await crowd.wait_arrived([hero], at, 10.0)
        assert hero.player.losses[0].code == "taken_over"
        await wait_until(lambda: not other.playing)
        assert crowd.owed() == []
        await crowd.leave()

    tell(story)


def test_who_is_refused_notes_why(tell):
    async def story(world: World, realm: Realm) -> None:
        hero = Hero("hero", realm, 0, 1)
        with pytest.raises(RefusedError):
            await hero.player.join(world.url(), "", "no ticket", method="ticket")
        (one,) = realm.book.operations
        assert (one.kind, one.ended, one.answer) == ("login", "refused", "bad_credentials")

    tell(story)


def test_fighters_gain_and_are_told_what(tell):
    async def story(world: World, realm: Realm) -> None:
        crowd = crowd_of(realm, 3, fights=True)
        await crowd.enter()
        purses = {hero.name: hero.player.wallet for hero in crowd.heroes}
        await wait_until(lambda: ended(realm, "loot")["ok"] >= 5, timeout_s=60)
        await crowd.rest()
        await asyncio.sleep(1)
        gained = sum(one.answer[0] for one in realm.book.operations if one.kind == "loot" and one.ended == "ok")
        assert gained == sum(hero.player.wallet - purses[hero.name] for hero in crowd.heroes)
        assert (await world.gold())["wallets"] == sum(hero.player.wallet for hero in crowd.heroes)
        await crowd.leave()

    tell(story)


def test_who_has_not_moved_since_it_came_remembers_that_it_stands_there(tell):
    async def story(world: World, realm: Realm) -> None:
        crowd = crowd_of(realm, 1)
        (hero,) = crowd.heroes
        hero.strolls = False
        await crowd.enter()
        await asyncio.sleep(2)
        entered = hero.player.session.entered
        assert [stand[1:] for stand in hero.trail] == [(entered.x * entered.unit_m, entered.y * entered.unit_m)]
        await crowd.leave()

    tell(story)


def test_who_is_lost_again_in_the_moment_of_its_return_returns_again():
    """One turn of the loop is between the end of the return and the word of it."""

    class Lost:
        """A player whose first connection ends at once."""

        def __init__(self) -> None:
            self.connected = self.leaving = False
            self.session, self.resumed = SimpleNamespace(token="t"), 0

        async def resume(self, _gate: str) -> None:
            self.resumed += 1
            self.connected = True
            if self.resumed == 1:
                asyncio.get_running_loop().call_soon(self.lose)

        def lose(self) -> None:
            self.connected = False
            hero._gone()

    async def story() -> None:
        hero._gone()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (hero.player.resumed, hero.player.connected) == (2, True)

    hero = Hero("anna", SimpleNamespace(book=Book(), clock=SystemClock(), dial=None), 0, 1)
    hero.player = Lost()
    asyncio.run(story())


def test_the_numbers_of_another_session_are_other_numbers():
    """Also when the login was let in and its caller did not hear of it in time."""
    player = RecordedPlayer(Book(), SystemClock())
    for session in (5, 6):
        player.session.session = session
        player.on_event(LoggedIn(session, "anna", "", 60.0, []))
        player._begin("ask", 1, NOBODY)
        player._begin("ask", 2, NOBODY)
        player.on_event(play.PlayDenied(1, "not_found"))
        assert len(player.owed) == 1
    assert player.answered_twice == 0
    player.on_event(play.PlayDenied(1, "not_found"))
    assert player.answered_twice == 1
    assert [(one.session, one.number, one.ended) for one in player.book.operations] == [
        (5, 1, "ok"), (5, 2, "unknown"), (6, 1, "ok"), (6, 2, "unknown"),
    ]  # fmt: skip


def test_the_dead_do_not_remember_to_have_walked_on(tell):
    """The scene does not tell them that they did not: where a hero thinks that it is when its scene dies is held
    against the place at which it finds itself."""

    async def story(world: World, realm: Realm) -> None:
        crowd = crowd_of(realm, 1)
        await crowd.enter()
        (hero,) = crowd.heroes
        await wait_until(lambda: len(hero.trail) > 3)
        hero._hear(play.Died(hero.player.entity, 1))
        stands = list(hero.trail)
        await asyncio.sleep(2)
        assert list(hero.trail) == stands
        hero._hear(play.Respawned(hero.player.entity, 100, 200, 50))
        unit_m = hero.player.session.entered.unit_m
        assert hero.trail[-1][1:] == (100 * unit_m, 200 * unit_m)
        await wait_until(lambda: len(hero.trail) > len(stands) + 1)
        await crowd.leave()

    tell(story)


def pair_of(realm: Realm) -> tuple[Crowd, Pair]:
    crowd = crowd_of(realm, 2, asks_s=0.0)
    for hero in crowd.heroes:
        hero.strolls = False
    return crowd, Pair(*crowd.heroes)


def test_a_pair_meets_wherever_it_was_put_and_trades(tell):
    async def story(world: World, realm: Realm) -> None:
        crowd, pair = pair_of(realm)
        await crowd.enter()
        assert await pair.prepare()
        before = pair.rich.player.wallet
        pair.confirm()
        await pair.poor.player.wait(play.TradeDone)
        await wait_until(lambda: ended(realm, "trade")["ok"] == 2)
        assert pair.rich.player.wallet == before - 3
        await crowd.leave()

    tell(story)


def test_whoever_has_more_gives(tell):
    """Who gave all the time would have nothing left in the end, and nothing would come about any more."""

    async def story(world: World, realm: Realm) -> None:
        del world
        crowd, pair = pair_of(realm)
        await crowd.enter()
        first, second = pair.heroes
        for giver in (first, second):
            assert await pair.prepare()
            assert pair.rich is giver
            pair.confirm()
            await pair.poor.player.wait(play.TradeDone)
            await pair.rich.player.wait(play.TradeDone)
        await crowd.leave()

    tell(story)


def test_a_trade_that_is_confirmed_many_times_is_one_operation(tell):
    async def story(world: World, realm: Realm) -> None:
        crowd, pair = pair_of(realm)
        await crowd.enter()
        assert await pair.prepare()
        await confirm_many_times(pair, random.Random(1))
        await asyncio.sleep(2)
        assert ended(realm, "trade") == {"ok": 2}
        assert crowd.owed() == []
        assert await pair.prepare()
        await offer_more_than_there_is(pair, random.Random(1))
        await asyncio.sleep(2)
        gold = await world.gold()
        assert gold["wallets"] == gold["minted"] == sum(hero.player.wallet for hero in crowd.heroes)
        await crowd.leave()

    tell(story)


def test_a_trade_that_is_called_off_was_refused(tell):
    async def story(world: World, realm: Realm) -> None:
        del world
        crowd, pair = pair_of(realm)
        await crowd.enter()
        assert await pair.prepare()
        pair.rich.player.confirm_trade(pair.trade, pair.version)
        await pair.settle()
        await wait_until(lambda: ended(realm, "trade") == {"refused": 1})
        assert crowd.owed() == []
        await crowd.leave()

    tell(story)


@pytest.mark.parametrize("killed", ["", "scene.1", "scene.2", "dc.1", "gate.1"])
@pytest.mark.parametrize(
    "script",
    [
        mail_and_log_in_again,
        mail_what_is_on_the_table,
        mail_what_there_is_twice,
        take_from_two_sessions,
        take_many_times,
        write_many_times,
    ],
    ids=lambda script: script.__name__,
)
def test_exploits_with_mail_leave_every_coin_where_it_was(tell, script, killed):
    async def story(world: World, realm: Realm) -> None:
        crowd, pair = pair_of(realm)
        await crowd.enter()
        assert await pair.prepare()
        striking = asyncio.ensure_future(script(pair, random.Random(killed)))
        if killed:
            await asyncio.sleep(0.02)
            await world.cluster.kill(killed)
            await asyncio.sleep(0.3)
            await world.cluster.start(killed)
        await asyncio.wait({striking}, timeout=30)
        assert isinstance(striking.exception(), MeshError | None), "who is cut off in the middle has tried"
        assert await crowd.wait_back(crowd.heroes, 20.0)
        await asyncio.sleep(3)
        await pair.empty_boxes()
        await asyncio.sleep(2)
        assert crowd.owed() == []
        gold = await world.gold()
        assert (gold["mails"], gold["wallets"]) == (0, 200)
        assert gold["wallets"] == sum(hero.player.wallet for hero in crowd.heroes)
        assert ended(realm, "mail-send")["unknown"] == 0 or script is mail_and_log_in_again
        await crowd.leave()

    tell(story)


def test_exploits_are_different_and_there_are_enough_of_them() -> None:
    assert len({exploit.name for exploit in EXPLOITS}) == len(EXPLOITS) >= 12
    assert {exploit.fault for exploit in EXPLOITS} == {"", "scene", "dc", "gate", "center", "failover"}
