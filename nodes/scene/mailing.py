"""Mail, as players write and take it: each is one operation of the DC, told when it is on disk.

Owns who is asking for its box just now. What is attached is the DC's to check and to move; a mail that was sent is
mentioned to the center, which tells its receiver when that is in the world. Each operation names the message that it is
for, so that a client may say it again to the next scene when this one is lost.
"""

from collections.abc import Callable

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.handlers import on
from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.records import Letter, ListMails, MailCame, Mails
from nodes.scene.ledger import ASK_TIMEOUT_S, DC, Ask, Ledger
from nodes.scene.line import Line
from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session
from nodes.scene.shared import Record

CENTER = "center"
UNDER_WAY_MAX = 288
"""Durable operations of one character: the 256 that a client may say again after it has lost its scene, and what it may
do besides."""
UNKNOWN = "the outcome is not known; look again after the next login"

Deny = Callable[[Session, int, str, str], None]  # (session, sequence, code, text)
Tell = Callable[[str, Message], object]


class Mailing:
    """Handlers of play messages."""

    def __init__(
        self,
        out: Outbound,
        ledger: Ledger,
        ask: Ask,
        tell: Tell,
        record: Record,
        now: Callable[[], float],
        inventory_max: int,
        deny: Deny,
    ) -> None:
        self._out, self._ledger, self._ask, self._tell = out, ledger, ask, tell
        self._record, self._now, self._inventory_max, self._deny = record, now, inventory_max, deny
        self._reading: set[int] = set()  # sessions

    @on(play.WriteMail)
    def on_write(self, _line: Line, session: Session, said: play.WriteMail, sequence: int, _now: float) -> None:
        if not (said.text or said.gold or said.items):
            raise RefusedError(Code.BAD_MESSAGE, "an empty mail")
        _check_room(session)
        self._ledger.begin([session], self._write, session, said, sequence)

    @on(play.TakeMail)
    def on_take(self, _line: Line, session: Session, said: play.TakeMail, sequence: int, _now: float) -> None:
        _check_room(session)
        self._ledger.begin([session], self._take, session, said.mail, sequence)

    @on(play.ReadMails)
    def on_read(self, _line: Line, session: Session, said: play.ReadMails, sequence: int, _now: float) -> None:
        if session.number in self._reading:
            raise RefusedError(Code.TOO_MANY, "the box is being looked into already")
        self._reading.add(session.number)
        self._ledger.begin([session], self._read, session, said.above, sequence)

    async def _write(self, session: Session, said: play.WriteMail, sequence: int) -> None:
        letter = Letter(said.to, said.text, said.gold, said.items)
        try:
            done = await self._ledger.carry_out([session], "mail-send", letter=letter, asked=sequence)
        except RefusedError as error:
            self._deny(session, sequence, error.code, error.text)
        except (PeerLost, DeadlineExceeded):
            self._deny(session, sequence, Code.UNAVAILABLE, UNKNOWN)
        else:
            items = list(session.items.values())
            self._out.event(session, play.MailWritten(said.to, session.gold, items, sequence), self._now())
            if not done.again:
                self._record("mail", session.account, to=said.to, gold=said.gold, items=list(said.items))
            self._tell(CENTER, MailCame(said.to, session.name))

    async def _take(self, session: Session, mail: int, sequence: int) -> None:
        try:
            room = self._inventory_max
            done = await self._ledger.carry_out([session], "mail-take", mail=mail, room=room, asked=sequence)
        except RefusedError as error:
            self._deny(session, sequence, error.code, error.text)
        except (PeerLost, DeadlineExceeded):
            self._deny(session, sequence, Code.UNAVAILABLE, UNKNOWN)
        else:
            items = list(session.items.values())
            self._out.event(session, play.MailTaken(mail, session.gold, items, sequence), self._now())
            if not done.again:
                self._record("mail_take", session.account, mail=mail)

    async def _read(self, session: Session, above: int, sequence: int) -> None:
        try:
            answer = await self._ask(DC, ListMails(session.number, above), ASK_TIMEOUT_S)
        except RefusedError as error:
            self._deny(session, sequence, error.code, error.text)
        except (PeerLost, DeadlineExceeded):
            self._deny(session, sequence, Code.UNAVAILABLE, "nobody can look into the box just now: try again")
        else:
            assert isinstance(answer, Mails), "the catalogue names the only answer"
            self._out.event(session, play.Mailbox(answer.mails, answer.more), self._now())
        finally:
            self._reading.discard(session.number)


def _check_room(session: Session) -> None:
    """While the DC is away everything waits; RefusedError for whoever goes on asking all the same."""
    if session.busy >= UNDER_WAY_MAX:
        raise RefusedError(Code.TOO_MANY, "too much of yours waits to be stored")
