"""What a client says to its scene and its center: numbered, kept for a resume, held back while it has to wait. Pure.

Play messages are numbered within the session and kept, the last RESEND_MAX of them, until an Entered says which ones
were carried out. Social messages have no number: they are held only while there is nobody to hear them.
"""

from collections import deque

from mesh.errors import LocalProtocolError
from mesh.protocol import play
from mesh.protocol.catalogue import number_in, number_of

__all__ = ["BOUND", "HELD_MAX", "RESEND_MAX", "Outbox"]

RESEND_MAX = 256
"""Play messages kept for a resume; the oldest are forgotten first, as the scene refuses to look back further."""
HELD_MAX = 64
"""Social messages that wait; one more is an error of the caller."""

BOUND = frozenset(
    number_of(kind)
    for kind in (
        play.Attack, play.Loot, play.InviteTrade, play.AcceptTrade, play.OfferTrade, play.ConfirmTrade,
        play.CancelTrade, play.WriteMail,
    )
)  # fmt: skip
"""Messages that name something of the place where they were said: elsewhere they would mean something else. And a
mail, which somebody who starts anew would not know to be sent already."""

Numbered = tuple[int, bytes]


class Outbox:
    """See the module."""

    __slots__ = ("_held", "_kept", "_waiting", "sent")

    def __init__(self) -> None:
        self.sent = 0  # the highest play sequence
        self._kept: deque[Numbered] = deque(maxlen=RESEND_MAX)
        self._waiting = 0  # of the kept ones: how many were not sent at all
        self._held: list[bytes] | None = None  # social messages; a list while they have to wait

    @property
    def holds(self) -> bool:
        return self._held is not None

    def play(self, body: bytes, is_sent: bool) -> int:
        """The number of a play message; `is_sent`: it goes out at once."""
        if self._waiting >= RESEND_MAX:
            raise LocalProtocolError(f"{RESEND_MAX} messages wait already")
        self.sent += 1
        self._kept.append((self.sent, body))
        self._waiting += not is_sent
        return self.sent

    def again(self, processed: int, dropped: frozenset[int]) -> tuple[list[Numbered], list[int]]:
        """Entered has come: what is to be sent now, and the numbers of what is not sent any more, because it is one of
        the `dropped` kinds."""
        kept = [(number, body) for number, body in self._kept if number > processed]
        lost = [number for number, body in kept if number_in(body) in dropped]
        left = [(number, body) for number, body in kept if number_in(body) not in dropped] if lost else kept
        self._keep(left)
        return left, lost

    def heard_of(self, number: int) -> None:
        """This one was carried out, or refused where that is done: so were all before it."""
        while self._kept and self._kept[0][0] <= number <= self.sent:
            self._kept.popleft()

    def begin_anew(self) -> list[int]:
        """The scene was lost: the numbers of what was sent to it. Whether that was carried out nobody knows, so it is
        not sent again; what was not sent yet still waits for `again`."""
        sent = len(self._kept) - self._waiting
        numbers = [number for number, _ in self._kept]
        self._keep(list(self._kept)[sent:])
        return numbers[:sent]

    def _keep(self, kept: list[Numbered]) -> None:
        self._kept.clear()
        self._kept.extend(kept)
        self._waiting = 0

    def hold(self) -> None:
        """Social messages have to wait from now on."""
        if self._held is None:
            self._held = []

    def social(self, frame: bytes) -> None:
        """One more that waits."""
        self.hold()
        assert self._held is not None
        if len(self._held) >= HELD_MAX:
            raise LocalProtocolError(f"{HELD_MAX} messages wait already")
        self._held.append(frame)

    def release(self) -> list[bytes]:
        """They wait no more: these are to be sent."""
        held, self._held = self._held or [], None
        return held

    def forget(self) -> None:
        """Another session begins."""
        self.sent = self._waiting = 0
        self._kept.clear()
        self._held = None
