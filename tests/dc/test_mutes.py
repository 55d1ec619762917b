"""Mutes as the DC keeps them: numbered, part of the status, over by themselves, and asked about when a mail is sent."""

import msgspec
import pytest

from mesh.errors import Code, RefusedError
from mesh.protocol.records import GoldMove, Letter, Operate, SetBan, SetMute, SetPriority
from mesh.protocol.sessions import Mute, Status
from nodes.dc import accounts, operations
from nodes.dc.characters import status_of
from nodes.dc.records import ACCOUNTS, LEDGER, MAILS, AccountRow
from nodes.dc.states import States

from .desk import AT_MS, Desk

AT_S = AT_MS // 1000


def refused(code: Code) -> "pytest.RaisesExc[RefusedError]":
    return pytest.raises(RefusedError, check=lambda error: error.code == code)


def mute(desk: Desk, until_s: int, reason: str = "", name: str = "anna") -> Mute:
    shown = desk.do(lambda view: accounts.set_mute(view, SetMute(name, until_s, reason), AT_MS))
    return Mute(shown.mute, shown.muted_until_s, shown.mute_reason)


def status(desk: Desk, account: int) -> Status:
    return status_of(desk.rows, States(desk.rows, 10).get, account)


def write(desk: Desk, session: int, sequence: int, letter: Letter, at_ms: int = AT_MS, asked: int = 0) -> None:
    said = Operate(session, sequence, "mail-send", [session], letter=letter, asked=asked)
    desk.do(lambda view: operations.operate(view, said, at_ms))


def test_each_word_about_an_account_has_the_next_number_and_goes_along_with_its_status() -> None:
    desk = Desk()
    account = desk.account("Anna")
    assert status(desk, account).mute == Mute()
    assert mute(desk, -1, "spam") == Mute(1, -1, "spam") == status(desk, account).mute
    assert mute(desk, AT_S + 60, name="ANNA") == Mute(2, AT_S + 60, "")
    assert mute(desk, 0) == Mute(3, 0, "") == status(desk, account).mute
    found = accounts.find_account(desk.rows, "anna")
    assert (found.mute, found.muted_until_s, found.session) == (3, 0, 0)
    with refused(Code.NOT_FOUND):
        mute(desk, -1, name="bert")


def test_it_is_one_row_of_the_ledger_and_ends_no_session() -> None:
    desk = Desk()
    _, session = desk.player("Anna")
    mute(desk, -1, "spam")
    mute(desk, 0)
    rows = [LEDGER.unpack(key, value) for key, value in desk.store.scan("ledger")]
    assert [(row.kind, row.note) for row in rows[2:]] == [("mute", "spam"), ("unmute", "")]
    assert accounts.is_newest(desk.rows, session)


def test_it_is_kept_beside_a_ban_and_a_priority() -> None:
    desk = Desk()
    account = desk.account("Anna")
    mute(desk, -1, "spam")
    desk.do(lambda view: accounts.set_ban(view, SetBan("Anna", 7, "x"), AT_MS))
    desk.do(lambda view: accounts.set_priority(view, SetPriority("Anna", 3), AT_MS))
    shown = accounts.find_account(desk.rows, "Anna")
    assert (shown.banned_until_s, shown.priority, shown.muted_until_s, shown.mute_reason) == (7, 3, -1, "spam")
    assert status(desk, account).mute == Mute(1, -1, "spam")


def test_a_row_that_an_older_program_wrote_is_of_nobody_who_is_muted() -> None:
    class Before(msgspec.Struct, frozen=True, array_like=True):
        name: str
        password_hash: str
        created_s: int
        banned_until_s: int = 0
        ban_reason: str = ""
        priority: int = 0

    key = ACCOUNTS.keys.pack(1)
    value = ACCOUNTS.seal(key, ACCOUNTS.head + msgspec.msgpack.encode(Before("Anna", "hash", 5, 7, "x", 3)))
    row = ACCOUNTS.unpack(key, value)
    assert row == AccountRow("Anna", "hash", 5, 7, "x", 3)
    assert row.mute == Mute()


def test_who_may_not_speak_writes_no_mail_until_it_is_over() -> None:
    desk = Desk(gold=100)
    _, anna = desk.player("Anna")
    desk.player("Bert")
    mute(desk, AT_S + 60, "spam")
    before = desk.store.count("ledger")
    with pytest.raises(RefusedError, match=r"muted: you may not speak until 2025-06-15 15:07:40 UTC: spam"):
        write(desk, anna, 1, Letter("Bert", "hello", 5))
    with refused(Code.MUTED):
        write(desk, anna, 1, Letter("Nobody", "hello"))
    assert (desk.store.count("ledger"), desk.store.count("mails")) == (before, 0)
    write(desk, anna, 1, Letter("Bert", "hello", 5), AT_MS + 60_000)
    [text] = [MAILS.unpack(key, value).text for key, value in desk.store.scan("mails")]
    assert text == "hello"


def test_gold_without_a_word_is_no_speech() -> None:
    desk = Desk(gold=100)
    anna, session = desk.player("Anna")
    bert, _ = desk.player("Bert")
    mute(desk, -1)
    write(desk, session, 1, Letter("Bert", "", 5))
    desk.operate(Operate(session, 2, "pay", [session], [GoldMove(anna, bert, 5)]))
    assert desk.store.count("mails") == 1


def test_a_mail_that_was_sent_before_is_told_so_when_a_new_scene_asks_once_more() -> None:
    desk = Desk(gold=100)
    _, anna = desk.player("Anna")
    desk.player("Bert")
    write(desk, anna, 1, Letter("Bert", "hello", 5), asked=7)
    mute(desk, -1)
    write(desk, anna, 2, Letter("Bert", "hello", 5), asked=7)  # its scene was lost
    assert desk.store.count("mails") == 1
    with refused(Code.MUTED):
        write(desk, anna, 3, Letter("Bert", "more"), asked=8)
