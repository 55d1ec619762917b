"""What the players of a scenario want of the DC: gold handed over, items made, sold and destroyed.

Pure but for the chance it is given. Gold only ever changes hands, so that all wallets together hold the same at any
moment. Knows what everybody seems to own by the answers; somebody who has lost it meanwhile is refused, which is as
good as any other answer: a refused operation must not be found afterwards.
"""

import random
from collections.abc import Sequence
from typing import Any

from mesh.protocol.records import GoldMove, ItemMove, Operate, Operated
from mesh.protocol.sessions import account_of

BURN = -1
BAG_FULL = 12  # items of one player: whoever has more makes none
SHARES = ("gold",) * 13 + ("make",) * 2 + ("sell",) * 4 + ("burn",)
COINS_MAX = 50


class Deals:
    """Operations of these sessions, without end. Every session counts its own."""

    def __init__(self, sessions: Sequence[int], chance: random.Random) -> None:
        self.sessions = list(sessions)
        self.chance = chance
        self.numbers = dict.fromkeys(self.sessions, 0)
        self.bags: dict[int, list[int]] = {account_of(session): [] for session in self.sessions}

    def next(self) -> Operate:
        """The next operation; its id was never used before."""
        one, other = self.chance.sample(self.sessions, 2)
        self.numbers[one] += 1
        giver, taker, bag = account_of(one), account_of(other), self.bags[account_of(one)]
        kind = self.chance.choice(SHARES)
        price = self.chance.randint(1, COINS_MAX)
        if kind == "make" and len(bag) < BAG_FULL:
            return Operate(one, self.numbers[one], kind, [one], items=[ItemMove(0, 0, giver, "gem")])
        if kind == "sell" and bag:
            item = bag.pop(self.chance.randrange(len(bag)))
            paid, sold = GoldMove(taker, giver, price), ItemMove(item, giver, taker)
            return Operate(one, self.numbers[one], kind, [one, other], [paid], [sold])
        if kind == "burn" and bag:
            return Operate(one, self.numbers[one], kind, [one], items=[ItemMove(bag.pop(), giver, BURN)])
        return Operate(one, self.numbers[one], "gold", [one, other], [GoldMove(giver, taker, price)])

    def learn(self, said: Operated) -> None:
        """What parties own now. What was offered meanwhile may be among it: then the second offer is refused."""
        for holding in said.holdings:
            if holding.account in self.bags:
                self.bags[holding.account] = [item.id for item in holding.items]


def args_of(said: Operate) -> tuple[Any, ...]:
    """What is written into the record of it."""
    gold = tuple((move.source, move.target, move.amount) for move in said.gold)
    return gold, tuple((move.item, move.source, move.target) for move in said.items)
