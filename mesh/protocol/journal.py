"""The behaviour log: what players did, from any node to the log nodes, and questions about it."""

from typing import Annotated, Any

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U63, Label


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something that somebody did."""

    at_ms: U63  # wall clock
    kind: Label
    player: U63  # account, 0 for none
    node: str
    fields: dict[str, Any]
    incarnation: U63 = 0  # of the node, and the event's number in it: the same event at two log nodes has the same
    number: U63 = 0


STRETCHES_MAX = 8_192  # in an answer
KINDS_MAX = 1024  # different ones in a batch


@message("any -> log", step=9, answers=("EventsStored",))
class StoreEvents(Message, frozen=True, tag=80):
    """A batch, numbered from the sender's first event on: what was stored already is skipped.

    The columns say of each event what it is found by, so that a log node never opens the body. All are little-endian,
    and either all are there or, from an older sender, none but `players`.
    """

    sender: Label
    incarnation: U63
    first: U63
    count: Annotated[int, msgspec.Meta(ge=1, le=65_536)]
    players: bytes  # u64[count], little-endian
    body: bytes  # `count` MessagePack arrays, one behind the other
    oldest_ms: U63 = 0  # of the events, so that the log node need not open the body; 0 and 0: not known
    newest_ms: U63 = 0
    kinds: Annotated[list[Label], msgspec.Meta(max_length=KINDS_MAX)] = []  # that occur
    kind_numbers: bytes = b""  # u16[count]: places in `kinds`
    times: bytes = b""  # u64[count]: at_ms
    lengths: bytes = b""  # u32[count]: bytes of each event in the body


@message("log -> any")
class EventsStored(Message, frozen=True, tag=81):
    """Everything below `next` is in a segment."""

    next: U63


@message("ctl -> log", answers=("Events",))
class QueryEvents(Message, frozen=True, tag=82):
    """`mesh events`. Zero or empty means: any."""

    player: U63 = 0
    kinds: list[Label] = []
    since_ms: U63 = 0
    until_ms: U63 = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100


@message("log -> ctl")
class Events(Message, frozen=True, tag=83):
    """The newest matching events, oldest first."""

    events: list[Event]
    more: bool = False


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Events of one sender, by their numbers: from `first` on, below `end`."""

    sender: str
    incarnation: U63
    first: U63
    end: U63


@message("ctl -> log", answers=("StoredList",))
class ListStored(Message, frozen=True, tag=84):
    """`mesh events --losses`: which events are here?"""


@message("log -> ctl")
class StoredList(Message, frozen=True, tag=85):
    """What is in segments, and what was here before the oldest of them. Both are cut at STRETCHES_MAX."""

    stretches: list[Stretch]
    before: list[Stretch] = []
    complete: bool = True  # nothing was cut, nothing cannot be read


@message("ctl -> log", answers=("PlayerErased",))
class ErasePlayer(Message, frozen=True, tag=86):
    """`mesh data erase`: take everything of a player out of the segments. It may take minutes."""

    player: U63
    names: Annotated[list[Label], msgspec.Meta(max_length=64)] = []  # by which others' events may know him


@message("log -> ctl")
class PlayerErased(Message, frozen=True, tag=87):
    """What was done."""

    segments: U63  # written anew
    events: U63  # of the player
    mentions: U63  # events of others without him
    damaged: U63 = 0  # places that nobody can look into, and that are kept
