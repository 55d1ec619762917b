"""All checkers at once, for whoever has operations and the state at the end."""

from collections.abc import Sequence

from mesh.checking.doubled import doubled
from mesh.checking.gold import gold
from mesh.checking.lost import lost
from mesh.checking.order import order
from mesh.checking.owners import owners
from mesh.checking.records import Operation, Problem, State
from mesh.checking.strays import strays


def check_all(operations: Sequence[Operation], state: State) -> list[Problem]:
    """Everything that is wrong, in the order: lost, doubled, strays, order, gold, owners."""
    applied = state.applied
    return [
        *lost(operations, applied),
        *doubled(applied),
        *strays(operations, applied),
        *order(operations, applied),
        *gold(state),
        *owners(state),
    ]


def count_of(problems: Sequence[Problem], checker: str) -> int:
    return sum(problem.checker == checker for problem in problems)
