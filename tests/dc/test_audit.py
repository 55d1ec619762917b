"""The check finds what is wrong, each kind by its own sentence; and finds nothing in what is whole."""

from collections.abc import Callable
from typing import Any

import pytest

from mesh.protocol.play import Item
from mesh.protocol.records import Letter, Operate
from mesh.protocol.sessions import Friendship, session_of
from nodes.dc.audit import Audit, audit, verify
from nodes.dc.economy import Economy
from nodes.dc.ledger import DATABASE
from nodes.dc.listing import find_rows, stat
from nodes.dc.problems import Problems
from nodes.dc.records import (
    ACCOUNTS,
    CHARACTERS,
    FENCES,
    FRIENDS,
    INVENTORIES,
    ITEMS,
    LEDGER,
    MAILBOXES,
    MAILS,
    META,
    NAMES,
    OPERATIONS,
    PURSES,
    STATES,
    TABLES,
    FenceRow,
    FriendsRow,
    InventoryRow,
    ItemRow,
    LedgerRow,
    MailboxRow,
    MailRow,
    MetaRow,
    NameRow,
    OperationRow,
    PurseRow,
    StateRow,
)
from nodes.dc.view import View

from .desk import AT_MS, Desk, make, pay
from .test_friendships import change


@pytest.fixture
def desk() -> Desk:
    """Two friends who have traded; anna (1) has 70 coins and item 1, bert (2) 130 and item 2."""
    desk = Desk()
    (anna, hers), (bert, _) = desk.player("anna"), desk.player("bert")
    desk.operate(make(hers, 1, (0, 0, anna, "axe"), (0, 0, bert, "hat"), (0, 0, anna, "pin")))
    desk.operate(make(hers, 2, (3, anna, -1, "")))
    desk.operate(pay(hers, 3, (anna, bert, 30)))
    desk.operate(pay(hers, 4, (0, anna, 10), (anna, -1, 10)))
    change(desk, "ask", anna, "bert")
    change(desk, "accept", bert, "anna")
    return desk


@pytest.fixture
def full(desk: Desk) -> Desk:
    """Besides, Anna has written to Bert, with item 1 and 5 coins; and a scene is over. No table is empty."""
    hers = session_of(1, 1)
    desk.operate(Operate(hers, 5, "mail-send", [], letter=Letter("bert", "hello", 5, [1])))
    desk.do(lambda view: view.put(FENCES, "scene.1", FenceRow((7,))))
    return desk


def test_a_whole_database_is_whole(desk: Desk) -> None:
    verdict = Audit(desk.store).run()
    assert verdict["ok"], verdict["problems"]
    assert verdict["gold"] == {"wallets": 200, "mails": 0, "minted": 210, "burned": 10}
    assert (verdict["durable_operations"], verdict["accounts"], verdict["items"]) == (10, 2, 2)
    assert verdict["rows"] == sum(desk.store.count(name) for name in TABLES)


SABOTAGE: dict[str, Callable[[View], Any]] = {
    "wallets hold": lambda view: view.put(PURSES, 1, PurseRow(71)),
    "by the ledger": lambda view: (view.put(PURSES, 1, PurseRow(71)), view.put(PURSES, 2, PurseRow(129))),
    "item 1 belongs to 2": lambda view: view.put(ITEMS, 1, ItemRow(2, "axe")),
    "item 2 belongs to nobody": lambda view: view.delete(ITEMS, 2),
    "held by [1, 2]": lambda view: view.put(INVENTORIES, 1, InventoryRow((Item(1, "axe"), Item(2, "hat")))),
    "item 1 belongs to 2, by the ledger to 1": lambda view: (
        view.put(ITEMS, 1, ItemRow(2, "axe")),
        view.put(INVENTORIES, 1, InventoryRow()),
        view.put(INVENTORIES, 2, InventoryRow((Item(1, "axe"), Item(2, "hat")))),
    ),
    "ledger has gaps": lambda view: view.delete(LEDGER, 4),
    "10 entries, and 19 were made": lambda view: view.put(META, DATABASE, MetaRow(1, 16, 3, 4, 20)),
    "carried out twice": lambda view: view.put(LEDGER, 8, view.get(LEDGER, 7)),  # type: ignore[arg-type]
    "ledger 10: scene.1 7 had been given up": lambda view: (
        view.put(LEDGER, 9, LedgerRow(AT_MS, "fence", 0, note="scene.1 7")),
        view.put(LEDGER, 10, LedgerRow(AT_MS, "nothing", 1, process=7)),
    ),
    "names and accounts": lambda view: view.put(NAMES, "carl", NameRow(1)),
    "characters and accounts differ about account 2": lambda view: view.delete(CHARACTERS, 2),
    "their friendship": lambda view: view.put(FRIENDS, 1, FriendsRow((Friendship(2, "bert", "asked"),))),
    "account 1 and account 9": lambda view: view.put(FRIENDS, 1, FriendsRow((Friendship(9, "x", "friend"),))),
}


