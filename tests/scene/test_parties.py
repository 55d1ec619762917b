"""Parties on a scene: who is in one, who gets what of a corpse, whom the center hears of, and who hears nobody."""

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.protocol import play
from mesh.protocol.cluster import Release
from mesh.protocol.placement import FriendsChanged, MemberAt, PartyChanged
from mesh.protocol.sessions import Friendship, PartyAt, session_of
from mesh.testing import run, wait_until
from nodes.scene.loot import EXCLUSIVE_S
from nodes.scene.whereabouts import Whereabouts
from nodes.scene.world import Kind, World
from tests.scene.building import SMALL, Stage
from tests.scene.test_trade import Market
from tests.scene.zone import SCENE, Zone

SHARED = PartyAt(9, 1, True, [1, 2, 3])


class Band(Market):
    """Players side by side; the first `members` are a party that shares its loot."""

    def __init__(self, players: int, members: int = 3, apart: float = 2.0) -> None:
        super().__init__(players, apart)
        self.change(PartyAt(9, 1, True, list(range(1, members + 1))))

    def check(self) -> None:
        """The scene knows what the bank knows, and only loot came from nowhere."""
        assert sum(self.bank.gold.values()) == 100 * len(self.players) + self.bank.minted
        for session in self.players:
            holding = self.bank.holding(session.account)
            assert (session.gold, list(session.items.values())) == (holding.gold, holding.items)

    def change(self, party: PartyAt) -> None:
        self.parties.on_party_changed(PartyChanged(party), None)  # type: ignore[arg-type]

    def corpse(self, killer: int, gold: int, item: str = "", at: int = 0) -> int:
        line, finder = self.stage.line, self.players[at]
        x, y = int(line.world.x[finder.slot]), int(line.world.y[finder.slot])
        slot = line.world.add(Kind.CORPSE, "wolf", x, y, hp=0, hp_max=0)
        by = self.players[killer]
        corpse = line.corpses.add(
            line.world.number(slot), slot, by.account, self.stage.now, self.stage.shared.chance, by.party
        )
        corpse.gold, corpse.item = gold, item
        return corpse.number

    def shares(self) -> list[int]:
        """The gold that each player has been told to have got."""
        told = []
        for who in range(len(self.players)):
            client = self.client(who)
            told.append(sum(one.gold for kind in (play.Looted, play.LootShared) for one in client.of(kind)))
        return told

    def items(self) -> list[int]:
        """How many items each has more than at the start."""
        return [len(one.items) - 2 for one in self.players]


def in_band(story: Any, *args: Any, **kwargs: Any) -> None:
    async def go() -> None:
        band = Band(*args, **kwargs)
        await story(band)
        await band.settle()
        band.check()

    run(go())


def test_gold_is_divided_and_the_rest_is_for_who_took_it() -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 20)
        band.say(1, play.Loot(corpse))  # not the killer, but of its party
        await band.settle()
        assert band.shares() == [6, 8, 6, 0]
        shared = band.client(0).last(play.LootShared)
        assert (shared.by, shared.gold, shared.items, shared.wallet) == ("p2", 6, [], 106)
        looted = band.client(1).last(play.Looted)
        assert (looted.corpse, looted.gold, looted.items, looted.wallet) == (corpse, 8, [], 108)
        operation = band.bank.carried_out[0]
        assert operation.parties == [session_of(n, 1) for n in (2, 1, 3)]
        assert len(band.bank.carried_out) == 1

    in_band(story, 4)


def test_items_go_to_the_members_in_turn() -> None:
    async def story(band: Band) -> None:
        for _ in range(4):
            band.say(0, play.Loot(band.corpse(0, 3, "ring")))
            await band.settle()
        assert band.items() == [2, 1, 1]
        assert band.shares() == [4, 4, 4]
        told = [sum(len(one.items) for one in band.client(who).of(play.LootShared)) for who in (1, 2)]
        assert told == [1, 1]
        assert sum(len(one.items) for one in band.client(0).of(play.Looted)) == 2

    in_band(story, 3)


