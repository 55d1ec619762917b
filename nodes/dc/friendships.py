"""Friendships and blocks: rows of both sides' lists, which change together.

                 mine      theirs
    friends      friend    friend
    asked        asking    asked
    blocked      blocked   nothing, "asking" or "blocked"

Blocking is silent: who is blocked has no row for it, and when it asks to be a friend its own list shows a request that
waits, as it would for somebody who never answers. Only the end of the block makes a request of it that can be seen.
"""

from typing import Literal

from mesh.errors import Code, RefusedError
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from mesh.protocol.sessions import Friendship
from nodes.dc.accounts import account_named
from nodes.dc.ledger import enter
from nodes.dc.records import ACCOUNTS, FRIENDS, FriendsRow, LedgerRow
from nodes.dc.view import Readable, View

FRIENDS_MAX = 200  # of one account, requests included; asking for more is refused
BLOCKED_MAX = 200  # by one account; more are refused

Row = Literal["friend", "asked", "asking", "blocked"]
State = Row | Literal[""]
"""Friends, asked by the other, asking oneself, blocking the other, nothing."""

Pair = tuple[State, State]
"""What is in the one's list about the other, and in the other's about the one."""


def change_friendship(view: View, said: ChangeFriendship, at_ms: int) -> FriendshipChanged:
    """Ask, accept, remove, block or unblock. Asking somebody who has asked accepts; what is so already stays so,
    without a trace."""
    other, other_name = account_named(view, said.other)
    name = _name_of(view, said.account)
    if other == said.account:
        raise RefusedError(Code.NOT_ALLOWED, "nobody is their own friend")
    before: Pair = (_state(view, said.account, other), _state(view, other, said.account))
    after = _next(said.kind, before, other_name)
    if said.kind == "unblock" and after[0] == "asked" and not _has_room(view, said.account, other, "asked"):
        after = ("", "")  # a request that finds no room is none
    if after != before:
        _set(view, said.account, other, other_name, after[0])
        if after == ("asking", "blocked"):  # refused as it would be without the block
            _check_room(view, other, said.account, "asked")
        _set(view, other, said.account, name, after[1])
        enter(view, LedgerRow(at_ms, f"friend-{said.kind}", said.account, note=str(other)))
    return FriendshipChanged(said.account, _friends(view, said.account), other, other_name, _friends(view, other))


def _next(kind: str, before: Pair, name: str) -> Pair:
    mine, theirs = before
    if kind == "unblock":
        return _unblocked(theirs) if mine == "blocked" else before
    if mine == "blocked":
        if kind in ("block", "remove"):
            return before
        raise RefusedError(Code.NOT_ALLOWED, f"you block {name}")
    if kind in ("block", "remove"):
        return "blocked" if kind == "block" else "", theirs if theirs == "blocked" else ""
    if mine == "asked":
        return "friend", "friend"
    if mine == "friend" or (kind == "ask" and mine == "asking"):
        return before
    if kind == "accept":
        raise RefusedError(Code.NOT_FOUND, "they have not asked")
    return "asking", "blocked" if theirs == "blocked" else "asked"


def _unblocked(theirs: State) -> Pair:
    """Whoever asked while it was blocked asks now."""
    return ("asked", "asking") if theirs == "asking" else ("", theirs)


def _set(view: View, account: int, other: int, name: str, state: State) -> None:
    if state == _state(view, account, other):
        return
    if state:
        _check_room(view, account, other, state)
    friends = [friend for friend in _friends(view, account) if friend.account != other]
    if state:
        friends.append(Friendship(other, name, state))
    view.put(FRIENDS, account, FriendsRow(tuple(friends)))


def _check_room(view: Readable, account: int, other: int, state: Row) -> None:
    if not _has_room(view, account, other, state):
        what = (
            f"block more than {BLOCKED_MAX} players" if state == "blocked" else f"have more than {FRIENDS_MAX} friends"
        )
        raise RefusedError(Code.OUT_OF_RANGE, f"{_name_of(view, account)} cannot {what}")


def _has_room(view: Readable, account: int, other: int, state: Row) -> bool:
    """For one more row of this kind, beside the one about `other`."""
    blocked = [friend.state == "blocked" for friend in _friends(view, account) if friend.account != other]
    if state == "blocked":
        return sum(blocked) < BLOCKED_MAX
    return len(blocked) - sum(blocked) < FRIENDS_MAX


def _state(view: Readable, account: int, other: int) -> State:
    return next((friend.state for friend in _friends(view, account) if friend.account == other), "")


def _friends(view: Readable, account: int) -> list[Friendship]:
    row = view.get(FRIENDS, account)
    return list(row.friends) if row is not None else []


def _name_of(view: Readable, account: int) -> str:
    row = view.get(ACCOUNTS, account)
    if row is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no account {account}")
    return row.name
