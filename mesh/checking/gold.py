"""Checker `gold`: purses hold what the ledger says, and all of them together hold nothing.

Minting takes from purse 0, which goes below zero by it, and burning gives to purse -1: so the sum of all purses is 0,
whatever happened.
"""

from collections import Counter

from mesh.checking.records import Problem, State


def gold(state: State) -> list[Problem]:
    """A problem for each purse that differs from the ledger, one for a purse below zero, one for a wrong sum."""
    by_ledger: Counter[int] = Counter()
    for entry in state.ledger:
        for coins in entry.gold:
            by_ledger[coins.source] -= coins.amount
            by_ledger[coins.target] += coins.amount
    found = [
        Problem("gold", f"purse {purse} holds {state.purses.get(purse, 0)}, by the ledger {by_ledger[purse]}")
        for purse in sorted(state.purses.keys() | by_ledger.keys())
        if state.purses.get(purse, 0) != by_ledger[purse]
    ]
    found += [
        Problem("gold", f"purse {purse} holds {coins}") for purse, coins in state.purses.items() if coins < 0 and purse
    ]
    if total := sum(state.purses.values()):
        found.append(Problem("gold", f"all purses together hold {total}, not 0"))
    return found
