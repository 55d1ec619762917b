"""Mail: what is attached is in one place at every moment, and the ledger says which."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Code
from mesh.protocol.play import Item, Mail
from mesh.protocol.records import Letter, Operate, Operated
from nodes.dc import mails
from nodes.dc.asked import WINDOW, note, was_carried_out
from nodes.dc.audit import Audit
from nodes.dc.ledger import gold_of, items_of
from nodes.dc.mails import box_of, end, overdue, owner_of, waiting
from nodes.dc.records import ITEMS, LEDGER, MAILBOXES, MAILS, ItemRow, MailboxRow, MailRow

from .desk import AT_MS, Desk, make
from .test_accounts import refused
from .test_friendships import change

DAY_MS = 86_400_000


class Post:
    """Anna (1, 100 coins, items 1 and 2) and Bert (2, 100 coins), who write to each other."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.anna, self.hers = self.desk.player("Anna")
        self.bert, self.his = self.desk.player("Bert")
        self.desk.operate(make(self.hers, 1, (0, 0, self.anna, "axe"), (0, 0, self.anna, "hat")))
        self._sequence = 1

    def write(self, session: int, to: str, gold: int = 0, *items: int, text: str = "hello") -> Operated:
        self._sequence += 1
        letter = Letter(to, text, gold, list(items))
        return self.desk.operate(Operate(session, self._sequence, "mail-send", [], letter=letter))

    def take(self, session: int, mail: int, room: int = 100) -> Operated:
        self._sequence += 1
        return self.desk.operate(Operate(session, self._sequence, "mail-take", [], mail=mail, room=room))

    def end(self, mail: int, days: int) -> None:
        self.desk.do(lambda view: end(view, mail, AT_MS + days * DAY_MS))

    def box(self, account: int) -> list[Mail]:
        return waiting(self.desk.rows, account, 0).mails

    def gold(self) -> tuple[int, int]:
        return gold_of(self.desk.rows, self.anna), gold_of(self.desk.rows, self.bert)

    def items(self, account: int) -> list[int]:
        return [item.id for item in items_of(self.desk.rows, account)]


@pytest.fixture
def post() -> Iterator[Post]:
    """Whatever was done: the database is whole, and follows from its ledger."""
    post = Post()
    yield post
    assert Audit(post.desk.store).run()["problems"] == []


