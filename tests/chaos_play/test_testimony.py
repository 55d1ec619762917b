"""What players testify: how old a place is, what a return was, and whether the books say the same."""

from types import SimpleNamespace
from typing import Any

from mesh.checking.answers import answers
from mesh.checking.belongings import belongings
from mesh.checking.records import Coins, Entry, Operation, Thing
from mesh.protocol.sessions import session_of
from tools.chaos.gatefaults import problems_of
from tools.chaos.players import Stand
from tools.chaos.recorded import Arrival, Loss
from tools.chaos.testimony import Return, Toll, place_age_ms, return_of

ANNA = 7
SESSION = session_of(ANNA, 1)


def arrival(at: float = 12.0, x_m: float = 0.0, session: int = SESSION, resumed: bool = False) -> Arrival:
    return Arrival(at, session, "eu.one.scene.1", x_m, 0.0, resumed)


def walk(*places: tuple[float, float]) -> list[Stand]:
    return [Stand(at, x_m, 0.0) for at, x_m in places]


def test_the_last_place_before_the_fault_is_not_old_at_all() -> None:
    assert place_age_ms(walk((8.0, 1.0), (9.0, 2.0), (9.9, 3.0)), 10.0, arrival(x_m=3.0)) == 0.0


def test_a_place_is_as_old_as_the_moment_in_which_it_was_left() -> None:
    trail = walk((8.0, 1.0), (9.0, 2.0), (9.9, 3.0))
    assert round(place_age_ms(trail, 10.0, arrival(x_m=2.0)) or 0) == 100
    assert round(place_age_ms(trail, 10.0, arrival(x_m=1.0)) or 0) == 1_000


def test_steps_after_the_fault_are_nobodys_place() -> None:
    trail = walk((9.0, 2.0), (9.9, 3.0), (10.5, 4.0))
    assert place_age_ms(trail, 10.0, arrival(x_m=3.0)) == 0.0
    assert place_age_ms(trail, 10.0, arrival(x_m=4.0)) is None


def test_a_place_where_it_never_was_has_no_age() -> None:
    assert place_age_ms(walk((9.0, 2.0)), 10.0, arrival(x_m=50.0)) is None


def hero(arrivals: list[Arrival], losses: list[Loss], turned_away: str = "") -> Any:
    player = SimpleNamespace(arrivals=arrivals, losses=losses)
    return SimpleNamespace(name="anna", player=player, trail=walk((9.0, 2.0)), turned_away=turned_away)


def test_the_first_arrival_after_the_fault_is_the_return() -> None:
    found = return_of(hero([arrival(5.0), arrival(10.4, 2.0), arrival(11.0)], []), 10.0, SESSION)
    assert found == Return("anna", found.after_ms, False, True, False, 0.0)
    assert round(found.after_ms or 0) == 400


def test_who_had_to_log_in_was_disconnected_and_is_somebody_else() -> None:
    somebody_else = hero([arrival(11.0, session=SESSION + 1)], [Loss(10.1, "unavailable")], "resume_gone: it has ended")
    found = return_of(somebody_else, 10.0, SESSION)
    assert found.disconnected
    assert not found.same_session
    (problem,) = problems_of(Toll([found]))
    assert problem.text == "anna came back by a new login (resume_gone: it has ended)"


def test_a_loss_before_the_fault_is_not_its_doing() -> None:
    assert not return_of(hero([arrival(11.0)], [Loss(3.0, "")]), 10.0, SESSION).disconnected


def test_who_came_back_to_a_place_that_it_does_not_know_is_misplaced() -> None:
    returns = [
        return_of(hero([arrival(10.4, 2.0)], []), 10.0, SESSION),
        return_of(hero([arrival(10.4, 50.0)], []), 10.0, SESSION),
        return_of(hero([], []), 10.0, SESSION),
    ]
    assert Toll(returns).misplaced == 1


def test_who_never_came_back_counts_in_no_time() -> None:
    toll = Toll([return_of(hero([arrival(5.0)], []), 10.0, SESSION), Return("bob", 300.0, resumed=True)])
    assert toll.never_back == 1
    assert toll.recovery_ms == [300.0]
    assert toll.share("resumed") == 50.0
    assert Toll().share("resumed") is None


def loot(gold: int, *items: int, ended: Any = "ok", session: int = SESSION) -> Operation:
    return Operation(session, 1, "loot", (4,), 1.0, 2.0, ended, (gold, items) if ended == "ok" else None)


def written(gold: int, *items: int, account: int = ANNA) -> Entry:
    coins, things = [Coins(0, account, gold)] if gold else [], [Thing(item, 0, account) for item in items]
    return Entry(session_of(account, 1), 1, "loot", coins, things)


def trade(ended: Any = "ok", session: int = SESSION) -> Operation:
    return Operation(session, 2, "trade", (1,), 1.0, 2.0, ended)


def sold(giver: int = ANNA, taker: int = 8) -> Entry:
    return Entry(1, 2, "trade", [Coins(giver, taker, 3)])


def test_loot_that_was_told_is_in_the_ledger() -> None:
    assert belongings([loot(5), loot(5), loot(9, 3)], [written(9, 3), written(5), written(5)]) == []


def test_loot_that_was_told_and_is_not_there_is_found() -> None:
    assert len(belongings([loot(5), loot(5)], [written(5)])) == 1
    assert len(belongings([loot(5, 3)], [written(5, 4)])) == 2  # one told of and missing, one there and never told


def test_loot_of_which_nobody_knows_may_be_there_once() -> None:
    assert belongings([loot(0, ended="unknown")], [written(5)]) == []
    assert belongings([loot(0, ended="unknown")], []) == []
    assert len(belongings([loot(0, ended="unknown")], [written(5), written(6)])) == 1


def test_refused_loot_must_not_be_there() -> None:
    assert len(belongings([loot(0, ended="refused")], [written(5)])) == 1


def test_everybody_answers_for_their_own() -> None:
    other = session_of(8, 1)
    assert len(belongings([loot(5, session=other)], [written(5)])) == 2


def test_a_trade_is_written_as_often_as_it_was_told() -> None:
    other = session_of(8, 1)
    assert belongings([trade(), trade(session=other)], [sold()]) == []
    assert len(belongings([trade(), trade(session=other)], [])) == 2
    assert len(belongings([trade(), trade(session=other)], [sold(), sold()])) == 2


def test_a_trade_of_which_one_side_knows_nothing_is_right_once() -> None:
    other = session_of(8, 1)
    assert belongings([trade(), trade("unknown", other)], [sold()]) == []
    assert belongings([trade("refused"), trade("refused", other)], []) == []
    assert len(belongings([trade("refused"), trade("refused", other)], [sold()])) == 2


def test_what_is_owed_or_came_twice_is_a_problem() -> None:
    assert answers([], 0) == []
    assert [problem.checker for problem in answers([trade()], 2)] == ["answers", "answers"]
