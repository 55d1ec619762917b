"""Whose a kill is: decided at the kill, whatever a leader does to the party before it is looted; and whose turn."""

import pytest

from mesh.protocol import play
from mesh.protocol.play import Item
from mesh.protocol.sessions import PartyAt
from nodes.scene.loot import EXCLUSIVE_S
from tests.scene.test_parties import Band, in_band

SHARES_NO_MORE = PartyAt(9, 2, False, [1, 2, 3])
KILLER_KICKED = PartyAt(9, 2, True, [2, 3])


@pytest.mark.parametrize("change", [SHARES_NO_MORE, KILLER_KICKED])
@pytest.mark.parametrize("looter", [0, 1])
def test_a_leader_takes_nobodys_share_by_changing_the_party(change: PartyAt, looter: int) -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 20, "ring")
        if change is KILLER_KICKED:
            band.parties.went(band.players[0])
            band.players[0].party = None
        band.change(change)
        band.say(looter, play.Loot(corpse))
        await band.settle()
        assert band.shares() == [8 if looter == one else 6 for one in range(3)] + [0]
        assert band.items() == [1, 0, 0, 0]

    in_band(story, 4)


def test_who_joins_after_the_kill_has_no_part_in_it() -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 20)
        band.change(PartyAt(9, 1, True, [1, 2, 3, 4]))
        band.say(3, play.Loot(corpse))
        assert band.client(3).last(play.PlayDenied).code == "not_allowed"
        band.say(0, play.Loot(corpse))
        await band.settle()
        assert band.shares() == [8, 6, 6, 0]

    in_band(story, 4, apart=0.5)


def test_a_kill_that_was_not_shared_is_the_killers_alone_even_when_the_party_shares_now() -> None:
    async def story(band: Band) -> None:
        band.change(PartyAt(9, 2, False, [1, 2, 3]))
        corpse = band.corpse(0, 9, "ring")
        band.change(PartyAt(9, 2, True, [1, 2, 3]))
        band.say(1, play.Loot(corpse))
        assert band.client(1).last(play.PlayDenied).code == "not_allowed"
        band.say(0, play.Loot(corpse))
        await band.settle()
        assert (band.shares(), band.items()) == ([9, 0, 0], [1, 0, 0])

    in_band(story, 3)


def test_a_killer_who_has_gone_far_away_gets_nothing() -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 20, at=1)
        band.stage.line.world.place(band.players[0].slot, 9000, 9000)
        band.say(1, play.Loot(corpse))
        await band.settle()
        assert band.shares() == [0, 10, 10]

    in_band(story, 3)


def test_later_a_corpse_is_for_the_party_of_who_takes_it() -> None:
    async def story(band: Band) -> None:
        corpse = band.corpse(0, 20)
        band.change(SHARES_NO_MORE)
        band.stage.now += EXCLUSIVE_S
        band.say(1, play.Loot(corpse))
        await band.settle()
        assert band.shares() == [0, 20, 0]

    in_band(story, 3)


def test_gold_alone_needs_no_room() -> None:
    async def story(band: Band) -> None:
        band.players[3].items = {n: Item(n, "x") for n in range(20)}
        band.say(3, play.Loot(band.corpse(3, 9, at=3)))
        band.say(3, play.Loot(band.corpse(3, 9, "ring", at=3)))
        assert band.client(3).last(play.PlayDenied).code == "insufficient"
        band.players[3].items = {item.id: item for item in band.bank.holding(4).items}
        await band.settle()
        assert band.shares() == [0, 0, 0, 9]

    in_band(story, 4)


def test_who_did_not_get_its_item_has_the_next_one() -> None:
    async def story(band: Band) -> None:
        band.bank.refuse = "stale_epoch"  # it would have been the first one's; who looted gets it alone
        band.say(1, play.Loot(band.corpse(0, 3, "ring")))
        await band.settle()
        assert band.items() == [0, 1, 0]
        for who in range(3):
            band.say(who, play.Loot(band.corpse(0, 3, "ring")))
            await band.settle()
        assert band.items() == [1, 2, 1]

    in_band(story, 3, apart=0.5)


def test_two_items_at_once_are_for_two_members() -> None:
    async def story(band: Band) -> None:
        for _ in range(2):
            band.say(0, play.Loot(band.corpse(0, 3, "ring")))
        await band.settle()
        assert band.items() == [1, 1, 0]

    in_band(story, 3)


def test_nothing_is_kept_of_a_party_that_is_not_here() -> None:
    async def story(band: Band) -> None:
        band.parties.owe(77, 1)
        band.parties.in_turn(77, [band.players[3]])
        band.parties.owe(9, 2)
        band.parties.owe(9, 3)
        band.change(PartyAt(9, 1, True, [1, 3]))
        assert (band.parties._last, band.parties._owed) == ({}, {9: [3]})
        for one in band.players:
            band.parties.went(one)
        assert (band.parties._last, band.parties._owed) == ({}, {})

    in_band(story, 4)
