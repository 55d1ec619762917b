"""Play messages: what is refused, loot and levels through the DC, states saved."""

import asyncio
from typing import Any

import msgspec
import numpy as np

from mesh.protocol import play
from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import STATE
from mesh.testing import run
from nodes.scene.saves import Saves
from nodes.scene.world import Kind
from tests.scene.bank import Bank
from tests.scene.building import SMALL, Stage
from tests.scene.test_trade import Market


def in_market(story: Any) -> None:
    async def go() -> None:
        market = Market(2)
        await story(market)
        await market.settle()

    run(go())


def test_bad_messages_are_refused_by_number_and_play_goes_on() -> None:
    async def story(market: Market) -> None:
        me = market.players[0]
        bodies = [
            b"",
            b"\xc1",
            encode((404, "x")),
            encode((404, 2**40)),
            encode((9999, 1)),
            encode((405, 1, 2, 3, 4)),
            b"\x92" * 40,
        ]
        for body in bodies:
            me.accept(me.processed + 1)
            market.play.hear(me, me.processed, body)
        market.say(0, play.Say("still here"))
        denied = market.client(0).of(play.PlayDenied)
        assert [one.sequence for one in denied] == [1, 2, 3, 4, 5, 6, 7]
        assert [one.code for one in denied] == [
            "unknown_message", "unknown_message", "bad_message", "bad_message", "unknown_message", "unknown_message",
            "unknown_message",
        ]  # fmt: skip
        assert market.client(0).last(play.Said).text == "still here"

    in_market(story)


def test_who_goes_on_with_bad_messages_is_expelled_and_nobody_else() -> None:
    async def story(market: Market) -> None:
        me = market.players[0]
        for number in range(10):
            me.accept(me.processed + 1)
            market.play.hear(me, me.processed, encode((404, "x")) if number % 2 else b"\xc1")
            market.say(1, play.Attack(2**32 - 1))  # refused by the game, but a message
        assert market.expelled == []
        market.play.hear(me, 11, b"")
        assert market.expelled == [me]

    in_market(story)


def corpse_at(market: Market, item: str = "ring") -> int:
    world, me = market.stage.line.world, market.players[0]
    slot = world.add(Kind.CORPSE, "wolf", int(world.x[me.slot]), int(world.y[me.slot]), hp=0, hp_max=0)
    number = world.number(slot)
    corpse = market.stage.line.corpses.add(number, slot, me.account, market.stage.now, market.stage.line._chance)
    corpse.item, corpse.gold = item, 7
    return number


def test_loot_is_told_when_it_is_on_disk_and_taken_once() -> None:
    async def story(market: Market) -> None:
        corpse = corpse_at(market)
        market.bank.lose = 1
        market.say(0, play.Loot(corpse))
        market.say(0, play.Loot(corpse))
        assert market.client(0).of(play.Looted) == []
        await market.settle()
        looted = market.client(0).of(play.Looted)
        assert [(one.gold, one.wallet, [item.kind for item in one.items]) for one in looted] == [(7, 107, ["ring"])]
        assert market.client(0).last(play.PlayDenied).code == "not_found"
        assert (market.bank.minted, len(market.bank.carried_out)) == (7, 1)
        assert market.players[0].items[looted[0].items[0].id].kind == "ring"
        assert market.stage.line.corpses.find(corpse) is None

    in_market(story)


def test_refused_loot_can_be_taken_again_and_unknown_loot_cannot() -> None:
    async def story(market: Market) -> None:
        corpse = corpse_at(market, "")
        market.bank.refuse = "disk_full"
        market.say(0, play.Loot(corpse))
        await market.settle()
        assert market.client(0).last(play.PlayDenied) == play.PlayDenied(1, "disk_full", "")
        market.bank.away = 5
        market.say(0, play.Loot(corpse))
        await market.settle()
        assert market.client(0).last(play.PlayDenied).code == "unavailable"
        assert market.stage.line.corpses.find(corpse) is None
        assert market.bank.minted == 0

    in_market(story)


def test_a_full_inventory_takes_no_loot() -> None:
    async def story(market: Market) -> None:
        market.players[0].items = {n: play.Item(n, "x") for n in range(20)}
        market.say(0, play.Loot(corpse_at(market)))
        assert market.client(0).last(play.PlayDenied).code == "insufficient"

    in_market(story)


def test_a_level_counts_when_it_is_on_disk() -> None:
    async def story(market: Market) -> None:
        line, me = market.stage.line, market.players[0]
        line.world.xp[me.slot] = 450  # enough for two levels
        market.play.looting.advance(me, 2)
        assert line.world.level[me.slot] == 1
        await market.settle()
        assert market.bank.carried_out[0].level == 2
        assert market.client(0).last(play.Advanced) == play.Advanced(450, 2, 110)
        assert (int(line.world.level[me.slot]), int(line.world.hp_max[me.slot])) == (2, 110)
        assert market.stage.levels == [(me, 3)]
        assert not me.advancing

    in_market(story)


def test_operations_of_one_character_wait_for_each_other() -> None:
    async def story(market: Market) -> None:
        market.bank.lose = 1  # the first operation is answered late, when the second one would long be done
        for item in ("ring", "herb"):
            market.say(0, play.Loot(corpse_at(market, item)))
        await asyncio.sleep(0)
        assert market.players[0].busy == 2
        await market.settle()
        assert market.players[0].busy == 0
        assert [one.wallet for one in market.client(0).of(play.Looted)] == [107, 114]
        assert len(market.players[0].items) == 4

    in_market(story)


def test_states_are_saved_and_marked_again_when_nobody_took_them() -> None:
    async def go() -> None:
        stage, bank = Stage(msgspec.structs.replace(SMALL)), Bank()
        players = [stage.join(n, 50 + n, 60, xp=5) for n in (1, 2, 3)]
        tasks: list[asyncio.Task[Any]] = []
        saves = Saves(bank.ask, lambda work: tasks.append(asyncio.create_task(work)), 1)
        bank.away = 1
        assert not await saves.save(stage.line, stage.line.unsaved())
        assert len(stage.line.unsaved()) == 3
        saves.send(stage.line, stage.line.unsaved())
        saves.send(stage.line, stage.line.unsaved())  # beyond the limit: later
        stage.line.leave(players[0])
        await asyncio.gather(*tasks)
        assert len(bank.saved) == 1
        said = bank.saved[0]
        assert np.frombuffer(said.sessions, "<u8").tolist() == [one.number for one in players[1:]]
        states = np.frombuffer(said.states, STATE)
        assert states["x"].tolist() == [52.0, 53.0]
        assert (states["hp"].tolist(), states["xp"].tolist()) == ([100, 100], [5, 5])
        assert (said.map, len(stage.line.unsaved()), saves.saved, saves.failed) == ("meadow", 0, 2, 3)

    run(go())
