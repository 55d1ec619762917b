"""What the minds do with what they hear."""

from mesh.protocol import play, social
from tests.bots.body import FakeBody
from tools.bots.mind import Mind
from tools.bots.scenarios.catalogue import maker
from tools.bots.scenarios.chat import SAY_S, SHOUT_S, Chat
from tools.bots.scenarios.fight import ATTACK_S, GIVE_UP_S, Fight
from tools.bots.scenarios.mixed import choose, is_trader
from tools.bots.scenarios.trade import PATIENCE_S, Trade
from tools.bots.scenarios.walk import Walk


def offer(gold: int) -> play.Offer:
    return play.Offer(gold, [])


def state(trade: int, version: int, mine: int = 0, theirs: int = 0, confirmed: bool = False) -> play.TradeState:
    return play.TradeState(trade, version, "other", offer(mine), offer(theirs), confirmed, False)


def test_a_fighter_goes_to_the_nearest_npc_hits_it_and_takes_what_it_leaves() -> None:
    body = FakeBody()
    fight = Fight(body)
    body.see(7, "npc", 30, 0)
    body.see(8, "npc", 20, 0)
    body.see(9, "player", 1, 0)
    fight.think(0.0)
    assert (body.goal, body.followed, body.done) == ((20, 0), 8, [])
    body.at = (19, 0)
    fight.think(1.0)
    fight.think(1.0 + ATTACK_S / 2)
    assert body.done == [("attack", 8)], "not faster than attacks are allowed"
    fight.hear(play.Hit(1, 8, 5, 0), 1.04)
    fight.hear(play.Died(8, killer=1), 1.04)
    corpse = body.see(20, "corpse", 20, 0)
    fight.hear(play.Appeared([corpse]), 1.1)
    fight.think(1.2)
    fight.think(1.3)
    assert body.done[1:] == [("loot", 20)], "asked for once"
    fight.hear(play.Looted(20, 3, [], 103), 1.5)
    assert body.recorded == [("attack", 0.04), ("loot", 0.3)]
    assert body.goal is None


def test_a_fighter_that_is_too_far_away_goes_nearer() -> None:
    body = FakeBody()
    fight = Fight(body)
    body.see(8, "npc", 2, 0)
    fight.think(0.0)
    fight.think(0.5)
    fight.hear(play.PlayDenied(1, "out_of_range"), 0.6)
    assert body.failed == [("attack", "out_of_range")]
    fight.think(0.5 + ATTACK_S)
    assert body.done == [("attack", 8), ("attack", 8)]
    fight.hear(play.PlayDenied(2, "not_found"), 2.0)
    assert body.followed == 0, "a target that is gone is given up"


def test_a_fighter_gives_up_what_it_does_not_reach() -> None:
    body = FakeBody()
    fight = Fight(body)
    body.see(8, "npc", 40, 0)
    fight.think(0.0)
    fight.think(GIVE_UP_S + 1)
    assert body.goal is None
    assert 8 not in body.player.session.view


def test_two_traders_agree_on_a_coin() -> None:
    one, other = FakeBody(0), FakeBody(1)
    giver, taker = Trade(one), Trade(other)
    giver.gold = taker.gold = 5
    one.see(2, "player", 1, 0, "bot-000002")
    one.see(3, "player", 1, 0, "anna")
    other.see(1, "player", 1, 0, "bot-000001")
    taker.think(9.0)
    giver.think(10.0)
    assert (one.done, other.done) == ([("invite_trade", 2)], []), "the lower number invites the greater one"
    taker.hear(play.TradeInvited(77, 1, "bot-000001"), 10.1)
    assert other.done == [("accept_trade", 77)]
    for mind in (giver, taker):
        mind.hear(state(77, 1), 10.2)
        mind.hear(state(77, 2, mine=1), 10.3)
    assert one.done[1:] == [("offer_trade", 77, 1, [])], "nothing is confirmed before both have offered"
    for mind in (giver, taker):
        mind.hear(state(77, 3, 1, 1), 10.4)
        mind.hear(state(77, 3, 1, 1, confirmed=True), 10.45)
    assert one.done[2:] == other.done[2:] == [("confirm_trade", 77, 3)]
    giver.hear(play.TradeDone(77, 5, []), 10.5)
    assert one.recorded == [("trade", 0.1)]
    assert giver.traded == 1
    giver.think(10.6)
    assert ("invite_trade", 2) not in one.done[2:], "a pause follows"


def test_a_trader_without_an_answer_gives_up() -> None:
    body = FakeBody(0)
    trade = Trade(body)
    trade.gold = 1
    body.see(2, "player", 1, 0, "bot-000002")
    trade.think(10.0)
    trade.hear(state(5, 1), 10.1)
    trade.think(10.0 + PATIENCE_S + 1)
    assert body.done[-1] == ("cancel_trade", 5)
    trade.hear(play.TradeDone(5, 9, []), 20.0)
    assert trade.traded == 0


def test_a_trader_who_sees_no_other_goes_to_the_market() -> None:
    body = FakeBody(0)
    trade = Trade(body)
    trade.think(1.0)
    assert body.goal is None, "who has nothing fights first"
    trade.gold = 1
    trade.think(2.0)
    assert body.goal == (50, 50)


def test_an_invitation_at_a_bad_moment_is_declined() -> None:
    body = FakeBody(0)
    trade = Trade(body)
    trade.gold = 1
    body.see(2, "player", 1, 0, "bot-000002")
    trade.think(10.0)
    trade.hear(play.TradeInvited(6, 9, "bot-000009"), 10.1)
    assert body.done == [("invite_trade", 2), ("cancel_trade", 6)]
    trade.hear(play.TradeClosed(6, "cancelled"), 10.15)
    assert body.failed == [], "that was the other one"
    trade.hear(play.TradeClosed(5, "cancelled"), 10.2)
    assert body.failed == [("trade", "cancelled")]
    trade.think(30.0)
    assert body.done[-1] == ("invite_trade", 2), "and later it tries again"


def test_a_chatter_hears_itself() -> None:
    body = FakeBody()
    chat = Chat(body)
    chat.think(100.0)
    chat.think(100.0 + SAY_S)
    assert body.done == [("say", "hello from 0")]
    chat.hear(play.Said(2, "somebody", "else"), 105.05)
    chat.hear(play.Said(1, "bot-000001", "hello from 0"), 105.1)
    chat.think(100.0 + SHOUT_S)
    assert ("shout", "hear me, 0") in body.done
    chat.hear(social.Shouted(1, 1, "bot-000001", "hear me, 0"), 100.2 + SHOUT_S)
    assert body.recorded == [("say", 0.1), ("shout", 0.2)]


def test_the_mixture() -> None:
    kinds: list[type[Mind]] = [type(choose(FakeBody(number))) for number in range(20)]
    assert [kinds.count(kind) for kind in (Trade, Fight, Chat, Walk)] == [2, 4, 2, 12]
    assert kinds == [type(choose(FakeBody(number))) for number in range(20, 40)]
    assert [number for number in range(40) if is_trader(number)] == [0, 1, 20, 21]
    assert type(maker("trade", lambda line, details: None)(FakeBody(9))) is Trade
