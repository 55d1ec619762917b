"""A player of `mesh.client` that notes everything it does, and what became of it.

Owns what one player waits for. Noted are logins and resumes, questions (a blow at nobody, which the scene answers by
exactly one refusal that names it), blows, loot, trades and mails. Must never decide what to do: that is the business
of who plays (players.py).

An operation that a session's or a scene's end has cut off is unknown: it was carried out once or not at all. What is
`owed` when a run has settled is lost: its session went on, and somebody should have answered.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.checking.records import Book, Ended
from mesh.client.player import Player
from mesh.clock import Clock
from mesh.errors import Code, MeshError, RefusedError
from mesh.protocol import play as game
from mesh.protocol.catalogue import Message
from mesh.protocol.types import LoginMethod

__all__ = ["NOBODY", "Arrival", "Loss", "RecordedPlayer"]

NOBODY = 0xFFFF_FFFF
"""An entity that there never is: slots have fewer bits."""
ONCE = ("mail-send", "mail-take")
"""Operations that clients ask for again when a scene was lost."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The player was let into the world, or was brought to another place in it."""

    at: float
    session: int
    scene: str
    x_m: float
    y_m: float
    resumed: bool  # nothing was forgotten


@dataclass(frozen=True, slots=True)
class Loss:
    """Its connection ended, and not because the player wished so."""

    at: float
    code: str  # of the Goodbye, "" when there was none


