"""What one player of a course has asked for and was told: lines of the book of the course, for the checkers.

Owns which message answers which line. Loot is found by its corpse, a trade by its number, a mail by the message that
was said about it, which a refusal names as well. When the player begins anew somewhere, numbers mean something else:
what is open then stays unknown.
"""

from collections.abc import Callable
from typing import Any

from mesh.checking.parties import ALONE, Members
from mesh.checking.records import Book
from mesh.client.session import ClientSession
from mesh.protocol.catalogue import Message
from mesh.protocol.play import (
    Entered,
    Looted,
    LootShared,
    MailTaken,
    MailWritten,
    PlayDenied,
    TradeClosed,
    TradeDone,
)
from mesh.protocol.social import Party

UNCERTAIN = ("unavailable", "internal", "out_of_order")
"""Codes of a refusal after which nobody knows whether it was done: the scene was lost, or the player was elsewhere."""


class Diary:
    """See the module. `with_whom`: its party, as it was told; `items`: things that it can attach to a mail."""

    def __init__(self, book: Book, now: Callable[[], float]) -> None:
        self._book, self._now = book, now
        self.with_whom: Members = ALONE
        self.items: list[int] = []
        self._loots: dict[int, int] = {}  # corpse -> line of the book
        self._trades: dict[int, int] = {}
        self._taken: set[int] = set()  # mails
        self._said: dict[int, int] = {}  # play sequence -> line

    # --- what it asks ---

    def has_looted(self, corpse: int) -> bool:
        return corpse in self._loots

    def is_trading(self, trade: int) -> bool:
        return trade in self._trades

    def has_taken(self, mail: int) -> bool:
        return mail in self._taken

    def loots(self, session: ClientSession, corpse: int) -> None:
        """Each of these stands before its message is said, which gets the next number."""
        self._loots[corpse] = self._call(session, "loot", corpse)

    def trades(self, session: ClientSession, trade: int, *what: Any) -> None:
        """A refusal names the trade, not the message."""
        self._trades[trade] = self._book.call(session.session, session.sent + 1, "trade", what, self._now())

    def writes(self, session: ClientSession, to: str, gold: int, items: list[int]) -> None:
        self._call(session, "mail-send", to, gold, tuple(items))

    def takes(self, session: ClientSession, mail: int) -> None:
        self._taken.add(mail)
        self._call(session, "mail-take", mail)

    def _call(self, session: ClientSession, kind: str, *what: Any) -> int:
        line = self._book.call(session.session, session.sent + 1, kind, what, self._now())
        self._said[session.sent + 1] = line
        return line

    # --- what it is told ---

    def hear(self, session: ClientSession, said: Message) -> None:
        now, end = self._now(), self._book.end
        match said:
            case Entered(resumed=False):
                self.forget()
            case Party(members=members):
                self.with_whom = frozenset(member.name for member in members)
            case MailWritten() | MailTaken():
                self._hear_of_mail(said)
            case Looted(corpse=corpse, gold=gold, items=items):
                self.items += [item.id for item in items]
                if corpse in self._loots:
                    end(self._loots[corpse], now, "ok", (gold, tuple(item.id for item in items)))
            case LootShared(gold=gold, items=items):
                self.items += [item.id for item in items]
                line = self._book.call(session.session, 0, "share", (), now)
                end(line, now, "ok", (gold, tuple(item.id for item in items)))
            case PlayDenied(sequence=sequence, code=code) if sequence in self._said:
                end(self._said.pop(sequence), now, "unknown" if code in UNCERTAIN else "refused", code)
            case TradeDone(trade=trade) if trade in self._trades:
                end(self._trades.pop(trade), now, "ok")
            case TradeClosed(trade=trade, code=code) if trade in self._trades:
                end(self._trades.pop(trade), now, "unknown" if code in UNCERTAIN else "refused", code)

    def _hear_of_mail(self, said: MailWritten | MailTaken) -> None:
        self.items = [item.id for item in said.items]
        if said.sequence in self._said:
            self._book.end(self._said.pop(said.sequence), self._now(), "ok")

    def begin(self) -> None:
        """A new session: it was told of nothing yet."""
        self.with_whom = ALONE
        self.forget()

    def forget(self) -> None:
        """What is open stays unknown."""
        for lines in (self._loots, self._trades, self._said):
            lines.clear()
        self._taken.clear()
