"""Who plays against the DC in its bench, what they have said, and what its books must therefore show."""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mesh.protocol.lanes import STATE
from mesh.protocol.records import GoldMove, Operate, SaveStates

PREFIX = "player"
ROWS_PER_ACCOUNT = 10  # that `dc --offline fill` writes
ENTRIES_PER_ACCOUNT = 2  # of them, in the ledger; a login is one more
PLAYERS = 10_000  # of the accounts are in the world
TRADES = 4  # every fourth operation has two parties, the others one
A_BATCH = 1_000  # characters in one SaveStates
GOLD = 3  # that loot is worth


@dataclass
class Town:
    """Who plays, and what they have said."""

    accounts: int
    replicated: bool = False  # are all operations of class R? Then there is a pair of DCs
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    done: list[Operate] = field(default_factory=list)  # what was acknowledged
    minted: int = 0

    def __post_init__(self) -> None:
        self.players = self.chance.sample(range(1, self.accounts + 1), min(PLAYERS, self.accounts))
        self.sequences = dict.fromkeys(self.players, 0)
        self.purses = dict.fromkeys(self.players, 0)
        self.sessions = dict.fromkeys(self.players, 0)

    def logged_in(self, account: int, session: int) -> None:
        """This is the session of one of the players from now on."""
        self.sessions[account] = session

    def operation(self, number: int) -> Operate:
        """Loot, or a coin from one player to another."""
        at, more = (int(self.chance.random() * room) for room in (len(self.players), len(self.players) - 1))
        one, other = self.players[at], self.players[at - 1 - more]  # `sample` takes three times as long
        self.sequences[one] += 1
        mine, theirs = self.sessions[one], self.sessions[other]
        trade = number % TRADES == TRADES - 1 and self.purses[one] > 0
        parties, move = ([mine, theirs], GoldMove(one, other, 1)) if trade else ([mine], GoldMove(0, one, GOLD))
        kind, sequence = "trade" if trade else "loot", self.sequences[one]
        said = Operate(mine, sequence, kind, parties, [move], replicated=self.replicated)
        self.purses[one] += -1 if trade else GOLD
        self.purses[other] += trade
        return said

    def acknowledged(self, said: Operate) -> None:
        """The DC says that it is on disk."""
        self.done.append(said)
        self.minted += sum(move.amount for move in said.gold if move.source == 0)

    def unlike(self, books: dict[str, Any]) -> int:
        """By how many operations and coins the DC's own `stat` differs from what was acknowledged."""
        operations = self.accounts * ENTRIES_PER_ACCOUNT + len(self.players) + len(self.done)
        operations += self.replicated  # whose epoch it is, is an entry, too
        return abs(int(books["durable_operations"]) - operations) + abs(int(books["gold"]["wallets"]) - self.minted)

    def states(self, number: int, batch: int = A_BATCH) -> SaveStates:
        """The next of everybody in turn, so many at once."""
        begin = number * batch % len(self.players)
        some = self.players[begin : begin + batch]
        sessions = np.array([self.sessions[account] for account in some], "<u8")
        states = np.zeros(len(sessions), STATE)
        states["x"], states["y"], states["xp"] = number % 500, 100.0, number
        return SaveStates("square", sessions.tobytes(), states.tobytes())