class RecordedPlayer(Player):
    """`hear` is told every message after it was noted, `gone` that a connection ended. Read freely: `arrivals`,
    `losses`, `wallet`, `owned` (items), `answered_twice` (questions), `owed`."""

    def __init__(
        self,
        book: Book,
        clock: Clock,
        hear: Callable[[Message], object] = lambda _said: None,
        gone: Callable[[], object] = lambda: None,
        **how: Any,
    ) -> None:
        super().__init__(clock=clock, on_event=self._note, on_closed=self._lost, program="zonemesh-chaos", **how)
        self.book = book
        self.arrivals: list[Arrival] = []
        self.losses: list[Loss] = []
        self.wallet = 0
        self.owned: frozenset[int] = frozenset()
        self.answered_twice = 0
        self.leaving = False  # connections that end now are meant to
        self._hear_next, self._gone_next, self._now = hear, gone, clock.now
        self._pending: dict[int, int] = {}  # play sequence -> line in the book; several of a trade confirmed again
        self._answered: set[int] = set()  # questions
        self._of = 0  # of which session both are

    @property
    def owed(self) -> set[int]:
        """Lines of the book that wait for an answer."""
        return set(self._pending.values())

    @property
    def entity(self) -> int:
        """Its own entity's number, 0 when it was never in the world."""
        return self.session.entered.you.entity if self.session.entered is not None else 0

    # --- in and out ---

    async def join(
        self, url: str, account: str, secret: str, *, method: LoginMethod = "password", timeout_s: float = 10.0
    ) -> None:
        """As the client's, noted."""
        line = self.book.call(0, 0, "login", (account, url), self._now())
        try:
            await super().join(url, account, secret, method=method, timeout_s=timeout_s)
        except MeshError as error:
            self._failed(line, error)
            raise
        self.book.end(line, self._now(), "ok", self.session.session)

    async def resume(self, url: str = "", timeout_s: float = 10.0) -> None:
        """As the client's, noted."""
        line = self.book.call(self.session.session, 0, "resume", (url or self.url,), self._now())
        try:
            await super().resume(url, timeout_s)
        except MeshError as error:
            self._failed(line, error)
            raise
        self.book.end(line, self._now(), "ok")

    def _failed(self, line: int, error: MeshError) -> None:
        code = error.code if isinstance(error, RefusedError) else type(error).__name__
        self.book.end(line, self._now(), "refused" if isinstance(error, RefusedError) else "unknown", code)

    # --- what it says ---

    def forget_events(self) -> None:
        """What nobody has waited for so far will not be waited for."""
        self._events.clear()

    def play(self, said: Message) -> int:
        """As the client's, noted."""
        number = super().play(said)
        match said:
            case game.Attack(target=target):
                self._begin("ask" if target == NOBODY else "attack", number, target)
            case game.Loot(corpse=corpse):
                self._begin("loot", number, corpse)
            case game.ConfirmTrade(trade=trade):
                self._begin("trade", number, trade)
            case game.WriteMail(to=to):
                self._begin("mail-send", number, to)
            case game.TakeMail(mail=mail):
                self._begin("mail-take", number, mail)
        return number

    def ask(self) -> int:
        """A question: answered by exactly one PlayDenied."""
        return self.attack(NOBODY)

    def _begin(self, kind: str, number: int, target: int | str) -> None:
        line = self._find(kind, target) if kind == "trade" else None  # to confirm it again is no other operation
        if line is None:
            line = self.book.call(self.session.session, number, kind, (target,), self._now())
        self._pending[number] = line

    def _find(self, kind: str, target: int | str) -> int | None:
        """The oldest that is open: a scene answers in order."""
        for line in self._pending.values():
            one = self.book.operations[line]
            if one.kind == kind and one.args[0] == target:
                return line
        return None

    # --- what it hears ---

    def _note(self, said: Message) -> None:
        if self._of != self.session.session:  # it counts from 1 again, whether its login is told of in time or not
            self._of = self.session.session
            self._answered.clear()
            self.give_up()
        match said:
            case game.Entered():
                self._enter(said)
            case game.PlayDenied(sequence=sequence, code=code):
                self._denied(sequence, code)
            case game.Hit(attacker=attacker, target=target) if attacker == self.entity:
                self._conclude(self._find("attack", target), "ok", None)
            case game.Looted(corpse=corpse, gold=gold, items=items, wallet=wallet):
                self.wallet, self.owned = wallet, self.owned | {item.id for item in items}
                self._conclude(self._find("loot", corpse), "ok", (gold, tuple(item.id for item in items)))
            case game.TradeDone(trade=trade, wallet=wallet, items=items):
                self.wallet, self.owned = wallet, frozenset(item.id for item in items)
                self._conclude(self._find("trade", trade), "ok", wallet)
            case game.MailWritten(wallet=wallet, items=items, sequence=sequence):
                self._mail_done(wallet, items, sequence)
            case game.MailTaken(wallet=wallet, items=items, sequence=sequence):
                self._mail_done(wallet, items, sequence)
            case game.TradeClosed(trade=trade, code=code):
                self._conclude(self._find("trade", trade), "unknown" if code == Code.UNAVAILABLE else "refused", code)
        self._hear_next(said)

    def _enter(self, said: game.Entered) -> None:
        if not said.resumed:
            self.give_up(ONCE if said.anew and said.once else ())
        you = said.you
        self.wallet, self.owned = you.gold, frozenset(item.id for item in you.items)
        x_m, y_m = said.x * said.unit_m, said.y * said.unit_m
        self.arrivals.append(Arrival(self._now(), self.session.session, said.scene, x_m, y_m, said.resumed))

    def _denied(self, sequence: int, code: str) -> None:
        line = self._pending.pop(sequence, None)
        if line is None:
            self.answered_twice += sequence in self._answered
        elif self.book.operations[line].kind == "ask":
            self._answered.add(sequence)
            # Said by the client itself when the place has changed meanwhile: it was not carried out.
            self.book.end(line, self._now(), "refused" if code == Code.OUT_OF_ORDER else "ok", code)
        elif line not in self._pending.values():  # else: one of several confirmations of a trade that goes on
            self.book.end(line, self._now(), "unknown" if code == Code.UNAVAILABLE else "refused", code)

    def _conclude(self, line: int | None, ended: Ended, answer: Any) -> None:
        if line is not None:
            self.book.end(line, self._now(), ended, answer)
            self._pending = {number: other for number, other in self._pending.items() if other != line}

    def _mail_done(self, wallet: int, items: Sequence[game.Item], sequence: int) -> None:
        self.wallet, self.owned = wallet, frozenset(item.id for item in items)
        self._conclude(self._pending.get(sequence), "ok", wallet)  # None: it was answered before, and said again

    def give_up(self, but: Collection[str] = ()) -> None:
        """What is open now is unknown, and nobody owes an answer any more; `but` what of this session is of these kinds
        is said again."""
        book, session = self.book.operations, self.session.session
        self._pending = {
            number: line
            for number, line in self._pending.items()
            if book[line].kind in but and book[line].session == session
        }

    def _lost(self) -> None:
        if not self.leaving:
            ended = self.session.ended
            self.losses.append(Loss(self._now(), ended.code if ended is not None else ""))
        self._gone_next()