@pytest.mark.parametrize("found", SABOTAGE)
def test_what_is_wrong_is_found(desk: Desk, found: str) -> None:
    desk.do(SABOTAGE[found])
    verdict = Audit(desk.store).run()
    assert not verdict["ok"]
    assert any(found in problem for problem in verdict["problems"]), verdict["problems"]


MAIL_SABOTAGE: dict[str, Callable[[View], Any]] = {
    "mail 1 holds 6, by the ledger 5": lambda view: view.put(MAILS, 1, mail(6)),
    "wallets hold 195 and mails 6": lambda view: view.put(MAILS, 1, mail(6)),
    "mail 1 is missing, by the ledger it holds 5": lambda view: view.delete(MAILS, 1),
    "item 1 belongs to -2 and is held by []": lambda view: view.put(MAILS, 1, mail(5, ())),
    "item 1 belongs to 1, by the ledger to -2": lambda view: view.put(ITEMS, 1, ItemRow(1, "axe")),
    "held by [-2, 1]": lambda view: view.put(INVENTORIES, 1, InventoryRow((Item(1, "axe"),))),
    "held by [-2, -2]": lambda view: view.put(MAILS, 1, mail(5, (Item(1, "axe"), Item(1, "axe")))),
    "mail 1 is in the box of account 1": lambda view: view.put(MAILBOXES, 1, MailboxRow((1,), 1)),
    "there are 1 mails, and 0 in the boxes": lambda view: view.put(MAILBOXES, 2, MailboxRow()),
    "account 1 counts 2 mails under way, there are 1": lambda view: view.put(MAILBOXES, 1, MailboxRow((), 2)),
    "account 1 does not count its mails": lambda view: view.delete(MAILBOXES, 1),
    "item 2 is missing, by the ledger it belongs to 2": lambda view: (
        view.delete(ITEMS, 2), view.put(INVENTORIES, 2, InventoryRow()),
    ),
    "purse 2 is missing": lambda view: view.delete(PURSES, 2),
    "is of session": lambda view: view.put(STATES, 1, StateRow("", 0, 0, 9, session=session_of(1, 9))),
    "in the place 1.2": lambda view: view.put(OPERATIONS, (1, 2), OperationRow(session_of(1, 1), 3, b"d")),
}  # fmt: skip


def mail(gold: int, items: tuple[Item, ...] = (Item(1, "axe"),)) -> MailRow:
    return MailRow(2, 1, "anna", "hello", AT_MS, AT_MS + 1, gold, items)


@pytest.mark.parametrize("found", MAIL_SABOTAGE)
def test_what_is_wrong_with_mails_and_places_is_found(full: Desk, found: str) -> None:
    assert Audit(full.store).run()["problems"] == []
    full.do(MAIL_SABOTAGE[found])
    problems = Audit(full.store).run()["problems"]
    assert any(found in problem for problem in problems), problems


