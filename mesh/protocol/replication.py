"""What a pair of DCs say to each other and to the center: who may write, and the changes on their way to the standby.

Owns the messages only; the rules are in `nodes/dc/pair.py` and `nodes/center/leases.py`. (epoch, batch) names a state
of the database: an epoch has one writer, which counts its transactions.
"""

from typing import Annotated

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U63, Label

ROWS_MAX = 1_000_000  # in one message: far more than a commit has; bytes are bounded by whoever sends

Row = tuple[Label, bytes, bytes | None]
"""Table, key, value as it is stored (None: deleted)."""
Rows = Annotated[list[Row], msgspec.Meta(max_length=ROWS_MAX)]


@message("dc -> center", answers=("Leased",))
class AskLease(Message, frozen=True, tag=176):
    """One of a pair: who writes? May I (go on)? Requests are numbered, so that an old one that comes late says
    nothing any more."""

    serial: U63
    epoch: U63  # of the newest transaction on this disk; 0: it never was one of a pair
    batch: U63
    term: U63 = 0  # the epoch in which the asker writes; 0: it does not
    synced: bool | None = None  # of a writer: has the standby everything from now on? None: as it was
    free: bool = False  # of a standby: it has given the writer no promise that still holds
    heard: U63 = 0  # the newest of these questions whose answer has come
    leaving: bool = False  # of a writer: it says nothing more in this epoch, its lease is over


@message("center -> dc")
class Leased(Message, frozen=True, tag=177):
    """Who writes, in which epoch. The lease counts from when it was asked for, on the asker's own clock."""

    epoch: U63  # 0: nobody writes yet
    writer: Label  # full name
    granted: bool  # it is the asker
    synced: bool  # may the standby take over?
    lease_s: float
    over: bool = False  # the writer's lease has run out


@message("dc -> dc", answers=("Standing",))
class Follow(Message, frozen=True, tag=178):
    """I write in this epoch: how far are you?"""

    epoch: U63


@message("dc -> dc")
class Standing(Message, frozen=True, tag=179):
    """A standby: how far its disk is, and whether it keeps the writer in office while the center is away."""

    epoch: U63  # 0: its rows are not a whole
    batch: U63
    supports: bool = False


@message("dc -> dc", answers=("Standing",))
class Replicate(Message, frozen=True, tag=180):
    """Transactions `after + 1` to `batch`, as one. Answered when they are on disk. Without changes: a sign of life."""

    epoch: U63
    after: U63
    batch: U63
    changes: Rows = []


@message("dc -> dc", answers=("Standing",))
class CopyRows(Message, frozen=True, tag=181):
    """A part of a whole copy, between batches. `first`: forget what you have, batches go on after `batch`. `last`: you
    have all rows, as of `batch`."""

    epoch: U63
    batch: U63
    first: bool = False
    last: bool = False
    rows: Rows = []


@message("dc -> dc", answers=("Standing",))
class TakeOver(Message, frozen=True, tag=190):
    """I am about to stop, have handed my lease back, and write no more in this epoch. You have everything up to this
    batch: ask the center for the office."""

    epoch: U63
    batch: U63
