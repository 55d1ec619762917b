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

import hashlib
from collections.abc import Collection, Iterable

import msgspec

from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode, number_of
from mesh.protocol.play import Item
from mesh.protocol.records import (
    Holding,
    Operate,
    Operated,
)
from mesh.protocol.sessions import account_of
from nodes.dc import asked, mails
from nodes.dc.accounts import is_newest
from nodes.dc.characters import set_level
from nodes.dc.ledger import enter, gold_of, items_of, made, meta, move_gold, move_item
from nodes.dc.records import OPERATIONS, LedgerRow, OperationRow
from nodes.dc.view import Readable, View

DIGEST_BYTES = 8


def operate(view: View, said: Operate, at_ms: int, mail_ms: int = mails.LIFETIME_MS) -> Operated:
    """Carry it out, or say what came of it before. A mail comes back after `mail_ms`."""
    account, sessions = account_of(said.session), {said.session: None, **dict.fromkeys(said.parties)}
    slot = account, said.sequence % meta(view).operation_ring
    digest = digest_of(said)
    parties = dict.fromkeys(map(account_of, sessions))
    before = _carried_out(view.get(OPERATIONS, slot), said, digest)
    if before is not None:
        return Operated(_holdings(view, parties), list(before))
    _check_sessions(view, sessions)
    if said.asked and asked.was_carried_out(view, said.session, said.asked):
        return Operated(_holdings(view, parties), again=True)
    _check_givers(said, parties)
    for gold in said.gold:
        move_gold(view, gold)
    items = tuple([move_item(view, item) for item in said.items])
    if said.level:
        set_level(view, account, said.level)
    posted = mails.post(view, account, said, at_ms, mail_ms)
    if said.asked:
        asked.note(view, said.session, said.asked)
    new = made(items)
    view.put(OPERATIONS, slot, OperationRow(said.session, said.sequence, digest, new))
    note = f"level {said.level}" if said.level else posted.note
    gold_moves, item_moves = (*said.gold, *posted.gold), (*items, *posted.items)
    enter(view, LedgerRow(at_ms, said.kind, account, said.session, said.sequence, gold_moves, item_moves, note))
    return Operated(_holdings(view, parties), list(new))


def is_known(view: Readable, said: Operate) -> bool:
    """Was this operation, or a later one of its slot, carried out before?"""
    known = view.get(OPERATIONS, (account_of(said.session), said.sequence % meta(view).operation_ring))
    return known is not None and known.session == said.session and known.sequence >= said.sequence


def digest_of(said: Operate) -> bytes:
    """The same for the same request, also when a program that knew fewer fields asked first, or asks again."""
    fields = msgspec.structs.astuple(said)
    while len(fields) > _FIRST_FIELDS and fields[-1] == _DEFAULTS[len(fields) - 1]:
        fields = fields[:-1]
    return hashlib.blake2b(encode((number_of(said), *fields)), digest_size=DIGEST_BYTES).digest()


_FIRST_FIELDS = Operate.__struct_fields__.index("level") + 1
_DEFAULTS = (None,) * (len(Operate.__struct_fields__) - len(Operate.__struct_defaults__)) + Operate.__struct_defaults__


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
        if not is_newest(view, session):
            raise RefusedError(Code.STALE_EPOCH, f"session {session} is not the newest of its account")


def _check_givers(said: Operate, parties: Collection[int]) -> None:
    for giver in [move.source for move in said.gold] + [move.source for move in said.items]:
        if giver > 0 and giver not in parties:
            raise RefusedError(Code.NOT_ALLOWED, f"{giver} gives something and is no party")


def _holdings(view: Readable, accounts: Iterable[int]) -> list[Holding]:
    return [Holding(account, gold_of(view, account), list(items_of(view, account))) for account in accounts]
