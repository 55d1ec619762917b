"""Accounts, bans, sessions, characters."""

import struct

import pytest

from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import CreateAccount
from mesh.protocol.lanes import STATE_STRUCT
from mesh.protocol.records import SaveStates, SetBan, SetPriority
from mesh.protocol.sessions import session_of
from nodes.dc import accounts
from nodes.dc.characters import set_level, states_in, status_of
from nodes.dc.records import LEDGER
from nodes.dc.states import States

from .desk import AT_MS, Desk


def refused(code: Code) -> "pytest.RaisesExc[RefusedError]":
    return pytest.raises(RefusedError, check=lambda error: error.code == code)


def test_a_new_account_has_a_character_and_its_gold() -> None:
    desk = Desk(gold=100)
    account = desk.account("Anna")
    status = status_of(desk.rows, States(desk.rows, 10).get, account)
    assert (status.name, status.level, status.hp, status.gold, status.map) == ("Anna", 1, 100, 100, "")
    assert status.attributes == {"strength": 10, "agility": 10, "stamina": 10}
    assert (status.region, status.items, status.friends) == ("north", [], [])


def test_names_are_unique_whatever_their_case() -> None:
    desk = Desk()
    account = desk.account("Anna")
    with refused(Code.EXISTS):
        desk.account("aNNA")
    found = accounts.find_account(desk.rows, "ANNA")
    assert (found.account, found.name, found.password_hash) == (account, "Anna", "hash")
    with refused(Code.NOT_FOUND):
        accounts.find_account(desk.rows, "Bert")


def test_accounts_have_different_numbers() -> None:
    desk = Desk()
    assert len({desk.account(f"p{i}") for i in range(20)}) == 20


def test_a_refused_account_leaves_no_trace() -> None:
    desk = Desk()
    desk.account("Anna")
    before = desk.store.count("ledger"), desk.store.count("accounts")
    with refused(Code.EXISTS):
        desk.do(lambda view: accounts.create_account(view, CreateAccount("anna", ""), 100, AT_MS))
    assert (desk.store.count("ledger"), desk.store.count("accounts")) == before


def test_sessions_grow_and_only_the_newest_counts() -> None:
    desk = Desk()
    account, first = desk.player("Anna")
    second = desk.session(account)
    assert (first, second) == (session_of(account, 1), session_of(account, 2))
    assert not accounts.is_newest(desk.rows, first)
    assert accounts.is_newest(desk.rows, second)
    assert not accounts.is_newest(desk.rows, session_of(account, 3))
    assert not accounts.is_newest(desk.rows, session_of(account + 1, 1))
    with refused(Code.NOT_FOUND):
        desk.session(account + 1)


def test_an_account_without_a_session_has_no_newest_one() -> None:
    desk = Desk()
    account = desk.account("Anna")
    assert not accounts.is_newest(desk.rows, session_of(account, 0))


def test_a_ban_is_kept_and_lifted() -> None:
    desk = Desk()
    desk.account("Anna")
    banned = desk.do(lambda view: accounts.set_ban(view, SetBan("anna", -1, "cheating"), AT_MS))
    assert (banned.banned_until_s, banned.ban_reason) == (-1, "cheating")
    found = accounts.find_account(desk.rows, "Anna")
    assert (found.banned_until_s, found.ban_reason, found.session) == (-1, "cheating", 0)
    desk.do(lambda view: accounts.set_ban(view, SetBan("Anna", 0), AT_MS))
    assert accounts.find_account(desk.rows, "Anna").banned_until_s == 0
    with refused(Code.NOT_FOUND):
        desk.do(lambda view: accounts.set_ban(view, SetBan("Bert", -1), AT_MS))


