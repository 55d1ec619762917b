"""Which wishes of a player were carried out, by the player's own numbers, so that none is when it is said again.

An operation has a number of its scene; when that scene is lost, so is which message of a client it was for. A client
that says again what nobody answered would be given another number by the next scene. So an operation may name the
number that the client gave its message (`Operate.asked`, unique in the session), and what was carried out is written
down in the same transaction: a bit for each of the last WINDOW numbers, in the row of the account's mailbox, since
mails are what it is for. Rejected: the highest number alone, by which a mail that was refused would seem to be sent as
soon as a later one is. Pure.

Only the newest session counts: whoever logs in again has nothing to say again.
"""

from msgspec.structs import replace

from mesh.errors import Code, RefusedError
from mesh.protocol.sessions import account_of
from nodes.dc.mails import box_of
from nodes.dc.records import MAILBOXES
from nodes.dc.view import Readable, View

WINDOW = 256  # as many messages as a client keeps to say them again
_BYTES = WINDOW // 8
_ALL = (1 << WINDOW) - 1


def was_carried_out(view: Readable, session: int, number: int) -> bool:
    """`op_too_old` when nobody knows any more."""
    newest, done = _known(view, session)
    if newest - number >= WINDOW:
        raise RefusedError(Code.OP_TOO_OLD, f"message {number} is out of the window")
    return number <= newest and bool(done >> (newest - number) & 1)


def note(view: View, session: int, number: int) -> None:
    """It is carried out in this transaction."""
    newest, done = _known(view, session)
    if number > newest:
        done, newest = done << min(number - newest, WINDOW), number
    packed = ((done | 1 << (newest - number)) & _ALL).to_bytes(_BYTES, "little")
    account = account_of(session)
    view.put(MAILBOXES, account, replace(box_of(view, account), session=session, newest=newest, done=packed))


def _known(view: Readable, session: int) -> tuple[int, int]:
    """The highest number of this session that was carried out, and a bit for it and each one before."""
    row = box_of(view, account_of(session))
    return (row.newest, int.from_bytes(row.done, "little")) if row.session == session else (0, 0)
