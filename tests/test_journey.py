"""One player through the nine steps, the whole zone in one process. Read this first.

The nodes are the real ones. Time is virtual, the network and the clients are in memory (`mesh/testing`), so the same
story takes the same course every time and its seconds cost nothing.
"""

import asyncio

import pytest

from mesh.errors import RefusedError
from mesh.protocol.client import Goodbye
from mesh.protocol.cluster import Account
from mesh.protocol.play import Died, Hit, Looted, Said, TradeDone, TradeInvited, TradeState
from mesh.protocol.records import AddAccount
from mesh.protocol.social import FriendAsked, FriendOffline, FriendOnline, Friends, Shouted
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.world import ROLES, World, walk_to, world_topology


@pytest.fixture
def play(tmp_path):
    """Run a story in a zone of seven nodes; a mistake of ours in any node fails it."""

    def go(story):
        async def told(cluster: Cluster) -> None:
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told))

    return go


def test_one_player_through_the_nine_steps(play):
    async def story(world: World) -> None:
        # An operator made an account for anna; bob comes from the studio's account service, with a ticket.
        made = await world.operator.ask("login.1", AddAccount("anna", "correct horse"))
        assert isinstance(made, Account)
        before = world.steps()

        # 1 Login -> gate, 2 Authenticate -> login, 3 FindAccount -> DC, 4 the query, 5 LoadStatus and Online,
        # 6 Enter -> scene, 7 Attach and Entered with the full view.
        anna = await world.login_password("anna", "correct horse")
        assert anna.session.entered.map == "meadow"
        assert anna.session.entered.you.gold == 100
        assert {step: count - before[step] for step, count in world.steps().items() if step <= 7} == {
            1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 1, 7: 1,
        }  # fmt: skip
        scene = anna.session.entered.scene

        # The trace of this login was put together from the answers: every hop with both of its ends.
        trace = world.node("gate.1").traces.find("login", "anna", "latest", 1)[0]
        assert [(hop.step, hop.target.split(".")[-2 if "." in hop.target else 0]) for hop in trace.hops] == [
            (1, "gate"), (2, "login"), (3, "dc"), (4, "game DB"), (5, "dc"), (5, "center"), (6, "scene"), (7, "scene"),
        ]  # fmt: skip

        # 8 A word to everybody: client -> gate -> center -> PUB -> gates -> clients.
        bob = await world.login("bob")
        anna.shout("hello, world")
        for player in (anna, bob):
            shouted = await player.wait(Shouted)
            assert (shouted.speaker, shouted.text) == ("anna", "hello, world")
        assert world.steps()[8] == before[8] + 1

        # 9 What was done is logged, and where she is is saved.
        await walk_to(anna, anna.session.x + 500, anna.session.y)
        place = (anna.session.x, anna.session.y)
        await anna.logout()
        await asyncio.sleep(2)
        kinds = {event.kind for event in await world.events()}
        assert {"enter", "leave", "move", "shout"} <= kinds
        assert world.steps()[9] > before[9]

        anna = await world.login("anna")
        assert (anna.session.entered.scene, anna.session.x, anna.session.y) == (scene, *place)

    play(story)


def test_friends_hear_of_each_other(play):
    async def story(world: World) -> None:
        anna, bob = await world.login("anna"), await world.login("bob")
        anna.add_friend("bob")
        assert (await bob.wait(FriendAsked)).name == "anna"
        bob.accept_friend("anna")
        friends = await anna.wait(Friends, where=lambda said: [f.state for f in said.friends] == ["friend"])
        assert [(f.name, f.online) for f in friends.friends] == [("bob", True)]
        await bob.logout()
        assert (await anna.wait(FriendOffline)).name == "bob"
        bob = await world.login("bob")
        assert (await anna.wait(FriendOnline)).name == "bob"

    play(story)


def test_a_broken_connection_is_resumed_on_the_same_spot_and_misses_nothing(play):
    async def story(world: World) -> None:
        anna, bob = await world.together("anna", "bob")
        await walk_to(anna, bob.session.x, bob.session.y)
        anna.drop()
        await asyncio.sleep(2)
        bob.attack(anna.session.entered.you.entity)
        await bob.wait(Hit)
        await anna.resume()
        assert anna.session.entered.resumed
        assert (anna.session.x, anna.session.y) == (bob.session.x, bob.session.y)
        assert (await anna.wait(Hit)).attacker == bob.session.entered.you.entity
        assert anna.session.duplicates == anna.session.gaps == 0

    play(story)


def test_a_token_is_good_once_and_only_while_the_character_waits(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        token = anna.session.token
        anna.drop()
        await asyncio.sleep(1)
        await anna.resume()
        with pytest.raises(RefusedError) as refused:
            await world.login_token(token)
        assert refused.value.code == "resume_gone"
        anna.drop()
        await asyncio.sleep(65)
        with pytest.raises(RefusedError) as refused:
            await anna.resume()
        assert refused.value.code == "resume_gone"
        assert world.players() == 0

    play(story)


def test_a_second_login_takes_the_session_over(play):
    async def story(world: World) -> None:
        old = await world.login("anna")
        await walk_to(old, old.session.x + 300, old.session.y)
        place = (old.session.x, old.session.y)
        new = await world.login("anna")
        assert (await old.wait(Goodbye)).code == "taken_over"
        assert (new.session.x, new.session.y) == place
        assert world.players() == 1
        await wait_until(lambda: not old.connected)

    play(story)


def test_a_creature_is_killed_and_its_corpse_looted(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        creature = await world.hunt(anna)
        died = await anna.wait(Died, where=lambda said: said.id == creature, timeout_s=60)
        assert died.killer == anna.session.entered.you.entity
        corpse = await world.corpse_in_view(anna)
        anna.loot(corpse)
        looted = await anna.wait(Looted)
        assert looted.wallet == 100 + looted.gold
        gold = 100 + looted.gold
        assert await world.gold() == {"wallets": gold, "mails": 0, "minted": gold, "burned": 0}

    play(story)


def test_a_trade_is_one_operation(play):
    async def story(world: World) -> None:
        anna, bob = await world.together("anna", "bob")
        before = await world.gold()
        anna.invite_trade(bob.session.entered.you.entity)
        invited = await bob.wait(TradeInvited)
        assert invited.name == "anna"
        bob.accept_trade(invited.trade)
        await anna.wait(TradeState)
        anna.offer_trade(invited.trade, gold=30)
        bob.offer_trade(invited.trade, gold=5)
        state = await anna.wait(TradeState, where=lambda said: (said.yours.gold, said.theirs.gold) == (30, 5))
        anna.confirm_trade(invited.trade, state.version)
        await bob.wait(TradeState, where=lambda said: said.they_confirmed)
        bob.confirm_trade(invited.trade, state.version)
        assert (await anna.wait(TradeDone)).wallet == 75
        assert (await bob.wait(TradeDone)).wallet == 125
        assert await world.gold() == before

    play(story)


def test_those_who_are_near_hear_what_is_said(play):
    async def story(world: World) -> None:
        anna, bob = await world.together("anna", "bob")
        anna.say("psst")
        assert (await bob.wait(Said)).text == "psst"

    play(story)


def test_an_operator_sees_every_node(play):
    async def story(world: World) -> None:
        await world.login("anna")
        described = await world.describe()
        shorts = ("center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1")
        assert {d.name.split(".", 2)[2]: d.state for d in described} == dict.fromkeys(shorts, "Ready")
        assert sum(d.load.players for d in described if d.role == "scene") == 1

    play(story)
