"""What was asked of a cluster, what became of it, and what is stored at the end: what all checkers read.

Pure values and one book to write them into; nobody here asks, reads or compares anything. Used by `mesh chaos` with
real processes and by the simulation with none, so a rule that a checker states means the same in both.

An operation that was asked again after a lost answer is one operation with one id: called when it was said for the
first time, returned when it was answered at last. Without an answer it is `unknown`: it may have been carried out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Ended = Literal["ok", "refused", "unknown"]
Id = tuple[int, int]
"""Session and the number of the operation in it: how the DC tells operations apart."""

NEVER = float("inf")  # when what is unknown returned


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One thing that somebody wanted, and what they were told."""

    session: int
    number: int
    kind: str
    args: tuple[Any, ...]
    called: float  # seconds on the monotonic clock of whoever asked
    returned: float = NEVER
    ended: Ended = "unknown"
    answer: Any = None  # what matters of it; the code of a refusal

    @property
    def id(self) -> Id:
        return self.session, self.number


class Problem(msgspec.Struct, frozen=True):
    """A rule that does not hold. `checker` names the rule, the text is for people and names who and what."""

    checker: str
    text: str


class Coins(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Gold that moved. Purse 0 mints, purse -1 burns."""

    source: int
    target: int
    amount: int


class Thing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item that moved. Owner 0 makes it, -1 destroys it."""

    item: int
    source: int
    target: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One row of the ledger. Number 0 with session 0: no operation of a player (a new account, a ban)."""

    session: int
    number: int
    kind: str
    gold: Sequence[Coins] = ()
    items: Sequence[Thing] = ()
    note: str = ""
    process: int = 0  # the incarnation of who asked; 0: unknown

    @property
    def id(self) -> Id:
        return self.session, self.number


class State(msgspec.Struct, frozen=True):
    """What a game database holds, as far as it matters for who owns what."""

    ledger: Sequence[Entry] = ()  # in order
    purses: dict[int, int] = {}  # purse -> coins, with 0 and -1
    items: dict[int, int] = {}  # item -> its one owner
    bags: dict[int, Sequence[int]] = {}  # owner -> items, as that owner is shown them

    @property
    def applied(self) -> list[Id]:
        """Ids of the operations of players that were carried out, in order; twice what was carried out twice."""
        return [entry.id for entry in self.ledger if entry.number]

    @property
    def wallets(self) -> int:
        """All coins that somebody has."""
        return sum(gold for purse, gold in self.purses.items() if purse > 0)


@dataclass
class Book:
    """Operations as they happen. `call` when one is said for the first time, `end` at its last word."""

    operations: list[Operation] = field(default_factory=list)

    def call(self, session: int, number: int, kind: str, args: tuple[Any, ...], now: float) -> int:
        """Write down that it was asked; the line at which it stands."""
        self.operations.append(Operation(session, number, kind, args, now))
        return len(self.operations) - 1

    def end(self, line: int, now: float, ended: Ended, answer: Any = None) -> None:
        """Write down how it ended. What is never ended stays unknown."""
        self.operations[line] = msgspec.structs.replace(
            self.operations[line], returned=NEVER if ended == "unknown" else now, ended=ended, answer=answer
        )

    def count(self, ended: Ended) -> int:
        return sum(operation.ended == ended for operation in self.operations)

    def acknowledged(self) -> Iterator[Operation]:
        return (operation for operation in self.operations if operation.ended == "ok")
