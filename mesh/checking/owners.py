"""Checker `owners`: every item has one owner: by its row, by who is shown it, and by the ledger."""

from mesh.checking.records import Problem, State

NOBODY = 0  # whoever makes items
GONE = -1


def owners(state: State) -> list[Problem]:
    """Problems for items that are held twice or by somebody else than their owner, and for impossible histories."""
    by_ledger, found = _by_ledger(state)
    held: dict[int, list[int]] = {}
    for owner, bag in state.bags.items():
        for item in bag:
            held.setdefault(item, []).append(owner)
    for item in sorted(held.keys() | state.items.keys() | by_ledger.keys()):
        row, shown, said = state.items.get(item), held.get(item, []), by_ledger.get(item)
        if row is None or shown != [row] or said != row:
            found.append(Problem("owners", f"item {item}: owner {row}, held by {shown}, by the ledger {said}'s"))
    return found


def _by_ledger(state: State) -> tuple[dict[int, int], list[Problem]]:
    """Who owns what after everything that is written, and what in it cannot have happened."""
    by_ledger: dict[int, int] = {}
    found = []
    made: set[int] = set()
    for entry in state.ledger:
        for thing in entry.items:
            if by_ledger.pop(thing.item, NOBODY) != thing.source:
                text = f"operation {entry.session}/{entry.number}: item {thing.item} was not {thing.source}'s to give"
                found.append(Problem("owners", text))
            if thing.source == NOBODY and thing.item in made:
                found.append(Problem("owners", f"item {thing.item} was made twice"))
            made.add(thing.item)
            if thing.target != GONE:
                by_ledger[thing.item] = thing.target
    return by_ledger, found
