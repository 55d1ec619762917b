"""Trades: the state machine, and what reaches the DC. Gold and items are conserved whatever players do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import Message, encode
from mesh.tap import Taps
from mesh.testing import ManualClock, run
from nodes.scene.keepsakes import Keepsakes
from nodes.scene.ledger import Ledger
from nodes.scene.parties import Parties
from nodes.scene.play import Play
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import SceneSettings
from nodes.scene.trade import INVITATION_S, INVITATIONS_MAX, Trades
from tests.scene.bank import Bank
from tests.scene.building import Client, Stage


def opened() -> tuple[Trades, int]:
    trades = Trades()
    number = trades.invite((1, "a"), (2, "b"), 0.0).number
    trades.accept(number, 2)
    return trades, number


def test_an_invitation_is_for_the_one_who_was_invited() -> None:
    trades = Trades()
    number = trades.invite((1, "a"), (2, "b"), 0.0).number
    for who in (1, 3):
        with pytest.raises(RefusedError):
            trades.accept(number, who)
    assert trades.accept(number, 2).state == "open"
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.accept(number, 2)
    with pytest.raises(RefusedError, match="not_allowed"):
        trades.invite((5, "e"), (5, "e"), 0.0)


def test_one_open_trade_at_a_time() -> None:
    trades, _ = opened()
    waiting = trades.invite((3, "c"), (1, "a"), 0.0)
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.accept(waiting.number, 1)
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.invite((1, "a"), (4, "d"), 0.0)
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.invite((3, "c"), (4, "d"), 0.0)


def test_invitations_are_bounded_and_end() -> None:
    trades = Trades()
    for by in range(10, 10 + INVITATIONS_MAX):
        trades.invite((by, "x"), (1, "a"), 0.0)
    with pytest.raises(RefusedError, match="too_many"):
        trades.invite((9, "y"), (1, "a"), 0.0)
    assert len(trades.overdue(INVITATION_S)) == 0
    for trade in trades.overdue(INVITATION_S + 1):
        trades.close(trade)
    assert (len(trades), trades.of(1)) == (0, [])


def test_a_change_takes_back_confirmations() -> None:
    trades, number = opened()
    version = trades.offer(number, 1, play.Offer(5, []), 10, {}).version
    trades.confirm(number, 1, version)
    changed = trades.offer(number, 2, play.Offer(0, [7]), 0, {7: None})
    assert not changed.sides[0].confirmed
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.confirm(number, 1, version)
    assert trades.confirm(number, 1, changed.version).state == "open"
    assert trades.confirm(number, 1, changed.version).state == "open"  # twice is once
    assert trades.confirm(number, 2, changed.version).state == "committing"
    for late in (
        lambda: trades.offer(number, 1, play.Offer(0, []), 10, {}),
        lambda: trades.cancel(number, 2),
    ):
        with pytest.raises(RefusedError, match="out_of_order"):
            late()


@pytest.mark.parametrize("offer", [play.Offer(11, []), play.Offer(0, [8]), play.Offer(0, [7, 7])])
def test_nobody_offers_what_is_not_there(offer: play.Offer) -> None:
    trades, number = opened()
    with pytest.raises(RefusedError, match="insufficient"):
        trades.offer(number, 1, offer, 10, {7: None})


def test_nothing_for_nothing_is_no_trade() -> None:
    trades, number = opened()
    with pytest.raises(RefusedError, match="out_of_order"):
        trades.confirm(number, 1, 1)


class Market:
    """Players near each other, the real play handlers and ledger, and a bank."""

    def __init__(self, players: int = 3, apart: float = 2.0) -> None:
        self.stage, self.bank = Stage(), Bank()
        self.sessions = Sessions()
        self.tasks: list[asyncio.Task[Any]] = []
        self.expelled: list[Session] = []
        self.wall = 1_750_000_000.0
        self.parties = Parties(self.sessions, self.stage.lines, Keepsakes())
        ledger = Ledger(self.bank.ask, lambda work: self.tasks.append(asyncio.get_running_loop().create_task(work)), 5)
        self.play = Play(
            self.stage.lines, self.sessions, self.parties, self.stage.out, ledger,
            lambda kind, player, **fields: self.stage.events.append((kind, player, fields)),
            lambda: self.stage.now, lambda: self.stage.now, SceneSettings(inventory_max=20), self.expelled.append,
            self.bank.ask, lambda *_: None, Taps(ManualClock()), lambda: self.wall,
        )  # fmt: skip
        self.players: list[Session] = []
        for n in range(1, players + 1):
            items = self.bank.give(n, 100, "ring", "herb")
            self.players.append(self.stage.join(n, 50 + n * apart, 50, gold=100, items=items))
            self.sessions.add(self.players[-1])
        self.stage.tick()

    def say(self, who: int, said: Message) -> None:
        session = self.players[who]
        session.accept(session.processed + 1)
        self.play.hear(session, session.processed, encode(said))
        self.stage.flush()

    async def settle(self) -> None:
        while self.tasks:
            await self.tasks.pop()
        self.stage.flush()

    def client(self, who: int) -> Client:
        return self.stage.client(self.players[who])

    def open(self) -> int:
        self.say(0, play.InviteTrade(self.players[1].handle))
        number = self.client(1).last(play.TradeInvited).trade
        self.say(1, play.AcceptTrade(number))
        return number

    def check(self) -> None:
        """Nothing came from nowhere, and the scene knows what the bank knows."""
        assert sum(self.bank.gold.values()) == 100 * len(self.players)
        assert len(self.bank.items) == 2 * len(self.players)
        for session in self.players:
            holding = self.bank.holding(session.account)
            assert (session.gold, list(session.items.values())) == (holding.gold, holding.items)


def in_market(story: Callable[[Market], Awaitable[None]]) -> None:
    async def go() -> None:
        market = Market()
        await story(market)
        await market.settle()

    run(go())


async def agree(market: Market) -> int:
    number = market.open()
    market.say(0, play.OfferTrade(number, play.Offer(30, [])))
    market.say(1, play.OfferTrade(number, play.Offer(0, [3])))
    version = market.client(0).last(play.TradeState).version
    market.say(0, play.ConfirmTrade(number, version))
    market.say(1, play.ConfirmTrade(number, version))
    return number


def test_a_trade_is_one_operation_and_both_learn_what_they_have() -> None:
    async def story(market: Market) -> None:
        number = await agree(market)
        market.say(1, play.ConfirmTrade(number, 3))  # once more while it is carried out
        await market.settle()
        assert len(market.bank.carried_out) == 1
        said = market.bank.carried_out[0]
        assert said.parties == [market.players[0].number, market.players[1].number]
        done = [market.client(who).of(play.TradeDone) for who in (0, 1)]
        assert [[one.wallet for one in side] for side in done] == [[70], [130]]
        assert [item.id for item in done[0][0].items] == [1, 2, 3]
        assert [kind for kind, *_ in market.stage.events].count("trade") == 2
        assert [market.client(who).of(play.TradeClosed) for who in (0, 1)] == [[], []]
        assert len(market.play.trading.trades) == 0
        market.check()

    in_market(story)


@pytest.mark.parametrize("failure", ["lose", "away"])
def test_an_unknown_outcome_is_asked_for_until_it_is_known(failure: str) -> None:
    async def story(market: Market) -> None:
        setattr(market.bank, failure, 3)
        await agree(market)
        await market.settle()
        assert len(market.bank.carried_out) == 1
        assert len(market.client(0).of(play.TradeDone)) == 1
        market.check()

    in_market(story)


def test_when_the_dc_refuses_nothing_changes_hands() -> None:
    async def story(market: Market) -> None:
        market.bank.refuse = "stale_epoch"
        await agree(market)
        await market.settle()
        assert [market.client(who).last(play.TradeClosed).code for who in (0, 1)] == ["stale_epoch"] * 2
        market.check()
        market.open()  # and they may try again

    in_market(story)


def test_leaving_walking_away_and_cancelling_end_a_trade() -> None:
    async def story(market: Market) -> None:
        number = market.open()
        market.say(1, play.CancelTrade(number))
        assert market.client(0).last(play.TradeClosed).code == "cancelled"
        market.open()
        market.play.trading.watch(market.stage.now)
        assert len(market.play.trading.trades) == 1
        market.stage.line.world.x[market.players[1].slot] = 9000
        market.play.trading.watch(market.stage.now)
        market.stage.flush()
        assert market.client(1).last(play.TradeClosed).code == "out_of_range"
        market.say(0, play.InviteTrade(market.players[2].handle))
        market.play.trading.gone(market.players[0])
        market.stage.flush()
        assert market.client(2).last(play.TradeClosed).code == "cancelled"
        assert len(market.play.trading.trades) == 0

    in_market(story)


def test_an_invitation_can_be_taken_back() -> None:
    async def story(market: Market) -> None:
        market.say(0, play.InviteTrade(market.players[1].handle))
        asked = market.client(0).last(play.TradeAsked)
        assert (asked.to, asked.name) == (market.players[1].handle, market.players[1].name)
        market.say(0, play.CancelTrade(asked.trade))
        assert market.client(1).last(play.TradeClosed).trade == asked.trade
        assert market.client(0).last(play.TradeClosed).code == "cancelled"
        market.say(0, play.InviteTrade(market.players[2].handle))
        assert market.client(2).last(play.TradeInvited).by == market.players[0].handle

    in_market(story)


def test_who_is_far_away_or_has_no_room_does_not_trade() -> None:
    async def story(market: Market) -> None:
        market.stage.line.world.x[market.players[1].slot] = 9000
        market.say(0, play.InviteTrade(market.players[1].handle))
        market.say(0, play.InviteTrade(12345))
        assert [one.code for one in market.client(0).of(play.PlayDenied)] == ["not_found"] * 2
        market.stage.line.world.x[market.players[1].slot] = 2600
        number = market.open()
        market.players[0].items |= {n: play.Item(n, "x") for n in range(100, 118)}
        market.say(1, play.OfferTrade(number, play.Offer(0, [3])))
        market.say(0, play.ConfirmTrade(number, 2))
        assert market.client(0).last(play.PlayDenied).code == "insufficient"

    in_market(story)


ITEMS = st.lists(st.integers(1, 7), max_size=2)
ACTIONS = st.one_of(
    st.tuples(st.just("invite"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("accept"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("offer"), st.integers(0, 2), st.integers(1, 4), st.integers(0, 120), ITEMS),
    st.tuples(st.just("confirm"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("both"), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("fail"), st.sampled_from(["lose", "away"]), st.integers(1, 2)),
    st.tuples(st.just("wait")),
)  # fmt: skip


def version_of(market: Market, number: int) -> int:
    return next((trade.version for trade in market.play.trading.trades if trade.number == number), 1)


async def act(market: Market, action: tuple[Any, ...]) -> None:
    match action:
        case ("invite", who, to):
            market.say(who, play.InviteTrade(market.players[to].handle))
        case ("accept", who, number):
            market.say(who, play.AcceptTrade(number))
        case ("offer", who, number, gold, items):
            market.say(who, play.OfferTrade(number, play.Offer(gold, items)))
        case ("confirm", who, number):
            market.say(who, play.ConfirmTrade(number, version_of(market, number)))
        case ("both", number):
            for who in (0, 1, 2, 0, 1, 2):
                market.say(who, play.ConfirmTrade(number, version_of(market, number)))
        case ("cancel", who, number):
            market.say(who, play.CancelTrade(number))
        case ("fail", kind, times):
            setattr(market.bank, kind, times)
        case _:
            await market.settle()
            market.check()


@given(st.lists(ACTIONS, max_size=40))
@settings(max_examples=120, deadline=None)
def test_gold_and_items_are_conserved_whatever_players_do(actions: list[tuple[Any, ...]]) -> None:
    async def story(market: Market) -> None:
        number = market.open()
        market.say(0, play.OfferTrade(number, play.Offer(10, [1])))
        for action in actions:
            await act(market, action)
        market.bank.lose = market.bank.away = 0
        await market.settle()
        market.check()
        assert all(trade.state != "committing" for trade in market.play.trading.trades)

    in_market(story)
