"""Who of the players here may not speak, as the center says, and what counts as speaking.

Owns nothing: the mute is the session's, came with its status and goes along with it. Mails are the DC's to refuse
(`nodes/dc/mails.py`), channels the center's.
"""

from collections.abc import Callable

from mesh.handlers import on
from mesh.mutes import newer, refuse_muted
from mesh.node import Caller
from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.placement import MuteChanged
from nodes.scene.sessions import Session, Sessions

GESTURE_MAX = 24
"""Characters of an emote. One that is longer, or more than one word, can be read as something that is said."""


class Muting:
    """`wall` is the wall clock, by which a mute ends."""

    def __init__(self, sessions: Sessions, wall: Callable[[], float]) -> None:
        self._sessions, self._wall = sessions, wall

    @on(MuteChanged)
    def on_mute_changed(self, said: MuteChanged, _caller: Caller) -> None:
        session = self._sessions.find(said.session)
        if session is not None:
            session.mute = newer(session.mute, said.mute)

    def check(self, session: Session, said: Message) -> None:
        """RefusedError when these are words, and this player may not speak."""
        if isinstance(said, play.Say) or (isinstance(said, play.Emote) and not is_gesture(said.kind)):
            refuse_muted(session.mute, self._wall())


def is_gesture(kind: str) -> bool:
    """ "wave", "bow_low" """
    return len(kind) <= GESTURE_MAX and all(char.isalnum() or char in "_-" for char in kind)
