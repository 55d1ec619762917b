"""Everything that can go wrong because of somebody else: a peer, a player, a disk, the time.

Our own mistakes are assertions and end the process; the supervisor starts it again.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused. The value is what travels and what the protocol page documents."""

    BAD_MESSAGE = "bad_message"  # does not decode, or a field is out of range
    UNKNOWN_MESSAGE = "unknown_message"  # no number, no such number, or not for this receiver
    OUT_OF_ORDER = "out_of_order"  # right message, wrong moment
    TOO_LARGE = "too_large"  # more bytes than are taken
    TOO_MANY = "too_many"  # the rate limit of this session or kind
    BAD_CREDENTIALS = "bad_credentials"  # no such account, wrong password, or not a valid ticket or token
    BANNED = "banned"  # the text says until when and why
    MUTED = "muted"  # an operator keeps the player from speaking; the text says until when and why
    RESUME_GONE = "resume_gone"  # the token was used, is too old, or the session has ended
    TAKEN_OVER = "taken_over"  # the account logged in from somewhere else
    KICKED = "kicked"  # an operator ended the session; the text says why
    SLOW_READER = "slow_reader"  # did not read what was sent
    IDLE = "idle"  # said nothing for too long
    ZONE_FULL = "zone_full"  # the queue has no place left
    UNAVAILABLE = "unavailable"  # the node that it takes is not there at the moment: try again
    SHUTDOWN = "shutdown"  # the node stops
    NOT_FOUND = "not_found"  # what was named is not there, not in view or not connected
    EXISTS = "exists"  # the name is taken
    NOT_ALLOWED = "not_allowed"  # the rules of the game forbid it
    OUT_OF_RANGE = "out_of_range"  # too far away, or more than there may be
    INSUFFICIENT = "insufficient"  # gold or items that are not there, or no room for more
    CANCELLED = "cancelled"  # one of those who take part ended it
    OP_CONFLICT = "op_conflict"  # the same operation id with another payload
    OP_TOO_OLD = "op_too_old"  # so old that it is not known any more whether it was carried out
    STALE_EPOCH = "stale_epoch"  # a newer owner exists
    DISK_FULL = "disk_full"  # nothing can be stored at the moment
    INTERNAL = "internal"  # a mistake of the server; it was logged


class MeshError(Exception):
    """The root of the tree."""


class ProtocolError(MeshError):
    """Bytes or messages that break the rules."""


class LocalProtocolError(ProtocolError):
    """We were about to break them: the call is refused, nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The other side broke them."""


class RefusedError(MeshError):
    """A request was understood and answered with no."""

    def __init__(self, code: Code | str, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else str(code))
        self.code = str(code)
        self.text = text


class PeerLost(MeshError):
    """The peer that should answer is gone; whether it did the work is unknown."""


class DeadlineExceeded(MeshError):
    """No answer in time; whether the work was done is unknown."""


class StorageError(MeshError):
    """A disk, a folder or a file that cannot be used; the text says which and what to do."""


class ReplacedError(MeshError):
    """Somebody else has this node's place: its process must end at once, and may be started again."""


class HandedOverError(MeshError):
    """Another process has all that this one had: it must end at once, without another word."""


class TopologyError(MeshError):
    """A topology with mistakes: all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
