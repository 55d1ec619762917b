"""Characters: what is durable about them (level, attributes) and what is cached (where they are, how they feel)."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mesh.errors import Code, RefusedError
from mesh.mutes import NOT_MUTED
from mesh.protocol.lanes import STATE
from mesh.protocol.records import SaveStates
from mesh.protocol.sessions import Status
from nodes.dc.ledger import gold_of, items_of
from nodes.dc.records import ACCOUNTS, CHARACTERS, FRIENDS, STATES, CharacterRow, FriendsRow, StateRow
from nodes.dc.view import Readable, View

Array = npt.NDArray[Any]

HP = 100
ATTRIBUTES = ("strength", "agility", "stamina")
ATTRIBUTE = 10
METRES_MAX = 1e6


def create_character(view: View, account: int, name: str, region: str) -> None:
    """Level 1, unhurt, never in the world."""
    view.put(CHARACTERS, account, CharacterRow(name, 1, dict.fromkeys(ATTRIBUTES, ATTRIBUTE), region))
    view.put(STATES, account, StateRow("", 0.0, 0.0, HP))
    view.put(FRIENDS, account, FriendsRow())


def set_level(view: View, account: int, level: int) -> None:
    """`out_of_range` for a level below the one that was reached."""
    row = view.get(CHARACTERS, account)
    if row is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no character {account}")
    if level < row.level:
        raise RefusedError(Code.OUT_OF_RANGE, f"character {account} has level {row.level} already")
    view.put(CHARACTERS, account, msgspec.structs.replace(row, level=level))


def status_of(view: Readable, state_of: Callable[[int], StateRow | None], account: int) -> Status:
    """Everything about a character. `state_of` finds the newest state, which may not be on disk yet."""
    row, state, friends = view.get(CHARACTERS, account), state_of(account), view.get(FRIENDS, account)
    if row is None or state is None or friends is None:
        raise RefusedError(Code.NOT_FOUND, f"there is no character {account}")
    known = view.get(ACCOUNTS, account)
    return Status(
        account, row.name, row.level, state.xp, state.hp, row.attributes,
        state.map, state.x, state.y, state.heading, row.region,
        gold_of(view, account), list(items_of(view, account)), list(friends.friends),
        known.mute if known is not None else NOT_MUTED,
    )  # fmt: skip


def states_in(said: SaveStates) -> tuple[Array, Array]:
    """The sessions and states of a batch; `bad_message` when it does not add up."""
    count, rest = divmod(len(said.sessions), 8)
    if rest or len(said.states) != count * STATE.itemsize:
        raise RefusedError(Code.BAD_MESSAGE, f"{len(said.sessions)} bytes of sessions, {len(said.states)} of states")
    sessions, states = np.frombuffer(said.sessions, "<u8"), np.frombuffer(said.states, STATE)
    for axis in ("x", "y"):
        metres = np.abs(states[axis])
        if count and not metres.max() <= METRES_MAX:  # nor is NaN
            raise RefusedError(Code.BAD_MESSAGE, f"a character is at {axis} = {metres.max()}")
    return sessions, states
