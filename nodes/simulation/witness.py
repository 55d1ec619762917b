"""Hears everything that is said between nodes: the digest of a course, and what the DC was asked and has answered.

Two courses with the same digest are the same: who said what to whom, when, byte by byte. The durable operations are
written into a book as the scenes see them: asked when one was said for the first time, answered when the answer was
heard. Sessions that a login was told of are kept, too: a session is promised with the answer.
"""

import hashlib
from collections.abc import Callable, Sequence

from mesh.checking.records import Book
from mesh.protocol.catalogue import decoder, number_in, number_of
from mesh.protocol.cluster import StatusLoaded
from mesh.protocol.control import Refused
from mesh.protocol.envelope import TYPED, Kind, unseal
from mesh.protocol.records import Operate, Operated
from mesh.transport.base import Blob

_OPERATE, _OPERATED, _REFUSED = number_of(Operate), number_of(Operated), number_of(Refused)
_LOADED = number_of(StatusLoaded)
_operate = decoder([Operate])
_answer = decoder([Operated, Refused, StatusLoaded])


class Witness:
    """`book`: durable operations, `sessions`: those that logins were told of, `messages`: how many were said."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.book = Book()
        self.sessions: list[int] = []
        self.messages = 0
        self._now = now
        self._digest = hashlib.blake2b(digest_size=16)
        self._lines: dict[tuple[int, int], int] = {}  # where an operation stands in the book
        self._asked: dict[tuple[str, int], int] = {}  # (who asked, number of the request) -> line

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def said(self, source: str, target: str, frames: Sequence[Blob]) -> None:
        self.messages += 1
        update = self._digest.update
        update(f"{self._now():.6f} {source} {target} ".encode())
        for frame in frames:
            update(frame)
        if ".dc." in target and ".scene." in source and frames[0] == TYPED:
            for envelope in unseal(bytes(frames[1])).envelopes:
                if envelope.kind == Kind.REQUEST and number_in(memoryview(envelope.body)) == _OPERATE:
                    said = _operate(bytes(envelope.body))
                    assert isinstance(said, Operate)
                    self._asked[source, envelope.request] = self._line(said)

    def heard(self, source: str, target: str, frames: Sequence[Blob]) -> None:
        if ".dc." not in source or frames[0] != TYPED:
            return
        for envelope in unseal(bytes(frames[1])).envelopes:
            if envelope.kind != Kind.ANSWER:
                continue
            number, line = number_in(memoryview(envelope.body)), self._asked.pop((target, envelope.request), None)
            if number == _LOADED:
                loaded = _answer(bytes(envelope.body))
                assert isinstance(loaded, StatusLoaded)
                self.sessions.append(loaded.session)
            elif line is not None and number == _OPERATED:
                self.book.end(line, self._now(), "ok")
            elif line is not None and number == _REFUSED and self.book.operations[line].ended == "unknown":
                refused = _answer(bytes(envelope.body))
                assert isinstance(refused, Refused)
                self.book.end(line, self._now(), "refused", refused.code)

    def _line(self, said: Operate) -> int:
        at = said.session, said.sequence
        line = self._lines.get(at)
        if line is None:
            args = (tuple(said.parties), tuple(said.gold), tuple(said.items), said.level)
            line = self._lines[at] = self.book.call(*at, said.kind, args, self._now())
        return line