def test_who_is_far_away_or_not_in_the_party_gets_nothing() -> None:
    async def story(band: Band) -> None:
        far = band.players[2]
        band.stage.line.world.place(far.slot, 9000, 9000)
        band.say(0, play.Loot(band.corpse(0, 10)))
        await band.settle()
        assert band.shares() == [5, 5, 0, 0]
        assert band.client(2).of(play.LootShared) == []

    in_band(story, 4)


def test_less_gold_than_members_is_for_who_took_it() -> None:
    async def story(band: Band) -> None:
        band.say(2, play.Loot(band.corpse(0, 2, at=2)))
        await band.settle()
        assert band.shares() == [0, 0, 2]
        assert [one for who in (0, 1) for one in band.client(who).of(play.LootShared)] == []

    in_band(story, 3)


def test_a_party_that_does_not_share_is_no_party_for_a_corpse() -> None:
    async def story(band: Band) -> None:
        band.change(PartyAt(9, 1, False, [1, 2, 3]))
        corpse = band.corpse(0, 9, "ring")
        band.say(1, play.Loot(corpse))
        assert band.client(1).last(play.PlayDenied).code == "not_allowed"
        band.say(0, play.Loot(corpse))
        await band.settle()
        assert (band.shares(), band.items()) == ([9, 0, 0], [1, 0, 0])

    in_band(story, 3)


def test_strangers_wait_until_the_corpse_is_free_and_share_with_nobody() -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 9, at=3)
        band.say(3, play.Loot(corpse))
        assert band.client(3).last(play.PlayDenied).code == "not_allowed"
        band.stage.now += EXCLUSIVE_S
        band.say(3, play.Loot(corpse))
        await band.settle()
        assert band.shares() == [0, 0, 0, 9]

    in_band(story, 4)


def test_who_has_no_room_is_passed_over() -> None:
    async def story(band: Band) -> None:
        for who in (0, 1):
            band.players[who].items = {n: play.Item(n, "x") for n in range(20)}
        corpse = band.corpse(0, 9, "ring")
        band.say(0, play.Loot(corpse))
        await band.settle()
        assert (band.client(2).last(play.LootShared).items[0].kind, band.shares()) == ("ring", [3, 3, 3])
        for who in (0, 1, 2):
            band.players[who].items = {n: play.Item(n, "x") for n in range(20)}
        corpse = band.corpse(0, 9, "ring")
        band.say(0, play.Loot(corpse))
        assert band.client(0).last(play.PlayDenied).code == "insufficient"
        band.stage.line.corpses.find(corpse).item = ""  # type: ignore[union-attr]
        band.say(0, play.Loot(corpse))  # it was given back
        await band.settle()
        assert band.shares() == [6, 6, 6]

    async def go() -> None:
        await story(Band(3))

    run(go())


def test_what_cannot_be_shared_is_for_who_took_it_alone() -> None:
    async def story(band: Band) -> None:
        band.bank.refuse = "stale_epoch"  # one of them logged in elsewhere
        band.say(1, play.Loot(band.corpse(0, 9, "ring")))
        await band.settle()
        assert (band.shares(), band.items()) == ([0, 9, 0], [0, 1, 0])
        assert band.bank.carried_out[0].parties == [session_of(2, 1)]
        assert [one.busy for one in band.players] == [0, 0, 0]

    in_band(story, 3)


def test_nobody_of_a_share_leaves_before_it_is_on_disk() -> None:
    async def story(band: Band) -> None:
        band.say(1, play.Loot(band.corpse(0, 9)))
        assert [one.busy for one in band.players] == [1, 1, 1, 0]  # at once, not only when it is asked for
        await band.settle()
        assert [one.busy for one in band.players] == [0, 0, 0, 0]

    in_band(story, 4)


LOOTS = st.tuples(
    st.integers(0, 3), st.integers(1, 40), st.sampled_from(["", "ring"]), st.sampled_from(["", "lose", "away"])
)


