"""Mail: a text, gold and items that wait for somebody, in the world or not.

What is attached leaves the sender in the operation that sends the mail, and becomes the receiver's in the one that
takes it. In between it belongs to the mail itself: the mail is a purse and an owner that is no account, so that the
ledger says at any time where everything is. A mail that nobody takes goes back as a new one, which waits for ever.

Everything is bounded: how many mails wait for one account, and how many with something attached an account may have
under way, which bounds how many can come back to it. Whoever blocks the sender has a full box, so that nobody learns
of being blocked. Whoever is muted writes nothing; that is looked at here and not by the scene, which may be asked once
more for a mail that was sent before.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from mesh.errors import Code, RefusedError, StorageError
from mesh.mutes import refuse_muted
from mesh.protocol.play import Mail
from mesh.protocol.records import GoldMove, ItemMove, Letter, Mails, Operate
from nodes.dc.accounts import account_named
from nodes.dc.ledger import DATABASE, enter, hand_in, hand_out, items_of, meta, pay_in, pay_out
from nodes.dc.records import (
    ACCOUNTS,
    FRIENDS,
    ITEMS,
    MAILBOXES,
    MAILS,
    META,
    AccountRow,
    ItemRow,
    LedgerRow,
    MailboxRow,
    MailRow,
)
from nodes.dc.store import Store
from nodes.dc.view import Readable, View

LIFETIME_MS = 30 * 86_400_000
WAITING_MAX = 50  # mails that wait for one account; more are refused, only what comes back always finds room
UNDER_WAY_MAX = 50  # mails with something attached that one account has sent and nobody has taken; more are refused
PAGE = 10  # mails in one answer: 25 kB at most
EMPTY = MailboxRow()


class Posted(NamedTuple):
    """What an operation did about mail, for the ledger."""

    gold: tuple[GoldMove, ...] = ()
    items: tuple[ItemMove, ...] = ()
    note: str = ""


NOTHING = Posted()


def owner_of(mail: int) -> int:
    """How a mail is named where purses and owners are: below BURN."""
    return -1 - mail


def mail_of(owner: int) -> int:
    """The mail that is named so; 0 when no mail is."""
    return max(0, -1 - owner)


def post(view: View, account: int, said: Operate, at_ms: int, lifetime_ms: int) -> Posted:
    """The part of an operation that is about mail."""
    if said.letter is not None and said.mail:
        raise RefusedError(Code.NOT_ALLOWED, "one mail at a time")
    if said.letter is not None:
        return send(view, account, said.letter, at_ms, lifetime_ms)
    return take(view, account, said.mail, said.room) if said.mail else NOTHING


def send(view: View, sender: int, letter: Letter, at_ms: int, lifetime_ms: int) -> Posted:
    """`muted`: the sender may not speak, and this is more than gold and items; `not_found`: nobody is called so;
    `out_of_range`: the receiver has no room; `too_many`: the sender has too much under way; `insufficient`: it has not
    got what it attaches."""
    known = _account(view, sender)
    if letter.text:
        refuse_muted(known.mute, at_ms / 1000)
    receiver, name = account_named(view, letter.to)
    if receiver == sender:
        raise RefusedError(Code.NOT_ALLOWED, "nobody writes to themselves")
    box = box_of(view, receiver)
    if len(box.mails) >= WAITING_MAX or _blocks(view, receiver, sender):
        raise RefusedError(Code.OUT_OF_RANGE, f"{name} has no room for more mails")
    row = MailRow(receiver, sender, known.name, letter.text, at_ms, at_ms + lifetime_ms, letter.gold)
    if letter.gold:
        pay_out(view, sender, letter.gold)
    row = replace(row, items=tuple([hand_out(view, sender, item) for item in letter.items]))
    if _has_attached(row):
        _count_under_way(view, sender, 1)
    number = _put(view, row)
    return _moved(row, sender, owner_of(number), f"mail {number} to {receiver}")


def take(view: View, account: int, number: int, room: int) -> Posted:
    """The mail is gone, what was attached is the account's. `insufficient`: it would have more items than `room`."""
    row = view.get(MAILS, number)
    if row is None or row.account != account:
        raise RefusedError(Code.NOT_FOUND, "there is no such mail")
    if row.items and len(items_of(view, account)) + len(row.items) > room:
        raise RefusedError(Code.INSUFFICIENT, "no room for more items")
    if row.gold:
        pay_in(view, account, row.gold)
    for item in row.items:
        hand_in(view, account, item)
    if _has_attached(row):
        _count_under_way(view, row.sender, -1)
    _remove(view, number, row)
    return _moved(row, owner_of(number), account, f"mail {number}")


