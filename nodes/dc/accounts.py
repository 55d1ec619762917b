"""Accounts, their bans, mutes and sessions.

A session is durable: opening one ends all older ones of its account, because every later operation compares its own
with the newest inside its transaction. Two logins or two zones can therefore never both let an account in.
"""

from contextlib import suppress

import msgspec

from mesh.bans import is_banned, refuse_banned
from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import Account, CreateAccount
from mesh.protocol.records import GoldMove, SetBan, SetMute, SetPriority
from mesh.protocol.sessions import EPOCH_BITS, EPOCH_MAX, session_of
from nodes.dc.characters import create_character
from nodes.dc.ledger import DATABASE, MINT, enter, meta, move_gold, open_purse
from nodes.dc.records import ACCOUNTS, META, NAMES, SESSIONS, AccountRow, LedgerRow, NameRow, SessionRow
from nodes.dc.view import Readable, View

ACCOUNTS_MAX = 1 << 39  # what fits into a session number beside the epoch
EPOCHS_MAX = 1 << EPOCH_BITS


def find_account(view: Readable, name: str) -> Account:
    """By name in any case; `not_found` when there is none."""
    account, row = _named(view, name)
    return _shown(account, row)


def account_named(view: Readable, name: str) -> tuple[int, str]:
    """Number and name as it was chosen; `not_found` when there is none."""
    account, row = _named(view, name)
    return account, row.name


def create_account(view: View, said: CreateAccount, starting_gold: int, at_ms: int) -> Account:
    """An account, its character and its purse; `exists` when the name is taken."""
    key = said.name.lower()
    if view.get(NAMES, key) is not None:
        raise RefusedError(Code.EXISTS, f"the name {said.name} is taken")
    known = meta(view)
    account = known.next_account
    if account >= ACCOUNTS_MAX:
        raise RefusedError(Code.OUT_OF_RANGE, "there are no account numbers left")
    row = AccountRow(said.name, said.password_hash, at_ms // 1000)
    view.put(META, DATABASE, msgspec.structs.replace(known, next_account=account + 1))
    view.put(NAMES, key, NameRow(account))
    view.put(ACCOUNTS, account, row)
    view.put(SESSIONS, account, SessionRow(0, at_ms))
    create_character(view, account, said.name, said.region)
    open_purse(view, account)
    gold = (GoldMove(MINT, account, starting_gold),) if starting_gold else ()
    for move in gold:
        move_gold(view, move)
    enter(view, LedgerRow(at_ms, "create", account, gold=gold))
    return _shown(account, row)


def set_ban(view: View, said: SetBan, at_ms: int) -> Account:
    """Ban an account, or lift its ban. A ban ends its sessions by opening one that nobody has, so that a login under
    way comes too late; what is in a world is the center's business."""
    account, row = _named(view, said.name)
    changed = msgspec.structs.replace(row, banned_until_s=said.until_s, ban_reason=said.reason)
    view.put(ACCOUNTS, account, changed)
    enter(view, LedgerRow(at_ms, "ban" if said.until_s else "unban", account, note=said.reason))
    session = 0
    if is_banned(said.until_s, at_ms / 1000):
        with suppress(RefusedError):  # it has used up its sessions, which must not keep it from being banned
            session = open_session(view, account, at_ms)
    return msgspec.structs.replace(_shown(account, changed), session=session)


def set_mute(view: View, said: SetMute, at_ms: int) -> Account:
    """Mute an account, or let it speak again. Each word about it has the next number: whoever hears of two of them
    knows by that which one holds."""
    account, row = _named(view, said.name)
    changed = msgspec.structs.replace(row, muted_until_s=said.until_s, mute_reason=said.reason, mutes=row.mutes + 1)
    view.put(ACCOUNTS, account, changed)
    enter(view, LedgerRow(at_ms, "mute" if said.until_s else "unmute", account, note=said.reason))
    return _shown(account, changed)


def set_priority(view: View, said: SetPriority, at_ms: int) -> Account:
    """Give an account another place in the login queue; what is so already costs nothing."""
    account, row = _named(view, said.name)
    changed = msgspec.structs.replace(row, priority=said.priority)
    if changed != row:
        view.put(ACCOUNTS, account, changed)
        enter(view, LedgerRow(at_ms, "priority", account, note=str(said.priority)))
    return _shown(account, changed)


def log_in(view: View, account: int, at_ms: int) -> int:
    """A new session for a login; refused while the account is banned, which login may have looked at too early."""
    row = view.get(ACCOUNTS, account)
    if row is not None:
        refuse_banned(row.banned_until_s, row.ban_reason, at_ms / 1000)
    return open_session(view, account, at_ms)


def open_session(view: View, account: int, at_ms: int) -> int:
    """The number of a new session; from now on older ones are stale."""
    row = view.get(SESSIONS, account)
    if row is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no account {account}")
    epoch = row.epoch + 1
    if epoch >= EPOCHS_MAX:
        raise RefusedError(Code.OUT_OF_RANGE, f"account {account} has used up its sessions")
    view.put(SESSIONS, account, SessionRow(epoch, at_ms))
    session = session_of(account, epoch)
    enter(view, LedgerRow(at_ms, "session", account, session))
    return session


def is_newest(view: Readable, session: int) -> bool:
    """Is this the newest session of its account?"""
    row = view.get(SESSIONS, session >> EPOCH_BITS)
    return row is not None and row.epoch == session & EPOCH_MAX > 0


def _named(view: Readable, name: str) -> tuple[int, AccountRow]:
    found = view.get(NAMES, name.lower())
    if found is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no account {name}")
    row = view.get(ACCOUNTS, found.account)
    assert row is not None, "a name and its account are written together"
    return found.account, row


def _shown(account: int, row: AccountRow) -> Account:
    return Account(
        account, row.name, row.password_hash, row.banned_until_s, row.ban_reason, row.priority,
        muted_until_s=row.muted_until_s, mute_reason=row.mute_reason, mute=row.mutes,
    )  # fmt: skip
