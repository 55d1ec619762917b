"""Gold and items, and the ledger of everything durable that ever happened.

Coins only move from purse to purse; purse 0 mints (and goes below zero), purse -1 burns, so all purses together (with
what is in mails, see mails.py) are always 0 and the total is checkable at any moment. An item has one row that names
its one owner; its id is never used again. Whatever changes durable data adds exactly one row to the ledger, in the same
transaction.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from mesh.errors import Code, RefusedError
from mesh.protocol.play import Item
from mesh.protocol.records import GoldMove, ItemMove
from nodes.dc.records import (
    FORMAT,
    INVENTORIES,
    ITEMS,
    LEDGER,
    META,
    PURSES,
    InventoryRow,
    ItemRow,
    LedgerRow,
    MetaRow,
    PurseRow,
)
from nodes.dc.view import Readable, View

MINT = 0
BURN = -1
GOLD_MAX = 2**53 - 1  # in one purse: what JSON and doubles carry exactly
ITEMS_MAX = 1000  # of one owner; a move that would exceed it is refused
DATABASE = "dc"  # the key of the one META row


def prepare(view: View, operation_ring: int) -> None:
    """Make a new database ready for use."""
    view.put(META, DATABASE, MetaRow(FORMAT, operation_ring))
    view.put(PURSES, MINT, PurseRow(0))
    view.put(PURSES, BURN, PurseRow(0))


def meta(view: Readable) -> MetaRow:
    """The row about the database."""
    row = view.get(META, DATABASE)
    assert row is not None, "the database was not prepared"
    return row


def enter(view: View, row: LedgerRow, known: MetaRow | None = None) -> None:
    """Add a row to the ledger. `known` is the row about the database, of who has it at hand."""
    known = known or meta(view)
    entry = known.next_entry
    view.put(LEDGER, entry, row)
    view.put(META, DATABASE, replace(known, next_entry=entry + 1))


def open_purse(view: View, account: int) -> None:
    """An empty purse and an empty inventory for a new account."""
    view.put(PURSES, account, PurseRow(0))
    view.put(INVENTORIES, account, InventoryRow())


def gold_of(view: Readable, account: int) -> int:
    """The coins of an account; `not_found` when there is no such purse."""
    row = view.get(PURSES, account)
    if row is None:
        raise _no_purse(account)
    return row.gold


def items_of(view: Readable, account: int) -> tuple[Item, ...]:
    """All items of an account; `not_found` when there is no such account."""
    row = view.get(INVENTORIES, account)
    if row is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no account {account}")
    return row.items


def move_gold(view: View, move: GoldMove) -> None:
    """`insufficient` when the source has not got it, `out_of_range` when the target would have too much."""
    source, target, amount = move.source, move.target, move.amount
    if source == target or source < MINT or target < BURN or target == MINT:
        raise RefusedError(Code.NOT_ALLOWED, f"gold cannot go from {source} to {target}")
    pay_out(view, source, amount)
    pay_in(view, target, amount)


def pay_out(view: View, purse: int, amount: int) -> None:
    """Half of a move of gold: `insufficient` when it is not there."""
    row = view.get(PURSES, purse)
    if row is None:
        raise _no_purse(purse)
    if row.gold < amount and purse != MINT:
        raise RefusedError(Code.INSUFFICIENT, f"purse {purse} has {row.gold} of {amount} coins")
    view.put(PURSES, purse, PurseRow(row.gold - amount))


def pay_in(view: View, purse: int, amount: int) -> None:
    """The other half: `out_of_range` when it would be too much."""
    row = view.get(PURSES, purse)
    if row is None:
        raise _no_purse(purse)
    gold = row.gold + amount
    if gold > GOLD_MAX:
        raise RefusedError(Code.OUT_OF_RANGE, f"purse {purse} cannot hold so much")
    view.put(PURSES, purse, PurseRow(gold))


def _no_purse(purse: int) -> RefusedError:
    return RefusedError(Code.NOT_FOUND, f"there is no purse {purse}")


def move_item(view: View, move: ItemMove) -> ItemMove:
    """Make, hand over or destroy one item. Returns the move as it was carried out: with the id of a new one."""
    if move.source == move.target or move.source < MINT or move.target < BURN or move.target == MINT:
        raise RefusedError(Code.NOT_ALLOWED, f"an item cannot go from {move.source} to {move.target}")
    if move.source == MINT:
        return _make_item(view, move)
    item = hand_out(view, move.source, move.item)
    if move.target == BURN:
        view.delete(ITEMS, move.item)
    else:
        hand_in(view, move.target, item)
    return ItemMove(move.item, move.source, move.target, item.kind)


def hand_out(view: View, owner: int, number: int) -> Item:
    """Half of a move of an item, which is in nobody's inventory then: `insufficient` when it is not the owner's."""
    known = view.get(ITEMS, number)
    items = items_of(view, owner) if known is not None and known.owner == owner else ()
    kept = tuple([item for item in items if item.id != number])
    if known is None or len(kept) == len(items):
        raise RefusedError(Code.INSUFFICIENT, f"{owner} does not own item {number}")
    view.put(INVENTORIES, owner, InventoryRow(kept))
    return Item(number, known.kind)


def hand_in(view: View, owner: int, item: Item) -> None:
    """The other half, of an item that is nowhere: `out_of_range` when the owner has too many."""
    items = items_of(view, owner)
    if len(items) >= ITEMS_MAX:
        raise RefusedError(Code.OUT_OF_RANGE, f"{owner} cannot carry more than {ITEMS_MAX} items")
    view.put(INVENTORIES, owner, InventoryRow((*items, item)))
    view.put(ITEMS, item.id, ItemRow(owner, item.kind))


def made(moves: Sequence[ItemMove]) -> tuple[Item, ...]:
    """The items that came into being by these (carried out) moves."""
    return tuple(Item(move.item, move.kind) for move in moves if move.source == MINT)


def _make_item(view: View, move: ItemMove) -> ItemMove:
    if move.item or not move.kind or move.target == BURN:
        raise RefusedError(Code.NOT_ALLOWED, "a new item has a kind and an owner, and gets its id here")
    known = meta(view)
    view.put(META, DATABASE, replace(known, next_item=known.next_item + 1))
    hand_in(view, move.target, Item(known.next_item, move.kind))
    return ItemMove(known.next_item, MINT, move.target, move.kind)
