"""Operations: several changes of gold, items, mails and level that happen together, exactly once, or not at all.

An operation is named (session, sequence). What was carried out stays in a ring of slots per account, written in the
same transaction as the changes themselves: slot = sequence modulo the ring's length. Rejected: a table of random ids,
which grows without end or needs a sweep; and one row with the whole ring, which is rewritten for every operation.

What a repeated operation finds in its slot:

    the same id, the same request    it was carried out: the same items that it made, the holdings as they are now
    the same id, another request     op_conflict
    a later one of the session       op_too_old: the slot was used again
    anything else                    it was not carried out yet

Whoever gives something must be a party whose session is the newest of its account, checked here, inside the
transaction: stale_epoch otherwise. A refused operation leaves no trace, so its id is still unused.

An operation for a message that a client says again after its scene was lost has another id: asked.py tells them apart.
"""

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

import msgspec

from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode, number_of
from mesh.protocol.play import Item
from mesh.protocol.records import (
    GoldMove,
    Holding,
    ItemMove,
    Operate,
    Operated,
)
from mesh.protocol.sessions import EPOCH_BITS, EPOCH_MAX, account_of
from nodes.dc import asked, mails
from nodes.dc.characters import set_level
from nodes.dc.latest import Latest
from nodes.dc.ledger import DATABASE, enter, made, meta, move_gold, move_item
from nodes.dc.records import INVENTORIES, META, OPERATIONS, PURSES, SESSIONS, LedgerRow, MetaRow, OperationRow
from nodes.dc.view import Readable, View

DIGEST_BYTES = 8


def operate(
    view: View,
    said: Operate,
    at_ms: int,
    mail_ms: int = mails.LIFETIME_MS,
    latest: Latest | None = None,
    process: int = 0,
) -> Operated:
    """Carry it out, or say what came of it before. A mail comes back after `mail_ms`. `latest` saves looking for what
    cannot have been carried out before. `process`: who asks, for the ledger."""
    session, sequence = said.session, said.sequence
    account = session >> EPOCH_BITS  # as `account_of`
    sessions: Collection[int] = (session,)
    parties: Collection[int] = (account,)
    if len(said.parties) != 1 or said.parties[0] != session:
        sessions = dict.fromkeys((session, *said.parties))
        parties = dict.fromkeys(map(account_of, sessions))
    known: MetaRow | None = view.get(META, DATABASE)
    assert known is not None, "the database was not prepared"
    slot = account, sequence % known.operation_ring
    digest = digest_of(said)
    if latest is None or not latest.follows(session, sequence):
        before = _carried_out(view.get(OPERATIONS, slot), said, digest)
        if before is not None:
            return Operated(_holdings(view, parties), list(before))
    _check_sessions(view, sessions)
    if said.asked and asked.was_carried_out(view, said.session, said.asked):
        return Operated(_holdings(view, parties), again=True)
    _check_givers(said, parties)
    for gold in said.gold:
        move_gold(view, gold)
    gold_moves, note = tuple(said.gold), ""
    item_moves: tuple[ItemMove, ...] = ()
    new: tuple[Item, ...] = ()
    if said.items:
        item_moves, known = tuple([move_item(view, item) for item in said.items]), None
        new = made(item_moves)
    if said.level:
        set_level(view, account, said.level)
        note = f"level {said.level}"
    if said.letter is not None or said.mail:
        posted, known = mails.post(view, account, said, at_ms, mail_ms), None
        gold_moves, item_moves, note = gold_moves + posted.gold, item_moves + posted.items, note or posted.note
    if said.asked:
        asked.note(view, session, said.asked)
    view.put(OPERATIONS, slot, OperationRow(session, sequence, digest, new))
    enter(view, LedgerRow(at_ms, said.kind, account, session, sequence, gold_moves, item_moves, note, process), known)
    return Operated(_holdings(view, parties), list(new))


def is_known(view: Readable, said: Operate) -> bool:
    """Was this operation, or a later one of its slot, or what its player asked for, carried out before?"""
    known = view.get(OPERATIONS, (account_of(said.session), said.sequence % meta(view).operation_ring))
    if known is not None and known.session == said.session and known.sequence >= said.sequence:
        return True
    return bool(said.asked) and asked.was_carried_out(view, said.session, said.asked)


def digest_of(said: Operate) -> bytes:
    """The same for the same request, also when a program that knew fewer fields asked first, or asks again."""
    if said.letter is None and not (said.mail or said.room or said.replicated or said.asked):  # nearly always
        return blake2b(_HEAD + encode(said)[1:_END], digest_size=DIGEST_BYTES).digest()  # the same, without its tuple
    fields = msgspec.structs.astuple(said)
    while fields[-1] == _DEFAULTS[len(fields) - 1 - _FIRST_FIELDS]:
        fields = fields[:-1]
    return blake2b(encode((_NUMBER, *fields)), digest_size=DIGEST_BYTES).digest()


_NUMBER = number_of(Operate)
_FIRST_FIELDS = Operate.__struct_fields__.index("level") + 1
_DEFAULTS = Operate.__struct_defaults__[_FIRST_FIELDS - len(Operate.__struct_fields__) :]  # of those behind them
assert Operate.__struct_fields__[_FIRST_FIELDS:] == ("letter", "mail", "room", "replicated", "asked")
_HEAD = encode((None,) * (1 + _FIRST_FIELDS))[:1]  # of an array with the number and so many fields
_END = -len(encode(_DEFAULTS)[1:])


def _carried_out(known: OperationRow | None, said: Operate, digest: bytes) -> tuple[Item, ...] | None:
    if known is None or known.session != said.session or known.sequence < said.sequence:
        return None  # an older session's slot, or an older operation's; a newer session's makes this one stale
    if known.sequence > said.sequence:
        raise RefusedError(Code.OP_TOO_OLD, f"operation {said.sequence} is out of the window")
    if known.digest != digest:
        raise RefusedError(Code.OP_CONFLICT, f"operation {said.sequence} was another one")
    return known.made


def _check_sessions(view: Readable, sessions: Iterable[int]) -> None:
    for session in sessions:
        row = view.get(SESSIONS, session >> EPOCH_BITS)
        if row is None or not row.epoch == session & EPOCH_MAX > 0:  # as `is_newest`, without a call for each
            raise RefusedError(Code.STALE_EPOCH, f"session {session} is not the newest of its account")


def _check_givers(said: Operate, parties: Collection[int]) -> None:
    moves: Sequence[GoldMove | ItemMove] = said.gold if not said.items else (*said.gold, *said.items)
    for move in moves:
        if move.source > 0 and move.source not in parties:
            raise RefusedError(Code.NOT_ALLOWED, f"{move.source} gives something and is no party")


def _holdings(view: Readable, accounts: Iterable[int]) -> list[Holding]:
    """As `gold_of` and `items_of` have them, with fewer calls: every operation comes here."""
    held: list[Holding] = []
    for account in accounts:
        purse, inventory = view.get(PURSES, account), view.get(INVENTORIES, account)
        if purse is None or inventory is None:
            raise RefusedError(Code.NOT_FOUND, f"there is no account {account}")
        held.append(Holding(account, purse.gold, list(inventory.items)))
    return held
