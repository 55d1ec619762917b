"""The checkers: each finds what it is named for, and nothing in a history that is right."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mesh.checking.cached import Saved, cached, lost_s
from mesh.checking.doubled import doubled
from mesh.checking.gold import gold
from mesh.checking.lost import lost
from mesh.checking.order import order, prefix
from mesh.checking.owners import owners
from mesh.checking.proof import bound_of, proof
from mesh.checking.records import NEVER, Book, Coins, Entry, Operation, Problem, State, Thing
from mesh.checking.strays import strays
from mesh.checking.verdicts import check_all, count_of

MINT, BURN, ANN, BOB = 0, -1, 7, 8


def asked(number: int, ended: str = "ok", called: float = 0.0, returned: float = 1.0) -> Operation:
    back = NEVER if ended == "unknown" else returned
    return Operation(1, number, "gold", (), called, back, ended)  # type: ignore[arg-type]


def entry(number: int, *, gold: tuple[Coins, ...] = (), items: tuple[Thing, ...] = ()) -> Entry:
    return Entry(1, number, "gold", gold, items)


def whole() -> State:
    """Ann gets 10 coins and an item, gives 4 and the item to Bob, who burns one coin."""
    return State(
        ledger=[
            entry(1, gold=(Coins(MINT, ANN, 10),), items=(Thing(5, MINT, ANN),)),
            entry(2, gold=(Coins(ANN, BOB, 4),), items=(Thing(5, ANN, BOB),)),
            entry(3, gold=(Coins(BOB, BURN, 1),)),
        ],
        purses={MINT: -10, BURN: 1, ANN: 6, BOB: 3},
        items={5: BOB},
        bags={ANN: [], BOB: [5]},
    )


def names(problems: list[Problem]) -> list[str]:
    return [problem.checker for problem in problems]


def test_a_right_history_has_no_problem() -> None:
    operations = [asked(1), asked(2, called=1.0, returned=2.0), asked(3, "unknown", 2.0), asked(4, "refused", 3.0)]
    assert check_all(operations, whole()) == []


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    found = lost([asked(1), asked(2), asked(3, "unknown"), asked(4, "refused")], [(1, 1)])
    assert [problem.text for problem in found] == ["operation 1/2 (gold) was acknowledged and is not there"]


def test_what_is_there_twice_is_doubled_once_for_each_operation() -> None:
    assert names(doubled([(1, 1), (1, 2), (1, 1), (1, 1)])) == ["doubled"]
    assert "3 times" in doubled([(1, 1), (1, 1), (1, 1)])[0].text
    assert doubled([(1, 1), (2, 1)]) == []


def test_what_was_refused_or_never_asked_for_is_a_stray() -> None:
    found = strays([asked(1), asked(2, "refused"), asked(3, "unknown")], [(1, 1), (1, 2), (1, 3), (9, 9)])
    assert [problem.text for problem in found] == [
        "operation 1/2 was refused and is there",
        "operation 9/9 was never asked for and is there",
    ]


def test_who_was_answered_before_another_was_asked_must_stand_before_it() -> None:
    first, second = asked(1, called=0.0, returned=1.0), asked(2, called=2.0, returned=3.0)
    assert order([first, second], [(1, 1), (1, 2)]) == []
    assert names(order([first, second], [(1, 2), (1, 1)])) == ["order"]


def test_those_that_were_under_way_together_may_stand_in_any_order() -> None:
    first, second = asked(1, called=0.0, returned=5.0), asked(2, called=2.0, returned=3.0)
    assert order([first, second], [(1, 2), (1, 1)]) == []


def test_what_is_unknown_may_have_happened_at_any_time_after_it_was_asked() -> None:
    late, unknown = asked(1, called=5.0, returned=6.0), asked(2, "unknown", called=0.0)
    assert order([late, unknown], [(1, 1), (1, 2)]) == []
    early, after = asked(1, called=0.0, returned=1.0), asked(2, "unknown", called=2.0)
    assert names(order([early, after], [(1, 2), (1, 1)])) == ["order"]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=30))
def test_the_order_checker_agrees_with_the_definition(times: list[tuple[float, float]]) -> None:
    operations = [asked(at, called=called, returned=called + took) for at, (called, took) in enumerate(times)]
    wrong = any(later.returned < earlier.called for at, later in enumerate(operations) for earlier in operations[:at])
    assert bool(order(operations, [one.id for one in operations])) == wrong


def test_a_state_is_how_the_accepted_order_begins() -> None:
    accepted = [(1, 1), (2, 1), (1, 2)]
    assert prefix(accepted, accepted) == prefix(accepted, accepted[:2]) == prefix(accepted, []) == []
    assert names(prefix(accepted, [(1, 1), (1, 2)])) == ["prefix"]
    assert names(prefix(accepted[:1], accepted)) == ["prefix"]


def test_a_purse_that_differs_from_the_ledger_is_found() -> None:
    state = whole()
    state.purses[ANN], state.purses[BOB] = 5, 4  # the total is right
    assert [problem.text for problem in gold(state)] == [
        f"purse {ANN} holds 5, by the ledger 6",
        f"purse {BOB} holds 4, by the ledger 3",
    ]


def test_coins_out_of_nothing_are_found_by_the_sum() -> None:
    state = whole()
    state.purses[9] = 1
    assert "all purses together hold 1, not 0" in [problem.text for problem in gold(state)]


def test_a_purse_below_zero_is_found_even_when_the_ledger_says_so() -> None:
    debt = State(ledger=[entry(1, gold=(Coins(ANN, BOB, 4),))], purses={ANN: -4, BOB: 4})
    assert [problem.text for problem in gold(debt)] == [f"purse {ANN} holds -4"]


def test_an_item_that_two_hold_is_found() -> None:
    state = whole()
    assert names(owners(replace(state, bags={ANN: [5], BOB: [5]}))) == ["owners"]
    assert names(owners(replace(state, bags={ANN: [], BOB: []}))) == ["owners"]
    assert names(owners(replace(state, items={}))) == ["owners"]
    assert names(owners(replace(state, items={5: ANN}))) == ["owners"]


def test_what_cannot_have_happened_is_found_in_the_ledger() -> None:
    twice = whole()
    again = replace(twice, ledger=[*twice.ledger, entry(4, items=(Thing(5, ANN, BURN),))], items={}, bags={})
    assert "item 5 was not 7's to give" in owners(again)[0].text
    made = [entry(1, items=(Thing(5, MINT, ANN),)), entry(2, items=(Thing(5, ANN, BURN),))]
    assert owners(State(ledger=made)) == []
    assert "made twice" in owners(State(ledger=[*made, made[0]], items={5: ANN}, bags={ANN: [5]}))[0].text


def test_of_cached_states_only_the_last_moment_may_be_lost() -> None:
    saves = [Saved(1, 10.0), Saved(2, 10.5), Saved(3, 11.0)]
    assert lost_s(saves, 3, 11.2) == 0
    assert round(lost_s(saves, 1, 11.2), 3) == 0.7
    assert cached(saves, {ANN: 1, BOB: 3}, 11.2, 1.0) == []
    assert names(cached(saves, {ANN: 0, BOB: 3}, 11.2, 1.0)) == ["cached"]


def test_a_state_that_nobody_has_saved_is_found() -> None:
    assert cached([Saved(1, 10.0)], {ANN: 2}, 10.1, 1.0) == []  # was under way
    assert names(cached([Saved(1, 10.0)], {ANN: 3}, 10.1, 1.0)) == ["cached"]


def test_a_book_keeps_what_was_said_and_what_was_answered() -> None:
    book = Book()
    lines = [book.call(1, number, "gold", (number,), float(number)) for number in range(4)]
    book.end(lines[0], 5.0, "ok")
    book.end(lines[1], 6.0, "refused", "insufficient")
    book.end(lines[2], 7.0, "unknown")
    assert [one.ended for one in book.operations] == ["ok", "refused", "unknown", "unknown"]
    assert [one.returned for one in book.operations] == [5.0, 6.0, NEVER, NEVER]
    assert [one.id for one in book.acknowledged()] == [(1, 0)]
    assert (book.count("ok"), book.count("unknown"), book.operations[1].answer) == (1, 2, "insufficient")


def test_problems_are_counted_by_checker() -> None:
    found = check_all([asked(1), asked(2)], State(ledger=[entry(3), entry(3)]))
    assert (count_of(found, "lost"), count_of(found, "doubled"), count_of(found, "strays")) == (2, 1, 1)


def test_a_number_of_trials_proves_a_rate() -> None:
    assert bound_of(300) == 0.01
    assert bound_of(0) == bound_of(2) == 1.0
    assert proof(300, 0, "kills") == "0 of 300 kills failed: at most 1 % of them do (3/N, 95 %)"
    assert proof(3000, 0, "kills").count("0.1 %") == 1
    assert "proves nothing" in proof(2, 0, "kills")
    assert proof(300, 2, "kills") == "2 of 300 kills failed"