def test_what_is_attached_waits_in_the_mail_and_goes_to_who_takes_it(post: Post) -> None:
    answer = post.write(post.hers, "bert", 30, 2)
    assert [(h.account, h.gold, [i.id for i in h.items]) for h in answer.holdings] == [(post.anna, 70, [1])]
    assert post.gold() == (70, 100)
    assert post.desk.rows.get(ITEMS, 2) == ItemRow(owner_of(1), "hat")
    assert post.box(post.bert) == [Mail(1, "Anna", "hello", AT_MS // 1000, 30, [Item(2, "hat")])]
    assert Audit(post.desk.store).run()["gold"] == {"wallets": 170, "mails": 30, "minted": 200, "burned": 0}
    post.take(post.his, 1)
    assert (post.gold(), post.items(post.anna), post.items(post.bert)) == ((70, 130), [1], [2])
    assert post.box(post.bert) == []
    assert post.desk.rows.get(MAILBOXES, post.anna) == MailboxRow()


def test_one_operation_one_row_of_the_ledger_with_every_move(post: Post) -> None:
    before = post.desk.store.count(LEDGER.name)
    post.write(post.hers, "bert", 30, 1, 2)
    row = post.desk.rows.get(LEDGER, before + 1)
    assert row is not None
    assert post.desk.store.count(LEDGER.name) == before + 1
    assert [(m.source, m.target, m.amount) for m in row.gold] == [(post.anna, owner_of(1), 30)]
    assert [(m.item, m.source, m.target) for m in row.items] == [(1, post.anna, -2), (2, post.anna, -2)]


def test_sending_and_taking_again_under_the_same_number_does_nothing_more(post: Post) -> None:
    letter = Letter("bert", "", 30, [1])
    sent = Operate(post.hers, 7, "mail-send", [], letter=letter)
    assert post.desk.operate(sent) == post.desk.operate(sent)
    assert (post.gold(), len(post.box(post.bert))) == ((70, 100), 1)
    taken = Operate(post.his, 1, "mail-take", [], mail=1, room=9)
    assert post.desk.operate(taken) == post.desk.operate(taken)
    assert post.gold() == (70, 130)
    with refused(Code.OP_CONFLICT):
        post.desk.operate(Operate(post.hers, 7, "mail-send", [], letter=Letter("bert", "", 31, [1])))


def test_what_a_client_says_again_is_carried_out_once_whatever_number_its_scene_gives_it(post: Post) -> None:
    letter = Letter("bert", "", 30, [1])
    first = post.desk.operate(Operate(post.hers, 7, "mail-send", [], letter=letter, asked=41))
    again = post.desk.operate(Operate(post.hers, 8, "mail-send", [], letter=letter, asked=41))
    assert (first.again, again.again, again.holdings) == (False, True, first.holdings)
    assert again == post.desk.operate(Operate(post.hers, 8, "mail-send", [], letter=letter, asked=41))
    post.desk.operate(Operate(post.his, 1, "mail-take", [], mail=1, room=9, asked=3))
    assert post.desk.operate(Operate(post.his, 2, "mail-take", [], mail=1, room=9, asked=3)).again
    assert (post.gold(), post.box(post.bert)) == ((70, 130), [])
    kinds = [LEDGER.unpack(key, value).kind for key, value in post.desk.store.scan(LEDGER.name)]
    assert (kinds.count("mail-send"), kinds.count("mail-take")) == (1, 1)


def test_what_was_refused_was_not_carried_out_also_when_a_later_one_was(post: Post) -> None:
    with refused(Code.INSUFFICIENT):
        post.desk.operate(Operate(post.hers, 7, "mail-send", [], letter=Letter("bert", "", 101), asked=1))
    post.desk.operate(Operate(post.hers, 7, "mail-send", [], letter=Letter("bert", "", 1), asked=2))
    assert not post.desk.operate(Operate(post.hers, 8, "mail-send", [], letter=Letter("bert", "", 5), asked=1)).again
    assert post.gold() == (94, 100)


def test_what_is_too_old_to_be_known_is_refused_and_another_session_begins_anew(post: Post) -> None:
    letter = Letter("bert", "")
    for number, asked in enumerate((1, WINDOW, WINDOW + 1, 2**32 - 1), start=10):
        post.desk.operate(Operate(post.hers, number, "mail-send", [], letter=letter, asked=asked))
        assert post.desk.operate(Operate(post.hers, 99, "mail-send", [], letter=letter, asked=asked)).again
    with refused(Code.OP_TOO_OLD):
        post.desk.operate(Operate(post.hers, 99, "mail-send", [], letter=letter, asked=2**32 - 1 - WINDOW))
    newer = post.desk.session(post.anna)
    assert not post.desk.operate(Operate(newer, 1, "mail-send", [], letter=letter, asked=1)).again
    with refused(Code.STALE_EPOCH):
        post.desk.operate(Operate(post.hers, 99, "mail-send", [], letter=letter, asked=2**32 - 1))


@given(st.lists(st.integers(1, 3 * WINDOW), max_size=60))
def test_it_is_known_of_each_of_the_last_numbers_whether_it_was_carried_out(numbers: list[int]) -> None:
    post, carried_out = Post(), set[int]()
    for number in numbers:
        newest = max(carried_out, default=0)
        if newest - number >= WINDOW:
            with refused(Code.OP_TOO_OLD):
                was_carried_out(post.desk.rows, post.hers, number)
            continue
        assert was_carried_out(post.desk.rows, post.hers, number) == (number in carried_out)
        post.desk.do(lambda view, number=number: note(view, post.hers, number))  # type: ignore[misc]
        carried_out.add(number)


def test_a_mail_is_taken_by_its_receiver_and_once(post: Post) -> None:
    post.write(post.hers, "bert", 30)
    with refused(Code.NOT_FOUND):
        post.take(post.hers, 1)
    post.take(post.his, 1)
    with refused(Code.NOT_FOUND):
        post.take(post.his, 1)
    assert post.gold() == (70, 130)


@pytest.mark.parametrize(
    ("to", "gold", "items", "code"),
    [
        ("carl", 0, (), Code.NOT_FOUND),
        ("anna", 1, (), Code.NOT_ALLOWED),
        ("bert", 101, (), Code.INSUFFICIENT),
        ("bert", 1, (9,), Code.INSUFFICIENT),
        ("bert", 1, (1, 1), Code.INSUFFICIENT),
    ],
)
def test_a_mail_that_cannot_be_sent_leaves_no_trace(
    post: Post, to: str, gold: int, items: tuple[int, ...], code: Code
) -> None:
    with refused(code):
        post.write(post.hers, to, gold, *items)
    assert (post.gold(), post.items(post.anna), post.box(post.bert)) == ((100, 100), [1, 2], [])


def test_only_who_has_the_newest_session_writes_and_takes(post: Post) -> None:
    post.write(post.hers, "bert", 30)
    post.desk.session(post.anna)
    post.desk.session(post.bert)
    with refused(Code.STALE_EPOCH):
        post.write(post.hers, "bert", 1)
    with refused(Code.STALE_EPOCH):
        post.take(post.his, 1)


def test_items_that_find_no_room_stay_in_the_mail(post: Post) -> None:
    post.write(post.hers, "bert", 5, 1, 2)
    with refused(Code.INSUFFICIENT):
        post.take(post.his, 1, room=1)
    assert len(post.box(post.bert)) == 1
    post.take(post.his, 1, room=2)
    assert post.items(post.bert) == [1, 2]


def test_what_nobody_takes_comes_back_and_stays(post: Post) -> None:
    post.write(post.hers, "bert", 30, 1)
    post.end(1, 29)  # not yet
    assert len(post.box(post.bert)) == 1
    post.end(1, 30)
    post.end(1, 31)
    assert post.box(post.bert) == []
    back = post.box(post.anna)
    assert [(m.number, m.by, m.gold, m.returned) for m in back] == [(2, "Bert", 30, True)]
    post.end(2, 9999)
    assert post.box(post.anna) == back
    post.take(post.hers, 2)
    assert (post.gold(), sorted(post.items(post.anna))) == ((100, 100), [1, 2])


def test_a_text_alone_that_nobody_takes_is_gone(post: Post) -> None:
    post.write(post.hers, "bert")
    post.end(1, 30)
    assert (post.box(post.bert), post.box(post.anna)) == ([], [])
    assert post.desk.store.count(MAILS.name) == 0


def test_a_box_is_bounded(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "WAITING_MAX", 2)
    for _ in range(2):
        post.write(post.hers, "bert")
    with refused(Code.OUT_OF_RANGE):
        post.write(post.hers, "bert")
    post.take(post.his, 1)
    post.write(post.hers, "bert")


def test_what_one_player_has_under_way_is_bounded(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "UNDER_WAY_MAX", 2)
    for _ in range(2):
        post.write(post.hers, "bert", 1)
    with refused(Code.TOO_MANY):
        post.write(post.hers, "bert", 1)
    post.write(post.hers, "bert")  # a text is none of this
    post.end(1, 30)  # what came back is still not taken
    with refused(Code.TOO_MANY):
        post.write(post.hers, "bert", 1)
    post.take(post.hers, 4)
    post.write(post.hers, "bert", 1)


def test_who_is_blocked_does_not_learn_of_it(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    change(post.desk, "block", post.bert, "anna")
    with refused(Code.OUT_OF_RANGE) as blocked:
        post.write(post.hers, "bert", 1)
    change(post.desk, "unblock", post.bert, "anna")
    monkeypatch.setattr(mails, "WAITING_MAX", 0)
    with refused(Code.OUT_OF_RANGE) as full:
        post.write(post.hers, "bert", 1)
    assert blocked.value.text == full.value.text


def test_a_box_is_shown_in_pages(post: Post) -> None:
    for _ in range(12):
        post.write(post.hers, "bert")
    first = waiting(post.desk.rows, post.bert, 0)
    rest = waiting(post.desk.rows, post.bert, first.mails[-1].number)
    assert ([m.number for m in first.mails], first.more) == (list(range(1, 11)), True)
    assert ([m.number for m in rest.mails], rest.more) == ([11, 12], False)


def test_mails_that_are_over_are_found_in_their_order(post: Post) -> None:
    for _ in range(4):
        post.write(post.hers, "bert", 1)
    post.end(1, 30)  # 5 came back, and waits for ever
    late = AT_MS + 30 * DAY_MS
    assert list(overdue(post.desk.store, 0, late, 100)) == [(2, True), (3, True), (4, True), (5, False)]
    assert list(overdue(post.desk.store, 3, late, 1)) == [(3, True)]
    assert list(overdue(post.desk.store, 0, AT_MS, 100)) == []
    post.desk.store.damage("mails", MAILS.keys.pack(2), b"\0" * 9)  # type: ignore[attr-defined]
    assert list(overdue(post.desk.store, 0, late, 2)) == [(2, False), (3, True)]
    row = MailRow(post.bert, post.anna, "Anna", "hello", AT_MS, AT_MS + 30 * DAY_MS, 1)
    post.desk.do(lambda view: view.put(MAILS, 2, row))


def test_a_mail_goes_with_nothing_else_about_mail(post: Post) -> None:
    post.write(post.hers, "bert", 1)
    both = Operate(post.his, 1, "mail", [], letter=Letter("anna", "", 1), mail=1, room=9)
    with refused(Code.NOT_ALLOWED):
        post.desk.operate(both)
    assert box_of(post.desk.rows, post.bert).mails == (1,)
