"""Friendships: two rows, one for each side, that always change together."""

from typing import Literal

from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import Friendship
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from nodes.dc.accounts import account_named
from nodes.dc.ledger import enter
from nodes.dc.records import ACCOUNTS, FRIENDS, FriendsRow, LedgerRow
from nodes.dc.view import Readable, View

FRIENDS_MAX = 200  # of one account, requests included; asking for more is refused

State = Literal["friend", "asked", "asking", ""]
"""Friends, asked by the other, asking oneself, nothing."""

_SEEN_BY_OTHER: dict[State, State] = {"friend": "friend", "asking": "asked", "asked": "asking", "": ""}


def change_friendship(view: View, said: ChangeFriendship, at_ms: int) -> FriendshipChanged:
    """Ask, accept or remove. Asking somebody who has asked accepts; what is so already stays so, without a trace."""
    other, other_name = account_named(view, said.other)
    name = _name_of(view, said.account)
    if other == said.account:
        raise RefusedError(Code.NOT_ALLOWED, "nobody is their own friend")
    before = _state(view, said.account, other)
    after = _next(said.kind, before)
    if after != before:
        _set(view, said.account, other, other_name, after)
        _set(view, other, said.account, name, _SEEN_BY_OTHER[after])
        enter(view, LedgerRow(at_ms, f"friend-{said.kind}", said.account, note=str(other)))
    return FriendshipChanged(said.account, _friends(view, said.account), other, other_name, _friends(view, other))


def _next(kind: str, before: State) -> State:
    if kind == "remove":
        return ""
    if before == "friend" or (kind == "ask" and before == "asking"):
        return before
    if before == "asked":
        return "friend"
    if kind == "accept":
        raise RefusedError(Code.NOT_FOUND, "they have not asked")
    return "asking"


def _set(view: View, account: int, other: int, name: str, state: State) -> None:
    friends = [friend for friend in _friends(view, account) if friend.account != other]
    if state:
        if len(friends) >= FRIENDS_MAX:
            raise RefusedError(
                Code.OUT_OF_RANGE, f"{_name_of(view, account)} cannot have more than {FRIENDS_MAX} friends"
            )
        friends.append(Friendship(other, name, state))
    view.put(FRIENDS, account, FriendsRow(tuple(friends)))


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
