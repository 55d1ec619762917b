"""Is every item in exactly one place, the one that its row names? Inventories and mails against ITEMS.

Reads inventories and mails once and looks each item up; only when the numbers do not agree, every item's owner, too.
Keeps nothing in memory.
"""

from collections.abc import Iterator
from typing import Any

from mesh.protocol.play import Item
from nodes.dc.mails import mail_of, owner_of
from nodes.dc.problems import Problems
from nodes.dc.reading import DAMAGED, row_at, rows_of
from nodes.dc.records import INVENTORIES, ITEMS, MAILS
from nodes.dc.store import Store


def check_holdings(store: Store, problems: Problems, *, report: bool) -> None:
    """`report`: damaged inventories are reported here."""
    in_place = 0
    for holder, items in _holders(store, problems, report):
        seen: set[int] = set()
        for item in items:
            row = row_at(store, ITEMS, item.id)
            if row is DAMAGED:
                continue
            if row is None or row.owner != holder or item.id in seen or item.kind != row.kind:
                _say(store, problems, item.id, row, [holder, holder] if item.id in seen else [holder])
            else:
                in_place += 1
            seen.add(item.id)
    if in_place != store.count(ITEMS.name):
        _check_owners(store, problems)


def _holders(store: Store, problems: Problems, report: bool) -> Iterator[tuple[int, tuple[Item, ...]]]:
    """Everything that can hold items, as an owner is named."""
    for account, row in rows_of(store, INVENTORIES, problems, report=report):
        if row is not DAMAGED:
            yield account, row.items
    for mail, row in rows_of(store, MAILS, problems, report=False):
        if row is not DAMAGED:
            yield owner_of(mail), row.items


def _check_owners(store: Store, problems: Problems) -> None:
    owner, held = 0, None
    for number, row in rows_of(store, ITEMS, problems, report=False):
        if row is DAMAGED:
            continue
        if row.owner != owner:  # neighbours often have the same one
            owner, held = row.owner, _held_by(store, row.owner)
        if held is not None and number not in held:
            _say(store, problems, number, row, [])


def _held_by(store: Store, owner: int) -> set[int] | None:
    """None: it cannot be read."""
    row = row_at(store, MAILS, mail_of(owner)) if mail_of(owner) else row_at(store, INVENTORIES, owner)
    if row is DAMAGED:
        return None
    return {item.id for item in row.items} if row is not None else set()


def _say(store: Store, problems: Problems, item: int, row: Any, holders: list[int]) -> None:
    owner = row.owner if row is not None else None
    if owner is not None and owner not in holders and item in (_held_by(store, owner) or ()):
        holders = sorted([*holders, owner])
    problems.add(f"item {item} belongs to {owner if owner is not None else 'nobody'} and is held by {holders}")
