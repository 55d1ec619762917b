"""A standby's mind: what it has, whom it follows, what it has promised. Pure.

It takes batches in order and of nobody but the writer of the highest epoch that it knows. It may ask to take over only
when no promise of its own to the writer holds any more, and it promises only while the center is away and it has not
asked for the office itself: its question may be on the way, and the answer lost.
"""

from typing import Literal

from nodes.dc.lease import SUPPORT_MARGIN_S, SUPPORT_S

CENTER_AWAY_S = 0.8  # without an answer of the center: it is away
SILENT_S = 1.0  # without a word of the writer: it is silent

Verdict = Literal["apply", "known", "gap", "stale"]


class Follower:
    """`epoch` and `batch` are those on disk; epoch 0: the rows there are not a whole."""

    def __init__(self, epoch: int, batch: int, now: float) -> None:
        self.epoch, self.batch = epoch, batch
        self.known = epoch  # the highest epoch that we heard of
        self.copying = False  # is a whole copy under way? Then `batch` is where its batches are
        self._promised_until = now + SUPPORT_S + SUPPORT_MARGIN_S  # who we were before may have promised
        self._writer_at = now
        self._center_at = now
        self._over = False  # the center says that the writer's lease is over
        self._candidate = False

    # --- the writer ---

    def hear(self, epoch: int, now: float) -> bool:
        """Somebody writes in this epoch. False: it does not any more."""
        if epoch < self.known:
            return False
        self.known, self._writer_at = epoch, now
        return True

    def judge(self, after: int, batch: int) -> Verdict:
        """Batches `after + 1` to `batch`, of whom `hear` took for the writer."""
        if not self.epoch and not self.copying:
            return "gap"
        if batch <= self.batch:
            return "known"
        return "apply" if after == self.batch else "gap"

    def took(self, epoch: int, batch: int) -> None:
        """They are on disk."""
        self.batch = batch
        if not self.copying:
            self.epoch = epoch

    def begin_copy(self, batch: int) -> None:
        """What was here is no whole any more."""
        self.epoch, self.batch, self.copying = 0, batch, True

    def end_copy(self, epoch: int, batch: int) -> None:
        """It is one again."""
        self.epoch, self.batch, self.copying = epoch, batch, False

    def promise(self, now: float) -> bool:
        """Keep the writer in office for a while?"""
        if self._candidate or now - self._center_at <= CENTER_AWAY_S:
            return False
        self._promised_until = now + SUPPORT_S + SUPPORT_MARGIN_S
        return True

    def released(self, now: float) -> None:
        """The writer has said its last word, and wants no promise kept."""
        self._promised_until, self._over = now, True

    # --- the center ---

    def may_begin(self, epoch: int, now: float) -> bool:
        """The center gives us this epoch. What we were before a restart may have promised the writer to keep quiet; not
        if it wrote itself, in the epoch before this one."""
        return now >= self._promised_until or epoch == self.epoch + 1

    def wants(self, now: float) -> bool:
        """The center is being asked: would we take over? From here until its answer, and without one, nothing is
        promised."""
        missing = self._over or now - self._writer_at > SILENT_S
        free = bool(self.epoch) and missing and now >= self._promised_until
        self._candidate = self._candidate or free
        return free

    def answered(self, epoch: int, over: bool, now: float) -> None:
        """Somebody else writes, or nobody."""
        self.known = max(self.known, epoch)
        self._center_at, self._over, self._candidate = now, over, False
