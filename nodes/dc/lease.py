"""A writer's right to write, when there is a standby that could take over. Pure.

Owns one epoch of one writer: until when the lease holds, and what the center has written down about the standby.

    alone     the center has it in writing that the standby lacks something: nobody can take over, so no lease is
              needed, and a center that is away stops nothing
    joining   the standby is nearly there: nothing is acknowledged without it any more, so that it soon has all
    paired    the standby may take over. What it has confirmed may be acknowledged; anything else only in the lease

The lease comes from the center, or, while the center is away, from the standby, which promises not to take over for so
long: two of the three agree in any case. It is counted from the moment in which it was asked for, on the monotonic
clock, so a process that stood still finds that it is over. Rejected: a timer that says when it is over; it would stand
still, too.
"""

from typing import Literal

from mesh.errors import MeshError
from mesh.protocol.replication import Leased

SUPPORT_S = 1.5  # how long a standby's promise holds
SUPPORT_MARGIN_S = 0.25  # and how much longer on its own clock

Mode = Literal["alone", "joining", "paired"]


class Deposed(MeshError):
    """Somebody else writes, in a higher epoch: nothing may be acknowledged any more, and what waits is unknown."""


class Term:
    """See the module."""

    def __init__(self, granted: Leased, asked_at: float) -> None:
        self.epoch = granted.epoch
        self.until = asked_at + granted.lease_s
        self.mode: Mode = "paired" if granted.synced else "alone"
        self.over = False
        self.wish: bool | None = None  # what the center is to write down about the standby

    def may_speak(self, now: float) -> bool:
        """Is what we have on disk still the truth?"""
        return not self.over and (self.mode != "paired" or now < self.until)

    def heard(self, answer: Leased, name: str, asked_at: float, wished: bool | None) -> None:
        """The center has answered the newest question, in which we wished this."""
        if answer.epoch > self.epoch or (answer.epoch == self.epoch and answer.writer != name):
            self.over = True
        elif answer.granted and answer.epoch == self.epoch:
            self.until = max(self.until, asked_at + answer.lease_s)
            if answer.synced:
                self.mode = "paired"
            elif self.mode == "paired" and wished is not True and self.wish is not True:  # else it was asked too early
                self.mode = "alone"
            if self.wish is wished and answer.synced is wished:
                self.wish = None

    def hand_back(self) -> None:
        """Nothing is said in this epoch any more, whoever comes to hear of that."""
        self.over = True

    def supported(self, asked_at: float) -> None:
        """The standby has promised, when it was asked at that time."""
        self.until = max(self.until, asked_at + SUPPORT_S)

    def join(self) -> None:
        """From now on nothing is acknowledged without the standby."""
        if self.mode == "alone":
            self.mode = "joining"

    def joined(self) -> None:
        """The standby has everything: have it written down. From the moment of asking it may be so."""
        if self.mode == "joining":
            self.mode, self.wish = "paired", True

    def lost(self) -> None:
        """The standby is away. Who was only joining is not missed; else the center has to write it down first."""
        if self.mode == "joining":
            self.mode = "alone"
        elif self.mode == "paired":
            self.wish = False
