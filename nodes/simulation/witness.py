"""Hears everything that is said between nodes: the digest of a course, and what the DC was asked and has answered.

Two courses with the same digest are the same: who said what to whom, when, byte by byte. The durable operations are
written into a book as the scenes see them: asked when one was said for the first time, answered when the answer was
heard. Sessions that a login was told of are kept, too: a session is promised with the answer. So are the states of
characters that scenes have saved. And processes of scenes that were given up: once the center was told that one is
over, nothing that it says later may be acknowledged.
"""

import hashlib
from collections.abc import Callable, Sequence

from mesh.checking.records import Book, Id, Problem
from mesh.checking.tenures import Answer
from mesh.checking.wishes import Wish
from mesh.protocol.catalogue import decoder, number_in, number_of
from mesh.protocol.cluster import StatusLoaded
from mesh.protocol.control import Done, Refused
from mesh.protocol.envelope import TYPED, Envelope, Kind, unseal
from mesh.protocol.records import FenceScene, Operate, Operated, SaveStates
from mesh.transport.base import Blob
from nodes.simulation.cached import CachedStates, Numbers

_OPERATE, _OPERATED, _REFUSED = number_of(Operate), number_of(Operated), number_of(Refused)
_SAVE, _DONE, _LOADED = number_of(SaveStates), number_of(Done), number_of(StatusLoaded)
_FENCE = number_of(FenceScene)
_YES = (_DONE, _OPERATED)
_NOT_NOW = ("unavailable", "disk_full", "shutdown")
"""Refusals of a repeated question: what became of the first one is as unknown as before."""
NO_WISH = 0, 0
_operate = decoder([Operate])
_save = decoder([SaveStates])
_fence = decoder([FenceScene])
_answer = decoder([Operated, Refused, StatusLoaded])


class Witness:
    """`book`: durable operations, `sessions`: those that logins were told of, `cached`: states of characters,
    `messages`: how many were said."""

    def __init__(self, now: Callable[[], float], epoch_of: Callable[[str], int]) -> None:
        """`epoch_of`: in which one this DC says to write."""
        self.book = Book()
        self.sessions: list[int] = []
        self.cached = CachedStates()
        self.messages = 0
        self.answers: list[Answer] = []  # every yes, and in which epoch it was said
        self._now, self._epoch_of = now, epoch_of
        self._digest = hashlib.blake2b(digest_size=16)
        self._lines: dict[tuple[int, int], int] = {}  # where an operation stands in the book
        self._asked: dict[tuple[str, int], tuple[int, float]] = {}  # (who, number of the request) -> line, when
        self._repeated: set[int] = set()  # lines
        self.wishes: dict[Wish, list[Id]] = {}  # messages of clients, and the operations for them
        self.confirmed: set[Wish] = set()  # of which the DC said that they had been carried out before
        self._wish_of: dict[int, Wish] = {}  # line -> for which message
        self._saving: dict[tuple[str, int], Numbers] = {}
        self.problems: list[Problem] = []  # of the checker `fencing`
        self._fencing: dict[tuple[str, int], str] = {}  # which process a center asks to be fenced
        self._fenced: set[str] = set()  # processes
        self._late: set[tuple[str, int]] = set()  # what they asked afterwards

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def said(self, source: str, target: str, frames: Sequence[Blob]) -> None:
        self.messages += 1
        update = self._digest.update
        update(f"{self._now():.6f} {source} {target} ".encode())
        for frame in frames:
            update(frame)
        if frames[0] != TYPED:
            return
        if ".dc." in target and (".scene." in source or ".center." in source):
            for envelope in unseal(bytes(frames[1])).envelopes:
                if envelope.kind == Kind.REQUEST:
                    self._asks(source, envelope)

    def _asks(self, source: str, envelope: Envelope) -> None:
        number = number_in(memoryview(envelope.body))
        if number == _OPERATE:
            said = _operate(bytes(envelope.body))
            assert isinstance(said, Operate)
            self._asked[source, envelope.request] = self._line(said), self._now()
        elif number == _SAVE:
            saves = _save(bytes(envelope.body))
            assert isinstance(saves, SaveStates)
            self._saving[source, envelope.request] = self.cached.said(saves)
        elif number == _FENCE:
            fence = _fence(bytes(envelope.body))
            assert isinstance(fence, FenceScene)
            self._fencing[source, envelope.request] = f"{fence.scene}#{fence.incarnation:x}"

    def heard(self, source: str, target: str, frames: Sequence[Blob]) -> None:
        if frames[0] != TYPED:
            return
        if ".dc." in target and source in self._fenced:
            requests = (one for one in unseal(bytes(frames[1])).envelopes if one.kind == Kind.REQUEST)
            self._late |= {(source, one.request) for one in requests}
        elif ".dc." in source:
            for envelope in unseal(bytes(frames[1])).envelopes:
                if envelope.kind == Kind.ANSWER:
                    self._answers(source.partition("#")[0], (target, envelope.request), bytes(envelope.body))

    def _answers(self, dc: str, asked: tuple[str, int], body: bytes) -> None:
        number = number_in(memoryview(body))
        line, at = self._asked.pop(asked, (None, 0.0))
        saved = self._saving.pop(asked, None)
        fenced = self._fencing.pop(asked, None)
        if number in _YES and asked in self._late:
            self.problems.append(Problem("fencing", f"{asked[0]} had been given up, and was told yes to {asked[1]}"))
        if number == _LOADED:
            loaded = _answer(body)
            assert isinstance(loaded, StatusLoaded)
            self.sessions.append(loaded.session)
        elif number == _DONE and fenced is not None:
            self._fenced.add(fenced)
        elif number == _DONE and saved is not None:
            self.cached.acked(saved, self._now())
        elif line is not None and number == _OPERATED:
            operated = _answer(body)
            assert isinstance(operated, Operated)
            self._carried_out(line, operated.again)
            id_ = self.book.operations[line].id
            self.answers.append(Answer(id_, at, self._now(), self._epoch_of(dc)))
        elif line is not None and number == _REFUSED and self.book.operations[line].ended == "unknown":
            refused = _answer(body)
            assert isinstance(refused, Refused)
            if line not in self._repeated or refused.code not in _NOT_NOW:
                self._refused(line, refused.code)

    def _carried_out(self, line: int, again: bool) -> None:
        """`again`: another operation for the same message of the client was, before this one, which is none."""
        if again:
            self.confirmed.add(self._wish_of[line])
            self._refused(line, "again")
        else:
            self.book.end(line, self._now(), "ok")

    def _refused(self, line: int, code: str) -> None:
        """It was not carried out, so its number may still be used for something else."""
        self.book.end(line, self._now(), "refused", code)
        ids, id_ = self.wishes.get(self._wish_of.get(line, NO_WISH), []), self.book.operations[line].id
        if id_ in ids:
            ids.remove(id_)

    def _line(self, said: Operate) -> int:
        """What was refused has not used its number: after a loss of the scene another operation may have it."""
        at = said.session, said.sequence
        line = self._lines.get(at)
        if line is None or self.book.operations[line].ended == "refused":
            letter = (said.letter.to, said.letter.gold, tuple(said.letter.items)) if said.letter is not None else None
            args = (tuple(said.parties), tuple(said.gold), tuple(said.items), said.level, letter, said.mail)
            line = self._lines[at] = self.book.call(*at, said.kind, args, self._now())
            if said.asked:
                self._wish_of[line] = said.session, said.asked
                self.wishes.setdefault(self._wish_of[line], []).append(at)
        else:
            self._repeated.add(line)
        return line