def end(view: View, number: int, at_ms: int) -> None:
    """Nobody took it in time: what is attached goes back, in a mail of its own. Nothing happens to one that is gone,
    or is not over yet."""
    row = view.get(MAILS, number)
    if row is None or not is_over(row, at_ms):
        return
    _remove(view, number, row)
    posted = Posted(note=f"mail {number}")
    if _has_attached(row):
        by = _account(view, row.account).name
        back = replace(row, account=row.sender, by=by, sent_ms=at_ms, expires_ms=0, returned=True)
        again = _put(view, back)
        posted = _moved(row, owner_of(number), owner_of(again), f"mail {number} as {again}")
    enter(view, LedgerRow(at_ms, "mail-end", row.account, gold=posted.gold, items=posted.items, note=posted.note))


def is_over(row: MailRow, at_ms: int) -> bool:
    """Has it waited long enough?"""
    return 0 < row.expires_ms <= at_ms


def waiting(rows: Readable, account: int, above: int) -> Mails:
    """A page of what waits for an account."""
    numbers = sorted(number for number in box_of(rows, account).mails if number > above)
    found = [(number, rows.get(MAILS, number)) for number in numbers[:PAGE]]
    return Mails([_shown(number, row) for number, row in found if row is not None], len(numbers) > PAGE)


def overdue(store: Store, start: int, at_ms: int, looked_at: int) -> Iterator[tuple[int, bool]]:
    """Mails from number `start` on, at most `looked_at`, and whether each is over: up to the first that still has to
    wait, since they end in the order in which they were sent. What comes back never ends, a damaged one cannot."""
    scanned = store.scan(MAILS.name, start=MAILS.keys.pack(start))
    for (key, value), _ in zip(scanned, range(looked_at), strict=False):
        number = MAILS.keys.unpack(key)
        try:
            row = MAILS.unpack(key, value)
        except StorageError:
            yield number, False
            continue
        if row.expires_ms and not is_over(row, at_ms):
            return
        yield number, bool(row.expires_ms)


def box_of(view: Readable, account: int) -> MailboxRow:
    """Which mails wait for an account."""
    return view.get(MAILBOXES, account) or EMPTY


def _shown(number: int, row: MailRow) -> Mail:
    return Mail(number, row.by, row.text, row.sent_ms // 1000, row.gold, list(row.items), row.returned)


def _put(view: View, row: MailRow) -> int:
    """A new mail in its receiver's box; its number."""
    known = meta(view)
    number = known.next_mail
    view.put(META, DATABASE, replace(known, next_mail=number + 1))
    view.put(MAILS, number, row)
    for item in row.items:
        view.put(ITEMS, item.id, ItemRow(owner_of(number), item.kind))
    box = box_of(view, row.account)
    view.put(MAILBOXES, row.account, replace(box, mails=(*box.mails, number)))
    return number


def _remove(view: View, number: int, row: MailRow) -> None:
    view.delete(MAILS, number)
    box = box_of(view, row.account)
    view.put(MAILBOXES, row.account, replace(box, mails=tuple(one for one in box.mails if one != number)))


def _count_under_way(view: View, sender: int, more: int) -> None:
    box = box_of(view, sender)
    if box.under_way + more > UNDER_WAY_MAX:
        raise RefusedError(Code.TOO_MANY, f"{UNDER_WAY_MAX} mails with something attached wait to be taken")
    view.put(MAILBOXES, sender, replace(box, under_way=box.under_way + more))


def _moved(row: MailRow, source: int, target: int, note: str) -> Posted:
    gold = (GoldMove(source, target, row.gold),) if row.gold else ()
    return Posted(gold, tuple([ItemMove(item.id, source, target, item.kind) for item in row.items]), note)


def _has_attached(row: MailRow) -> bool:
    return bool(row.gold or row.items)


def _blocks(view: Readable, account: int, other: int) -> bool:
    row = view.get(FRIENDS, account)
    return row is not None and any(one.account == other and one.state == "blocked" for one in row.friends)


def _account(view: Readable, account: int) -> AccountRow:
    row = view.get(ACCOUNTS, account)
    assert row is not None, "an account is never removed"
    return row
