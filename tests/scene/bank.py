"""A DC for the scene's tests: operations exactly once, nothing created or lost by itself, and it can fail."""

import asyncio

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Done
from mesh.protocol.play import Item
from mesh.protocol.records import (
    Holding,
    Operate,
    Operated,
    SaveStates,
)
from mesh.protocol.sessions import account_of


class Bank:
    """`ask` is what the scene's parts are given. `lose` answers are lost after the work was done; `away` requests
    find nobody; `refuse` is a code for the next operation; while it is `fenced` this scene is not heard."""

    def __init__(self) -> None:
        self.gold: dict[int, int] = {}
        self.items: dict[int, tuple[int, str]] = {}  # id -> owner, kind
        self.minted = 0
        self.results: dict[tuple[int, int], tuple[Operate, Operated]] = {}
        self.carried_out: list[Operate] = []
        self.saved: list[SaveStates] = []
        self.lose = 0
        self.away = 0
        self.refuse = ""
        self.fenced = False
        self.delay_s = 0.01

    def give(self, account: int, gold: int, *kinds: str) -> list[Item]:
        self.gold[account] = gold
        made = [Item(len(self.items) + n + 1, kind) for n, kind in enumerate(kinds)]
        self.items.update({item.id: (account, item.kind) for item in made})
        return made

    def holding(self, account: int) -> Holding:
        owned = [Item(number, kind) for number, (owner, kind) in self.items.items() if owner == account]
        return Holding(account, self.gold.get(account, 0), owned)

    async def ask(self, target: str, said: Message, timeout_s: float) -> Message:
        assert target == "dc"
        await asyncio.sleep(self.delay_s)
        if self.away:
            self.away -= 1
            raise PeerLost("no dc")
        if self.fenced:
            raise RefusedError(Code.STALE_EPOCH, "given up")
        if isinstance(said, SaveStates):
            self.saved.append(said)
            return Done()
        assert isinstance(said, Operate)
        if self.refuse:
            code, self.refuse = self.refuse, ""
            raise RefusedError(code)
        known = self.results.get((said.session, said.sequence))
        if known is None:
            known = self.results[said.session, said.sequence] = (said, self._carry_out(said))
        elif known[0] != said:
            raise RefusedError(Code.OP_CONFLICT)
        if self.lose:
            self.lose -= 1
            raise DeadlineExceeded("lost")
        return known[1]

    def _carry_out(self, said: Operate) -> Operated:
        for move in said.gold:
            if move.source and self.gold.get(move.source, 0) < move.amount:
                raise RefusedError(Code.INSUFFICIENT)
        for item in said.items:
            if item.source and self.items[item.item][0] != item.source:
                raise RefusedError(Code.INSUFFICIENT)
        for move in said.gold:
            if move.source:
                self.gold[move.source] -= move.amount
            else:
                self.minted += move.amount
            self.gold[move.target] = self.gold.get(move.target, 0) + move.amount
        made = []
        for item in said.items:
            number = item.item or len(self.items) + 1
            kind = item.kind or self.items[number][1]
            self.items[number] = (item.target, kind)
            if not item.source:
                made.append(Item(number, kind))
        self.carried_out.append(said)
        return Operated([self.holding(account_of(session)) for session in said.parties], made)
