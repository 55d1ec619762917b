"""What a client says to its scene and its center: numbered, kept for a resume, held back while it has to wait. Pure.

Play messages are numbered within the session and kept, the last RESEND_MAX of them, until an Entered says which ones
were carried out. Those that are carried out once whatever scene hears them (ONCE) are kept until they are answered.
Social messages have no number: they are held only while there is nobody to hear them.
"""

from collections import deque

from mesh.errors import LocalProtocolError
from mesh.protocol import play
from mesh.protocol.catalogue import encode, number_in, number_of

__all__ = ["BOUND", "HELD_MAX", "RESEND_MAX", "Answer", "Outbox"]

RESEND_MAX = 256
"""Play messages kept for a resume; the oldest are forgotten first, as the scene refuses to look back further."""
HELD_MAX = 64
"""Social messages that wait; one more is an error of the caller."""

_CONFIRM = number_of(play.ConfirmTrade)

BOUND = frozenset(
    number_of(kind)
    for kind in (
        play.Attack, play.Loot, play.InviteTrade, play.AcceptTrade, play.OfferTrade, play.ConfirmTrade,
        play.CancelTrade,
    )
)  # fmt: skip
"""Messages that name something of the place where they were said: elsewhere they would mean something else."""
ONCE = frozenset(number_of(kind) for kind in (play.WriteMail, play.TakeMail))
"""Messages that may be said again to a scene that knows nothing of them: by their number the DC knows what was done."""

LATER = frozenset(number_of(kind) for kind in (play.Loot, play.ConfirmTrade))
"""Messages whose answer comes when it is on disk, and without their number: later ones may be answered before."""

Answer = play.PlayDenied | play.MailWritten | play.MailTaken | play.Looted | play.TradeDone | play.TradeClosed
"""What a scene says of such messages."""

Numbered = tuple[int, bytes]


class Outbox:
    """See the module."""

    __slots__ = ("_held", "_kept", "_later", "_once", "_waiting", "sent")

    def __init__(self) -> None:
        self.sent = 0  # the highest play sequence
        self._kept: deque[Numbered] = deque(maxlen=RESEND_MAX)
        self._once: dict[int, bytes] = {}  # those of ONCE that nobody has answered; as many as are kept
        self._later: dict[int, bytes] = {}  # those of LATER that nobody has answered; as many as are kept
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
        kind = number_in(body)
        if kind in ONCE:
            _note(self._once, self.sent, body)
        elif kind in LATER:
            _note(self._later, self.sent, body)
        return self.sent

    def again(self, processed: int, dropped: frozenset[int]) -> tuple[list[Numbered], list[int]]:
        """Entered has come: what is to be sent now, and the numbers of what is not sent any more, because it is one of
        the `dropped` kinds."""
        kept = [(number, body) for number, body in self._kept if number > processed]
        lost = [number for number, body in kept if number_in(body) in dropped]
        left = [(number, body) for number, body in kept if number_in(body) not in dropped] if lost else kept
        self._keep(left)
        for number in lost:
            self._once.pop(number, None)
            self._later.pop(number, None)
        return left, lost

    def answered(self, said: Answer) -> None:
        """The scene has said what came of something."""
        match said:
            case play.PlayDenied(sequence=number) | play.MailWritten(sequence=number) | play.MailTaken(sequence=number):
                self._heard_of(number)
            case play.Looted(corpse=corpse):
                over = encode(play.Loot(corpse))
                self._later = {number: body for number, body in self._later.items() if body != over}
            case play.TradeDone() | play.TradeClosed():  # a player is in one at a time
                self._later = {number: body for number, body in self._later.items() if number_in(body) != _CONFIRM}

    def _heard_of(self, number: int) -> None:
        """This one was carried out, or refused where that is done: so were all before it, or they are under way."""
        self._once.pop(number, None)
        self._later.pop(number, None)
        while self._kept and self._kept[0][0] <= number <= self.sent:
            self._kept.popleft()

    def begin_anew(self, once: bool) -> list[int]:
        """The scene was lost: the numbers of what was sent to it and is not sent again, since nobody knows whether it
        was carried out. What was not sent yet still waits for `again`, and with `once` what nobody answered of ONCE:
        the newest, as many as there is room for."""
        sent = len(self._kept) - self._waiting
        said, waiting = list(self._kept)[:sent], list(self._kept)[sent:]
        following = waiting[0][0] if waiting else self.sent + 1
        again = [one for one in self._once.items() if one[0] < following]
        lost = {number for number, body in said if number_in(body) not in LATER} | {number for number, _ in again}
        lost |= {number for number in self._later if number < following}
        if once:
            again = again[max(0, len(again) + len(waiting) - RESEND_MAX) :]
            lost -= {number for number, _ in again}
        self._keep([*again, *waiting] if once else waiting)
        self._once = {number: body for number, body in self._once.items() if number not in lost}
        self._later = {number: body for number, body in self._later.items() if number not in lost}
        return sorted(lost)

    def abandon(self) -> list[int]:
        """The session is over: the numbers of what nobody has answered, sent or not."""
        lost = {number for number, _ in self._kept} | self._once.keys() | self._later.keys()
        self._keep([])
        self._once.clear()
        self._later.clear()
        return sorted(lost)

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
        self._later.clear()
        self._once.clear()
        self._held = None


def _note(kept: dict[int, bytes], number: int, body: bytes) -> None:
    kept[number] = body
    if len(kept) > RESEND_MAX:
        del kept[min(kept)]