def test_a_priority_is_kept_beside_a_ban() -> None:
    desk = Desk()
    desk.account("Anna")
    desk.do(lambda view: accounts.set_ban(view, SetBan("Anna", 7, "x"), AT_MS))
    shown = desk.do(lambda view: accounts.set_priority(view, SetPriority("anna", 3), AT_MS))
    assert (shown.name, shown.priority, shown.banned_until_s) == ("Anna", 3, 7)
    assert accounts.find_account(desk.rows, "Anna") == shown
    before = desk.store.count("ledger")
    desk.do(lambda view: accounts.set_priority(view, SetPriority("Anna", 3), AT_MS))
    assert desk.store.count("ledger") == before
    assert desk.do(lambda view: accounts.set_priority(view, SetPriority("Anna", 0), AT_MS)).priority == 0
    with refused(Code.NOT_FOUND):
        desk.do(lambda view: accounts.set_priority(view, SetPriority("Bert", 1), AT_MS))


def test_every_change_is_one_row_of_the_ledger() -> None:
    desk = Desk()
    desk.player("Anna")
    desk.do(lambda view: accounts.set_ban(view, SetBan("Anna", 5, "x"), AT_MS))
    kinds = [LEDGER.unpack(key, value).kind for key, value in desk.store.scan("ledger")]
    assert kinds == ["create", "session", "ban"]


def test_a_level_never_falls() -> None:
    desk = Desk()
    account = desk.account("Anna")
    desk.do(lambda view: set_level(view, account, 5))
    with refused(Code.OUT_OF_RANGE):
        desk.do(lambda view: set_level(view, account, 4))
    with refused(Code.NOT_FOUND):
        desk.do(lambda view: set_level(view, account + 1, 4))
    assert status_of(desk.rows, States(desk.rows, 10).get, account).level == 5


def test_states_are_read_from_a_batch() -> None:
    sessions = [session_of(3, 1), session_of(9, 2)]
    states = STATE_STRUCT.pack(1.5, -2.0, 80, 64, 1, 1000) + STATE_STRUCT.pack(0, 0, 0, 0, 0x80, 5)
    found, rows = states_in(SaveStates("meadow", struct.pack("<2Q", *sessions), states))
    assert found.tolist() == sessions
    assert rows[0].item() == (1.5, -2.0, 80, 64, 1, 1000)
    assert len(states_in(SaveStates("meadow", b"", b""))[0]) == 0


@pytest.mark.parametrize(
    ("sessions", "states"),
    [
        (bytes(7), bytes(16)),
        (bytes(8), bytes(15)),
        (bytes(16), bytes(16)),
        (bytes(8), STATE_STRUCT.pack(float("nan"), 0, 1, 0, 0, 0)),
        (bytes(16), bytes(16) + STATE_STRUCT.pack(0, -float("inf"), 1, 0, 0, 0)),
        (bytes(8), STATE_STRUCT.pack(0, float("inf"), 1, 0, 0, 0)),
        (bytes(8), STATE_STRUCT.pack(3e6, 0, 1, 0, 0, 0)),
    ],
)
def test_a_batch_that_does_not_add_up_is_refused(sessions: bytes, states: bytes) -> None:
    with refused(Code.BAD_MESSAGE):
        states_in(SaveStates("meadow", sessions, states))


def test_a_ban_ends_the_sessions_of_its_account_and_lets_no_login_in() -> None:
    desk = Desk()
    account, first = desk.player("Anna")
    banned = desk.do(lambda view: accounts.set_ban(view, SetBan("Anna", AT_MS // 1000 + 60, "bots"), AT_MS))
    assert banned.session > first
    assert not accounts.is_newest(desk.rows, first)
    before = desk.store.count("ledger")
    with pytest.raises(RefusedError, match=r"banned until .*: bots"):
        desk.do(lambda view: accounts.log_in(view, account, AT_MS + 59_000))
    assert desk.store.count("ledger") == before
    assert desk.do(lambda view: accounts.log_in(view, account, AT_MS + 60_000)) > banned.session


def test_lifting_a_ban_or_one_that_is_over_ends_no_session() -> None:
    desk = Desk()
    _, first = desk.player("Anna")
    for until_s in (0, AT_MS // 1000):
        assert (
            desk.do(lambda view, until_s=until_s: accounts.set_ban(view, SetBan("Anna", until_s), AT_MS)).session == 0
        )
    assert accounts.is_newest(desk.rows, first)
