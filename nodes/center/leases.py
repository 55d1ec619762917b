"""Which DC of a pair may write: the third vote. Pure: takes what was asked and `now`, returns what is to be true.

Owns the tenure (epoch, writer, whether the standby has everything), which must be on disk before anybody is told
of it; `lease_desk.py` sees to that. The rules:

    the writer goes on           whenever it asks; a new process of the same name gets a new epoch
    a standby takes over         when the writer's lease has run out or was handed back, it is known to have all that
                                 the writer may have acknowledged with it, and it keeps no promise to it any more
    in sync or not               only the writer says so, and only in its own epoch; that the standby is not any more
                                 it has to say twice, the second time having heard the first answer: a writer that
                                 is only heard and hears nothing would keep the standby out, and do nothing with it
    who does not hear us         gets nothing: its questions say how far it has heard, and one whose answer to the last
                                 one was lost asks again. Else it would keep an office, or get one, and not know it

A writer whose disk is older than the record is one no more, for the other one may have what it lost; when both are at
the same older place, both were restored, and it goes on. It never gives an epoch twice and never grants anything on the
word of one DC about the other. Without a record (the center's folder is new) nothing begins before both were heard: of
two that were never a pair the first does, of two that were, the one that is further. Times are of the monotonic clock:
a lease ends here MARGIN_S after it ended at the writer, whose time counts from when it asked.
"""

import msgspec

LEASE_S = 1.5
MARGIN_S = 0.25  # how much two clocks may differ over one lease, and what is on the way when it ends
PAUSE_S = 1.0  # a longer time without any question: we stood still, and what was asked meanwhile may come in any order


class Tenure(msgspec.Struct, frozen=True, array_like=True):
    """What is on disk."""

    epoch: int
    writer: str  # full name
    incarnation: int
    synced: int = 0  # in which epoch the standby was found to have everything; 0: it has not
    stored: int = 0  # the highest epoch that the writer has said to have on disk


class Question(msgspec.Struct, frozen=True):
    """What one of the two said."""

    name: str
    incarnation: int
    serial: int
    epoch: int  # of the newest transaction on its disk
    batch: int = 0
    term: int = 0
    synced: bool | None = None
    free: bool = False
    heard: int = 0
    leaving: bool = False

    @property
    def hears(self) -> bool:
        """Has it heard our last answer?"""
        return self.heard >= self.serial - 1


class Leases:
    """Of one pair: `first` writes when nothing else is known."""

    def __init__(self, first: str, second: str, tenure: Tenure | None, now: float) -> None:
        self.first, self.second = first, second
        self.tenure = tenure
        self._until = now + LEASE_S + MARGIN_S  # who was before us may just have granted one
        self._at = now
        self._heard: dict[str, Question] = {}  # the last of each
        self._drop_at: int | None = None  # in which question the writer first said that the standby is away

    def over(self, now: float) -> bool:
        """Has the writer's lease run out?"""
        return self.tenure is not None and now >= self._until

    def tick(self, now: float) -> None:
        """Called regularly, so that our own pauses are noticed."""
        if now - self._at > PAUSE_S:
            self._until = max(self._until, now + LEASE_S + MARGIN_S)
        self._at = now

    def decide(self, asked: Question, now: float) -> Tenure | None:
        """What is true from now on, if it can be written down: then `settle`. None: nobody may write yet."""
        self.tick(now)
        known, before = self.tenure, self._heard.get(asked.name)
        if before is not None and before.incarnation == asked.incarnation and asked.serial <= before.serial:
            return known  # it came late
        self._heard[asked.name] = asked
        if asked.name not in (self.first, self.second):
            return known
        if known is None:
            return self._begun(asked)
        if asked.name == known.writer:
            return self._restored(known, asked) or _renewed(known, self._checked(asked))
        may = asked.free and asked.hears and known.synced and asked.epoch >= known.synced and now >= self._until
        return _taken_over(known, asked) if may else known

    def settle(self, tenure: Tenure | None, asked: Question, now: float) -> bool:
        """It is on disk. Is it the asker who writes? One that leaves hands its lease back by this question: the other
        one need not wait for its end. When it asks once more nobody has taken over, it has it again."""
        self.tenure = tenure
        writes = tenure is not None and (tenure.writer, tenure.incarnation) == (asked.name, asked.incarnation)
        if not writes or self._heard.get(asked.name) is not asked:
            return False
        if asked.leaving:
            self._until = now
            return False
        if asked.hears:
            self._until = now + LEASE_S + MARGIN_S
        return asked.hears

    def _checked(self, asked: Question) -> Question:
        """What it says about the standby counts when it hears us."""
        if asked.synced is not False:
            self._drop_at = None
            return asked
        if self._drop_at is None or self._drop_at > asked.serial:
            self._drop_at = asked.serial
        return asked if asked.heard >= self._drop_at else msgspec.structs.replace(asked, synced=None)

    def _other(self, asked: Question) -> Question | None:
        """What the other one said last."""
        return self._heard.get(self.second if asked.name == self.first else self.first)

    def _restored(self, known: Tenure, asked: Question) -> Tenure | None:
        """An older database was put into the place of both."""
        other = self._other(asked)
        if not 0 < asked.epoch < known.stored or other is None:
            return None
        if (other.epoch, other.batch) != (asked.epoch, asked.batch):
            return None
        return Tenure(known.epoch + 1, asked.name, asked.incarnation, 0, asked.epoch)

    def _begun(self, asked: Question) -> Tenure | None:
        other = self._other(asked)
        if other is None:
            return None  # it may have everything
        if asked.epoch == 0 and other.epoch == 0:
            return Tenure(1, asked.name, asked.incarnation) if asked.name == self.first else None
        further = (asked.epoch, asked.batch) > (other.epoch, other.batch)
        same = (asked.epoch, asked.batch) == (other.epoch, other.batch)
        if further or (same and asked.name == self.first):
            return Tenure(max(asked.epoch, other.epoch) + 1, asked.name, asked.incarnation, 0, asked.epoch)
        return None


def _renewed(known: Tenure, asked: Question) -> Tenure:
    """The writer asks. One whose disk is not the one that it wrote to is not the writer any more."""
    if asked.epoch < known.stored:
        return msgspec.structs.replace(known, incarnation=0)
    epoch, synced = known.epoch, known.synced
    if asked.incarnation != known.incarnation or asked.epoch > known.epoch:
        epoch = max(known.epoch, asked.epoch) + 1
    elif asked.term == epoch and asked.synced is not None:
        synced = epoch if asked.synced else 0
    return Tenure(epoch, known.writer, asked.incarnation, synced, max(known.stored, asked.epoch))


def _taken_over(known: Tenure, asked: Question) -> Tenure:
    return Tenure(max(known.epoch, asked.epoch) + 1, asked.name, asked.incarnation, 0, asked.epoch)