@pytest.mark.parametrize(("shared", "party"), [(True, 9), (False, 0)])
def test_a_corpse_is_the_partys_when_it_shared_at_the_time(shared: bool, party: int) -> None:
    stage = Stage(msgspec.structs.replace(SMALL, npcs=1))
    me = stage.join(1, 50, 50)
    me.party = PartyAt(9, 1, shared, [1])
    stage.tick()
    world, wolf = stage.line.world, int(stage.line.npcs.slot[0])
    world.x[me.slot], world.y[me.slot], world.hp[wolf] = world.x[wolf], world.y[wolf], 1
    stage.line.fights.attack(me, world.number(wolf), stage.now)
    assert [corpse.party for corpse in stage.line.corpses._by_number.values()] == [party]


@given(st.lists(LOOTS, max_size=12), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_nothing_is_created_or_lost_by_sharing(loots: list[tuple[int, int, str, str]], members: int) -> None:
    async def story(band: Band) -> None:
        for who, gold, item, failure in loots:
            if failure:  # the outcome is unknown for a moment
                setattr(band.bank, failure, 1)
            band.say(who, play.Loot(band.corpse(who, gold, item, at=who)))
        await band.settle()
        assert sum(band.shares()) == band.bank.minted == sum(gold for _, gold, _, _ in loots)
        assert sum(band.items()) == sum(bool(item) for _, _, item, _ in loots)
        for one, gold in zip(band.players, band.shares(), strict=True):
            assert one.gold == 100 + gold == band.bank.gold[one.account]

    in_band(story, 4, members=members)


def test_a_scene_follows_what_the_center_says_of_parties(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in (1, 2, 3, 4):
            await zone.join(account, line=1)
        await zone.join(5, line=1)
        await zone.depart(5)

        async def change(*members: int, party: int = 9) -> None:
            zone.center.tell(SCENE, PartyChanged(PartyAt(party, members[0] if members else 0, True, list(members))))
            await asyncio.sleep(0.1)

        def parties() -> list[int]:
            found = [zone.session(n).party for n in (1, 2, 3, 4)] + [one.party for one in zone.scene.keepsakes]
            return [one.party if one else 0 for one in found]

        await change(1, 2, 5, 77)
        assert parties() == [9, 9, 0, 0, 9]
        await change(1, 3)
        assert parties() == [9, 0, 9, 0, 0]
        await change(3, 4, party=10)  # it changed sides
        assert parties() == [9, 0, 10, 10, 0]
        await change(1, 2, 3, 4)
        await change(3, party=10)
        assert parties() == [9, 9, 10, 9, 0]
        assert [one.account for one in zone.scene.parties.here(zone.session(1))] == [1, 2, 4]
        await change()
        assert parties() == [0, 0, 10, 0, 0]
        await zone.center.ask(SCENE, Release(session_of(3, 1)))
        assert (zone.scene.parties._here, zone.scene.parties._last) == ({}, {})

    in_zone(story)


def test_the_center_hears_once_a_second_of_members_who_moved_or_were_hurt(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in (1, 2, 3):
            await zone.join(account, line=1)
        zone.center.tell(SCENE, PartyChanged(PartyAt(9, 1, False, [1, 2])))
        await asyncio.sleep(1.5)
        at = [MemberAt(session_of(n, 1), 50.0, 50.0, 100, 100) for n in (1, 2)]
        assert sorted(zone.center.seen, key=lambda one: one.session) == at
        zone.center.seen.clear()
        await asyncio.sleep(3.0)
        assert zone.center.seen == []
        me = zone.session(1)
        for step in range(1, 21):
            zone.gate.move(SCENE, me.handle, 2500 + 20 * step, 2500)
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)
        assert 2 <= len(zone.center.seen) <= 4
        assert zone.center.seen[-1] == MemberAt(me.number, pytest.approx(58.0), 50.0, 100, 100)
        zone.center.seen.clear()
        zone.line(2).world.hp[zone.session(2).slot] = 7
        await asyncio.sleep(1.5)
        assert zone.center.seen == [MemberAt(session_of(2, 1), 50.0, 50.0, 7, 100)]
        zone.center.tell(SCENE, PartyChanged(PartyAt(9, 1, False, [1, 2, 3])))  # everybody in it wants to know
        await asyncio.sleep(1.5)
        assert {one.session for one in zone.center.seen} == {session_of(n, 1) for n in (1, 2, 3)}

    in_zone(story)


def test_what_the_center_did_not_hear_is_said_again(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, line=1)
        await zone.cluster.kill("center.1")
        session = zone.session(1)
        session.party = PartyAt(9, 1, False, [1])
        zone.scene.parties.came(session)
        await asyncio.sleep(3.0)
        await zone.cluster.start("center.1")
        center = zone.cluster.node("center.1")
        await wait_until(lambda: center.seen)
        assert center.seen == [MemberAt(session.number, 50.0, 50.0, 100, 100)]

    in_zone(story)


def test_each_part_of_a_second_looks_at_its_own_slots() -> None:
    world, known = World(0, 1000, 40), Whereabouts(40)
    slots = [world.add(Kind.PLAYER, "", 5, 5, hp=9, hp_max=9) for _ in range(25)]
    for slot in slots[:20]:
        known.join(slot)
    known.join(slots[0])
    known.leave(slots[3])
    known.leave(slots[3])
    assert known.members == 19
    found = [slot for part in range(7) for slot in known.changed(world, part, 7).tolist()]
    assert sorted(found) == [slot for slot in slots[:20] if slot != 3]
    assert not any(len(known.changed(world, part, 7)) for part in range(7))
    world.x[[1, 2, 22]], world.hp_max[8] = 6, 10
    assert known.changed(world, 0, 1).tolist() == [1, 2, 8]
    known.again(np.array([2]))
    assert known.changed(world, 0, 1).tolist() == [2]


async def befriend(zone: Zone, account: int, *friends: tuple[int, str]) -> None:
    rows = [Friendship(other, f"p{other}", state) for other, state in friends]  # type: ignore[arg-type]
    zone.center.tell(SCENE, FriendsChanged(session_of(account, 1), rows))
    await asyncio.sleep(0.1)


def test_who_is_blocked_is_not_heard_and_cannot_invite(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        one, mine = await zone.join(1, line=1)
        two, their = await zone.join(2, line=1)
        _, third = await zone.join(3, line=1, friends=[Friendship(2, "p2", "blocked"), Friendship(1, "p1", "friend")])
        await wait_until(lambda: two in mine.view and one in their.view)
        zone.gate.play(SCENE, two, 1, play.Say("hello"))
        await wait_until(lambda: mine.of(play.Said))
        assert (len(their.of(play.Said)), third.of(play.Said)) == (1, [])  # blocked since it came
        await befriend(zone, 1, (2, "blocked"))
        await befriend(zone, 3, (2, "asking"))
        zone.gate.play(SCENE, two, 2, play.Say("hello?"))
        zone.gate.play(SCENE, two, 3, play.InviteTrade(one))
        zone.gate.play(SCENE, two, 4, play.InviteTrade(7))
        await wait_until(lambda: len(their.of(play.PlayDenied)) == 2)
        await asyncio.sleep(0.3)
        assert [said.text for said in mine.of(play.Said)] == ["hello"]
        assert [said.text for said in third.of(play.Said)] == ["hello?"]
        assert mine.of(play.TradeInvited) == []
        blocked, unknown = their.of(play.PlayDenied)
        assert (blocked.code, blocked.text) == (unknown.code, unknown.text)  # it does not learn of it
        zone.gate.play(SCENE, one, 1, play.InviteTrade(two))
        await wait_until(lambda: their.of(play.TradeInvited))

    in_zone(story)


def test_a_list_of_friends_reaches_one_who_is_between_two_lines(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.depart(1)
        await befriend(zone, 1, (2, "blocked"))
        await befriend(zone, 4, (2, "blocked"))  # nobody here
        await zone.take_back(1)
        assert zone.session(1).blocked == {2}

    in_zone(story)
