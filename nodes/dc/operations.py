"""Operations: several changes of gold, items and level that happen together, exactly once, or not at all.

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
"""

import hashlib
from collections.abc import Collection, Iterable

from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode
from mesh.protocol.play import Item
from mesh.protocol.records import (
    Holding,
    Operate,
    Operated,
)
from mesh.protocol.sessions import account_of
from nodes.dc.accounts import is_newest
from nodes.dc.characters import set_level
from nodes.dc.ledger import enter, gold_of, items_of, made, meta, move_gold, move_item
from nodes.dc.records import OPERATIONS, LedgerRow, OperationRow
from nodes.dc.view import Readable, View

DIGEST_BYTES = 8


def operate(view: View, said: Operate, at_ms: int) -> Operated:
    """Carry it out, or say what came of it before."""
    account, sessions = account_of(said.session), {said.session: None, **dict.fromkeys(said.parties)}
    slot = account, said.sequence % meta(view).operation_ring
    digest = hashlib.blake2b(encode(said), digest_size=DIGEST_BYTES).digest()
    parties = dict.fromkeys(map(account_of, sessions))
    before = _carried_out(view.get(OPERATIONS, slot), said, digest)
    if before is not None:
        return Operated(_holdings(view, parties), list(before))
    _check_sessions(view, sessions)
    _check_givers(said, parties)
    for gold in said.gold:
        move_gold(view, gold)
    items = tuple([move_item(view, item) for item in said.items])
    if said.level:
        set_level(view, account, said.level)
    new = made(items)
    view.put(OPERATIONS, slot, OperationRow(said.session, said.sequence, digest, new))
    note = f"level {said.level}" if said.level else ""
    enter(view, LedgerRow(at_ms, said.kind, account, said.session, said.sequence, tuple(said.gold), items, note))
    return Operated(_holdings(view, parties), list(new))


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