@pytest.mark.parametrize("share", [1, 2, 3, 1000])
def test_the_economy_is_the_same_in_shares_of_any_size(full: Desk, share: int) -> None:
    def look() -> tuple[Economy, list[str]]:
        problems = Problems()
        economy = Economy(full.store, problems, report=True, share=share)
        economy.run()
        return economy, problems.texts

    economy, problems = look()
    assert problems == []
    assert economy.passes == -(-12 // share)  # the ledger is the longest
    assert economy.totals == {"wallets": 195, "mails": 5, "minted": 210, "burned": 10}
    full.do(lambda view: (view.put(PURSES, 2, PurseRow(131)), view.put(ITEMS, 2, ItemRow(1, "hat"))))
    full.do(lambda view: view.put(LEDGER, 8, view.get(LEDGER, 7)))  # type: ignore[arg-type]
    expected = {"purse 2 holds 131", "item 2 belongs to 1, by the ledger to 2", "was carried out twice"}
    found = look()[1]
    assert all(any(text in problem for problem in found) for text in expected), found


def test_verify_and_audit_are_the_two_halves_of_a_check(full: Desk) -> None:
    assert verify(full.store)["ok"]
    assert audit(full.store)["ok"]
    full.do(lambda view: view.put(PURSES, 1, PurseRow(71)))  # right in itself, wrong by the ledger
    assert verify(full.store)["ok"]
    assert not audit(full.store)["ok"]
    full.do(lambda view: (view.put(PURSES, 1, PurseRow(65)), view.put(NAMES, "carl", NameRow(1))))
    assert not verify(full.store)["ok"]
    assert audit(full.store)["ok"], audit(full.store)["problems"]


def test_a_key_of_another_table_is_found(full: Desk) -> None:
    full.store.damage("purses", b"abc", b"\0" * 9)  # type: ignore[attr-defined]
    verdict = verify(full.store)
    assert (verdict["damaged_rows"], verdict["problems"]) == (1, ["purses: 616263 is no key of this table"])


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_flipped_bit_is_found_in_any_table(full: Desk, table: str) -> None:
    key, value = next(iter(full.store.scan(table)))
    full.store.damage(table, key, value[:-1] + bytes((value[-1] ^ 1,)))  # type: ignore[attr-defined]
    verdict = Audit(full.store).run()
    assert verdict["damaged_rows"] == 1
    assert any(problem.startswith(table) and "checksum" in problem for problem in verdict["problems"])


def test_stat_counts_what_is_stored(desk: Desk) -> None:
    facts = stat(desk.store, 100)
    assert facts["durable_operations"] == 10
    assert (facts["accounts"], facts["items"], facts["tables"]["purses"]) == (2, 2, 4)
    assert facts["gold"] == {"wallets": 200, "mails": 0, "minted": 210, "burned": 10}
    assert stat(desk.store, 3)["gold"] is None


def test_rows_are_found_by_number_or_name(desk: Desk) -> None:
    def keys(table: str, prefix: str, limit: int = 100) -> list[str]:
        return [key for key, _ in find_rows(desk.store, TABLES[table], prefix, limit)[0]]

    assert keys("names", "") == ["anna", "bert"]
    assert keys("names", "BE") == ["bert"]
    assert keys("purses", "") == ["0", "1", "2", "-1"]
    assert keys("purses", "-1") == ["-1"]
    assert keys("accounts", "2") == ["2"]
    assert keys("characters", "ann") == ["1"]
    assert keys("operations", "anna") == ["1.1", "1.2", "1.3", "1.4"]
    assert keys("items", "anna") == []  # items do not belong to an account by their key
    assert keys("accounts", "99999999999999999999999") == []
    assert find_rows(desk.store, ACCOUNTS, "", 1)[1]
    assert find_rows(desk.store, ACCOUNTS, "", 2) == (
        [(str(n), {"name": name, "created_s": AT_MS // 1000, "banned_until_s": 0, "ban_reason": "", "priority": 0,
                   "muted_until_s": 0, "mute_reason": "", "mutes": 0})
         for n, name in ((1, "anna"), (2, "bert"))],
        False,
    )  # fmt: skip


def test_a_damaged_row_is_shown_as_such(desk: Desk) -> None:
    key = PURSES.keys.pack(1)
    desk.store.damage("purses", key, b"\0\0\0\0\0\0\0")  # type: ignore[attr-defined]
    rows, _ = find_rows(desk.store, PURSES, "", 100)
    assert [list(row) for _, row in rows] == [["gold"], ["damaged"], ["gold"], ["gold"]]


def test_problems_are_bounded(desk: Desk) -> None:
    for number in range(150):
        desk.do(lambda view, number=number: view.put(ITEMS, 1000 + number, ItemRow(1, "axe")))
    verdict = Audit(desk.store).run()
    assert len(verdict["problems"]) == 100
    assert verdict["problems_not_shown"] > 50
